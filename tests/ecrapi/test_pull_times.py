"""Whose pulls count: the exclusions of ECR's API, and what they do to a pull time."""

import json
import time
import urllib.request
from base64 import b64encode
from typing import Any

from tests.ecrapi.client import push, refusal
from tests.images import image
from tests.server import ACCESS_KEY_ID, REGISTRY_ID, SECRET_ACCESS_KEY, Server
from tests.waiting import until


def pull(server: Server, repository: str, tag: str, agent: str) -> None:
    """GET a manifest as a client of that name does."""
    credentials = b64encode(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{server.url}/v2/{repository}/manifests/{tag}",
        headers={"Authorization": f"Basic {credentials}", "User-Agent": agent},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
        json.load(answer)


def is_pulled(ecr: Any, repository: str) -> bool:
    """Whether its only image has a pull time."""
    [detail] = ecr.describe_images(repositoryName=repository)["imageDetails"]
    return "lastRecordedPullTime" in detail


def test_a_scan_is_no_pull(server: Server, ecr: Any, repository: str) -> None:
    """A scanner's GET leaves no pull time; anybody else's does."""
    push(ecr, repository, image("app"), "v1")
    pull(server, repository, "v1", "trivy/0.57.0")
    time.sleep(7)  # pull times are written every few seconds
    assert not is_pulled(ecr, repository)
    pull(server, repository, "v1", "docker/28.1")
    until(lambda: is_pulled(ecr, repository), "no pull time shows up")


def test_exclusions_come_and_go(ecr: Any) -> None:
    """Register answers the principal and when; twice is refused; so is taking off what is not on the list."""
    arn = f"arn:aws:iam::{REGISTRY_ID}:user/inspector"
    made = ecr.register_pull_time_update_exclusion(principalArn=arn)
    assert made["principalArn"] == arn
    assert made["createdAt"].year >= 2026
    assert arn in ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"]
    assert (
        refusal(ecr.register_pull_time_update_exclusion, principalArn=arn).code
        == "ExclusionAlreadyExistsException"
    )
    assert ecr.deregister_pull_time_update_exclusion(principalArn=arn)["principalArn"] == arn
    assert (
        refusal(ecr.deregister_pull_time_update_exclusion, principalArn=arn).code
        == "ExclusionNotFoundException"
    )
    assert arn not in ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"]
