"""The composition root: settings → stores → registry → one ASGI application; and the processes it runs in. Read this first.

``careen serve`` is a parent process that owns the listening socket, HTTP worker processes (uvicorn), and one job worker process,
so that no policy run or collection takes its turn on an event loop that serves requests.
"""

import asyncio
import contextlib
import multiprocessing
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careen import clock, telemetry, worker
from careen.blobs.disk import DiskBlobStore
from careen.clock import SECOND
from careen.db import schema
from careen.db.engine import Database
from careen.distribution.app import DistributionApp
from careen.distribution.surface import Surface
from careen.ecrapi.app import EcrApiApp
from careen.registry.fresh import Fresh
from careen.registry.pulls import PullTimes
from careen.registry.registry import Limits, Registry, RootKey
from careen.sendfile import SendfileProtocol
from careen.settings import Settings

log = structlog.get_logger()


class CannotStart(Exception):
    """The data folder, its database or the address cannot be used. The message says why, and what to try where that helps."""


def prepare(settings: Settings) -> None:
    """Make the data folder, its master key and its database, or bring them up to date. Once per start, before any process."""
    data = Path(settings.data)
    try:
        data.mkdir(parents=True, exist_ok=True)
        _master_key(data)
    except OSError as error:
        raise CannotStart(f"the data folder {data} cannot be used: {error.strerror}") from None
    try:
        schema.migrate(data / "careen.db")
    except schema.SchemaTooNew as error:
        raise CannotStart(str(error)) from None


def _master_key(data: Path) -> bytes:
    """The key that signs tokens and derives secrets: 32 bytes, readable by the owner alone."""
    path = data / "master.key"
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
    return path.read_bytes()


def open_registry(settings: Settings) -> Registry:
    """The registry of a prepared data folder. Any number of processes may have it open."""
    data = Path(settings.data)
    root_key = RootKey(settings.access_key_id, settings.secret_access_key) if settings.access_key_id else None
    return Registry(
        id=settings.registry_id,
        region=settings.region,
        database=Database(data / "careen.db"),
        blobs=DiskBlobStore(data),
        clock=clock.file_clock(Path(settings.clock_file)) if settings.clock_file else clock.system_now,
        master_key=_master_key(data),
        root_key=root_key,
        limits=Limits(
            create_on_push=settings.create_on_push,
            grace=round(settings.blob_grace * SECOND),
            lifecycle_every=round(settings.lifecycle_interval * SECOND),
            collect_every=round(settings.collect_interval * SECOND),
            sweep_every=round(settings.sweep_interval * SECOND),
            upload_ttl=round(settings.upload_ttl * SECOND),
        ),
    )


class Application:
    """The ASGI application: ``/v2`` to the distribution API, everything else to the small router."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._pulls = PullTimes(registry)
        fresh = Fresh(registry.database)
        self._distribution = DistributionApp(Surface(registry, fresh, self._pulls))
        ecr_api = EcrApiApp(registry, self._pulls)
        self._router = Starlette(
            lifespan=self._lifespan,
            routes=[
                Route("/", ecr_api.answer, methods=["POST"]),
                Route("/", _welcome, methods=["GET"]),
                Route("/healthz", self._health, methods=["GET"]),
            ],
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"].startswith("/v2"):
            await self._distribution(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        flushing = asyncio.create_task(self._pulls.run())
        yield
        flushing.cancel()
        await flushing
        self._registry.close()

    async def _health(self, _: Request) -> Response:
        """200 while the database answers."""
        self._registry.database.version()
        return JSONResponse({"status": "ok"})


async def _welcome(request: Request) -> Response:
    """What somebody sees who opens the address in a browser."""
    return JSONResponse(
        {"name": "careen", "registry": f"{request.url.netloc}", "health": "/healthz", "api": "/v2/"}
    )


def application(settings: Settings) -> Application:
    """One HTTP worker process's application."""
    return Application(open_registry(settings))


def serve(settings: Settings, *, ready: Any = None) -> int:
    """Serve until told to stop (SIGINT, SIGTERM). The data folder is prepared already.

    Args:
        settings: how.
        ready: called in the parent, without arguments, as soon as the registry answers.

    Returns:
        The exit status: 0 after an orderly stop.
    """
    listener = _listen(settings)
    spawn = multiprocessing.get_context("spawn")
    targets = [("careen-http", _serve_http, (settings, listener))] * settings.workers + [
        ("careen-worker", _work, (settings,))
    ]
    processes = [spawn.Process(target=target, args=args, name=name) for name, target, args in targets]
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    for process in processes:
        process.start()
    if ready is not None and _answers(settings, stopping):
        ready()
    status = 0
    while not stopping.wait(0.5):
        for index, process in enumerate(processes):
            if process.is_alive():
                continue
            name, target, args = targets[index]
            log.warning("a process ended; starting it again", process=name, status=process.exitcode)
            time.sleep(0.5)
            processes[index] = spawn.Process(target=target, args=args, name=name)
            processes[index].start()
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(settings.shutdown_timeout + 5)
        if process.is_alive():
            process.kill()
            status = 1
    listener.close()
    return status


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another with --port."
        ) from None
    listener.listen(1024)
    return listener


def _serve_http(settings: Settings, listener: socket.socket) -> None:
    telemetry.configure(settings.log_level)
    config = uvicorn.Config(
        application(settings),
        http=SendfileProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=1024,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.shutdown_timeout),
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
    )
    _end_with_parent()
    uvicorn.Server(config).run(sockets=[listener])


def _work(settings: Settings) -> None:
    telemetry.configure(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _end_with_parent(stop)
    registry = open_registry(settings)
    try:
        worker.run(registry, stop)
    finally:
        registry.close()


def _end_with_parent(stop: threading.Event | None = None) -> None:
    """If the parent is killed, so that nobody tells us to stop, stop by ourselves."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            if stop is not None:
                stop.set()
            else:
                os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _answers(settings: Settings, stopping: threading.Event) -> bool:
    """Wait until a connection is accepted and answered, at most half a minute."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 compared, not bound
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not stopping.is_set():
        # The socket listens already, so the connection waits in its backlog until a worker takes it.
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, settings.port), timeout=30) as probe,
        ):
            if settings.tls_certificate:
                return True
            probe.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return probe.recv(64).startswith(b"HTTP/1.1 200")
        stopping.wait(0.05)
    return False
