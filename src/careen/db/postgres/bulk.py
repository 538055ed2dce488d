"""Whole tables of a PostgreSQL database, by ``COPY``. See ``careen.db.bulk``."""

import contextlib
import itertools
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from careen.db import rules
from careen.db.bulk import LAST, NUMBERS, InUse, Row, Unfit
from careen.db.postgres.connections import connect
from careen.db.postgres.dialect import Driver, translated
from careen.db.schema import AT_WORK
from careen.db.words import SHIFT

if TYPE_CHECKING:
    from sqlalchemy import Table

ROWS = 20_000
"""How many rows one COPY takes: the server remembers each until its references were looked at, when the statement ends."""

SPREAD_BELOW = 2**62
"""Ids of manifests are numbers with their bits in reverse (``careen.db.words``). Those that a file gives after such ones are above,
and those that it gave before have so few bits that no number is turned into one of them."""

LOCK_SECONDS = 5.0
"""How long somebody may still be on the way out."""

# A copy may be idle for as long as the other end takes, and its statements last as long as tables are long.
_SETTINGS = (
    "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0;"
    f" SET lock_timeout = '{LOCK_SECONDS:.0f}s'"
)

# Serializable transactions have an order, and a snapshot of any moment may show one without another that comes before: DEFERRABLE
# waits for a moment at which none does, a few writes' time (PostgreSQL, "SET TRANSACTION"; pg_dump --serializable-deferrable).
_SNAPSHOT = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"

# LOCK takes no snapshot, so what is read after it is what the last writer left. The first is what every write begins with, the
# second what every start reads (careen.db.copies): a node that starts meanwhile waits, and sees what became of the database.
_ALONE = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE alembic_version IN EXCLUSIVE MODE;"
    " LOCK TABLE registry_documents IN ACCESS EXCLUSIVE MODE"
)

