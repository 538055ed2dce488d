"""The composition root: settings → stores → registry → one ASGI application. Read this first.

What runs it, in which processes, is in ``careen.processes``.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from careen import clock
from careen.audit import AuditLog
from careen.blobs.archive import ArchivingBlobStore, at_home
from careen.blobs.disk import DiskBlobStore
from careen.blobs.s3 import CannotUse, S3BlobStore, parse_place
from careen.blobs.store import BlobStore
from careen.clock import DAY, SECOND, Clock
from careen.db import bulk, copies, engine, founding, layers, schema
from careen.db.engine import Connection, Database, Place, is_url
from careen.db.failures import failure
from careen.distribution.again import Again
from careen.distribution.allowance import Allowance
from careen.distribution.app import DistributionApp
from careen.distribution.surface import Surface
from careen.draining import Draining
from careen.ecrapi.app import EcrApiApp
from careen.faults import Point, reach
from careen.feed import Feed
from careen.findings.report import MAX_BYTES
from careen.health import Health
from careen.iam import keys
from careen.issuers import Issuers
from careen.metrics import MetricsApp
from careen.protocol import no_answer_again
from careen.pull_through.importer import Importer
from careen.pull_through.secrets import Secrets
from careen.registry import backup, readiness
from careen.registry.backup import Restored
from careen.registry.fresh import Fresh
from careen.registry.nodes import NOTE_SECONDS, Company
from careen.registry.pulls import PullTimes
from careen.registry.registry import Limits, Node, Registry, RootKey
from careen.registry.trouble import tell
from careen.scanners.command import CommandScanner
from careen.scanners.harbor import HarborScanner
from careen.scanners.scanner import Scanner
from careen.settings import Settings, is_bucket, networks
from careen.traffic import Traffic

THREADS = 8
"""How many hash and write at a time: more than the disks and processors of one machine take."""

REMOTE_THREADS = 48
"""The same where most of them wait for another server."""


_BLOBS = {founding.HOME: "blobs", founding.ARCHIVE: "archived blobs"}
_SETTING = {founding.HOME: "blobs", founding.ARCHIVE: "archive_blobs"}

_PROBES = frozenset({"/healthz", "/readyz"})
"""Whoever asks for these wants to know how it is now."""

LOOKED_FOR = 3
"""Blobs of the archive's home that a start looks for."""


class CannotStart(Exception):
    """The data folder, its database or the address cannot be used. The message says why, and what to try where that helps."""


class NoRegistry(CannotStart):
    """Where the rows are to be, nobody has begun a registry. The message names the place."""


class CannotMove(Exception):
    """The rows of a registry cannot be brought to another database. The message says why; they are where they were."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the processes of a node have in common, and what is found out once, before they are forked."""

    node: Node
    master_key: bytes = field(repr=False)


def prepare(settings: Settings) -> None:
    """Make the data folder, the master key and the database, or bring them up to date. Once per start, before any process."""
    data, place = Path(settings.data), database_place(settings)
    _check_restored(data)
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not (settings.master_key or is_url(place) or Path(place).exists()):
            _make_master_key(data)
    except OSError as error:
        raise CannotStart(f"the data folder {data} cannot be used: {error.strerror}") from None
    given = _given_master_key(settings)
    with _answering(place):
        schema.migrate(place)
        with _database(settings) as database:
            _check_served(database)
            _agree_on_master_key(settings, database, given)
            for home in (settings.blobs, settings.archive_blobs):
                _check_place(settings, home)
            if database.is_shared:
                _agree_on_homes(settings, database)
                copies.settle(database)
            _check_archive(settings, database)
    if settings.archive_blobs and not is_url(place):
        _claim_archive(settings)
    for draft in data.glob(f"master.key.{'[0-9a-f]' * 8}"):  # left by a crash: a key that nobody looks after
        draft.unlink(missing_ok=True)


def check_begun(settings: Settings) -> None:
    """See that there is a registry, for whoever must not be the one that begins it.

    Raises:
        NoRegistry: there is none.
        CannotStart: the database cannot be used.
    """
    place = database_place(settings)
    with _answering(place):
        is_begun = schema.current(place) is not None if is_url(place) else Path(place).exists()
    if not is_begun:
        raise NoRegistry(
            f"there is no registry in {engine.name_of(place) if is_url(place) else settings.data}"
        )


