"""A copy of the database, made while it is in use."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from careen.db.engine import Connection

TABLES = ("repositories", "manifests", "blobs", "principals")
"""What is counted of a copy."""


def make(source: Path, target: Path) -> None:
    """Copy the database as it is at one instant, with SQLite's online backup; writers go on meanwhile.

    What only concerns the processes that have ``source`` open stays behind: holds, and the list of files to delete, which no backup
    has. The copy is one file, without a log beside it, and durable.

    Args:
        source: the database file.
        target: the copy; one that is there is written over.
    """
    target.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(source)) as original,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(
            copy
        )  # all pages in one read transaction: in steps it would begin anew at every commit
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.execute("PRAGMA synchronous=FULL")
        for table in ("holds", "condemned_blobs"):
            copy.execute(f"DELETE FROM {table}")
        copy.commit()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Connection]:
    """A copy to read from."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def counts(rows: Connection) -> dict[str, int]:
    """How many rows the tables have that people count."""
    return {table: int(rows.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in TABLES}


_BLOB_ROWS = (
    "SELECT b.digest, b.size, c.content FROM blobs b LEFT JOIN blob_contents c ON c.digest = b.digest"
    " WHERE b.generation = '' AND b.digest NOT IN (SELECT digest FROM damaged_blobs)"
)
_MANIFEST_ROWS = (
    "SELECT m.digest, m.size, c.content FROM manifests m LEFT JOIN manifest_contents c ON c.manifest_id = m.id"
    " WHERE m.id NOT IN (SELECT manifest_id FROM damaged_manifests)"
)


class Content(NamedTuple):
    """A blob or a manifest whose bytes are a row."""

    digest: str
    size: int
    content: bytes | None


def contents(rows: Connection) -> Iterator[Content]:
    """Every blob and manifest whose bytes are a row, but for those that are known as damaged."""
    yield from map(Content._make, rows.execute(_BLOB_ROWS))
    yield from map(Content._make, rows.execute(_MANIFEST_ROWS))