_OTHERS = (
    "SELECT DISTINCT coalesce(nullif(application_name, ''), 'a program without a name') FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


class PostgresBulk:
    """A transaction on a connection of its own."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def execute(
        self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = (), /
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run a statement."""
        return self._driver.execute(translated(statement), parameters, binary=True)

    def executemany(
        self, statement: str, parameters: Iterable[Sequence[Any] | Mapping[str, Any]], /
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run a statement for each of many."""
        cursor = self._driver.cursor()
        cursor.executemany(translated(statement), parameters)
        return cursor

    def read(self, table: "Table") -> Iterator[Row]:
        """Every row, one at a time from the network, in the order in which SQLite stores them."""
        order = ", ".join(column.name for column in table.primary_key)
        chosen = (
            f"COPY (SELECT {_columns(table)} FROM {table.name} ORDER BY {order}) TO STDOUT (FORMAT BINARY)"
        )
        types = self._types(table)
        with self._driver.cursor() as cursor, cursor.copy(chosen.encode()) as copy:
            copy.set_types(types)
            yield from copy.rows()

    def write(self, table: "Table", rows: Iterable[Row]) -> None:
        """Insert rows."""
        statement = f"COPY {table.name} ({_columns(table)}) FROM STDIN (FORMAT BINARY)".encode()
        types, left = self._types(table), iter(rows)
        try:
            while batch := list(itertools.islice(left, 1)):
                with self._driver.cursor() as cursor, cursor.copy(statement) as copy:
                    copy.set_types(types)
                    for row in itertools.chain(batch, itertools.islice(left, ROWS - 1)):
                        copy.write_row(row)
        except psycopg.DataError as error:
            raise Unfit(f"{table.name}: {error}") from None

    def clear(self, tables: "Collection[Table]") -> None:
        """Empty all of them at once."""
        self.execute(f"TRUNCATE {', '.join(table.name for table in tables)}")

    def last_id(self, table: "Table") -> int:
        """What the sequence has given, or the highest there is; of manifests, whose ids are spread, the highest that can be."""
        given = self._given(table.name)
        if table.name == "manifests":
            before = int(rules.registry_document(self, LAST) or 0)
            given = max(before, SPREAD_BELOW - 1 if given else 0)
        last = f"SELECT greatest(:given, (SELECT max(id) FROM {table.name}))"
        return int(self.execute(last, {"given": given}).fetchall()[0][0])

    def set_last_id(self, table: "Table", last: int) -> None:
        """Set the sequence. That of manifests is counted, not compared with ids: see :meth:`settle`."""
        if table.name != "manifests":
            [(top,)] = self.execute(f"SELECT max(id) FROM {table.name}").fetchall()
            self._go_on(self._sequence(table.name), max(last, top or 0))

    def remembered(self) -> dict[str, str]:
        """How many ids of manifests were spread."""
        numbers = self._given("manifests")
        return {NUMBERS: str(numbers)} if numbers else {}

    def settle(self) -> None:
        """Let manifests and events have ids that nothing had before, and let the planner know what there is."""
        numbers = int(rules.registry_document(self, NUMBERS) or 0)
        self._go_on(self._sequence("manifests"), numbers)
        self.execute(SHIFT)
        self.execute("ANALYZE")

    def _given(self, table: str) -> int:
        last = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {self._sequence(table)}"
        return int(self.execute(last).fetchall()[0][0])

    def _go_on(self, sequence: str, last: int) -> None:
        self.execute(
            "SELECT setval(CAST(:sequence AS regclass), greatest(:last, 1), :last > 0)",
            {"sequence": sequence, "last": last},
        )

    def _sequence(self, table: str) -> str:
        [(name,)] = self.execute("SELECT pg_get_serial_sequence(:table, 'id')", {"table": table}).fetchall()
        return str(name)

    def _types(self, table: "Table") -> list[int]:
        described = self.execute(f"SELECT {_columns(table)} FROM {table.name} LIMIT 0").description or []
        return [column.type_code for column in described]


def _columns(table: "Table") -> str:
    return ", ".join(column.name for column in table.columns)


@contextlib.contextmanager
def snapshot(url: str) -> Iterator[PostgresBulk]:
    """A read-only transaction."""
    with contextlib.closing(connect(url, _SETTINGS)) as driver:
        driver.execute(_SNAPSHOT, prepare=False)
        yield PostgresBulk(driver)
        driver.execute("ROLLBACK", prepare=False)


@contextlib.contextmanager
def alone(url: str) -> Iterator[PostgresBulk]:
    """A transaction for which every writer waits.

    Our user has no other session on the database when it begins and when it ends, and no node says that it works on it, whoever's
    its sessions are.
    """
    with contextlib.closing(connect(url, _SETTINGS)) as driver:
        try:
            driver.execute(_ALONE, prepare=False)
        except psycopg.errors.LockNotAvailable:
            raise InUse("another process writes to the database") from None
        try:
            _await_others(driver)
            _check_nodes(driver)
            yield PostgresBulk(driver)
            _await_others(driver)
            driver.execute("COMMIT", prepare=False)
        except BaseException:
            if not driver.broken:
                driver.execute("ROLLBACK", prepare=False)
            raise


def _await_others(driver: Driver) -> None:
    """See that nobody else is there; a session takes a moment to end.

    Raises:
        InUse: somebody is.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while others := _others(driver):
        if time.monotonic() > deadline:
            raise InUse(f"others are connected to the database as our user: {', '.join(others)}")
        time.sleep(0.05)


def _check_nodes(driver: Driver) -> None:
    """See that no node is at work. Once is enough: who wants to say that it is one waits for us, as every writer does.

    Raises:
        InUse: one is, or has ended within the last half minute without saying so.
    """
    if names := sorted({name for name, *_ in driver.execute(AT_WORK, prepare=False)}):
        raise InUse(f"nodes are at work on the database, or were half a minute ago: {', '.join(names)}")


def _others(driver: Driver) -> list[str]:
    driver.execute(
        "SELECT pg_stat_clear_snapshot()", prepare=False
    )  # it would be the same all transaction long
    return sorted(name for (name,) in driver.execute(_OTHERS, prepare=False))
