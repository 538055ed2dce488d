"""When images were pulled, without a write per pull.

Pulls are remembered in memory and written together every few seconds and at shutdown, so a crash loses at most
:data:`FLUSH_SECONDS` of them; Amazon ECR itself promises only one update in 24 hours.
"""

import asyncio
import contextlib

import structlog

from careen.clock import Instant
from careen.registry import images
from careen.registry.registry import Registry

FLUSH_SECONDS = 5.0

log = structlog.get_logger()


class PullTimes:
    """Pull times on their way to the rows. Belongs to the event loop."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._latest: dict[int, Instant] = {}

    def record(self, manifest_id: int) -> None:
        """A manifest was pulled now. A HEAD is no pull."""
        self._latest[manifest_id] = self._registry.clock()

    async def flush(self) -> None:
        """Write what was recorded since the last time."""
        if self._latest:
            latest, self._latest = self._latest, {}
            try:
                await self._registry.write(images.record_pulls, list(latest.items()))
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