def begin(settings: Settings) -> Start:
    """What the processes of a node that is prepared have in common."""
    node = Node(settings.node or socket.gethostname(), secrets.token_hex(4), settings.workers)
    key = _given_master_key(settings)
    if key is None:
        with _database(settings) as database, database.read() as rows:
            key = founding.known_key(rows, None)
    if key is None:
        raise CannotStart("the database is not prepared")
    return Start(node, key)


def database_place(settings: Settings) -> Place:
    """Where the rows are: a server's database, or the file in the data folder."""
    return settings.database or Path(settings.data) / "careen.db"


def _check_restored(data: Path) -> None:
    if (data / backup.RESTORING).exists():
        raise CannotStart(f"the restore into {data} has not ended: start it again, it goes on where it was")


def _check_served(database: Database) -> None:
    """See that the rows are all there, and not elsewhere by now; else the database is closed.

    Raises:
        CannotStart: a copy into this database has not ended, or they were moved away.
    """
    refusal = copies.refusal(database)
    if refusal is not None:
        database.close()
        raise CannotStart(refusal)


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The database, for the length of a look before anything is served."""
    database = engine.opened(database_place(settings))
    try:
        yield database
    finally:
        database.close()


def _agree_on_homes(settings: Settings, database: Database) -> None:
    """Make sure that all nodes have their blobs in the same place, and that it is no other registry's.

    Raises:
        CannotStart: blobs would be written where the other nodes do not find them, or another registry's sweep would delete them.
    """
    ours = _agreed(database, founding.OWNER, secrets.token_hex(16))
    homes = {founding.HOME: settings.blobs or settings.data, founding.ARCHIVE: settings.archive_blobs}
    for kind, place in homes.items():
        if not place:
            continue
        try:
            claimed = _blob_store(settings, place, clock.system_now).claim(f"{ours}:{secrets.token_hex(8)}")
        except OSError as error:
            raise CannotStart(f"the folder {place} cannot be used: {error.strerror}") from None
        owner = claimed.partition(":")[0]
        if owner != ours:
            raise CannotStart(
                f"{place} has the blobs of another registry, and each would delete the other's: give this one a place"
                " of its own, or remove `owner` there if the other is no more"
            )
        if _agreed(database, kind, claimed) != claimed:
            raise CannotStart(
                f"{place} is not where the other nodes of this registry have their {_BLOBS[kind]}: set"
                f" {_SETTING[kind]} as theirs is. If these were moved there, `owner` belongs to them; if it is a folder,"
                " is it mounted?"
            )


def _agreed(database: Database, kind: str, proposed: str) -> str:
    with database.read() as rows:
        known = founding.known(rows, kind)
    return known or database.write(lambda rows: founding.agree(rows, kind, proposed)).result()


def _check_place(settings: Settings, place: str) -> None:
    try:
        if is_bucket(place):
            S3BlobStore(parse_place(place), redirect=settings.s3_redirect).check()
        elif place:
            Path(place).mkdir(parents=True, exist_ok=True)
    except CannotUse as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"the folder {place} for archived blobs cannot be used: {error.strerror}") from None


def _check_archive(settings: Settings, database: Database) -> None:
    """See that the blobs of which rows say so are in the archive's home: a disk that is not mounted is an empty folder, too.

    Raises:
        CannotStart: none of those that we looked for is.
    """
    with database.read() as rows:
        archived = layers.some_archived(rows, LOOKED_FOR)
    if not archived:
        return
    if not settings.archive_blobs:
        raise CannotStart("blobs of archived images lie elsewhere: set archive_blobs as it was")
    archive = _blob_store(settings, settings.archive_blobs, clock.system_now)
    if all(archive.size(digest, at_home(generation)) is None for digest, generation in archived):
        raise CannotStart(
            f"{settings.archive_blobs} has none of the blobs that were moved there:"
            " is it mounted, and is archive_blobs as it was?"
        )


def _claim_archive(settings: Settings) -> str:
    """Make sure that the archive's home is this data folder's alone. A restored one is another: its sweep knows other blobs.

    Returns:
        What the home says of itself: whose it is, and after a colon which, if the rows were on a server when it was claimed.

    Raises:
        CannotStart: it is another's.
    """
    ours = DiskBlobStore(Path(settings.data)).claim(secrets.token_hex(16))
    try:
        owner = _blob_store(settings, settings.archive_blobs, clock.system_now).claim(ours)
    except OSError as error:
        raise CannotStart(f"the folder {settings.archive_blobs} cannot be used: {error.strerror}") from None
    if owner.partition(":")[0] != ours.partition(":")[0]:
        raise CannotStart(
            f"{settings.archive_blobs} is the archive of another registry, and each would delete the other's blobs:"
            " give this one a place of its own, or remove `owner` there if the other is no more"
        )
    return owner


def _homes_of_folder(settings: Settings) -> dict[str, str]:
    """Who the registry of a data folder is, and what the homes of its blobs say of themselves. Most say nothing.

    Raises:
        CannotStart: the archive's home is another's.
    """
    said = {founding.ARCHIVE: _claim_archive(settings)} if settings.archive_blobs else {}
    with contextlib.suppress(FileNotFoundError):
        owner = (Path(settings.data) / "owner").read_text()
        said[founding.OWNER] = owner.partition(":")[0]
        if not settings.blobs:
            said[founding.HOME] = owner
    return said


def _bring_owner(data: Path, owner: str | None) -> None:
    """Let a data folder say who the registry is that comes to it.

    Raises:
        CannotMove: it has another's blobs.
    """
    if owner is not None and DiskBlobStore(data).claim(owner).partition(":")[0] != owner:
        raise CannotMove(f"{data} has the blobs of another registry: the folder is not this one's")


def _keeps_key(settings: Settings, database: str) -> bool:
    """Whether a database is to keep the master key: on a server it is where nodes look for it, unless a file is to have it."""
    return bool(database) and not settings.master_key


def _bring_master_key(data: Path, key: bytes) -> None:
    """Put the key of a registry that comes to a data folder there.

    Raises:
        CannotMove: there is another.
    """
    _make_master_key(data, key)
    if (data / "master.key").read_bytes() != key:
        raise CannotMove(
            f"{data / 'master.key'} is the master key of another registry: the folder is not this one's"
        )


def _make_master_key(data: Path, key: bytes | None = None) -> None:
    """Make the key that signs tokens and derives secrets, readable by the owner alone, unless there is one.

    It appears under its name whole or not at all: half a key would silently be another key.
    """
    path, draft = data / "master.key", data / f"master.key.{secrets.token_hex(4)}"
    if path.exists():
        return
    fd = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(key or keys.new_master_key())
        file.flush()
        os.fsync(file.fileno())
    reach(Point.MASTER_KEY_DRAFTED)
    # Another process was first: its key counts, or it has removed our draft already.
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        os.link(draft, path)
    reach(Point.MASTER_KEY_MADE)
    draft.unlink(missing_ok=True)


def _given_master_key(settings: Settings) -> bytes | None:
    """The key that a file has; None: there is none, and on a server's database there need not be.

    Raises:
        CannotStart: it is missing or damaged. A new one would make every access key and token invalid.
    """
    path = Path(settings.master_key or Path(settings.data) / "master.key")
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        if is_url(database_place(settings)) and not settings.master_key:
            return None
        key = b""
    except OSError as error:
        raise CannotStart(f"the master key {path} cannot be read: {error.strerror}") from None
    if len(key) != keys.MASTER_KEY_SIZE:
        raise CannotStart(
            f"{path} has {len(key)} bytes instead of {keys.MASTER_KEY_SIZE}: restore it from a backup. "
            "Without it no access key of this registry works."
        )
    return key


def _agree_on_master_key(settings: Settings, database: Database, given: bytes | None) -> None:
    """See that the key is the one that the registry began with; let it begin with this one, or one of its own.

    Raises:
        CannotStart: it is another, or it is not there.
    """
    with _right_key(settings):
        with database.read() as rows:
            known = founding.known_key(rows, given)
        if known is None:
            database.write(lambda rows: founding.agree_on_key(rows, given)).result()


@contextlib.contextmanager
def _right_key(settings: Settings) -> Iterator[None]:
    """Let what is wrong with a master key be said in a sentence."""
    try:
        yield
    except founding.WrongKey:
        raise CannotStart(
            f"{settings.master_key or Path(settings.data) / 'master.key'} is not the master key that this registry began with."
            " With another no access key and no token works: restore it, or take it from another node."
        ) from None
    except founding.NoKey:
        raise CannotStart(
            "the registry began with a master key in a file, which is not in its database:"
            " name that file with the setting master_key, or copy it into the data folder as master.key"
        ) from None


def _blobs(settings: Settings, system: Clock) -> BlobStore:
    """The home of the blobs, or the two of them."""
    has_front = settings.accel == "nginx"
    home = _blob_store(settings, settings.blobs or settings.data, system, has_front=has_front)
    if not settings.archive_blobs:
        return home
    return ArchivingBlobStore(home, _blob_store(settings, settings.archive_blobs, system))


def _blob_store(settings: Settings, place: str, system: Clock, *, has_front: bool = False) -> BlobStore:
    if is_bucket(place):
        return S3BlobStore(parse_place(place), redirect=settings.s3_redirect)
    return DiskBlobStore(Path(place), system, settings.reserve, has_front=has_front)


def _scanner(settings: Settings) -> Scanner | None:
    """What the settings say; it finds the images where a program on this machine does, an adapter where clients do."""
    if not settings.scanner:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 compared, not bound
    scheme = "https" if settings.tls_certificate else "http"
    here, public = f"{scheme}://{host}:{settings.port}", settings.public_url.rstrip("/")
    if settings.scanner.startswith(("http://", "https://")):
        return HarborScanner(settings.scanner, public or here, settings.scanner_timeout, MAX_BYTES)
    # A certificate is for a name that clients know, not for a loopback address.
    registry = public if public and settings.tls_certificate else here
    return CommandScanner(settings.scanner, registry, settings.scanner_timeout, MAX_BYTES)


def open_registry(
    settings: Settings, system: Clock = clock.system_now, start: Start | None = None
) -> Registry:
    """The registry of a prepared data folder. Any number of processes may have it open.

    Args:
        settings: how.
        system: the system's clock, or a cautious reading of it: files are aged by it, and rows unless there is a clock file.
        start: what this process has in common with others of its node; found out here if it is alone.

    Raises:
        CannotStart: the master key is not whole, or the rows were moved away.
    """
    start = start or begin(settings)
    data = Path(settings.data)
    blobs = _blobs(settings, system)
    database = engine.opened(database_place(settings))
    if not settings.database:
        # A move may have begun since this start was prepared. None begins from here on: this process has the file open. One from a
        # server sees our sessions, and gives up.
        _check_served(database)
    root_key = RootKey(settings.access_key_id, settings.secret_access_key) if settings.access_key_id else None
    return Registry(
        id=settings.registry_id,
        region=settings.region,
        database=database,
        blobs=blobs,
        threads=ThreadPoolExecutor(THREADS, "careen-rows"),
        bytes_threads=ThreadPoolExecutor(REMOTE_THREADS if blobs.is_remote else THREADS, "careen-bytes"),
        scratch_folder=data,
        targets_file=Path(settings.replication_targets or data / "replication.toml"),
        clock=clock.file_clock(Path(settings.clock_file)) if settings.clock_file else system,
        master_key=start.master_key,
        node=start.node,
        root_key=root_key,
        audit=AuditLog(Path(settings.audit_log), settings.audit_size) if settings.audit_log else None,
        scanner=_scanner(settings),
        public_url=settings.public_url.rstrip("/"),
        public_prefix=f"{settings.public_alias}/",
        public_host=settings.public_host,
        proxies=networks(settings.proxies),
        limits=Limits(
            create_on_push=settings.create_on_push,
            grace=round(settings.blob_grace * SECOND),
            lifecycle_every=round(settings.lifecycle_interval * SECOND),
            collect_every=round(settings.collect_interval * SECOND),
            sweep_every=round(settings.sweep_interval * SECOND),
            measure_every=round(settings.measure_interval * SECOND),
            trash=round(settings.trash_days * DAY),
            price=settings.storage_price,
            archive_price=settings.archive_price,
            has_archive=bool(settings.archive_blobs),
            restore_on_pull=settings.restore_on_pull,
            scrub_every=round(settings.scrub_interval * SECOND),
            scrub_rate=settings.scrub_rate,
            upstream_every=round(settings.upstream_interval * SECOND),
            upload_ttl=round(settings.upload_ttl * SECOND),
            events=round(settings.events_days * DAY),
            pull_events=settings.pull_events,
            webhook_timeout=settings.webhook_timeout,
            webhook_attempts=settings.webhook_attempts,
            pin_grace=round(settings.pin_grace * SECOND),
            anonymous_rate=settings.anonymous_rate,
            anonymous_burst=settings.anonymous_burst,
            scanners=tuple(each.strip().lower() for each in settings.scanners.split(",") if each.strip()),
        ),
    )


def _upstream_secrets(settings: Settings) -> Secrets:
    folder = Path(settings.secrets) if settings.secrets else Path(settings.data) / "secrets"
    return Secrets(folder, settings.upstream_credentials)


class Application:
    """The ASGI application: ``/v2``, ``/events`` and ``/console`` have their own, everything else goes to the small router."""

    def __init__(
        self,
        registry: Registry,
        upstream_secrets: Secrets,
        draining: Draining,
        traffic: Traffic,
        *,
        metrics_open: bool = False,
    ) -> None:
        self._registry = registry
        self._traffic = traffic
        self._company = Company(registry)
        self._health = Health(readiness.needs(registry, self._company), draining)
        self._pulls = PullTimes(registry)
        fresh = Fresh(registry.database)
        again = Again(registry, fresh, self._pulls)
        self._importer = Importer(registry, upstream_secrets)
        self.answer_again = no_answer_again if traffic.has_access_log else again.answer
        """For a protocol that can write a whole response at once; see ``careen.protocol``. None has a line of the log."""
        self._allowance = Allowance(registry.limits.anonymous_rate, registry.limits.anonymous_burst)
        surface = Surface(registry, fresh, self._pulls, again, self._importer, self._allowance)
        self._distribution = DistributionApp(surface)
        self.feed = Feed(registry, fresh)
        issuers = Issuers()
        ecr_api = EcrApiApp(registry, self._pulls, self._importer, issuers)
        self._issuers = issuers
        self._console: Starlette | None = None
        self._router = Starlette(
            lifespan=self._lifespan,
            routes=[
                Route("/", ecr_api.answer, methods=["POST"]),
                Route("/", _welcome, methods=["GET"]),
                Route("/healthz", self._health.alive, methods=["GET"]),
                Route("/readyz", self._health.ready, methods=["GET"]),
                Route("/metrics", MetricsApp(registry, is_open=metrics_open).answer, methods=["GET"]),
            ],
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in _PROBES and self._registry.database.is_away():
            await self._registry.reachable()
        if scope["type"] != "http":
            await self._router(scope, receive, send)
        elif scope["path"].startswith("/v2"):
            await self._traffic.serve("oci", self._distribution, scope, receive, send)
        elif scope["path"] == "/events":
            await self._traffic.serve("events", self.feed, scope, receive, send)
        elif scope["path"].startswith("/console"):
            await self._traffic.serve("console", self._opened_console(), scope, receive, send)
        else:
            await self._traffic.serve("other", self._router, scope, receive, send)

    def _opened_console(self) -> Starlette:
        """The console. Most processes are never asked for it, and templates take ten megabytes."""
        if self._console is None:
            from careen.console.app import Console  # noqa: PLC0415
            from careen.console.visit import House  # noqa: PLC0415

            house = House(self._registry, self._pulls, self._importer, self._issuers, self._allowance)
            self._console = Starlette(routes=Console(house).routes())
        return self._console

    def break_off(self) -> None:
        """End what waits for other registries: the time that requests have at the end is over."""
        self._importer.break_off()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        flushing = asyncio.create_task(self._pulls.run())
        looking = asyncio.create_task(self._look_around())
        yield
        looking.cancel()
        await self._importer.close()
        self._health.close()
        flushing.cancel()
        await flushing
        self._registry.close()

    async def _look_around(self) -> None:
        """See again and again how many processes there are to share what an address may ask, and what our clock is worth."""
        while True:
            try:
                await self._registry.in_thread(self._company.look)
            except Exception as error:  # noqa: BLE001 it is told
                tell(error, "the other nodes could not be looked at; trying again")
            self._allowance.share(self._company.processes)
            await asyncio.sleep(NOTE_SECONDS)


async def _welcome(request: Request) -> Response:
    """What somebody finds who asks for the address itself: in a browser the console, else what is where."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/console/")
    return JSONResponse(
        {
            "name": "careen",
            "registry": f"{request.url.netloc}",
            "health": "/healthz",
            "ready": "/readyz",
            "metrics": "/metrics",
            "api": "/v2/",
            "console": "/console/",
        }
    )


