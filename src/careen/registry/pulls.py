"""When and how often images were pulled, without a write per pull.

Pulls are remembered in memory and written together every few seconds and at shutdown, so a crash loses at most
:data:`FLUSH_SECONDS` of them; Amazon ECR itself promises only one update in 24 hours.

A pull says that somebody uses an image, so some do not count: those of clients that name themselves scanners, those of the scanner
that we hand the image to, and those of principals on a list (ECR user guide, pull-time-update-exclusions).
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from careen.clock import Instant
from careen.db import images as image_rows
from careen.db import pulls as pull_rows
from careen.db import trash as trash_rows
from careen.db.pulls import Exclusion as Exclusion
from careen.ecr import arn, errors
from careen.registry import callers, events, images, repositories
from careen.registry.registry import Registry, Transaction
from careen.registry.trouble import tell

K = TypeVar("K")

MAX_EXCLUSIONS = 100
"""Amazon ECR's quota for an account."""

FLUSH_SECONDS = 5.0


def exclude(tx: Transaction, principal_arn: str) -> Exclusion:
    """Let the pulls of a principal not count any more.

    Raises:
        careen.ecr.errors.ExclusionAlreadyExists: they do not count already.
        careen.ecr.errors.LimitExceeded: there are :data:`MAX_EXCLUSIONS`.
    """
    if len(pull_rows.exclusions(tx.rows)) >= MAX_EXCLUSIONS:
        raise errors.LimitExceeded(
            f"A registry can have at most {MAX_EXCLUSIONS} pull time update exclusions"
        )
    exclusion = Exclusion(principal_arn, tx.now)
    if not pull_rows.insert(tx.rows, exclusion):
        raise errors.ExclusionAlreadyExists(principal_arn)
    return exclusion


def include(tx: Transaction, principal_arn: str) -> None:
    """Let the pulls of a principal count again.

    Raises:
        careen.ecr.errors.ExclusionNotFound: they do count.
    """
    if not pull_rows.delete(tx.rows, principal_arn):
        raise errors.ExclusionNotFound(principal_arn)


def exclusions(tx: Transaction) -> list[Exclusion]:
    """The principals whose pulls do not count, by ARN."""
    return pull_rows.exclusions(tx.rows)


class Pulled(NamedTuple):
    """How an image was pulled."""

    digest: str
    tags: list[str]
    pulls: int
    latest: Instant | None
    """None: never."""


def describe(tx: Transaction, repository: str) -> list[Pulled]:
    """The pulls of every image of a repository, by digest, as far as they are written.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such repository.
    """
    found = repositories.require(tx, repository)
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for manifest_id, name, _ in image_rows.all_tags(tx.rows, found.id):
        tags[manifest_id].append(name)
    return [
        Pulled(digest, tags[manifest_id], count, latest)
        for manifest_id, digest, count, latest in image_rows.all_pulls(tx.rows, found.id)
    ]


class Pull(NamedTuple):
    """That somebody pulled an image."""

    manifest_id: int
    principal_arn: str
    """Of a session, its role's: that is whom exclusions name."""


class Tally(NamedTuple):
    """The pulls of one image by one principal that wait to be written."""

    pulls: int
    latest: Instant

    def plus(self, other: "Tally | None") -> "Tally":
        """Both together."""
        return self if other is None else Tally(self.pulls + other.pulls, max(self.latest, other.latest))


class MissedPull(NamedTuple):
    """That somebody asked for an image that lies in the trash."""

    deletion_id: int


def _write(tx: Transaction, tallies: Mapping[Pull, Tally], missed: Mapping[MissedPull, Tally]) -> None:
    excluded = {arn.user_arn(tx.registry_id, callers.SCANNER)} | {
        each.principal_arn for each in exclusions(tx)
    }
    counting = {pull: tally for pull, tally in tallies.items() if pull.principal_arn not in excluded}
    images.record_pulls(
        tx, [(pull.manifest_id, tally.latest, tally.pulls) for pull, tally in counting.items()]
    )
    events.record_pulls(tx, {pull: tally.pulls for pull, tally in counting.items()})
    trash_rows.record_missed(
        tx.rows, [(each.deletion_id, tally.latest, tally.pulls) for each, tally in missed.items()]
    )


def _together(some: Mapping[K, Tally], others: Mapping[K, Tally]) -> dict[K, Tally]:
    return {**others, **{key: tally.plus(others.get(key)) for key, tally in some.items()}}


class PullTimes:
    """Pull times and counts on their way to the rows. Belongs to the event loop."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._tallies: dict[Pull, Tally] = {}
        self._missed: dict[MissedPull, Tally] = {}

    def record(self, pull: Pull, user_agent: str | None) -> None:
        """An image was pulled now. A HEAD is no pull, and neither is a scan."""
        if user_agent is None or not user_agent.lower().startswith(self._registry.limits.scanners):
            self._tallies[pull] = Tally(1, self._registry.clock()).plus(self._tallies.get(pull))

    def record_missed(self, deletion_id: int) -> None:
        """An image that lies in the trash was asked for now."""
        missed = MissedPull(deletion_id)
        self._missed[missed] = Tally(1, self._registry.clock()).plus(self._missed.get(missed))

    async def flush(self) -> None:
        """Write what was recorded since the last time."""
        if self._tallies or self._missed:
            tallies, self._tallies = self._tallies, {}
            missed, self._missed = self._missed, {}
            try:
                await self._registry.write(_write, tallies, missed)
            except BaseException:  # a full disk, or cancelled while it waited: the next flush takes them too
                self._tallies = _together(tallies, self._tallies)
                self._missed = _together(missed, self._missed)
                raise

    async def run(self) -> None:
        """Flush every few seconds until cancelled, and then once more."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self._try_to_flush()
        await self._try_to_flush()

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except Exception as error:  # noqa: BLE001 they are kept, and written later
            tell(error, "pull times could not be written; trying again")
