"""Killed at every durable step: what was acknowledged is there, nothing is half there, and everything can be asked for again.

The script runs in a program that has the registry open as a worker process has it; its clients are its own steps.
"""

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from careen.faults import Point
from tests.faults import programs, script
from tests.faults.doors import Direct
from tests.faults.model import Journal, assert_tidy, assert_whole, end_leases, reopened, seen, settings_of
from tests.faults.programs import Kill

FIRST_START = {
    Point.MASTER_KEY_DRAFTED,
    Point.MASTER_KEY_MADE,
    Point.KEY_AGREED,
    Point.MIGRATION_STEP,
    Point.MIGRATION_DONE,
    Point.CLAIM_DRAFTED,
    Point.CLAIMED,
    Point.KEY_CREATED,
}
"""Reached before there is anything to lose."""

COPIES = {
    Point.COPY_RESERVED,
    Point.COPY_FILLING,
    Point.COPY_FILLED,
    Point.COPY_LEFT,
    Point.COPY_RELEASED,
}
"""Reached while no registry is open: tests/faults/test_copies.py."""


SHARED = {Point.AGREED}
"""Reached where several nodes share a database; tests/several kills there."""

ELSEWHERE = FIRST_START | COPIES | SHARED
"""What the script does not pass."""

OUTSIDE = {
    Point.COMMITTING,
    Point.COMMITTED,
    Point.UPLOAD_CREATED,
    Point.UPLOAD_WRITTEN,
    Point.UPLOAD_FLUSHED,
    Point.BLOB_SYNCED,
    Point.BLOB_FOLDER_MADE,
    Point.BLOB_RENAMED,
    Point.BLOB_DURABLE,
    Point.UPLOAD_ENDED,
    Point.BYTES_DELETED,
    Point.SWEPT_ORPHAN,
    Point.UPLOAD_ABANDONED,
}
"""Not inside a transaction; at the others it matters whether that was committed."""


@pytest.fixture(scope="module")
def passed(template: Path, memory: Path) -> Counter[Point]:
    """How often the script passes each point when nobody dies."""
    folder = memory / "counted"
    shutil.copytree(template, folder)
    report = folder.with_name("passed")
    assert not programs.start(script.play, folder, folder.with_name("journal"), kill=report).was_killed()
    return Counter(map(Point, report.read_text().split()))


def live_and_die(template: Path, folder: Path, kill: Kill) -> None:
    """One life until the kill, and what is found after it; then the rest of the script, and the accounts."""
    shutil.copytree(template, folder)
    path = folder.with_name(f"{folder.name}.journal")
    assert programs.start(script.play, folder, path, kill=kill).was_killed(), f"{kill} was not reached"
    journal = Journal(path)
    step, before, after = script.progress(journal)
    registry = reopened(folder)
    try:
        assert_whole(registry)
        script.assert_between(
            before,
            after,
            seen(registry),
            is_long=script.STEPS[step].is_long,
            is_collected=step >= script.WORK,
        )
        end_leases(folder)
        script.go_through(Direct(registry), journal, step)
        assert_whole(registry)
        _, before, after = script.progress(journal)
        script.assert_between(before, after, seen(registry), is_long=False, is_collected=True)
        assert_tidy(registry)
    finally:
        journal.close()
        registry.close()
        shutil.rmtree(folder)


def test_the_script_passes_every_point(passed: Counter[Point]) -> None:
    """A point that nobody passes is one that nobody tests."""
    assert set(Point) - set(passed) == ELSEWHERE


IN_THE_SCRIPT = [point for point in Point if point not in ELSEWHERE]


@pytest.mark.parametrize("point", IN_THE_SCRIPT, ids=lambda point: point.value)
def test_killed_at_a_point(template: Path, quick_path: Path, point: Point) -> None:
    """The first time it is reached."""
    live_and_die(template, quick_path / "data", Kill((point,)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", [point for point in IN_THE_SCRIPT if point not in OUTSIDE], ids=lambda point: point.value
)
def test_killed_when_it_was_committed(template: Path, quick_path: Path, point: Point) -> None:
    """Right after the transaction that the point is in, before anybody was answered."""
    live_and_die(template, quick_path / "data", Kill((point, Point.COMMITTED)))


@pytest.mark.slow
@pytest.mark.timeout(900)  # the script commits some two hundred times, and dies at each
@pytest.mark.parametrize(
    "point",
    # How often there is something to flush depends on how fast the disk is.
    [point for point in IN_THE_SCRIPT if point is not Point.UPLOAD_FLUSHED],
    ids=lambda point: point.value,
)
def test_killed_at_every_passing(
    template: Path, quick_path: Path, passed: Counter[Point], point: Point
) -> None:
    """Not only the first time: as often as the script passes it."""
    for passing in range(2, passed[point] + 1):
        live_and_die(template, quick_path / "data", Kill((point,), passing))


@pytest.mark.parametrize(
    ("point", "passing"),
    [
        *((point, 1) for point in Point if point in FIRST_START),
        (Point.CLAIM_DRAFTED, 2),
        (Point.CLAIMED, 2),
        (Point.MIGRATION_STEP, 2),
        (Point.MIGRATION_STEP, 3),
    ],
    ids=str,
)
def test_killed_at_the_first_start(quick_path: Path, point: Point, passing: int) -> None:
    """The next start finds nothing in its way: one key, the whole schema, an administrator, and no draft of a key."""
    folder = quick_path / "data"
    was_killed = programs.start(
        programs.prepare, settings_of(folder), kill=Kill((point,), passing)
    ).was_killed()
    assert was_killed
    assert not programs.start(programs.prepare, settings_of(folder)).was_killed()
    registry = reopened(folder)
    assert_whole(registry)
    assert_tidy(registry)
    registry.close()
    with sqlite3.connect(folder / "careen.db") as rows:
        assert rows.execute("SELECT count(*) FROM access_keys").fetchone() == (1,)
    rows.close()
