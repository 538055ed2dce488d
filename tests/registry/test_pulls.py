"""Pull times: remembered, written together, and not lost when a write fails."""

import asyncio
import sqlite3

import pytest

from careen.registry import images
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry
from tests.images import image
from tests.registry.steps import Hands, push, row


def pulled_at(registry: Registry) -> int | None:
    """When the image was last pulled, as the rows have it."""
    stored = row(registry, "team/app", image("app"))
    assert stored is not None
    return stored.pulled_at


def test_the_latest_pull_counts(registry: Registry, clock: Hands) -> None:
    """Many pulls are one write; a time never goes back."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id
    pulls = PullTimes(registry)
    assert pulled_at(registry) is None
    for _ in range(3):
        clock.forward()
        pulls.record(manifest_id)
    latest = clock.now
    asyncio.run(pulls.flush())
    assert pulled_at(registry) == latest
    registry.write_now(images.record_pulls, [(manifest_id, latest - 1), (manifest_id + 1, latest)])
    assert pulled_at(registry) == latest


def test_pulls_are_written_at_the_end(registry: Registry) -> None:
    """Cancelling the flusher, as a shutdown does, writes what waits."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id

    async def serve() -> None:
        pulls = PullTimes(registry)
        flushing = asyncio.create_task(pulls.run())
        await asyncio.sleep(0)
        pulls.record(manifest_id)
        flushing.cancel()
        await flushing

    asyncio.run(serve())
    assert pulled_at(registry) is not None


def test_a_write_that_fails_loses_no_pull(registry: Registry) -> None:
    """The next flush writes it; newer pulls of the same image win."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id
    pulls = PullTimes(registry)
    pulls.record(manifest_id)
    registry.write_now(lambda tx: tx.rows.execute("ALTER TABLE manifests RENAME TO hidden"))
    with pytest.raises(sqlite3.OperationalError):
        asyncio.run(pulls.flush())
    registry.write_now(lambda tx: tx.rows.execute("ALTER TABLE hidden RENAME TO manifests"))
    asyncio.run(pulls.flush())
    assert pulled_at(registry) is not None
