"""Connections to a PostgreSQL server that may be away, hang, or be replaced by another."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg.pq import TransactionStatus

from careen import figures
from careen.db.engine import Away
from careen.db.postgres.dialect import ADAPTERS, SEEKING, Driver, Parameters, translated

T = TypeVar("T")

log = structlog.get_logger()

READERS = 8
"""Connections that a process keeps for reading. Threads that read at the same time have more for as long as they do."""

LOOK_SECONDS = 0.2
"""How often somebody looks whether it is back."""

CONNECT_SECONDS = 3
"""How long a connection may take to come about."""

SILENT_SECONDS = 3.0
"""A server that takes longer to say which transactions have ended is taken for away: it hangs, and event loops wait for it."""

PREPARED = 512
"""Statements that a connection keeps prepared: more than there are."""

READING = "SET default_transaction_read_only = on"
"""What a connection that reads is told first."""

_KEEPALIVES: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
    "target_session_attrs": "read-write",  # a standby gives old answers
}

# Another server in its place may have lost the last transactions and give their numbers to others.
_SNAPSHOT = b"SELECT pg_current_snapshot()::text || ' ' || pg_postmaster_start_time()::text"

# It warns of every pipeline that ends in an error; the error itself is told to whoever asked.
logging.getLogger("psycopg").setLevel(logging.ERROR)


def connect(url: str, settings: str) -> Driver:
    """A connection of one's own, outside any transaction.

    Args:
        url: of the database.
        settings: what it is told first: statements.

    Raises:
        psycopg.OperationalError: it cannot be had.
    """
    adapters = SEEKING if settings == READING else ADAPTERS
    driver = psycopg.connect(url, autocommit=True, context=adapters, **_KEEPALIVES)
    driver.prepared_max = PREPARED
    try:
        driver.execute(settings, prepare=False)
    except BaseException:
        driver.close()
        raise
    return driver


class Server:
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
        """Whether it was not to be reached when somebody last tried."""
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
                connect(self._url, READING).close()
            except psycopg.Error as error:
                self._why = str(error).strip()
                time.sleep(LOOK_SECONDS)
            else:
                self._there.set()
                log.info("the database answers again")
                return


class Readers:
    """Connections that read, put away when they are not used."""

    def __init__(self, server: Server) -> None:
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
            return self._server.connect(READING)

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
        driver = self._server.connect(READING)
        try:
            return driver, work(driver)
        except BaseException:
            self.put(driver)
            raise

    def close(self) -> None:
        """Close what is put away."""
        while self._free:
            self._free.pop().close()


class Single:
    """Statements that are transactions of their own, each on whatever connection is free."""

    __slots__ = ("_pool",)

    def __init__(self, pool: "Readers") -> None:
        self._pool = pool

    def execute(self, statement: str, parameters: Parameters = ()) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run one statement; once more, if the connection turns out to have been lost while nobody used it."""
        return self._pool.run(lambda driver: driver.execute(translated(statement), parameters, binary=True))

    def executemany(self, statement: str, parameters: Iterable[Parameters]) -> Any:
        """Nobody reads many times at once."""
        raise NotImplementedError


class Watch:
    """Ends the wait for a server that takes requests and answers none.

    Every request of a client's begins with the question for the version, on an event loop, and its network says nothing as long as
    the server's machine is there.
    """

    def __init__(self, server: Server) -> None:
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
