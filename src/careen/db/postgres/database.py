"""A database that several nodes share (PostgreSQL 14 or later, psycopg 3).

* **A read** is a ``REPEATABLE READ READ ONLY`` transaction; a single hot statement is one by itself.
* **A write** is a ``SERIALIZABLE`` transaction in one of a few threads. What PostgreSQL cannot put into an order with the others it
  undoes, and it is run again; after some failures alone, with every other writer of the registry waiting, so that it ends.
* **The version** is the server's snapshot: which transactions have ended. It is asked for, never announced, so that an answer
  remembered under it is as fresh as a read (docs/adr/0031).
* **A server that is away** is noticed once. From then on reads fail at once instead of blocking an event loop, writes wait for it a
  while, and one thread looks whether it is back.
"""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from careen import figures
from careen.db.engine import Away, Connection, OutcomeUnknown
from careen.db.postgres.connections import LOOK_SECONDS, Readers, Server, Single, Watch
from careen.db.postgres.dialect import Driver, Rows
from careen.faults import Point, reach

T = TypeVar("T")

WRITERS = 4
"""Transactions that a process writes at the same time. Each waits for the server most of the time, and its commits overlap."""

AWAY_SECONDS = 10.0
"""How long a write waits for a server that is away: it is started again, or another takes its place."""

ALONE_AFTER = 4
"""After so many failures a write is run with all others waiting."""

MAX_FAILURES = 20

# Whatever keeps a connection's locks after its node has lost the network must end. The last is for SERIALIZABLE: a sequential scan
# reads, so to speak, the whole table, and is in conflict with every write to it.
_WRITING = (
    "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'; SET enable_seqscan = off;"
    " SET default_transaction_isolation = 'serializable'"
)

# The first statement of a serializable transaction takes its snapshot, but LOCK takes none (PostgreSQL, LOCK): who waits for the
# lock sees what those before it have done.
_BEGIN = "BEGIN; LOCK TABLE alembic_version IN ROW SHARE MODE"
_BEGIN_IN_TURN = "BEGIN; LOCK TABLE alembic_version IN SHARE UPDATE EXCLUSIVE MODE"  # which excludes itself, and those alone
_BEGIN_ALONE = "BEGIN; LOCK TABLE alembic_version IN EXCLUSIVE MODE"

_STOP = object()


class _Task(NamedTuple):
    work: Callable[[Connection], Any]
    future: "Future[Any]"
    begin: str
    until: float
    """How long it waits for a server that is away, by the monotonic clock."""


