"""Which repositories have left the line: those whose policy is not what a plan, or a wish, says."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

from careen.fleet import clients, listing, scan
from careen.fleet.clean import failure
from careen.fleet.errors import FleetError
from careen.fleet.journal import Failure
from careen.fleet.plan import Plan, Why
from careen.fleet.planning import resolve
from careen.fleet.scanned import Repository, Scanned
from careen.fleet.selecting import Place
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.fleet.together import together
from careen.fleet.wishes import Wish, chosen
from careen.lifecycle import policy as policies
from careen.lifecycle.policy import LifecyclePolicy

_IN_LINE = frozenset({Why.AS_WISHED, Why.HAS_POLICY})


class Position(Enum):
    """Where a repository stands."""

    IN_LINE = "in line"
    WITHOUT = "without a policy"
    OTHER = "with another policy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a repository should have."""

    repository: Repository
    wish: Wish
    policy: str | None = None
    """Exactly this; None: what fulfils the wish."""


@dataclass(frozen=True, slots=True)
class Found:
    """What it has."""

    repository: Repository
    """With the policy that it has now."""
    position: Position
    expected: str | None = None
    """The policy that it should have; None if it has it, or nobody knows."""
    why: Failure | None = None
    """Why nobody knows, or why it cannot have it."""


def of_plan(plan: Plan) -> Iterator[Expected]:
    """Every repository of a plan: the changed ones as planned, the others as they were wished to stay. None has tags."""
    for change in plan.changes:
        yield Expected(
            _named(change.account, change.region, change.name, change.arn),
            plan.wishes[change.wish],
            change.becomes,
        )
    for kept in plan.unchanged:
        if kept.why in _IN_LINE:
            yield Expected(_named(kept.account, kept.region, kept.name, kept.arn), plan.wishes[kept.wish])


def _named(account: str, region: str, name: str, arn: str) -> Repository:
    return Repository(account, region, name, arn, uri="", created_at=0)


def place(expected: Expected) -> Place:
    """Its repository."""
    return Place(expected.repository.target, expected.repository.name, expected.repository.arn)


def of_wishes(fleet: Fleet, wishes: Sequence[Wish], selection: Selection) -> Iterator[Expected]:
    """Every repository that is there now, selected, and wished something for.

    Raises:
        FleetError: a registry cannot be listed, or its tags not be read where somebody selects by them.
    """
    by_tags = bool(selection.tags) or any(wish.selection.tags for wish in wishes)

    def read(repository: Repository) -> Repository:
        return _tagged(fleet, repository) if by_tags else repository

    listed = (
        repository
        for target in fleet.targets
        for page in clients.pages(fleet.client(target, "ecr"), "describe_repositories")
        for repository in (scan.described(target, each) for each in page["repositories"])
        if selection.has_repository(repository.name)
    )
    for repository in together(read, listed):
        place = chosen(wishes, repository)
        if place is not None and selection.has_tags(repository.tags or {}):
            yield Expected(repository, wishes[place])


def _tagged(fleet: Fleet, repository: Repository) -> Repository:
    """The repository with the tags that it has now."""
    tags = scan.tags_of(fleet.client(repository.target, "ecr"), repository.arn)
    return msgspec.structs.replace(repository, tags=tags)


def check(fleet: Fleet, some: Iterable[Expected]) -> Iterator[Found]:
    """Ask repositories for their policies, and say which are out of line."""

    def ask(each: Expected) -> Found:
        try:
            ecr = fleet.client(each.repository.target, "ecr")
            text = listing.policy(ecr, each.repository.name)
        except FleetError as error:
            return Found(each.repository, Position.UNKNOWN, why=failure(error))
        return stands(msgspec.structs.replace(each.repository, policy=text), each)

    yield from together(ask, some)


def stands(repository: Repository, expected: Expected) -> Found:
    """Where a repository stands.

    Args:
        repository: with the policy that it has.
        expected: what it should have.
    """
    out = Position.WITHOUT if repository.policy is None else Position.OTHER
    if expected.policy is not None:
        if listing.fulfils(repository.policy, expected.policy):
            return Found(repository, Position.IN_LINE)
        return Found(repository, out, expected.policy)
    wanted = resolve(Scanned(repository, ()), expected.wish)
    if isinstance(wanted, LifecyclePolicy):
        return Found(repository, out, policies.canonical(wanted))
    why, detail = wanted
    if why in _IN_LINE:
        return Found(repository, Position.IN_LINE)
    return Found(repository, out, why=Failure(detail))
