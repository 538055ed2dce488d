"""A registry's daily round, on a real database: 24 hourly looks, and the runs of the repositories that come due.

The rows are inserted in bulk, with what evaluating needs: repositories, manifests, tags. Every repository has a hundred
images and the same policy of three rules. In one of a hundred an untagged image comes to its age in the course of the
day; the others have been evaluated and are due later.
"""

import dataclasses
import logging
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from benchmarks.lifecycle_images import NOW, UNTAGGED_DAYS, three_rules
from benchmarks.rows import insert
from careen import startup, worker
from careen.clock import DAY, HOUR, Instant
from careen.lifecycle.policy import canonical
from careen.registry import lifecycle
from careen.registry.registry import Registry
from careen.settings import Settings

IMAGES = 100
"""In each repository."""
DUE_EVERY = 100
"""One repository of so many has work."""


class Clock:
    """The registry's clock, which the benchmark moves."""

    def __init__(self) -> None:
        self.now: Instant = NOW

    def __call__(self) -> Instant:
        return self.now


@contextmanager
def registry(repositories: int, folder: Path | None = None) -> Iterator[tuple[Registry, Clock]]:
    """A registry with so many repositories in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="careen-benchmark-", dir=folder) as name:
        settings = Settings(data=name)
        startup.prepare(settings)
        _fill(Path(name) / "careen.db", repositories)
        clock = Clock()
        opened = dataclasses.replace(startup.open_registry(settings), clock=clock)
        try:
            yield opened, clock
        finally:
            opened.close()


def day(opened: Registry, clock: Clock) -> float:
    """One day's round. Returns the processor seconds of the whole process, its writing thread included."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    began = time.process_time()
    for _ in range(24):
        lifecycle.enqueue_runs(opened)
        while worker.run_one(opened, "benchmark"):
            pass
        clock.now += HOUR
    return time.process_time() - began


def rewind(opened: Registry, clock: Clock, repositories: int) -> None:
    """Make it the same morning again: the images that went are back, and due."""
    clock.now = NOW
    due = range(0, repositories, DUE_EVERY)
    connection = sqlite3.connect(opened.scratch_folder / "careen.db")
    with connection:
        connection.execute("DELETE FROM lifecycle_actions")
        connection.execute("DELETE FROM lifecycle_runs")
        insert(connection, "manifests", (_manifest(number, 0) for number in due), replace=True)
        connection.executemany(
            "UPDATE repositories SET lifecycle_due_at = :lifecycle_due_at WHERE id = :id",
            map(_repository, due),
        )
    connection.close()


def images_left(opened: Registry) -> int:
    """How many images there are."""
    row = opened.database.reader().execute("SELECT count(*) FROM manifests").fetchone()
    return int(row[0])


def _fill(path: Path, repositories: int) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA synchronous=OFF")
        insert(connection, "repositories", map(_repository, range(repositories)))
        insert(
            connection,
            "manifests",
            (_manifest(repository, number) for repository in range(repositories) for number in range(IMAGES)),
        )
        insert(connection, "tags", _tags(repositories))
    connection.close()


def _repository(number: int) -> dict[str, Any]:
    due = number % DUE_EVERY == 0
    return {
        "id": number + 1,
        "name": f"team-{number % 50}/service-{number}",
        "created_at": NOW - 400 * DAY,
        "tag_mutability": "MUTABLE",
        "tag_mutability_filters": "[]",
        "scan_on_push": 0,
        "encryption": '{"encryptionType":"AES256"}',
        "lifecycle_policy": canonical(three_rules()),
        "lifecycle_evaluated_at": NOW - DAY,
        "lifecycle_due_at": _comes_to_age(number) if due else NOW + 3 * DAY,
    }


def _comes_to_age(number: int) -> Instant:
    """When the oldest untagged image of a repository that has work is older than its rule allows: some hour of the day."""
    return NOW + number // DUE_EVERY % 22 * HOUR + 1


def _manifest(repository: int, number: int) -> dict[str, Any]:
    due = number == 0 and repository % DUE_EVERY == 0
    identifier = repository * IMAGES + number + 1
    return {
        "id": identifier,
        "repository_id": repository + 1,
        # Digests come in no order, as those of real images do.
        "digest": f"sha256:{identifier * 0x9E3779B97F4A7C15 % 2**64:064x}",
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "size": 1000,
        "image_size": 50_000_000,
        "status": "ACTIVE",
        "pushed_at": _comes_to_age(repository) - UNTAGGED_DAYS * DAY - 1 if due else _pushed_at(number),
    }


def _pushed_at(number: int) -> Instant:
    """Within the last eleven days: nothing of this comes to its age today."""
    return NOW - (number + 1) * 11 * DAY // IMAGES


def _tags(repositories: int) -> Iterator[dict[str, Any]]:
    """Thirty images of a repository have no tag, eight are releases, the others builds."""
    for repository in range(repositories):
        for number in range(30, IMAGES):
            yield {
                "repository_id": repository + 1,
                "name": f"v1.{number}" if number < 38 else f"build-{number}",
                "manifest_id": repository * IMAGES + number + 1,
                "tagged_at": _pushed_at(number),
            }
