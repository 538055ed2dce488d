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
import logging
import os
import queue
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, NamedTuple, TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.adapt import AdaptersMap, Buffer, Dumper, Loader
from psycopg.pq import Format, TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
from psycopg.types.string import StrDumper

from careen import figures
from careen.db.engine import Away, Connection, OutcomeUnknown
from careen.faults import Point, reach

T = TypeVar("T")

log = structlog.get_logger()

WRITERS = 4
"""Transactions that a process writes at the same time. Each waits for the server most of the time, and its commits overlap."""

READERS = 8
"""Connections that a process keeps for reading. Threads that read at the same time have more for as long as they do."""

AWAY_SECONDS = 10.0
"""How long a write waits for a server that is away: it is started again, or another takes its place."""

LOOK_SECONDS = 0.2
"""How often somebody looks whether it is back."""

CONNECT_SECONDS = 3

SILENT_SECONDS = 3.0
"""A server that takes longer to say which transactions have ended is taken for away: it hangs, and event loops wait for it."""

ALONE_AFTER = 4
"""After so many failures a write is run with all others waiting."""

MAX_FAILURES = 20

PREPARED = 512
"""Statements that a connection keeps prepared: more than there are."""

# Whatever keeps a connection's locks after its node has lost the network must end. The last is for SERIALIZABLE: a sequential scan
# reads, so to speak, the whole table, and is in conflict with every write to it.
_WRITING = (
    "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'; SET enable_seqscan = off;"
    " SET default_transaction_isolation = 'serializable'"
)
_READING = "SET default_transaction_read_only = on"
_KEEPALIVES: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
    "target_session_attrs": "read-write",  # a standby gives old answers
}

# The first statement of a serializable transaction takes its snapshot, but LOCK takes none (PostgreSQL, LOCK): who waits for the
# lock sees what those before it have done.
_BEGIN = "BEGIN; LOCK TABLE alembic_version IN ROW SHARE MODE"
_BEGIN_IN_TURN = "BEGIN; LOCK TABLE alembic_version IN SHARE UPDATE EXCLUSIVE MODE"  # which excludes itself, and those alone
_BEGIN_ALONE = "BEGIN; LOCK TABLE alembic_version IN EXCLUSIVE MODE"
# Another server in its place may have lost the last transactions and give their numbers to others.
_SNAPSHOT = b"SELECT pg_current_snapshot()::text || ' ' || pg_postmaster_start_time()::text"

_TOKEN = re.compile(
    r"/\*postgresql: (?P<ours>.*?) ?\*/|(?P<text>'(?:[^']|'')*')|(?P<cast>::)|(?<!\w):(?P<name>[a-z_]\w*)"
    r"|(?P<mark>\?)|(?P<percent>%)"
)

_STOP = object()

# It warns of every pipeline that ends in an error; the error itself is told to whoever asked.
logging.getLogger("psycopg").setLevel(logging.ERROR)


@cache
def translated(statement: str) -> bytes:
    """A statement of this package in psycopg's words. ``/*postgresql: … */`` is a comment for SQLite and text here."""
    return _TOKEN.sub(_translate, statement).encode()


def _translate(token: re.Match[str]) -> str:
    if token["ours"] is not None:
        return _TOKEN.sub(_translate, token["ours"])
    if token["name"]:
        return f"%({token['name']})s"
    return "%s" if token["mark"] else token[0].replace("%", "%%")


class _FlagDumper(Dumper):
    """Flags are integers in our tables, as in SQLite."""

    oid = Int8BinaryDumper.oid

    def dump(self, obj: Any) -> Buffer:
        return b"1" if obj else b"0"


class _FlagLoader(Loader):
    """What EXISTS says, as SQLite says it."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return bytes(data)[0]


class _SumLoader(NumericBinaryLoader):
    """Sums of our columns are of integers."""

    def load(self, data: Buffer) -> Any:
        return int(super().load(data))


class _SoughtTextDumper(StrDumper):
    """Text that somebody asks for. PostgreSQL has no NUL (nor do we store one): what has one finds nothing, as in SQLite."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\uffff"))


def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(bool, _FlagDumper)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(str, StrDumper)  # of a type that is known, so that `:name IS NULL` has one
    adapters.register_loader("bool", _FlagLoader)
    adapters.register_loader("numeric", _SumLoader)
    return adapters


_ADAPTERS = _adapters()
_READING_ADAPTERS = AdaptersMap(_ADAPTERS)
_READING_ADAPTERS.register_dumper(str, _SoughtTextDumper)

Driver = psycopg.Connection[tuple[Any, ...]]
Parameters = Mapping[str, Any] | Sequence[Any]


def connect(url: str, settings: str) -> Driver:
    """A connection of one's own, outside any transaction.

    Args:
        url: of the database.
        settings: what it is told first: statements.

    Raises:
        psycopg.OperationalError: it cannot be had.
    """
    adapters = _READING_ADAPTERS if settings is _READING else _ADAPTERS
    driver = psycopg.connect(url, autocommit=True, context=adapters, **_KEEPALIVES)
    driver.prepared_max = PREPARED
    try:
        driver.execute(settings, prepare=False)
    except BaseException:
        driver.close()
        raise
    return driver


class _Rows:
    """A connection in the words of ``careen.db``."""

    __slots__ = ("_driver",)

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def execute(self, statement: str, parameters: Parameters = ()) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run one statement."""
        return self._driver.execute(translated(statement), parameters, binary=True)

    def executemany(
        self, statement: str, parameters: Iterable[Parameters]
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run a statement many times, in one go."""
        cursor = self._driver.cursor()
        cursor.executemany(translated(statement), parameters)
        # psycopg ends a pipeline with a Flush, after which the server's idle_in_transaction_session_timeout does not run before the
        # next statement: a node that is lost here would hold its locks for ever.
        self._driver.execute(b"SELECT", prepare=False)
        return cursor