class PostgresDatabase:
    """A database of a PostgreSQL server. See :class:`careen.db.engine.Database` for what it promises.

    Args:
        url: as libpq takes it: ``postgresql://user:password@host:port/database?…``.
    """

    is_shared = True
    """Any number of nodes may be at work on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._local = threading.local()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._writers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._server = Server(self.url)
        self._readers = Readers(self._server)
        self._single = Single(self._readers)
        self._watch = Watch(self._server)

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    def reader(self) -> Connection:
        """Whatever connection is free, statement for statement; inside a snapshot its own."""
        return getattr(self._local, "snapshot", None) or self._single

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction."""
        within: Connection | None = getattr(self._local, "snapshot", None)
        if within is not None:
            yield within
            return
        driver, _ = self._readers.begin(_begin_to_read)
        self._local.snapshot = rows = Rows(driver)
        try:
            yield rows
        except psycopg.OperationalError:
            if driver.broken:
                self._readers.close()
            raise
        finally:
            self._local.snapshot = None
            _roll_back(driver)
            self._readers.put(driver)

    def version(self) -> str:
        """Which transactions have ended, as the server's snapshots say it: one statement that reads no table."""
        return self._readers.run(self._watch.version)

    def size(self) -> int:
        """Bytes of the database's files on the server."""
        return int(self._single.execute("SELECT pg_database_size(current_database())").fetchall()[0][0])

    def check(self) -> list[str]:
        """Nothing: a server looks after its files itself (PostgreSQL, ``data_checksums`` and ``pg_amcheck``)."""
        return []

    def write(self, work: Callable[[Connection], T], *, in_turn: bool = False) -> "Future[T]":
        """Hand ``work`` to a writing thread."""
        future: Future[T] = Future()
        if not self._writers:
            self._start()
        begin = _BEGIN_IN_TURN if in_turn else _BEGIN
        self._queue.put(_Task(work, future, begin, time.monotonic() + AWAY_SECONDS))
        return future

    def is_away(self) -> bool:
        """Whether the server was not to be reached when somebody last tried."""
        # A server that is full takes no further connection, and goes on with those that there are.
        return self._server.is_away and not self._readers.has_some

    def close(self) -> None:
        """Finish the writes that wait, then close every connection."""
        with self._lock:
            for _ in self._writers:
                self._queue.put(_STOP)
            for writer in self._writers:
                writer.join()
            self._writers.clear()
            self._server.close()
            self._watch.close()
            self._readers.close()
            self._begin()

    def _start(self) -> None:
        with self._lock:
            while len(self._writers) < WRITERS:
                writer = threading.Thread(target=self._write_loop, name="careen-writer", daemon=True)
                writer.start()
                self._writers.append(writer)

    def _write_loop(self) -> None:
        driver: Driver | None = None
        while (task := self._queue.get()) is not _STOP:
            if task.future.set_running_or_notify_cancel():
                driver = self._carry_out(task, driver)
            del task  # a future holds on to its result, and this thread may wait long for the next
        if driver is not None:
            driver.close()

    def _carry_out(self, task: _Task, driver: Driver | None) -> Driver | None:
        """Run a piece of work until it counts or has failed. Returns the connection, if it can be used again."""
        failures, is_refused = 0, False
        while True:
            try:
                if driver is None or driver.closed:
                    driver = self._server.connect(_WRITING)
                is_alone = is_refused or failures >= ALONE_AFTER
                result = _transact(driver, task.work, _BEGIN_ALONE if is_alone else task.begin)
            except (errors.SerializationFailure, errors.DeadlockDetected) as error:
                figures.DATABASE_RERUNS.add()
                failures += 1
                if failures >= MAX_FAILURES:
                    task.future.set_exception(error)
                    return driver
                time.sleep(random.uniform(0, 0.001 * 2 ** min(failures, 6)))  # noqa: S311
            except psycopg.IntegrityError as error:
                # A constraint sees what was committed since the transaction's snapshot. Alone there is no such thing.
                if is_refused:
                    task.future.set_exception(error)
                    return driver
                is_refused = True
            except (psycopg.OperationalError, psycopg.InterfaceError, *_GONE) as error:
                if driver is not None and not driver.broken and not isinstance(error, _GONE):
                    task.future.set_exception(error)
                    return driver
                if driver is not None:
                    driver.close()
                    driver = None
                if time.monotonic() >= task.until:
                    task.future.set_exception(error)
                    return None
                if not self._server.is_away:
                    time.sleep(LOOK_SECONDS)  # it takes connections, and ends them
                self._server.wait(max(0.0, task.until - time.monotonic()))
            except BaseException as error:  # noqa: BLE001 the caller's, whatever it is
                task.future.set_exception(error)
                return driver
            else:
                task.future.set_result(result)
                return driver


_GONE = (
    Away,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.ReadOnlySqlTransaction,  # another server is the first now
)
"""What says that this connection is of no use any more, and that nothing was committed."""


def _begin_to_read(driver: Driver) -> None:
    driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", prepare=False)


def _roll_back(driver: Driver) -> None:
    if not driver.broken:
        with contextlib.suppress(psycopg.OperationalError):
            driver.execute("ROLLBACK", prepare=False)


def _transact(driver: Driver, work: Callable[[Connection], T], begin: str) -> T:
    """Run a piece of work in a transaction that begins so.

    Raises:
        OutcomeUnknown: the connection was lost on the commit.
    """
    try:
        driver.execute(begin, prepare=False)
        result = _done(driver, work)
    except BaseException:
        _roll_back(driver)
        raise
    reach(Point.COMMITTING)
    try:
        driver.execute("COMMIT", prepare=False)
    except psycopg.OperationalError as error:
        if driver.broken or isinstance(error, _GONE):
            raise OutcomeUnknown from error
        raise
    reach(Point.COMMITTED)
    return result


def _done(driver: Driver, work: Callable[[Connection], T]) -> T:
    result = work(Rows(driver))
    # COMMIT would undo it, and not say so.
    if driver.info.transaction_status == TransactionStatus.INERROR:
        raise errors.InFailedSqlTransaction("the work went on after a statement had failed")
    return result
