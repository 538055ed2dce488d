"""Fixtures: an up-to-date database without a registry around it, of each kind."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careen.db.engine import Database, Place, opened
from tests.begun import migrated


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file with the schema in it."""
    file = tmp_path / "careen.db"
    shutil.copyfile(migrated(), file)
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """A database of either kind with the schema in it."""
    if request.param == "sqlite":
        file: Path = request.getfixturevalue("path")
        return file
    return str(request.getfixturevalue("postgres").database())


@pytest.fixture
def open_database(place: Place) -> Iterator[Callable[[], Database]]:
    """Open it, as another process has it open."""
    databases: list[Database] = []

    def another() -> Database:
        databases.append(opened(place))
        return databases[-1]

    yield another
    for database in databases:
        database.close()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    """The database, open."""
    return open_database()
