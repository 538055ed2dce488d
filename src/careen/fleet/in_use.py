"""What runs: the feeds of :mod:`careen.pins`, asked in every account and Region of a fleet.

A feed that is denied is a refusal with the permission it lacks, and the others are asked all the same. Workloads name images by the
host of their registry, so what was seen is sorted to the registries of the fleet once their hosts are known.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from careen.fleet import clients
from careen.fleet.errors import Denied, FleetError
from careen.fleet.scanned import Refusal, Target, Use
from careen.fleet.targets import Fleet
from careen.pins import apprunner, batch, ecs, functions, reference, sighting

AWS = ("ecs", "lambda", "eks", "apprunner", "batch")
"""Whom to ask in an account."""

KUBERNETES = "kubernetes"

_AMAZON = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)"
)
"""The hosts of Amazon's registries, dual-stack ones too (ECR user guide, "Making requests")."""


class _Named(NamedTuple):
    """An image as a workload names it."""

    reference: reference.Reference
    consumer: str
    running: str | None


class Seen:
    """What one feed sees in one place: a :class:`careen.pins.sighting.Watcher`.

    Args:
        kind: the feed, ``ecs``.
        target: the account and Region; None for a cluster of kubeconfig.
        prefix: of permissions, ``ecs``.
    """

    def __init__(self, kind: str, target: Target | None, prefix: str = "") -> None:
        self.kind = kind
        self.named: dict[_Named, None] = {}
        self.refusals: dict[Refusal, None] = {}
        self._target, self._prefix = target, prefix

    def see(self, image: str, consumer: str, running: str | None = None) -> None:
        """Note an image; what has no host is Docker Hub's."""
        found = reference.parse(image)
        if found is not None and found.host is not None:
            self.named[_Named(found, consumer, running)] = None

    def miss(self, what: str, why: Exception | str) -> None:
        """Note what could not be seen."""
        error = why
        if isinstance(why, (BotoCoreError, ClientError, ResponseParserError)):
            error = clients.as_fleet_error(why, self._prefix)
        account, region = (self._target.account, self._target.region) if self._target else (None, None)
        permission = error.permission if isinstance(error, Denied) else None
        self.refusals[Refusal(f"{self.kind}: {what}: {error}", account, region, permission=permission)] = None


def kinds(fleet: Fleet, target: Target, wanted: Collection[str]) -> list[str]:
    """Which feeds to ask in a target.

    Those that its Region has. Where ECR's endpoint is configured to be another server than Amazon's, Amazon's other services know
    nothing of it: then those whose endpoints are configured, too.

    Raises:
        FleetError: the target is not reached.
    """
    session = fleet.connection(target).session
    registry = fleet.client(target, "ecr").meta.endpoint_url
    found = []
    for kind in wanted:
        is_known = target.region in session.get_available_regions("ecr", fleet.connection(target).partition)
        if is_known and target.region not in session.get_available_regions(
            kind, fleet.connection(target).partition
        ):
            continue
        if is_amazons(registry) or not is_amazons(fleet.client(target, kind).meta.endpoint_url):
            found.append(kind)
    return found


def is_amazons(endpoint: str) -> bool:
    """Whether an address is one of AWS's own."""
    host = endpoint.partition("://")[2].partition("/")[0].partition(":")[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".aws"))


def look(fleet: Fleet, target: Target, kind: str) -> Seen:
    """Ask one feed in one account and Region."""
    seen = Seen(kind, target, kind)
    consumers = f"{kind}/{target.account}/{target.region}"
    try:
        client = fleet.client(target, kind)
        match kind:
            case "ecs":
                ecs.look(client, consumers, seen)
                _families(client, consumers, seen)
            case "lambda":
                functions.look(client, consumers, seen)
            case "apprunner":
                apprunner.look(client, consumers, seen)
            case "batch":
                batch.look(client, consumers, seen)
            case _:
                _clusters(fleet, target, client, consumers, seen)
    except (FleetError, ResponseParserError) as error:
        seen.miss("nothing seen", error)
    return seen


def look_at_cluster(context: str) -> Seen:
    """Ask the Kubernetes cluster of a context of kubeconfig."""
    seen = Seen(KUBERNETES, None)
    try:
        from careen.pins import kubernetes  # noqa: PLC0415 - it needs lightkube, which is an extra
    except ImportError:
        seen.miss(context, "lightkube is not installed: pip install 'careen[kubernetes]'")
        return seen
    try:
        configured = kubernetes.configuration(context)
    except kubernetes.NoCluster as error:
        seen.miss(context, error)
        return seen
    kubernetes.look(configured, f"{KUBERNETES}/{context}", seen)
    return seen


def _clusters(fleet: Fleet, target: Target, client: Any, consumers: str, seen: Seen) -> None:
    try:
        from careen.pins import eks  # noqa: PLC0415 - it needs lightkube, which is an extra
    except ImportError:
        listed = clients.call(client, "list_clusters")["clusters"]
        if listed:
            seen.miss(
                f"{len(listed)} clusters", "lightkube is not installed: pip install 'careen[kubernetes]'"
            )
        return
    eks.look(client, fleet.connection(target).session, consumers, seen)


def _families(client: Any, consumers: str, seen: Seen) -> None:
    """Task definitions that no service has: a schedule or a person starts the latest revision at any time."""
    try:
        pages = client.get_paginator("list_task_definition_families").paginate(status="ACTIVE")
        families = [family for page in pages for family in page["families"]]
    except (ClientError, BotoCoreError) as error:
        seen.miss("task definitions", error)
        return
    for family in families:
        try:
            found = client.describe_task_definition(taskDefinition=family)["taskDefinition"]
        except (ClientError, BotoCoreError) as error:
            seen.miss(f"task definition {family}", error)
            continue
        for container in found["containerDefinitions"]:
            if "image" in container:
                seen.see(container["image"], f"{consumers}/task-definition/{family}")


def sort(
    seen: Iterable[Seen],
    targets: Collection[Target],
    hosts: Mapping[str, Collection[Target]],
    aliases: Collection[str],
) -> Iterator[Use]:
    """The uses of images that are in the fleet's registries.

    Args:
        seen: what feeds saw.
        targets: the registries.
        hosts: their hosts, as the URIs of their repositories have them.
        aliases: patterns of further hosts, which stand for any of them: of a proxy, of a name of one's own.
    """
    registries = {(each.account, each.region) for each in targets}
    for each in seen:
        for named in each.named:
            host = named.reference.host or ""
            amazon = _AMAZON.fullmatch(host)
            places: Iterable[tuple[str | None, str | None]]
            if amazon is not None:
                places = registries & {(amazon["account"], amazon["region"])}
            else:
                places = {(target.account, target.region) for target in hosts.get(host, ())}
            if not places and any(fnmatchcase(host, alias) for alias in aliases):
                places = {(None, None)}
            for account, region in places:
                for use in sighting.uses_of(named.reference, named.consumer, named.running):
                    yield Use(use.repository, use.consumer, each.kind, use.tag, use.digest, account, region)
