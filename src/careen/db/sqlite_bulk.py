"""Whole tables of a database in one file. See ``careen.db.bulk``."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from careen.db.bulk import LAST, InUse, Row

if TYPE_CHECKING:
    from sqlalchemy import Table

CACHE_KIB = 64 * 1024
"""Pages that are kept in memory: keys that are no rowids arrive in another order than they are stored in."""

LOCK_SECONDS = 5.0
"""How long somebody may still be closing the file."""


class SqliteBulk:
    """A transaction on a connection of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(
        self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = (), /
    ) -> sqlite3.Cursor:
        """Run a statement."""
        return self._connection.execute(statement, parameters)

    def executemany(
        self, statement: str, parameters: Iterable[Sequence[Any] | Mapping[str, Any]], /
    ) -> sqlite3.Cursor:
        """Run a statement for each of many."""
        return self._connection.executemany(statement, parameters)

    def read(self, table: "Table") -> Iterator[Row]:
        """Every row, in the order in which they are stored."""
        order = ", ".join(column.name for column in table.primary_key)
        yield from self.execute(f"SELECT {_columns(table)} FROM {table.name} ORDER BY {order}")

    def write(self, table: "Table", rows: Iterable[Row]) -> None:
        """Insert rows."""
        marks = ", ".join("?" for _ in table.columns)
        self.executemany(f"INSERT INTO {table.name} ({_columns(table)}) VALUES ({marks})", rows)

    def clear(self, tables: "Collection[Table]") -> None:
        """Delete every row."""
        for table in reversed(list(tables)):  # who refers goes before what is referred to
            self.execute(f"DELETE FROM {table.name}")
        self.execute("DELETE FROM sqlite_sequence")

    def last_id(self, table: "Table") -> int:
        """What ``sqlite_sequence`` says, or the highest there is."""
        return self._last(table.name)

    def set_last_id(self, table: "Table", last: int) -> None:
        """Where ids are never given again. Elsewhere SQLite goes on after the highest there is, whatever was there before."""
        if table.dialect_options["sqlite"]["autoincrement"]:
            self.execute("DELETE FROM sqlite_sequence WHERE name = :name", {"name": table.name})
            self.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)",
                {"name": table.name, "last": last},
            )

    def remembered(self) -> dict[str, str]:
        """Up to where it gave ids of manifests: a server gives others."""
        return {LAST: str(self._last("manifests"))}

    def settle(self) -> None:
        """Nothing: statistics are not kept, and events go on after the last one."""

    def _last(self, table: str) -> int:
        known = "SELECT max(seq) FROM sqlite_sequence WHERE name = :name"
        last = f"SELECT max(coalesce(({known}), 0), coalesce((SELECT max(id) FROM {table}), 0))"
        return int(self.execute(last, {"name": table}).fetchone()[0])


def _columns(table: "Table") -> str:
    return ", ".join(column.name for column in table.columns)


@contextlib.contextmanager
def snapshot(path: Path) -> Iterator[SqliteBulk]:
    """A read transaction."""
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN")
        yield SqliteBulk(connection)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[SqliteBulk]:
    """The file without a write-ahead log, which SQLite takes away only from a file that nobody else has open, and locked.

    It gets its log again when a registry opens it. Without one a transaction may be as large as the disk.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
            for pragma in ("synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN EXCLUSIVE")
            # Whoever opened the file since the first line has given it a log again, with which nothing keeps readers out.
            [(mode,)] = connection.execute("PRAGMA journal_mode").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise InUse(f"another process has {path} open") from None
        if mode != "delete":
            connection.execute("ROLLBACK")
            raise InUse(f"another process has just opened {path}")
        try:
            yield SqliteBulk(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
