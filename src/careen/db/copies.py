"""Copies of a database: into a file while it is in use, and from one database into another.

**Into a file** goes a backup's: SQLite copies its own file, and what is in PostgreSQL is read in one snapshot, row by row.

**From one database into another** goes a registry that moves, or is restored into a server. The steps can be killed anywhere and
done again, and at every moment at most one of the two can be served (docs/adr/0034):

1. *Reserve*: the target is empty, or its rows went to where they come from now, and a document in it says which copy it awaits.
   Nobody serves it.
2. *Fill*: one transaction replaces what is there by the rows of the source, then reads all of them again and compares.
3. *Leave*: a document in the source says where they went. Nobody serves it from now on. A restore's source is its own, and has no
   such document.
4. *Release*: the document of the first step goes.

Ids go on where they were: those of rows, and those of events.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from careen.db import bulk, rules, schema
from careen.db.bulk import Bulk, Row
from careen.db.engine import Connection, Database, Place, is_url, name_of
from careen.db.words import CAME_FROM_ELSEWHERE, SHIFT
from careen.faults import Point, reach

if TYPE_CHECKING:
    from sqlalchemy import Table

TABLES = ("repositories", "manifests", "blobs", "principals")
"""What is counted of a copy."""

_PROCESSES = ("holds", "nodes")
"""Tables about processes that have the database open: no copy has them."""

_FILES = ("condemned_blobs",)
"""The list of files to delete: a backup, which has none of them, does not have it, either."""

_AWAITED = "copy-awaited"
"""The kind of the document that says which copy a database is reserved for."""

_MOVED = "moved"
"""The kind of the document that says where a database's rows went."""

_OWN = (_AWAITED, _MOVED, "event-shift")
"""Documents about one database and not about the registry: the copy does not have them. The last is of ``careen.db.words``."""

Told = Callable[[str, int], object]
"""Is told the name of each table that was copied, and how many rows it has."""

Arrived = Callable[[Connection], object]
"""Changes what has arrived, in the same transaction."""


def _as_it_was(_: Connection) -> None:
    """Nothing is changed."""


class CopyFailed(Exception):
    """Rows cannot be copied. The message says why, and nothing has changed hands."""


class Tally(NamedTuple):
    """What a table holds: equal tallies, equal rows."""

    rows: int
    total: int
    """Of a 64-bit digest of each row, so that no order matters."""


def make(source: Place, target: Path) -> None:
    """Copy the database as it is at one instant into a file; writers go on meanwhile.

    What only concerns the processes that have ``source`` open stays behind: holds, and the list of files to delete, which no backup
    has. The copy is one file, without a log beside it, and durable.

    Args:
        source: the database.
        target: the copy; one that is there is written over.

    Raises:
        CopyFailed: the database is of another version.
    """
    target.unlink(missing_ok=True)
    if is_url(source):
        schema.migrate(target)
        with bulk.snapshot(source) as original, bulk.alone(target) as copy:
            copy.clear(_tables())  # a new one says already whose it may be
            _take(original, copy, lambda *_: None, without=_PROCESSES + _FILES)
        return
    with (
        contextlib.closing(sqlite3.connect(source)) as original_file,
        contextlib.closing(sqlite3.connect(target)) as copied_file,
    ):
        original_file.backup(
            copied_file
        )  # all pages in one read transaction: in steps it would begin anew at every commit
        copied_file.execute("PRAGMA journal_mode=DELETE")
        copied_file.execute("PRAGMA synchronous=FULL")
        for table in _PROCESSES + _FILES:
            copied_file.execute(f"DELETE FROM {table}")
        copied_file.commit()


def refusal(database: Database) -> str | None:
    """Why a database is not to be served: it awaits a copy, or its rows went elsewhere."""
    rows = database.reader()  # one statement, whose snapshot is younger than a lock that it waited for
    found = dict(
        rows.execute(
            "SELECT kind, content FROM registry_documents WHERE kind IN (?, ?)", (_AWAITED, _MOVED)
        ).fetchall()
    )
    if _AWAITED in found:
        return f"the {found[_AWAITED]} has not ended: start it again, it goes on where it was"
    if _MOVED in found:
        return f"this registry was moved to {found[_MOVED]}: set `database` to that"
    return None


def settle(database: Database) -> None:
    """Let events go on after the last one where the rows came from another server by other means, as with ``pg_dump``."""
    if not database.is_shared:
        return
    with database.read() as rows:
        [(came,)] = rows.execute(CAME_FROM_ELSEWHERE).fetchall()
    if came:
        database.write(_shift).result()


def _shift(rows: Connection) -> None:
    rows.execute(SHIFT)


def awaits(target: Place, copy: str) -> bool:
    """Whether a database is reserved for this copy."""
    if schema.current(target) is None:
        return False
    with bulk.snapshot(target) as rows:
        return rules.registry_document(rows, _AWAITED) == copy


def reserve(target: Place, copy: str, source: str | None = None) -> None:
    """Make a database, or bring it up to date, and keep it for a copy.

    Args:
        target: the database: empty, reserved for the same copy before, or one whose rows were moved to ``source``.
        copy: which: what it is and whence. People read it.
        source: the name of the database whose rows come back if they were here before; None: they were not.

    Raises:
        CopyFailed: it is neither.
        InUse: somebody has it open.
    """
    schema.migrate(target)
    with bulk.alone(target) as rows:
        awaited = rules.registry_document(rows, _AWAITED)
        if awaited not in {None, copy}:
            raise CopyFailed(f"{name_of(target)} awaits another copy: the {awaited} has not ended")
        if awaited is None:
            moved = rules.registry_document(rows, _MOVED)
            is_back = moved is not None and moved == source
            if not is_back and (holding := _not_empty(rows)):
                raise CopyFailed(
                    f"{name_of(target)} is not empty: there are rows in {holding}"
                    + ("" if moved is None else f", of a registry that was moved to {moved}")
                )
            rules.put_registry_document(rows, _AWAITED, copy)
    reach(Point.COPY_RESERVED)


