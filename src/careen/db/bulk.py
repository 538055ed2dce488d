"""Whole tables, read and written in streams inside one transaction: what copies of a database are made with.

``careen.db.sqlite_bulk`` and ``careen.db.postgres.bulk`` do it, in constant memory however many rows there are. Python's values are
the same in both databases: integers, text, bytes and None.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from careen.db.engine import Connection, Place, is_url

if TYPE_CHECKING:
    from sqlalchemy import Table

Row = tuple[Any, ...]

NUMBERS = "manifest-numbers"
"""The kind of the document that says how many ids of manifests a server has made of numbers: the next server goes on there."""

LAST = "last-manifest"
"""The kind of the one that says up to where a file has given ids of manifests: the next file goes on there."""


class InUse(Exception):
    """Somebody else has the database open. The message says who, as far as that is known."""


class Unfit(Exception):
    """A value cannot be kept in the database that it is to be brought to."""


class Bulk(Connection, Protocol):
    """A transaction in which whole tables are read, written and emptied."""

    def read(self, table: "Table") -> Iterator[Row]:
        """Every row, by its primary key. Nothing else is asked before the last was taken."""

    def write(self, table: "Table", rows: Iterable[Row]) -> None:
        """Insert rows that have a value for each column, in the columns' order.

        Raises:
            Unfit: a value that this database cannot have.
        """

    def clear(self, tables: "Collection[Table]") -> None:
        """Delete every row of all these tables, which nothing else refers to."""

    def last_id(self, table: "Table") -> int:
        """An ``id`` that no row of a table has ever been above, as far as the database remembers; 0: there was none."""

    def set_last_id(self, table: "Table", last: int) -> None:
        """Let ids go on that were never given, if ``last`` is what :meth:`last_id` said where the rows came from."""

    def remembered(self) -> dict[str, str]:
        """Documents of the registry that this database has not as rows, and the next one may need."""

    def settle(self) -> None:
        """Do what this database needs when rows and documents have come from elsewhere."""


def snapshot(place: Place) -> AbstractContextManager[Bulk]:
    """The database as it is at one instant, to be read; others write meanwhile."""
    if is_url(place):
        from careen.db.postgres import bulk as postgres_bulk  # noqa: PLC0415 the driver is an extra

        return postgres_bulk.snapshot(str(place))
    from careen.db import sqlite_bulk  # noqa: PLC0415 it imports this module

    return sqlite_bulk.snapshot(Path(place))


def alone(place: Place) -> AbstractContextManager[Bulk]:
    """The database while nobody else has it open; what is written is committed at the end, or not at all.

    Raises:
        InUse: somebody has.
    """
    if is_url(place):
        from careen.db.postgres import bulk as postgres_bulk  # noqa: PLC0415

        return postgres_bulk.alone(str(place))
    from careen.db import sqlite_bulk  # noqa: PLC0415

    return sqlite_bulk.alone(Path(place))
