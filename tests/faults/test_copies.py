"""Killed in the middle of a move or a restore into a server: nobody serves half of it, nobody serves it twice, and it goes on."""

from pathlib import Path
from typing import NamedTuple

import pytest

from careen import startup
from careen.faults import Point
from careen.registry import backup
from careen.settings import Settings
from tests.faults import programs
from tests.faults.programs import Kill
from tests.faults.test_every_point import COPIES
from tests.images import image
from tests.postgres import Postgres, needs_postgres
from tests.registry import steps

pytestmark = needs_postgres

REACHED = sorted(COPIES, key=list(Point).index)


def nothing(*_: object) -> None:
    """Nobody listens."""


def move(settings: Settings, target: str) -> None:
    """What ``careen database move`` does."""
    startup.move_database(settings, target, nothing)


def restore(source: Path, settings: Settings) -> None:
    """What ``careen restore`` does."""
    startup.restore(source, settings)


def why_not(settings: Settings) -> str | None:
    """Why a start would refuse."""
    try:
        startup.prepare(settings)
    except startup.CannotStart as error:
        return str(error)
    return None


class Ends(NamedTuple):
    """One registry, and where its rows are and are to be."""

    source: Settings
    target: Settings


def at(folder: Path, database: str) -> Settings:
    """Settings with that database."""
    return Settings(data=str(folder), create_on_push=True, database=database)


@pytest.fixture(params=["to a server", "to a file"])
def ends(request: pytest.FixtureRequest, postgres: Postgres, quick_path: Path) -> Ends:
    """A registry with an image in it, and the other place."""
    folder = quick_path / "data"
    found = [at(folder, ""), at(folder, postgres.database())]
    if request.param == "to a file":
        found.reverse()
    fill(found[0])
    return Ends(*found)


def fill(settings: Settings) -> None:
    """Make a registry and push."""
    startup.prepare(settings)
    registry = startup.open_registry(settings)
    steps.push(registry, "team/app", image("one", size=70_000), "1")
    registry.close()


def images_of(settings: Settings) -> dict[tuple[str, str], tuple[list[str], bytes]]:
    """What clients can pull, all of it whole."""
    startup.prepare(settings)
    registry = startup.open_registry(settings)
    try:
        return steps.everything(registry)
    finally:
        registry.close()


@pytest.mark.parametrize("point", REACHED, ids=lambda point: point.value)
def test_a_killed_move(ends: Ends, point: Point) -> None:
    """At every moment one of the two at most can be served; the same move again ends it."""
    before = images_of(ends.source)
    assert programs.start(move, ends.source, ends.target.database, kill=Kill((point,))).was_killed()
    refusals = [why_not(each) for each in ends]
    has_left = point in {Point.COPY_LEFT, Point.COPY_RELEASED}
    assert (refusals[0] is None) == (not has_left)
    assert (refusals[1] is None) == (point is Point.COPY_RELEASED)
    if point is not Point.COPY_RELEASED:
        assert "has not ended: start it again" in str(refusals[1])
    assert not programs.start(move, ends.source, ends.target.database).was_killed()
    assert "was moved to" in str(why_not(ends.source))
    assert images_of(ends.target) == before != {}


@pytest.mark.parametrize(
    "point", [point for point in REACHED if point is not Point.COPY_LEFT], ids=lambda point: point.value
)
def test_a_killed_restore_into_a_server(quick_path: Path, postgres: Postgres, point: Point) -> None:
    """It is not served before it has ended, with or without the folder; the same restore again ends it."""
    source, target = at(quick_path / "data", ""), at(quick_path / "restored", postgres.empty_database())
    fill(source)
    before = images_of(source)
    registry = startup.open_registry(source)
    backup.make(registry, quick_path / "data", quick_path / "backup")
    registry.close()
    assert programs.start(restore, quick_path / "backup", target, kill=Kill((point,))).was_killed()
    if point is Point.COPY_RELEASED:
        assert images_of(target) == before
        return
    for folder in ("restored", "another"):
        assert "has not ended: start it again" in str(why_not(at(quick_path / folder, target.database)))
    assert not programs.start(restore, quick_path / "backup", target).was_killed()
    assert images_of(target) == before
