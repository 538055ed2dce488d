"""When images were pulled, without a write per pull.

Pulls are remembered in memory and written together every few seconds and at shutdown, so a crash loses at most
:data:`FLUSH_SECONDS` of them; Amazon ECR itself promises only one update in 24 hours.

A pull says that somebody uses an image, so some do not count: those of clients that name themselves scanners, and those of
principals on a list (ECR user guide, pull-time-update-exclusions).
"""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog

from careen.clock import Instant
from careen.db import pulls as pull_rows
from careen.db.pulls import Exclusion as Exclusion
from careen.ecr import errors
from careen.registry import images
from careen.registry.access import Principal
from careen.registry.registry import Registry, Transaction

MAX_EXCLUSIONS = 100
"""Amazon ECR's quota for an account."""

FLUSH_SECONDS = 5.0

log = structlog.get_logger()


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


def _write(tx: Transaction, latest: Mapping[tuple[int, str], Instant]) -> None:
    excluded = {exclusion.principal_arn for exclusion in exclusions(tx)}
    counting = [
        (number, at) for (number, principal_arn), at in latest.items() if principal_arn not in excluded
    ]
    images.record_pulls(tx, counting)


class PullTimes:
    """Pull times on their way to the rows. Belongs to the event loop."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._latest: dict[tuple[int, str], Instant] = {}

    def record(self, manifest_id: int, principal: Principal, user_agent: str | None) -> None:
        """A manifest was pulled now. A HEAD is no pull, and neither is a scan."""
        if user_agent is None or not user_agent.lower().startswith(self._registry.limits.scanners):
            self._latest[manifest_id, principal.arn] = self._registry.clock()

    async def flush(self) -> None:
        """Write what was recorded since the last time."""
        if self._latest:
            latest, self._latest = self._latest, {}
            try:
                await self._registry.write(_write, latest)
            except BaseException:  # a full disk, or cancelled while it waited: the next flush takes them too
                self._latest = latest | self._latest
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
        except Exception:
            log.exception("pull times could not be written; trying again")