def restore(source: Path, settings: Settings) -> Restored:
    """Make a registry from a backup, where the settings say; when it returns, it may be served.

    Raises:
        careen.registry.backup.BackupFailed: a place is not empty or does not answer, or the backup not whole or too new.
        CannotStart: a place cannot be used.
    """
    data, place = Path(settings.data), database_place(settings)
    backup.read(source)
    _check_place(settings, settings.blobs)
    bucket = _blob_store(settings, settings.blobs, clock.system_now) if settings.blobs else None
    with backup.broken_off("restore", "it goes on where it was"), _answering(place):
        goal = backup.Goal(data, place if is_url(place) else None, settings.blobs)
        backup.begin_restore(goal, bucket)
        restored = backup.restore(source, data, bucket or DiskBlobStore(data))
        folder = msgspec.structs.replace(settings, database="", master_key="")
        start = begin(folder)
        registry = open_registry(folder, start=start)
        try:
            backup.mark_lost(registry, restored)
        finally:
            registry.close()
        key = partial(founding.bring_key, key=start.master_key, keep=_keeps_key(settings, settings.database))
        backup.end_restore(goal, key)
    return restored


def move_database(settings: Settings, target: str, told: copies.Told) -> str:
    """Bring the rows of a registry that nobody serves into another database. Where its blobs are does not change.

    Args:
        settings: of the registry.
        target: a URL, or empty for the file in the data folder, as the setting ``database``.
        told: hears of each table that has arrived.

    Returns:
        Where the rows are now, in words.

    Raises:
        CannotMove: somebody has one of the two open, or there is no registry, or the target is not empty or cannot keep a value.
        CannotStart: a database cannot be used, or the master key is not the registry's, or not there.
    """
    data, source = Path(settings.data), database_place(settings)
    place = database_place(msgspec.structs.replace(settings, database=target))
    _check_restored(data)
    with _answering(source), _answering(place):
        if schema.current(source) is None:
            raise CannotMove(f"there is no registry in {engine.name_of(source)}")
        schema.migrate(source)
        given = _given_master_key(settings)
        with _right_key(settings), _database(settings) as database, database.read() as rows:
            key, is_kept = founding.known_key(rows, given) or given, founding.keeps_key(rows)
            owner = founding.known(rows, founding.OWNER)
        if key is None:
            raise CannotMove(f"the registry in {engine.name_of(source)} was never started")
        if not target:
            try:
                data.mkdir(parents=True, exist_ok=True)
                _bring_master_key(data, key)
                _bring_owner(data, owner)
            except OSError as error:
                raise CannotMove(f"the data folder {data} cannot be used: {error.strerror}") from None
        # Whoever kept it out of one server's database does not want it in another's.
        keep = _keeps_key(settings, target) and (is_kept or not is_url(source))
        homes = None if is_url(source) else _homes_of_folder(settings)

        def arrived(rows: Connection) -> None:
            founding.bring_key(rows, key=key, keep=keep)
            if homes is not None:
                founding.bring_homes(rows, homes)

        try:
            copies.move(source, place, told, arrived)
        except bulk.InUse as error:
            raise CannotMove(
                f"{error}; stop the registry on every machine, and start the move again"
            ) from None
        except (copies.CopyFailed, bulk.Unfit) as error:
            raise CannotMove(str(error)) from None
    return engine.name_of(place)


@contextlib.contextmanager
def _answering(place: Place) -> Iterator[None]:
    """Let what goes wrong with a server's database be said in a sentence."""
    try:
        yield
    except (schema.SchemaTooNew, schema.StillInUse) as error:
        raise CannotStart(str(error)) from None
    except Exception as error:
        if is_url(place) and failure(error) is not None:
            raise CannotStart(f"the database cannot be used: {error}") from None
        raise


def application(settings: Settings, start: Start, draining: Draining) -> Application:
    """One HTTP worker process's application.

    Args:
        settings: how.
        start: what it has in common with the other processes of the node.
        draining: whether the node is about to stop.
    """
    secrets_of_upstreams = _upstream_secrets(settings)
    registry = open_registry(settings, start=start)
    return Application(
        registry,
        secrets_of_upstreams,
        draining,
        Traffic(registry, slow=settings.slow_request, has_access_log=settings.access_log),
        metrics_open=settings.metrics_open,
    )
