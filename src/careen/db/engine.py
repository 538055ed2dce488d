"""What a database promises to whoever reads and writes rows, wherever it is.

``careen.db.sqlite`` is the one of a data folder, ``careen.db.postgres`` the one that several nodes share. Both promise:

* **A read is a snapshot and cannot write.**
* **Writes have the effect of one after another**: whatever a piece of work has read is still so when it is committed. Nothing above
  this package locks anything.
* **A write that was answered is durable.**
* **The version moves with every commit**, whoever made it: what was read under a version is true as long as the version stands.

Statements are SQL text with named parameters, run on the driver: building them anew from expressions costs 25 times what
running them does (docs/adr/0002). One text serves both databases (docs/adr/0031).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

T = TypeVar("T")

Place = Path | str
"""Where a database is: the file of an SQLite one, or the URL of a PostgreSQL one."""


Version = int | str
"""Of all that a database holds, to be compared with another."""


class Away(Exception):
    """The database's server cannot be reached. Nothing was read or written; it may work again in a moment."""

    def __init__(self, why: str = "") -> None:
        super().__init__(f"the database does not answer: {why}" if why else "the database does not answer")


class OutcomeUnknown(Exception):
    """The connection was lost while a transaction was committed: it counts, or it does not."""

    def __init__(self) -> None:
        super().__init__("the connection to the database was lost on a commit")


class Result(Protocol):
    """What a statement found or did. Rows are tuples."""

    @property
    def rowcount(self) -> int:
        """How many rows were inserted, changed or deleted."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All the rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What the functions of this package are handed: a connection inside a transaction."""

    def execute(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = (), /) -> Result:
        """Run a statement with parameters for its ``:name`` or ``?``."""

    def executemany(
        self, statement: str, parameters: Iterable[Sequence[Any] | Mapping[str, Any]], /
    ) -> Result:
        """Run a statement for each of many."""


class Database(Protocol):
    """A database whose schema is there (``careen.db.schema``)."""

    @property
    def place(self) -> Place:
        """Where it is."""

    @property
    def is_shared(self) -> bool:
        """Whether several nodes may be at work on it."""

    def reader(self) -> Connection:
        """A read-only connection outside any transaction, for this thread: for single hot statements."""

    def read(self) -> AbstractContextManager[Connection]:
        """A snapshot: all statements inside see the same state. Calls may nest; the outermost snapshot serves them all."""

    def version(self) -> Version:
        """What stands still as long as nobody else commits."""

    def size(self) -> int:
        """Bytes that the database takes up."""

    def check(self) -> list[str]:
        """What the database finds wrong with its own files; nothing as a rule. Takes as long as reading them."""

    def write(self, work: Callable[[Connection], T], *, in_turn: bool = False) -> "Future[T]":
        """Run ``work`` in a transaction, in a thread of the database's.

        Args:
            work: reads and writes rows. It may be run again from its beginning when what it read was changed meanwhile, so it has
                no effect elsewhere that could not be repeated.
            in_turn: one such transaction after the other, whoever begins them; all others go on beside it. For work of many
                statements that several processes do at the same time and that would be in conflict as a rule.

        Returns:
            A future that has ``work``'s result once the commit is durable, or the exception that undid it.
        """

    def is_away(self) -> bool:
        """Whether the database was not to be reached when somebody last tried; then reads fail at once, until it is back."""

    def close(self) -> None:
        """Finish the writes that wait, then close every connection."""


def is_url(place: Place) -> bool:
    """Whether a place is that of a server; else it is a file."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))


def name_of(place: Place) -> str:
    """A place in words for people and for comparison: without user, password and what else does not say where it is.

    Hosts and ports may be named in a URL's query, too; there it is the folder of a server's socket as a rule (PostgreSQL,
    "Connection URIs").
    """
    if not is_url(place):
        return str(Path(place).absolute())
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 an extra

    parts = conninfo_to_dict(str(place))
    host, port, addresses = (str(parts.get(name) or "") for name in ("host", "port", "hostaddr"))
    database = str(parts.get("dbname") or parts.get("user") or "")
    hosts = [f"[{each}]" if ":" in each else quote(each, safe="") for each in host.split(",")]
    ports = port.split(",") if "," in port else [port] * len(hosts)
    named = (f"{each}:{its}" if its else each for each, its in zip(hosts, ports, strict=False))
    query = f"?hostaddr={quote(addresses)}" if addresses else ""
    return f"postgresql://{','.join(named)}/{quote(database, safe='')}{query}"


def opened(place: Place) -> Database:
    """The database at a place. Nothing is asked of it yet."""
    if is_url(place):
        from careen.db.postgres.database import PostgresDatabase  # noqa: PLC0415 the driver is an extra, and ten megabytes

        return PostgresDatabase(str(place))
    from careen.db.sqlite import SqliteDatabase  # noqa: PLC0415 they import this module

    return SqliteDatabase(Path(place))
