"""The registry: one value that holds what every use case needs, and the two ways to run one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from careen.blobs.store import BlobStore
from careen.clock import DAY, HOUR, SECOND, Clock, Instant
from careen.db.engine import Connection, Database

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a registry allows and how long it waits. Times are microseconds, sizes bytes."""

    create_on_push: bool = False
    """Whether a push to a repository that does not exist creates it."""
    grace: Instant = DAY
    """How long a blob that no manifest needs is kept after it was last seen: the collector's lease."""
    lifecycle_every: Instant = HOUR
    """How often each lifecycle policy is evaluated."""
    collect_every: Instant = 60 * SECOND
    """How often the collector looks for reviews that are due."""
    sweep_every: Instant = DAY
    """How often files without a row and abandoned uploads are looked for."""
    upload_ttl: Instant = DAY
    """How long an upload may stand still before it is abandoned."""
    pin_grace: Instant = 30 * DAY
    """How long the pins of a feed that stopped reporting are kept."""
    token_ttl: Instant = 12 * HOUR
    """How long an authorization token is valid, as on Amazon ECR."""
    scanners: tuple[str, ...] = ()
    """How the User-Agents of clients begin whose pulls do not count, in small letters."""
    max_blob_bytes: int = 52_000 * 1024 * 1024
    """The largest layer: Amazon ECR's quota."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a use case runs in: rows inside one transaction, one present instant, the registry's settings."""

    rows: Connection
    now: Instant
    registry_id: str
    region: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class RootKey:
    """An administrator's key that the settings give, for set-ups by script. It is stored nowhere."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry: twelve digits, a Region's name, a database, a home for bytes, a clock."""

    id: str
    region: str
    database: Database
    blobs: BlobStore
    clock: Clock
    master_key: bytes = field(repr=False)
    """Signs tokens and derives the secrets of access keys: 32 bytes."""
    limits: Limits = Limits()
    root_key: RootKey | None = None
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "careen-bytes"))
    """Where bytes are hashed and written, off the event loop."""

    def single_read(self) -> Transaction:
        """For a use case that runs one statement: what it sees needs no snapshot. The hot reads use it."""
        return self._transaction(self.database.reader())

    def read(
        self, use_case: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case in a snapshot that cannot write."""
        with self.database.read() as rows:
            return use_case(self._transaction(rows), *args, **kwargs)

    async def read_in_thread(
        self, use_case: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """:meth:`read` off the event loop, for answers of many rows."""
        return await self.in_thread(lambda: self.read(use_case, *args, **kwargs))

    async def write(
        self, use_case: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a use case in a transaction; when this returns, what it did is durable."""
        return await asyncio.wrap_future(
            self.database.write(lambda rows: use_case(self._transaction(rows), *args, **kwargs))
        )

    def write_now(
        self, use_case: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """:meth:`write` for callers outside an event loop: the worker and the command line."""
        return self.database.write(lambda rows: use_case(self._transaction(rows), *args, **kwargs)).result()

    async def in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """Run something that blocks on bytes, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *args)

    def close(self) -> None:
        """Finish what is under way and close the database."""
        self.threads.shutdown()
        self.database.close()

    def _transaction(self, rows: Connection) -> Transaction:
        return Transaction(rows, self.clock(), self.id, self.region, self.limits)
