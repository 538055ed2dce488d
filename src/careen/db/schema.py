"""Bring a database to this version's schema (Alembic), and refuse one that this version cannot work with.

Alembic and SQLAlchemy take a second to import, so a database that is already up to date is recognised without them.

Nodes of two versions work on one database while a registry is upgraded, and so they do when a node goes back a version. So a
database knows, beside its schema, the oldest whose programs may work with it (docs/adr/0033): every migration from 0018 on says it,
as ``compatible_from``.
"""

import contextlib
import fcntl
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from careen.db.engine import Place, is_url
from careen.db.nodes import SEEN
from careen.faults import Point, reach

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_FILE = re.compile(r"(\d{4})_\w+\.py")
_DECLARATION = re.compile(r'^compatible_from = "(\d{4})"$', re.MULTILINE)


AT_WORK = (
    "SELECT name, version, schema FROM nodes"
    f" WHERE seen_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - {SEEN}"
)
"""The nodes that are seen on a server's database, by its clock."""

_COMPATIBLE_FROM = "SELECT content FROM registry_documents WHERE kind = 'compatible-from'"

LOCK_ATTEMPTS = 20
"""How often a migration waits for the nodes at work to let go of a table, three seconds at most each time."""

LOCK_REST_SECONDS = 1.0


class SchemaTooNew(Exception):
    """The database was written by a later version of Careen, and needs it."""


class StillInUse(Exception):
    """Nodes of an older version work on the database, which could not work with what the migration would make of it."""


def head() -> str:
    """The newest revision that this program knows, such as ``0001``."""
    return max(
        match[1]
        for path in (MIGRATIONS / "versions").iterdir()
        if (match := _VERSION_FILE.fullmatch(path.name))
    )


def compatible_from(revision: str) -> str:
    """The oldest revision whose programs may work on a database of this one, as its migration says it."""
    [path] = (MIGRATIONS / "versions").glob(f"{revision}_*.py")
    said = _DECLARATION.search(path.read_text("utf-8"))
    return said[1] if said else revision


def current(place: Place) -> str | None:
    """The revision of a database, or None if there is none yet.

    Raises:
        sqlite3.Error: the file is there and cannot be read.
        psycopg.Error: the server does not answer, or does not let us in.
    """
    found = _found(place, "alembic_version", "SELECT version_num FROM alembic_version")
    return str(found[0][0]) if found else None


def migrate(place: Place) -> None:
    """Create the database, or bring it up to date. One of a later schema that this program may work with is left as it is.

    On a server the database itself is there already, empty at first. Several nodes that start at once migrate once.

    Raises:
        SchemaTooNew: the database needs a newer program; nothing was changed.
        StillInUse: nodes of an older version must stop first; nothing was changed.
    """
    found = current(place)
    if found == head():
        return
    if found is not None and found > head():
        _check_compatible(place, found)
        return
    if found is not None and is_url(place):
        _check_nodes(place)
    for attempt in range(LOCK_ATTEMPTS):
        try:
            _upgrade(place)
        except Exception as error:
            # A table that must be changed is in use for long: whoever else wants it must not wait behind us meanwhile.
            if attempt + 1 == LOCK_ATTEMPTS or not _is_lock_timeout(error):
                raise
            time.sleep(LOCK_REST_SECONDS)
        else:
            break
    reach(Point.MIGRATION_DONE)


def _check_compatible(place: Place, found: str) -> None:
    [(oldest,)] = _found(place, "registry_documents", _COMPATIBLE_FROM) or [(found,)]
    if head() < oldest:
        name = "the database" if is_url(place) else place
        raise SchemaTooNew(
            f"{name} has schema {found}; this version of Careen knows {head()}. Install the newer version."
        )


def _check_nodes(place: Place) -> None:
    """See that whoever works on the database can go on when it has our schema."""
    oldest = compatible_from(head())
    at_work = {
        f"{name} (Careen {version})"
        for name, version, schema in _found(place, "nodes", AT_WORK)
        if schema < oldest
    }
    if at_work:
        raise StillInUse(
            f"this version brings the database to schema {head()}, with which the nodes that are at work cannot go on:"
            f" stop {', '.join(sorted(at_work))} first, and start this one half a minute later"
        )


def _upgrade(place: Place) -> None:
    from alembic import command  # noqa: PLC0415 a second of import, needed once per upgrade
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["compatible_from"] = compatible_from(head())
    url = str(place).partition("://")[2]
    # Alembic's configuration takes % for the beginning of a name.
    config.set_main_option(
        "sqlalchemy.url",
        (f"postgresql+psycopg://{url}" if is_url(place) else f"sqlite:///{place}").replace("%", "%%"),
    )
    with contextlib.nullcontext() if is_url(place) else _alone(Path(place).parent):
        command.upgrade(config, "head")


def _is_lock_timeout(error: Exception) -> bool:
    """Whether PostgreSQL says ``lock_not_available``, in SQLAlchemy's wrapping."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == "55P03"


def _found(place: Place, table: str, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds, if the database and the table are there; else nothing."""
    if is_url(place):
        import psycopg  # noqa: PLC0415 an extra

        with psycopg.connect(str(place)) as server:
            if server.execute("SELECT to_regclass(%s)", (table,)).fetchall() == [(None,)]:
                return []
            return server.execute(statement).fetchall()
    if not Path(place).exists():
        return []
    with contextlib.closing(sqlite3.connect(place)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return connection.execute(statement).fetchall()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others out who start at the same moment: the second finds all steps done."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
