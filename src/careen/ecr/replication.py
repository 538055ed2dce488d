"""A registry's replication configuration: rules that say which repositories are copied where (ECR user guide, "replication").

The service model's constraints (lengths, patterns, 25 rules) are checked where every request is read; here are those that are
about the document as a whole.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from careen.ecr.errors import InvalidParameter

MAX_RULES = 10
"""Amazon ECR's quota (user guide, "Considerations for private image replication"); the service model would take 25."""

MAX_DESTINATIONS = 25
"""Unique destinations in all rules together: the same page."""


class Destination(msgspec.Struct, frozen=True, rename="camel", order=True):
    """Another registry: a Region and an account."""

    region: str
    registry_id: str

    def __str__(self) -> str:
        """``eu-west-1/123456789012``."""
        return f"{self.region}/{self.registry_id}"


class Filter(msgspec.Struct, frozen=True, rename="camel"):
    """Repositories whose names begin so."""

    filter: str
    filter_type: str


class DeleteReplication(msgspec.Struct, frozen=True):
    """Whether what is deleted here is deleted there."""

    enabled: bool


class Rule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which repositories go where."""

    destinations: tuple[Destination, ...]
    repository_filters: tuple[Filter, ...] | None = None
    """None: every repository."""
    delete_replication: DeleteReplication | None = None

    @property
    def deletes(self) -> bool:
        """Whether deletions are replicated, too."""
        return self.delete_replication is not None and self.delete_replication.enabled

    def matches(self, repository: str) -> bool:
        """Whether the rule is about a repository."""
        filters = self.repository_filters
        return filters is None or any(repository.startswith(each.filter) for each in filters)


class Configuration(msgspec.Struct, frozen=True):
    """The document."""

    rules: tuple[Rule, ...] = ()


class Route(NamedTuple):
    """Where a repository is replicated to."""

    destination: Destination
    deletes: bool
    """Whether deletions follow; one rule that says so is enough."""


NOTHING = Configuration()
"""What a registry has before somebody configures it."""


def read(text: str) -> Configuration:
    """The configuration that :func:`write` wrote."""
    return msgspec.json.decode(text, type=Configuration)


def write(configuration: Configuration) -> str:
    """As text, for a row."""
    return msgspec.json.encode(configuration).decode()


def checked(document: dict[str, Any], region: str, registry_id: str) -> Configuration:
    """A configuration as a request has it.

    Args:
        document: ``replicationConfiguration``, valid by the service model.
        region: this registry's Region.
        registry_id: its id.

    Raises:
        careen.ecr.errors.InvalidParameter: too many rules or destinations, or this registry is one of them. That sentence is
            Amazon's (observed by moto's authors), the others are ours.
    """
    configuration = msgspec.convert(document, Configuration)
    if len(configuration.rules) > MAX_RULES:
        raise _invalid(f"Replication configuration can have at most {MAX_RULES} rules")
    destinations = every_destination(configuration)
    if len(destinations) > MAX_DESTINATIONS:
        raise _invalid(f"Replication configuration can have at most {MAX_DESTINATIONS} unique destinations")
    if Destination(region, registry_id) in destinations:
        raise _invalid("Replication destination cannot be the same as the source registry")
    return configuration


def every_destination(configuration: Configuration) -> list[Destination]:
    """All destinations, each once, sorted."""
    return sorted({each for rule in configuration.rules for each in rule.destinations})


def routes(configuration: Configuration, repository: str) -> Sequence[Route]:
    """Where a repository goes, each destination once, sorted."""
    found = dict[Destination, bool]()
    for rule in _about(configuration, repository):
        for destination in rule.destinations:
            found[destination] = found.get(destination, False) or rule.deletes
    return [Route(destination, found[destination]) for destination in sorted(found)]


def _about(configuration: Configuration, repository: str) -> Iterable[Rule]:
    return (rule for rule in configuration.rules if rule.matches(repository))


def _invalid(constraint: str) -> InvalidParameter:
    return InvalidParameter("replicationConfiguration", constraint)
