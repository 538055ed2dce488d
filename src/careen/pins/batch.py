"""What AWS Batch may start at any time: the images of every active job definition."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from careen.pins.sighting import Watcher


def look(client: Any, consumers: str, seen: Watcher) -> None:
    """Look through an account's job definitions.

    Args:
        client: botocore's, of Batch.
        consumers: what the names of consumers begin with, such as ``batch/123456789012/eu-west-1``.
        seen: where to note what is there, and what could not be read.
    """
    try:
        for page in client.get_paginator("describe_job_definitions").paginate(status="ACTIVE"):
            for each in page["jobDefinitions"]:
                for image in _images(each):
                    seen.see(image, f"{consumers}/{each['jobDefinitionName']}:{each['revision']}")
    except (ClientError, BotoCoreError) as error:
        seen.miss("job definitions", error)


def _images(definition: dict[str, Any]) -> Iterator[str]:
    """Of a definition in whichever of Batch's forms: for containers, for several nodes, for tasks of ECS, for pods of EKS."""
    parts = [
        definition,
        *definition.get("nodeProperties", {}).get("nodeRangeProperties", ()),
    ]
    for part in parts:
        containers = [part.get("containerProperties"), part.get("container")]
        for task in part.get("ecsProperties", {}).get("taskProperties", ()):
            containers += task.get("containers", ())
        pod = part.get("eksProperties", {}).get("podProperties", {})
        containers += [*pod.get("containers", ()), *pod.get("initContainers", ())]
        yield from (each["image"] for each in containers if each and "image" in each)
