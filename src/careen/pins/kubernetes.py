"""What runs in a Kubernetes cluster, and what would run after a rollback or at the next turn of a CronJob.

Running pods tell the digest that their node really pulled (``status.containerStatuses[].imageID``). What has no pod now is
told by its template: ReplicaSets of the last revisions, StatefulSets and DaemonSets, CronJobs.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG, SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.resources.apps_v1 import DaemonSet, ReplicaSet, StatefulSet
from lightkube.resources.batch_v1 import CronJob
from lightkube.resources.core_v1 import Pod

from careen.pins import reference
from careen.pins.sighting import Watcher

PAGE = 500
"""Objects in one answer, as kubectl asks for them."""

EVERY_NAMESPACE = "*"

_REVISION = "deployment.kubernetes.io/revision"
_ENDED = {"Succeeded", "Failed"}
"""Phases that a pod never leaves: its containers are not started again."""


class NoCluster(Exception):
    """No configuration leads to a cluster. The message says why."""


def configuration(context: str | None) -> SingleConfig:
    """The cluster of a context of kubeconfig; without one the cluster that this runs in, else the current context.

    Raises:
        NoCluster: there is none.
    """
    try:
        if context is None:
            configured = KubeConfig.from_env()
        else:
            configured = KubeConfig.from_file(os.environ.get("KUBECONFIG", DEFAULT_KUBECONFIG))
        found = configured.get(context_name=context)
    except ConfigError as error:
        raise NoCluster(str(error)) from None
    if found is None or found.user is None:
        raise NoCluster("the configuration names no user")
    return found


def look(
    configured: SingleConfig,
    consumers: str,
    seen: Watcher,
    *,
    namespaces: Sequence[str] = (),
    revisions: int = 3,
) -> None:
    """Look through a cluster.

    Args:
        configured: how to reach it.
        consumers: what the names of consumers begin with, such as ``kubernetes/prod``.
        seen: where to note what is there, and what could not be listed.
        namespaces: where to look; everywhere if there are none.
        revisions: how many of the latest ReplicaSets of a Deployment count, the current one among them.
    """
    try:
        client = Client(configured)
    except (ConfigError, OSError, ValueError) as error:  # a certificate or an address that is none
        seen.miss("the cluster", error)
        return
    with client:
        for namespace in namespaces or (EVERY_NAMESPACE,):
            _look_at(client, namespace, consumers, seen, revisions)


def _look_at(client: Client, namespace: str, consumers: str, seen: Watcher, revisions: int) -> None:
    for pod in _listed(client, Pod, namespace, seen):
        _see_pod(pod, consumers, seen)
    for kind, found in (
        ("replicaset", _latest(_listed(client, ReplicaSet, namespace, seen), revisions)),
        ("statefulset", _listed(client, StatefulSet, namespace, seen)),
        ("daemonset", _listed(client, DaemonSet, namespace, seen)),
    ):
        for each in found:
            _see_spec(each.spec.template.spec, _consumer(consumers, each, kind), seen, {})
    for each in _listed(client, CronJob, namespace, seen):
        _see_spec(each.spec.jobTemplate.spec.template.spec, _consumer(consumers, each, "cronjob"), seen, {})


def _listed(client: Client, kind: Any, namespace: str, seen: Watcher) -> Iterator[Any]:
    """Everything of a kind, page by page; what went wrong is noted, and what came before it counts."""
    try:
        yield from client.list(kind, namespace=namespace, chunk_size=PAGE)
    except (ApiError, ConfigError, httpx2.HTTPError) as error:
        where = "any namespace" if namespace == EVERY_NAMESPACE else f"namespace {namespace}"
        seen.miss(f"{kind.__name__} in {where}", error)


def _latest(found: Iterable[Any], revisions: int) -> list[Any]:
    """Of every Deployment the latest ReplicaSets, besides those that have pods; all that are nobody's."""
    owned: defaultdict[str, list[Any]] = defaultdict(list)
    latest = []
    for each in found:
        owner = next((owner for owner in each.metadata.ownerReferences or () if owner.controller), None)
        if owner is None or each.spec.replicas:
            latest.append(each)
        if owner is not None:
            owned[owner.uid].append(each)
    for revised in owned.values():
        latest += sorted(revised, key=_revision, reverse=True)[:revisions]
    return latest


def _revision(of: Any) -> int:
    text = (of.metadata.annotations or {}).get(_REVISION, "")
    return int(text) if text.isdecimal() else 0


def _see_pod(pod: Any, consumers: str, seen: Watcher) -> None:
    status = pod.status
    if status is not None and status.phase in _ENDED:
        return
    running: dict[str, str] = {}
    if status is not None:
        for each in (
            *(status.containerStatuses or ()),
            *(status.initContainerStatuses or ()),
            *(status.ephemeralContainerStatuses or ()),
        ):
            if each.imageID:
                running[each.name] = each.imageID
    _see_spec(pod.spec, _consumer(consumers, pod), seen, running)


def _see_spec(spec: Any, consumer: str, seen: Watcher, running: dict[str, str]) -> None:
    """Note the images of containers of all sorts, and those that are mounted as volumes.

    Args:
        spec: a pod's, or a template's.
        consumer: whose it is.
        seen: where to note them.
        running: by the name of a container, the image that its node says it runs.
    """
    for container in (
        *(spec.containers or ()),
        *(spec.initContainers or ()),
        *(spec.ephemeralContainers or ()),
    ):
        if container.image:
            # Of what the node says only the digest counts: it may name another repository that has the same image.
            found = reference.parse(running.get(container.name, ""))
            seen.see(container.image, consumer, None if found is None else found.digest)
    for volume in spec.volumes or ():
        if volume.image is not None and volume.image.reference:
            seen.see(volume.image.reference, consumer)


def _consumer(consumers: str, of: Any, kind: str | None = None) -> str:
    """``kubernetes/prod/shop/web-7f9c``, ``kubernetes/prod/shop/cronjob/report``."""
    return "/".join(filter(None, (consumers, of.metadata.namespace, kind, of.metadata.name)))
