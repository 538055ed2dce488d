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

from careen.db.engine import Place, is_url
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


def current(place: Place) -> str | None:
    """The revision of a database, or None if there is none yet.

    Raises:
        sqlite3.Error: the file is there and cannot be read.
        psycopg.Error: the server does not answer, or does not let us in.
    """
    if is_url(place):
        import psycopg  # noqa: PLC0415 an extra

        with psycopg.connect(str(place)) as server:
            if server.execute("SELECT to_regclass('alembic_version')").fetchall() == [(None,)]:
                return None
            found = server.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None
    if not Path(place).exists():
        return None
    with contextlib.closing(sqlite3.connect(place)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def migrate(place: Place) -> None:
    """Create the database, or bring it up to date.

    On a server the database itself is there already, empty at first. Several nodes that start at once migrate once.

    Raises:
        SchemaTooNew: the database needs a newer program; nothing was changed.
    """
    found = current(place)
    if found == head():
        return
    if found is not None and found > head():
        name = "the database" if is_url(place) else place
        raise SchemaTooNew(
            f"{name} has schema {found}; this version of Careen knows {head()}. Install the newer version."
        )
    from alembic import command  # noqa: PLC0415 a second of import, needed once per upgrade
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    url = str(place).partition("://")[2]
    # Alembic's configuration takes % for the beginning of a name.
    config.set_main_option(
        "sqlalchemy.url",
        (f"postgresql+psycopg://{url}" if is_url(place) else f"sqlite:///{place}").replace("%", "%%"),
    )
    with contextlib.nullcontext() if is_url(place) else _alone(Path(place).parent):
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
