"""Amazon EKS's clusters: which there are, and the way into each, for :mod:`careen.pins.kubernetes`."""

import base64
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import Session
from botocore.signers import RequestSigner
from lightkube import KubeConfig
from lightkube.config.kubeconfig import SingleConfig

from careen.pins import kubernetes
from careen.pins.sighting import Watcher

_EXPIRES = 60
"""Seconds in which a token must reach the cluster; it is good for fifteen minutes from then on (aws-iam-authenticator)."""


def look(client: Any, session: Session, consumers: str, seen: Watcher) -> None:
    """Look through all clusters of an account.

    Args:
        client: botocore's, of EKS.
        session: with the credentials that clusters know us by.
        consumers: what the names of consumers begin with, such as ``eks/123456789012/eu-west-1``.
        seen: where to note what is there, and what could not be listed.
    """
    for name in _clusters(client, seen):
        try:
            cluster = client.describe_cluster(name=name)["cluster"]
            if cluster.get("status") not in {"ACTIVE", "UPDATING"}:
                continue
            configured = configuration(cluster, token(session, client.meta.region_name, name))
        except (ClientError, BotoCoreError) as error:
            seen.miss(f"cluster {name}", error)
            continue
        kubernetes.look(configured, f"{consumers}/{name}", seen)


def configuration(cluster: dict[str, Any], bearer: str) -> SingleConfig:
    """The way into a cluster.

    Args:
        cluster: as DescribeCluster answers.
        bearer: what it knows us by.
    """
    name = cluster["name"]
    configured = KubeConfig.from_dict(
        {
            "clusters": [
                {
                    "name": name,
                    "cluster": {
                        "server": cluster["endpoint"],
                        "certificate-authority-data": cluster["certificateAuthority"]["data"],
                    },
                }
            ],
            "users": [{"name": name, "user": {"token": bearer}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    ).get()
    assert configured is not None  # noqa: S101 - it has the context that was just made
    return configured


def token(session: Session, region: str, cluster: str) -> str:
    """What `aws eks get-token` prints: a signed question to STS who we are, which the cluster asks."""
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    sts = session.create_client("sts", region)
    signer = RequestSigner(
        sts.meta.service_model.service_id,
        region,
        "sts",
        "v4",
        credentials,
        session.get_component("event_emitter"),
    )
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        operation_name="",
        expires_in=_EXPIRES,
        region_name=region,
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def _clusters(client: Any, seen: Watcher) -> Iterator[str]:
    try:
        for page in client.get_paginator("list_clusters").paginate():
            yield from page["clusters"]
    except (ClientError, BotoCoreError) as error:
        seen.miss("clusters", error)
