"""The registry: one value that holds what every use case needs, and the two ways to run one."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

from careen.audit import AuditLog
from careen.blobs.store import BlobStore
from careen.clock import DAY, HOUR, SECOND, Clock, Instant
from careen.db.engine import Connection, Database
from careen.lifecycle.cost import DOLLARS_PER_GIB_MONTH
from careen.scanners.scanner import Scanner

PATIENCE = 10.0
"""Seconds that a request waits for a database that is away: clients repeat what fails, but not all of them and not everything."""

LOOK = 0.05

Network = IPv4Network | IPv6Network

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
    measure_every: Instant = HOUR
    """How often what is stored is measured."""
    trash: Instant = 7 * DAY
    """How long a deleted image can be brought back; 0: not at all."""
    has_archive: bool = False
    """Whether the blobs that only archived images need lie in a home of their own."""
    restore_on_pull: bool = False
    """Whether pulling a deleted image brings it back."""
    scrub_every: Instant = 30 * DAY
    """How often everything that is stored is read and compared with its digest."""
    scrub_rate: int = 20_000_000
    """How many bytes a second that reads; 0: as many as the disk gives."""
    upstream_every: Instant = DAY
    """How old a cached tag may be before its upstream is asked again."""
    upload_ttl: Instant = DAY
    """How long an upload may stand still before it is abandoned."""
    events: Instant = 7 * DAY
    """How long events are kept, and what could not be delivered to a webhook."""
    pull_events: bool = False
    """Whether pulls are events though no webhook asks for them."""
    webhook_timeout: float = 10.0
    """How many seconds a webhook's receiver may take for an event."""
    webhook_attempts: int = 12
    """How often an event is tried before it is a dead letter."""
    off_limits: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where no request to a webhook or another registry goes."""
    pin_grace: Instant = 30 * DAY
    """How long the pins of a feed that stopped reporting are kept."""
    token_ttl: Instant = 12 * HOUR
    """How long an authorization token is valid, as on Amazon ECR."""
    anonymous_rate: float = 10.0
    """How many requests a second an address may make without a credential; 0: any number."""
    anonymous_burst: int = 200
    """How many of them it may make at once after a rest."""
    scanners: tuple[str, ...] = ()
    """How the User-Agents of clients begin whose pulls do not count, in small letters."""
    price: float = DOLLARS_PER_GIB_MONTH
    """What a GiB of storage costs in a month, in US dollars."""
    archive_price: float = DOLLARS_PER_GIB_MONTH
    """The same in the archive's home."""
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
    public_prefix: str
    """How the names of public repositories begin."""


@dataclass(frozen=True, slots=True)
class RootKey:
    """An administrator's key that the settings give, for set-ups by script. It is stored nowhere."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Node:
    """One of the machines, or containers, that are a registry together. Its processes have it in common."""

    name: str
    """What people call it."""
    id: str
    """Never another's: a node that is started again has another."""
    processes: int
    """Those of it that answer requests."""

    def bears(self, work: str) -> str:
        """The name that the leases of some of its work bear, such as ``scrub-node-1-3f9c20ab``."""
        return f"{work}-{self.name}-{self.id}"


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
    threads: ThreadPoolExecutor
    """Where rows are read and texts are parsed that are too many for the event loop."""
    bytes_threads: ThreadPoolExecutor
    """Where bytes are hashed, written and fetched: apart, so that a home that does not answer holds up nobody who needs none."""
    scratch_folder: Path
    """For files without a name: on the disk, not in ``/tmp``, which may be memory."""
    targets_file: Path
    """Where the destinations of replication are: read by whoever replicates, when it does."""
    node: Node
    """Where this process runs."""
    limits: Limits = Limits()
    root_key: RootKey | None = None
    audit: AuditLog | None = None
    """Where API calls and what the registry does by itself are written down; None: nowhere."""
    scanner: Scanner | None = None
    """What looks for vulnerabilities in images; None: nothing does."""
    public_url: str = ""
    """Where clients reach the registry, if a web server stands in front; else they are believed (``Host``)."""
    public_prefix: str = "public/"
    """How the names of public repositories begin."""
    public_host: str = ""
    """A host name under which clients are offered tokens without a credential; empty: there is none."""
    proxies: tuple[Network, ...] = ()
    """Where the web servers are that are believed when they say for whom they ask (``X-Forwarded-For``)."""

    @property
    def public_alias(self) -> str:
        """What ECR Public calls this registry."""
        return self.public_prefix.removesuffix("/")

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

    def write_in_turn(
        self, use_case: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """:meth:`write_now`, one after the other over all nodes, for long work that would be in conflict with its own kind."""
        return self.database.write(
            lambda rows: use_case(self._transaction(rows), *args, **kwargs), in_turn=True
        ).result()

    async def reachable(self) -> bool:
        """Wait until the database can be reached, for :data:`PATIENCE` at most. Returns whether it can."""
        until = time.monotonic() + PATIENCE
        while self.database.is_away():
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(LOOK)
        return True

    def scratch(self) -> IO[bytes]:
        """An empty file for bytes that wait; they are gone when it is closed."""
        return tempfile.TemporaryFile(dir=self.scratch_folder)

    async def in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """Run something that takes long, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *args)

    async def in_bytes_thread(self, work: Callable[..., T], *args: Any) -> T:
        """Run something that waits for the home of the bytes, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.bytes_threads, work, *args)

    def close(self) -> None:
        """Finish what is under way and close the database."""
        self.threads.shutdown()
        self.bytes_threads.shutdown()
        if self.audit is not None:
            self.audit.close()
        self.database.close()

    def _transaction(self, rows: Connection) -> Transaction:
        return Transaction(rows, self.clock(), self.id, self.region, self.limits, self.public_prefix)
