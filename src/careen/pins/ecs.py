"""What runs on Amazon ECS: tasks with the digests they run, services with what they would start next or go back to."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from careen.pins.sighting import Watcher

MOST_SERVICES = 10
MOST_TASKS = 100
MOST_SERVICE_REVISIONS = 20
"""How many ECS describes in one call."""

PAGE = 100
"""How many revisions of a task definition it lists in one."""


def look(
    client: Any, consumers: str, seen: Watcher, *, clusters: Sequence[str] = (), revisions: int = 3
) -> None:
    """Look through an account's clusters.

    Args:
        client: botocore's, of ECS.
        consumers: what the names of consumers begin with, such as ``ecs/123456789012/eu-west-1``.
        seen: where to note what is there, and what could not be listed.
        clusters: names or ARNs; all if there are none.
        revisions: how many of the latest active revisions of a service's task definition count, besides those in use.
    """
    found = _Account(client, consumers, seen, revisions)
    for cluster in clusters or found.clusters:
        found.look_at(cluster)


class _Account:
    """One way through an account, that asks for each task definition once."""

    def __init__(self, client: Any, consumers: str, seen: Watcher, revisions: int) -> None:
        self._client, self._consumers, self._seen, self._revisions = client, consumers, seen, revisions
        self._images: dict[str, Sequence[str]] = {}

    @cached_property
    def clusters(self) -> Sequence[str]:
        return list(self._pages("list_clusters", "clusterArns", "the clusters"))

    def look_at(self, cluster: str) -> None:
        name = cluster.rpartition("/")[2]
        services = self._pages("list_services", "serviceArns", f"services of {name}", cluster=cluster)
        for some in _batches(services, MOST_SERVICES):
            for service in self._described("services", name, cluster=cluster, services=some):
                self._see_service(f"{self._consumers}/{name}/{service['serviceName']}", service)
        tasks = self._pages("list_tasks", "taskArns", f"tasks of {name}", cluster=cluster)
        for some in _batches(tasks, MOST_TASKS):
            for task in self._described("tasks", name, cluster=cluster, tasks=some):
                consumer = f"{self._consumers}/{name}/{_group(task)}"
                for container in task.get("containers", ()):
                    if "image" in container:
                        self._seen.see(container["image"], consumer, container.get("imageDigest"))
                self._see_definition(task["taskDefinitionArn"], consumer)

    def _see_service(self, consumer: str, service: dict[str, Any]) -> None:
        sets = (*service.get("deployments", ()), *service.get("taskSets", ()))
        used = {each["taskDefinition"] for each in (service, *sets) if "taskDefinition" in each}
        earlier = [each for arn in used for each in self._revisions_of(arn)]
        for arn in sorted(used.union(earlier)):
            self._see_definition(arn, consumer)
        # A deployment resolves its tags once: whatever they mean by now, its next task is started from this digest.
        current = (each["arn"] for each in service.get("currentServiceRevisions", ()))
        for some in _batches(current, MOST_SERVICE_REVISIONS):
            for revision in self._described(
                "service_revisions", service["serviceName"], serviceRevisionArns=some
            ):
                for each in revision.get("containerImages", ()):
                    self._seen.see(each["image"], consumer, each.get("imageDigest"))

    def _revisions_of(self, arn: str) -> Sequence[str]:
        family = _family_of(arn)
        listed = self._pages(
            "list_task_definitions",
            "taskDefinitionArns",
            f"revisions of {family}",
            familyPrefix=family,
            status="ACTIVE",
            sort="DESC",
        )
        latest = islice((each for each in listed if _family_of(each) == family), PAGE)
        return sorted(latest, key=_revision_of, reverse=True)[: self._revisions]

    def _see_definition(self, arn: str, consumer: str) -> None:
        if arn not in self._images:
            try:
                found = self._client.describe_task_definition(taskDefinition=arn)["taskDefinition"]
            except (ClientError, BotoCoreError) as error:
                self._seen.miss(f"task definition {arn}", error)
                found = {"containerDefinitions": []}
            self._images[arn] = [each["image"] for each in found["containerDefinitions"] if "image" in each]
        for image in self._images[arn]:
            self._seen.see(image, consumer)

    def _pages(self, operation: str, key: str, what: str, **parameters: Any) -> Iterator[str]:
        try:
            for page in self._client.get_paginator(operation).paginate(**parameters):
                yield from page[key]
        except (ClientError, BotoCoreError) as error:
            self._seen.miss(what, error)

    def _described(self, what: str, name: str, **parameters: Any) -> Iterable[dict[str, Any]]:
        try:
            answer = getattr(self._client, f"describe_{what}")(**parameters)
        except (ClientError, BotoCoreError) as error:
            self._seen.miss(f"{what} of {name}", error)
            return []
        # What ended since it was listed is MISSING, and no loss; anything else is something nobody has seen.
        for each in answer.get("failures", ()):
            if each.get("reason") != "MISSING":
                self._seen.miss(f"{what} of {name}: {each.get('arn')}", str(each.get("reason")))
        found: list[dict[str, Any]] = answer["serviceRevisions" if what == "service_revisions" else what]
        return found


def _family_of(arn: str) -> str:
    return arn.rpartition("/")[2].rpartition(":")[0]


def _revision_of(arn: str) -> int:
    return int(arn.rpartition(":")[2])


def _group(task: dict[str, Any]) -> str:
    """The service that a task is of, or what it was started as."""
    group: str = task.get("group", "task")
    return group.partition(":")[2] or group


def _batches(of: Iterator[str], size: int) -> Iterator[list[str]]:
    while some := list(islice(of, size)):
        yield some
