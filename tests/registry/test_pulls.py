"""Pull times: remembered, written together, and not lost when a write fails."""

import asyncio
import dataclasses
import sqlite3

import psycopg
import pytest

from careen.ecr import errors
from careen.registry import images
from careen.registry import pulls as pull_times
from careen.registry.pulls import Pull, PullTimes
from careen.registry.registry import Registry
from tests.images import image
from tests.registry.steps import Hands, push, row

SOMEBODY = "arn:aws:iam::123456789012:user/somebody"


def pulled_at(registry: Registry) -> int | None:
    """When the image was last pulled, as the rows have it."""
    stored = row(registry, "team/app", image("app"))
    assert stored is not None
    return stored.pulled_at


def pull_count(registry: Registry) -> int:
    """How often the image was pulled, as the rows have it."""
    stored = row(registry, "team/app", image("app"))
    assert stored is not None
    return stored.pull_count


def test_the_latest_pull_counts(registry: Registry, clock: Hands) -> None:
    """Many pulls are one write and are all counted; a time never goes back."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id
    pulls = PullTimes(registry)
    assert pulled_at(registry) is None
    for _ in range(3):
        clock.forward()
        pulls.record(Pull(manifest_id, SOMEBODY), None)
    latest = clock.now
    asyncio.run(pulls.flush())
    assert (pulled_at(registry), pull_count(registry)) == (latest, 3)
    registry.write_now(images.record_pulls, [(manifest_id, latest - 1, 2), (manifest_id + 1, latest, 1)])
    assert (pulled_at(registry), pull_count(registry)) == (latest, 5)


def test_pulls_are_written_at_the_end(registry: Registry) -> None:
    """Cancelling the flusher, as a shutdown does, writes what waits."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id

    async def serve() -> None:
        pulls = PullTimes(registry)
        flushing = asyncio.create_task(pulls.run())
        await asyncio.sleep(0)
        pulls.record(Pull(manifest_id, SOMEBODY), None)
        flushing.cancel()
        await flushing

    asyncio.run(serve())
    assert pulled_at(registry) is not None


def test_a_write_that_fails_loses_no_pull(registry: Registry) -> None:
    """The next flush writes it; newer pulls of the same image win."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id
    pulls = PullTimes(registry)
    pulls.record(Pull(manifest_id, SOMEBODY), None)
    registry.write_now(lambda tx: tx.rows.execute("ALTER TABLE manifests RENAME TO hidden"))
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedTable)):
        asyncio.run(pulls.flush())
    registry.write_now(lambda tx: tx.rows.execute("ALTER TABLE hidden RENAME TO manifests"))
    pulls.record(Pull(manifest_id, SOMEBODY), None)
    asyncio.run(pulls.flush())
    assert pulled_at(registry) is not None
    assert pull_count(registry) == 2


@pytest.mark.parametrize(
    ("agent", "counts"),
    [(None, True), ("docker/28.1", True), ("Trivy/0.57 go-containerregistry", False), ("grype/1", False)],
)
def test_scans_are_no_pulls(registry: Registry, agent: str | None, counts: bool) -> None:
    """A client that names itself a scanner leaves the pull time alone."""
    registry = dataclasses.replace(
        registry, limits=dataclasses.replace(registry.limits, scanners=("trivy/", "grype/"))
    )
    manifest_id = push(registry, "team/app", image("app")).image.row.id
    pulls = PullTimes(registry)
    pulls.record(Pull(manifest_id, SOMEBODY), agent)
    asyncio.run(pulls.flush())
    assert (pulled_at(registry) is not None) is counts


def test_excluded_principals_do_not_count(registry: Registry, clock: Hands) -> None:
    """Their pulls leave no trace, those of others do; taken off the list they count again."""
    manifest_id = push(registry, "team/app", image("app")).image.row.id
    scanner = "arn:aws:iam::123456789012:user/scanner"
    registry.write_now(pull_times.exclude, scanner)
    pulls = PullTimes(registry)
    pulls.record(Pull(manifest_id, SOMEBODY), None)
    first = clock.now
    clock.forward()
    pulls.record(Pull(manifest_id, scanner), None)
    asyncio.run(pulls.flush())
    assert pulled_at(registry) == first
    registry.write_now(pull_times.include, scanner)
    pulls.record(Pull(manifest_id, scanner), None)
    asyncio.run(pulls.flush())
    written = pulled_at(registry)
    assert written is not None
    assert written > first


def test_exclusions_are_a_list_without_twins(registry: Registry) -> None:
    """A principal is excluded once, and a hundred are the most."""
    arns = [f"arn:aws:iam::123456789012:user/u{number:03}" for number in range(101)]
    for each in arns[:100]:
        registry.write_now(pull_times.exclude, each)
    with pytest.raises(errors.LimitExceeded):
        registry.write_now(pull_times.exclude, arns[100])
    registry.write_now(pull_times.include, arns[0])
    with pytest.raises(errors.ExclusionAlreadyExists):
        registry.write_now(pull_times.exclude, arns[1])
    with pytest.raises(errors.ExclusionNotFound):
        registry.write_now(pull_times.include, arns[0])
    assert [each.principal_arn for each in registry.read(pull_times.exclusions)] == arns[1:100]
