"""Bring a database to this version's schema (Alembic), and refuse one from the future.

Alembic and SQLAlchemy take a second to import, so a database that is already up to date is recognised without them.
"""

import contextlib
import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from careen.faults import Point, reach

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_FILE = re.compile(r"(\d{4})_\w+\.py")


class SchemaTooNew(Exception):
    """The database was written by a later version of Careen."""


def head() -> str:
    """The newest revision that this program knows, such as ``0001``."""
    return max(
        match[1]
        for path in (MIGRATIONS / "versions").iterdir()
        if (match := _VERSION_FILE.fullmatch(path.name))
    )


def current(path: Path) -> str | None:
    """The revision of the database file, or None if there is none yet.

    Raises:
        sqlite3.Error: the file is there and cannot be read.
    """
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def migrate(path: Path) -> None:
    """Create the database file or bring it up to date.

    Raises:
        SchemaTooNew: the file needs a newer program; nothing was changed.
    """
    found = current(path)
    if found == head():
        return
    if found is not None and found > head():
        raise SchemaTooNew(
            f"{path} has schema {found}; this version of Careen knows {head()}. Install the newer version."
        )
    from alembic import command  # noqa: PLC0415 a second of import, needed once per upgrade
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    with _alone(path.parent):
        command.upgrade(config, "head")
    reach(Point.MIGRATION_DONE)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others out who start at the same moment: the second finds all steps done."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
