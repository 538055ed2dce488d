"""Fixtures: an up-to-date database without a registry around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from careen.db import schema
from careen.db.engine import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file with the schema in it."""
    file = tmp_path / "careen.db"
    schema.migrate(file)
    return file


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The database, open."""
    opened = Database(path)
    yield opened
    opened.close()