class _Single:
    """Statements that are transactions of their own, each on whatever connection is free."""

    __slots__ = ("_pool",)

    def __init__(self, pool: "_Readers") -> None:
        self._pool = pool

    def execute(self, statement: str, parameters: Parameters = ()) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run one statement; once more, if the connection turns out to have been lost while nobody used it."""
        return self._pool.run(lambda driver: driver.execute(translated(statement), parameters, binary=True))

    def executemany(self, statement: str, parameters: Iterable[Parameters]) -> Any:
        """Nobody reads many times at once."""
        raise NotImplementedError


class _Server:
    """The server, as far as it is known whether it can be reached."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._there = threading.Event()
        self._there.set()
        self._closed = False
        self._why = ""

    @property
    def is_away(self) -> bool:
        return not self._there.is_set()

    def connect(self, settings: str) -> Driver:
        """A new connection.

        Raises:
            Away: it cannot be had; also at once, while it is known that it cannot.
        """
        if self.is_away:
            raise Away(self._why)
        try:
            driver = connect(self._url, settings)
        except psycopg.OperationalError as error:
            figures.DATABASE_CONNECTIONS.add("failed")
            why = str(error).strip()
            self.lost(why)
            raise Away(why) from error
        figures.DATABASE_CONNECTIONS.add("opened")
        return driver

    def lost(self, why: str) -> None:
        """Somebody could not reach it: look out for it."""
        with self._lock:
            if self.is_away or self._closed:
                return
            self._why = why
            self._there.clear()
        log.warning("the database does not answer", error=why)
        threading.Thread(target=self._look_out, name="careen-database", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until it is there again, so long at most."""
        self._there.wait(seconds)

    def close(self) -> None:
        """Nobody asks any more."""
        self._closed = True
        self._there.set()

    def _look_out(self) -> None:
        while not self._closed:
            try:
                connect(self._url, _READING).close()
            except psycopg.Error as error:
                self._why = str(error).strip()
                time.sleep(LOOK_SECONDS)
            else:
                self._there.set()
                log.info("the database answers again")
                return


class _Readers:
    """Connections that read, put away when they are not used."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._free: list[Driver] = []

    @property
    def has_some(self) -> bool:
        """Whether there is one that was good when it was put away."""
        return bool(self._free)

    def take(self) -> Driver:
        """A connection, which was good when it was put away."""
        try:
            return self._free.pop()
        except IndexError:
            return self._server.connect(_READING)

    def put(self, driver: Driver) -> None:
        """Put a connection away, unless it is broken or there are enough."""
        if (
            driver.broken
            or driver.info.transaction_status != TransactionStatus.IDLE
            or len(self._free) > READERS
        ):
            driver.close()
        else:
            self._free.append(driver)

    def run(self, work: Callable[[Driver], T]) -> T:
        """Run something that can be repeated, on whatever connection is free."""
        driver, result = self.begin(work)
        self.put(driver)
        return result

    def begin(self, work: Callable[[Driver], T]) -> tuple[Driver, T]:
        """The same, on a connection that is kept. It is repeated on a new one if the first was lost while it was put away."""
        driver = self.take()
        try:
            return driver, work(driver)
        except psycopg.OperationalError:
            self.put(driver)
            if not driver.closed:
                raise
        except BaseException:
            self.put(driver)
            raise
        self.close()  # the others were lost with it
        driver = self._server.connect(_READING)
        try:
            return driver, work(driver)
        except BaseException:
            self.put(driver)
            raise

    def close(self) -> None:
        """Close what is put away."""
        while self._free:
            self._free.pop().close()


class _Watch:
    """Ends the wait for a server that takes requests and answers none.

    Every request of a client's begins with the question for the version, on an event loop, and its network says nothing as long as
    the server's machine is there.
    """

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._asked: dict[int, tuple[float, Driver]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_watching = False

    def version(self, driver: Driver) -> str:
        """Ask for it; within :data:`SILENT_SECONDS` and a moment there is an answer or an error."""
        if not self._is_watching:
            self._begin()
        me = threading.get_ident()
        self._asked[me] = time.monotonic(), driver
        try:
            [(snapshot,)] = driver.execute(_SNAPSHOT).fetchall()
        finally:
            del self._asked[me]
        return str(snapshot)

    def close(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _begin(self) -> None:
        with self._lock:
            if not self._is_watching:
                self._is_watching = True
                threading.Thread(target=self._run, name="careen-watch", daemon=True).start()

    def _run(self) -> None:
        while not self._ended.wait(SILENT_SECONDS / 3):
            now = time.monotonic()
            for asked_at, driver in list(self._asked.values()):
                if now - asked_at > SILENT_SECONDS:
                    self._server.lost(f"silent for {SILENT_SECONDS:.0f} seconds")
                    _hang_up(driver)


def _hang_up(driver: Driver) -> None:
    """Let whoever waits for an answer see the connection's end."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(driver.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


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
        self._server = _Server(self.url)
        self._readers = _Readers(self._server)
        self._single = _Single(self._readers)
        self._watch = _Watch(self._server)

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
        self._local.snapshot = rows = _Rows(driver)
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
    result = work(_Rows(driver))
    # COMMIT would undo it, and not say so.
    if driver.info.transaction_status == TransactionStatus.INERROR:
        raise errors.InFailedSqlTransaction("the work went on after a statement had failed")
    return result
