"""A database in one file (SQLite in WAL mode), read from any thread, written by one.

Rules it keeps:

* **A read is a snapshot and cannot write**: every thread has a connection of its own with ``query_only`` on.
* **A write that was answered is on the disk** (``synchronous=FULL``). One thread writes; work that waits while a commit is
  under way shares the next one (group commit), each in a savepoint of its own, so that one caller's failure undoes nothing of
  another's. Group commit makes a durable write cost what a lazy one does, and it orders writers without lock retries.
* **Several processes may share the file**; ``version()`` tells a cache that some other connection has committed.

"""

import contextlib
import queue
import select
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from careen.db.engine import Connection
from careen.db.failures import Failure, failure
from careen.faults import Point, reach

T = TypeVar("T")

BUSY_SECONDS = 30.0
"""How long a write waits for another process's transaction before it fails."""

LOOK_SECONDS = 0.0005
"""How often a write that waits for another process looks whether it may."""

GROUP = 64
"""The most pieces of work that one commit carries."""


Work = Callable[[Connection], Any]

_STOP = object()


class SqliteDatabase:
    """A SQLite database file. See :class:`careen.db.engine.Database` for what it promises.

    Args:
        path: the file; its folder must exist. The schema is the business of ``careen.db.schema``.
    """

    is_shared = False
    """One machine has the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def place(self) -> Path:
        """The file."""
        return self.path

    def reader(self) -> sqlite3.Connection:
        """This thread's connection, with ``query_only`` on."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only=ON")
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction."""
        connection = self.reader()
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")

    def version(self) -> int:
        """``PRAGMA data_version``: 5 µs."""
        version: int = self.reader().execute("PRAGMA data_version").fetchone()[0]
        return version

    def size(self) -> int:
        """Bytes of the database's files, write-ahead log included."""
        paths = [self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal", "-shm")]
        return sum(path.stat().st_size for path in paths if path.exists())

    def check(self) -> list[str]:
        """Every page is read, then every reference followed."""
        with self.read() as rows:
            return check_pages(rows) or _check_references(rows)

    def write(self, work: Callable[[Connection], T], *, in_turn: bool = False) -> "Future[T]":  # noqa: ARG002 all are
        """Hand ``work`` to the writer thread."""
        future: Future[T] = Future()
        if self._writer is None:
            self._start()
        self._queue.put((work, future))
        return future

    def is_away(self) -> bool:
        """Never: a file is here."""
        return False

    def close(self) -> None:
        """Finish the writes that wait, then close every connection."""
        with self._lock:
            if self._writer is not None:
                self._queue.put(_STOP)
                self._writer.join()
                self._writer = None
            for connection in self._readers:
                connection.close()
            self._readers.clear()
        self._local = threading.local()

    def _start(self) -> None:
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_loop, name="careen-writer", daemon=True)
                self._writer.start()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
                # A log that others are just recovering or removing is not waited for by SQLite here.
                _insist(connection, f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _write_loop(self) -> None:
        connection: sqlite3.Connection | None = None
        stopping = False
        while not stopping:
            group = self._next_group()
            stopping = group[-1] is _STOP
            live = [
                (work, future)
                for work, future in (group[:-1] if stopping else group)
                if future.set_running_or_notify_cancel()
            ]
            try:
                connection = connection or self._connect()
            except sqlite3.Error as error:  # a full disk can refuse that, too: the next group tries again
                _fail(live, error)
            else:
                _commit_group(connection, live)
        if connection is not None:
            connection.close()

    def _next_group(self) -> list[Any]:
        group = [self._queue.get()]
        while len(group) < GROUP and group[-1] is not _STOP:
            try:
                group.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return group


def _commit_group(connection: sqlite3.Connection, live: "Sequence[tuple[Work, Future[Any]]]") -> None:
    if not live:
        return
    done: list[tuple[Future[Any], Any]] = []
    try:
        _begin(connection)
        for work, future in live:
            try:
                done.append((future, _run_in_savepoint(connection, work)))
            except Exception as error:
                future.set_exception(error)
                if not connection.in_transaction:
                    # A full disk makes SQLite undo the whole transaction by itself. What ran after it would commit on its own.
                    raise sqlite3.OperationalError("the transaction was undone") from error
        reach(Point.COMMITTING)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        # The disk is full, or another process held the lock too long: nobody's work counts.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        _fail(live, error)
        return
    reach(Point.COMMITTED)
    for future, result in done:
        future.set_result(result)


def _begin(connection: sqlite3.Connection) -> None:
    """Begin to write, when no other process does.

    SQLite's own way to wait looks less and less often, at last ten times a second: who writes much would keep others waiting
    long after it is done. So we look ourselves, often.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        _insist(connection, "BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")


def _insist(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement, again and again while another process is in the way."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            select.select((), (), (), LOOK_SECONDS)  # a wait that no clock set anew can spoil
        else:
            return


def _fail(live: "Sequence[tuple[Work, Future[Any]]]", error: sqlite3.Error) -> None:
    """Nobody's work counts; who has heard of a failure of its own has heard enough."""
    for _, future in live:
        if not future.done():
            future.set_exception(error)


def _run_in_savepoint(connection: sqlite3.Connection, work: Callable[[Connection], T]) -> T:
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
        raise
    connection.execute("RELEASE work")
    return result


def check_pages(rows: Connection) -> list[str]:
    """What SQLite finds wrong with its own file, the first of each kind; nothing as a rule. Reads every page."""
    checks = ["PRAGMA quick_check"]
    if (3, 40) <= sqlite3.sqlite_version_info < (3, 42):
        # These versions find NULL where there is none, in tables without rowid whose key's columns do not come first: in this one.
        tables = rows.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'manifest_blobs'"
        )
        checks = [f"PRAGMA quick_check('{name}')" for (name,) in tables]
    wrong: list[str] = []
    for check in checks:
        try:
            said = "\n".join(row[0] for row in rows.execute(check) if row[0] != "ok").splitlines()
            # Under a heading that names the file come a hundred lines of one fault.
            wrong.extend([line for line in said if not line.startswith("***")][:1])
        except sqlite3.DatabaseError as error:
            if failure(error) is not Failure.DAMAGED:
                raise
            wrong.append(str(error))
    return wrong


def _check_references(rows: Connection) -> list[str]:
    """Rows that break a foreign key, which no transaction can leave."""
    return [
        f"a row of {row[0]} refers to a row of {row[2]} that is not there"
        for row in rows.execute("PRAGMA foreign_key_check")
    ]
