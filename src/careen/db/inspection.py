"""A database looked at without changing anything: not a file is made, not even SQLite's own beside it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from careen.db import engine
from careen.db.engine import Connection, Place, is_url
from careen.db.sqlite import check_pages as check_pages


class NotClosed(Exception):
    """A SQLite file was left by a crash: whoever reads it must write first."""


@contextlib.contextmanager
def looked_at(place: Place) -> Iterator[Connection]:
    """A connection that only reads, for the length of a look.

    Raises:
        NotClosed: nobody has the file open, and its log was not taken in. A start does that.
        FileNotFoundError: there is no file.
        sqlite3.Error: it cannot be read.
        psycopg.Error: the server does not answer, or does not let us in.
    """
    if is_url(place):
        database = engine.opened(place)
        try:
            with database.read() as rows:
                yield rows
        finally:
            database.close()
        return
    path = Path(place).resolve()
    if not path.exists():
        raise FileNotFoundError(path)
    has_log, has_index = (Path(f"{path}{end}").exists() for end in ("-wal", "-shm"))
    if has_log and not has_index:
        raise NotClosed
    # Without a log there is nothing beside the file, and nothing may come to be: it is read as if it could not change.
    how = "mode=ro" if has_log else "mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, timeout=5)) as connection:
        yield connection


def revision(rows: Connection) -> str | None:
    """The schema that the rows have; None: there are none.

    Raises:
        Exception: the database's own, if there is not even the table.
    """
    found = rows.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])


def stored_blobs(rows: Connection, limit: int | None) -> list[tuple[str, str, int]]:
    """``(digest, generation, size)`` of blobs that are files or objects: the newest, or all of them."""
    statement = "SELECT digest, generation, size FROM blobs WHERE generation <> '' ORDER BY created_at DESC"
    if limit is None:
        return rows.execute(statement).fetchall()
    return rows.execute(f"{statement} LIMIT :limit", {"limit": limit}).fetchall()


def generations(rows: Connection) -> set[str]:
    """All that rows name, those included that are about to go."""
    found = rows.execute(
        "SELECT generation FROM blobs UNION SELECT generation FROM condemned_blobs"
    ).fetchall()
    return {str(generation) for (generation,) in found}


def server_facts(rows: Connection) -> tuple[int, float, int, int]:
    """Of PostgreSQL: its version as a number (``170002``), its clock in seconds, connections allowed, and open ones."""
    version, now, allowed, open_ones = rows.execute(
        "SELECT current_setting('server_version_num'), extract(epoch FROM clock_timestamp()),"
        " current_setting('max_connections'), (SELECT count(*) FROM pg_stat_activity)"
    ).fetchall()[0]
    return int(version), float(now), int(allowed), int(open_ones)