def _not_empty(rows: Connection) -> str | None:
    """The name of a table that has rows of a registry: documents are there before anything else is."""
    for table in _tables():
        is_asked = table.name not in {*_PROCESSES, "registry_documents"}
        if is_asked and rows.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is not None:
            return table.name
    return None


def fill(source: Place, target: Place, copy: str, told: Told, arrived: Arrived = _as_it_was) -> None:
    """Copy every row of ``source``, which nobody writes to, into a database that is reserved for this copy. May be repeated.

    Raises:
        CopyFailed: the two have not the same schema, or ``target`` is not reserved for it, or what arrived differs.
        InUse: somebody has ``target`` open.
    """
    with bulk.snapshot(source) as rows:
        _fill(rows, target, copy, told, arrived)


def _fill(source: Bulk, target: Place, copy: str, told: Told, arrived: Arrived) -> None:
    with bulk.alone(target) as rows:
        if rules.registry_document(rows, _AWAITED) != copy:
            raise CopyFailed(f"{name_of(target)} is not reserved for the {copy} any more")
        rows.clear(_tables())
        _take(source, rows, told, without=_PROCESSES)
        arrived(rows)
        rules.put_registry_document(rows, _AWAITED, copy)
        reach(Point.COPY_FILLING)
    reach(Point.COPY_FILLED)


def move(source: Place, target: Place, told: Told, arrived: Arrived = _as_it_was) -> None:
    """Bring every row into another database. Done again after it was stopped, it goes on where it was.

    Args:
        source: a database that nobody has open. Afterwards it says where its rows went, and is not to be served.
        target: as for :func:`reserve`.
        told: hears of each table.
        arrived: has the last word on what arrived.

    Raises:
        CopyFailed: either is not as it must be.
        InUse: somebody has one of them open.
    """
    copy, where = f"move from {name_of(source)}", name_of(target)
    if name_of(source) == where:
        raise CopyFailed(f"the registry is in {where} already")
    with bulk.alone(source) as rows:
        moved = rules.registry_document(rows, _MOVED)
        if moved not in {None, where}:
            raise CopyFailed(f"{name_of(source)} was moved to {moved}: what is here is old")
        if (awaited := rules.registry_document(rows, _AWAITED)) is not None:
            raise CopyFailed(f"there is no whole registry in {name_of(source)}: the {awaited} has not ended")
        if moved is None:
            reserve(target, copy, name_of(source))
            _fill(rows, target, copy, told, arrived)
            rules.put_registry_document(rows, _MOVED, where)
        elif not awaits(target, copy):
            return  # it has ended before, and the registry may be served from there by now
    reach(Point.COPY_LEFT)
    release(target, copy)


def release(target: Place, copy: str) -> None:
    """Let a database be served that was filled by this copy. Nothing happens if that was done before."""
    with bulk.alone(target) as rows:
        if rules.registry_document(rows, _AWAITED) == copy:
            rules.put_registry_document(rows, _AWAITED, None)
    reach(Point.COPY_RELEASED)


def _tables() -> "list[Table]":
    """Every table; those that are referred to come before those that refer."""
    from careen.db.tables import metadata  # noqa: PLC0415 SQLAlchemy takes half a second to import

    return metadata.sorted_tables


def _take(source: Bulk, target: Bulk, told: Told, *, without: Collection[str]) -> None:
    """Copy every row into empty tables, but for those of some, and compare."""
    versions = [
        rows.execute("SELECT version_num FROM alembic_version").fetchone()[0] for rows in (source, target)
    ]
    if versions[0] != versions[1]:
        raise CopyFailed(f"the rows have schema {versions[0]}, the database for them has {versions[1]}")
    tables = [table for table in _tables() if table.name not in without]
    sent: dict[str, Tally] = {}
    for table in tables:
        target.write(table, _tallied(table.name, source.read(table), sent))
    received: dict[str, Tally] = {}
    for table in tables:
        for _ in _tallied(table.name, target.read(table), received):
            pass
        if received[table.name] != sent[table.name]:
            raise CopyFailed(
                f"{table.name} did not arrive as it was sent: {sent[table.name].rows:,} rows went,"
                f" {received[table.name].rows:,} came, or some differ"
            )
        told(table.name, received[table.name].rows)
        if "id" in table.columns and table.columns["id"].autoincrement is True:
            target.set_last_id(table, source.last_id(table))
    for kind in _OWN:
        rules.put_registry_document(target, kind, None)
    for kind, content in source.remembered().items():
        rules.put_registry_document(target, kind, content)
    target.settle()


def _tallied(name: str, rows: Iterator[Row], tallies: dict[str, Tally]) -> Iterator[Row]:
    """The same rows; at the end their tally is known."""
    count, total = 0, 0
    for row in rows:
        count += 1
        total += int.from_bytes(blake2b(msgspec.msgpack.encode(row), digest_size=8).digest())
        yield row
    tallies[name] = Tally(count, total % 2**64)


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
