"""The processes of ``careen serve``: a parent that owns the listening socket and keeps its children running.

The children are HTTP processes (uvicorn) and one job worker, apart from them so that no policy run or collection takes its turn
on an event loop that serves requests. All share the data folder and nothing else.

The parent has imported everything when it forks them, so that the program is in memory once however many children there are, and
a child that has to be started again serves at once. It opens no database and starts no thread: a fork would copy them broken.
"""

import asyncio
import contextlib
import ctypes
import gc
import math
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
import uvicorn

from careen import clock, counting, figures, server, startup, telemetry, tls, tracing, worker
from careen.bounds import Bounds
from careen.draining import Draining
from careen.feed import Feed
from careen.protocol import Protocol
from careen.settings import Settings
from careen.startup import CannotStart, Start

QUICK_DEATH = 10.0
"""A child that ends sooner than this many seconds after its start did not come up."""

MAX_QUICK_DEATHS = 3
"""After so many in a row the parent gives up instead of trying for ever."""

FILES_PER_CONNECTION = 3
"""Open files that a connection may need: its socket, a duplicate of it and a blob."""

OTHER_FILES = 512
"""Open files beside them: the database's, and 256 uploads that are kept warm."""

LOOK_SECONDS = 1.0
"""How often the parent looks whether there is another certificate."""

TRIM_TICKS = 50
"""How often, in tenths of a second, memory that is not used is given back, if nothing is being answered."""

CUT_SECONDS = 3
"""How long requests whose connections were cut may take to end, and then the process."""

_C = ctypes.CDLL(None)

_fork = multiprocessing.get_context("fork")

log = structlog.get_logger()


class Child:
    """A process that is started again when it ends."""

    def __init__(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        self.name = name
        self._target = target
        self._arguments = arguments
        self._quick_deaths = 0
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        self._process = _fork.Process(target=_run, args=(self._target, *self._arguments), name=self.name)
        self._process.start()

    def revive(self) -> bool:
        """Start it again if it has ended. Returns False if that has become pointless."""
        if self._process.is_alive():
            return True
        quick = time.monotonic() - self._started < QUICK_DEATH
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        if self._quick_deaths >= MAX_QUICK_DEATHS:
            log.error("a process does not come up", process=self.name, status=self._process.exitcode)
            return False
        log.warning("a process ended; starting it again", process=self.name, status=self._process.exitcode)
        self._start()
        return True

    def tell_to_stop(self) -> None:
        """SIGTERM: finish what is under way."""
        self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, and kill it after ``seconds``. Returns whether it ended by itself."""
        self._process.join(seconds)
        if not self._process.is_alive():
            return True
        self._process.kill()
        return False


class Stopping:
    """What the signals ask for: the first to stop, the second not to drain any longer."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.hurried = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, *_: Any) -> None:
        (self.hurried if self.asked.is_set() else self.asked).set()


def _run(target: Callable[..., None], *arguments: Any) -> None:
    """What a child does first: take SIGTERM as any process does, until it says otherwise, and not as its parent.

    A terminal's Ctrl-C interrupts the whole family. The parent hears it, too, and it is the parent's to say when to stop.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Not SIG_IGN: the programs that a child starts would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    target(*arguments)


def _run_counted(page: counting.Page, row: int, target: Callable[..., None], *arguments: Any) -> None:
    """Let a child count in its row of the page that all of them share."""
    counting.begin(page, row, figures.GAUGES)
    target(*arguments)


def serve(settings: Settings, start: Start, *, ready: Callable[[], None] | None = None) -> int:
    """Serve until told to stop (SIGINT, SIGTERM), and drain then, unless told again. The data folder is prepared already.

    Args:
        settings: how.
        start: what the children have in common, found out by :func:`careen.startup.begin`.
        ready: called in the parent as soon as the registry answers.

    Returns:
        The exit status: 0 after an orderly stop.

    Raises:
        CannotStart: the address cannot be listened on, or the certificate is none.
    """
    telemetry.configure(settings.log_level)
    certificate = _certificate(settings)
    if settings.traces:
        _check_traces()
    _raise_file_limit(settings)
    with contextlib.closing(_listen(settings)) as listener:
        stopping, draining, page = Stopping(), Draining(), counting.Page(settings.workers + 1)
        gc.freeze()  # the children's collectors leave what is shared where it is
        children = [
            Child(
                "careen-http",
                *(_run_counted, page, index, _serve_http),
                *(settings, listener, start, draining, certificate),
            )
            for index in range(settings.workers)
        ]
        judging = clock.Cautious()
        at_last = settings.workers
        children.append(
            Child("careen-worker", _run_counted, page, at_last, _work, settings, listener, start, judging)
        )
        if ready is not None and _answers(settings, stopping.asked):
            ready()
        healthy = _watch(children, judging, certificate, stopping.asked)
        if healthy and settings.drain_delay:
            log.info("draining: ready no more, and serving on", seconds=settings.drain_delay)
            draining.begin()
            healthy = _watch(children, judging, certificate, stopping.hurried, settings.drain_delay)
        listener.close()  # the children close theirs: from then on new connections are refused, and do not wait for nobody
        for child in children:
            child.tell_to_stop()
        ended = [child.wait(settings.shutdown_timeout + 2 * CUT_SECONDS) for child in children]
    return 0 if healthy and all(ended) else 1


def _check_traces() -> None:
    try:
        tracing.check()
    except tracing.NotInstalled as error:
        raise CannotStart(str(error)) from None


def _watch(
    children: list[Child],
    judging: clock.Cautious,
    certificate: tls.Renewing | None,
    until: threading.Event,
    seconds: float = math.inf,
) -> bool:
    """Keep the children running until an event, or for so many seconds. Returns False if that has become pointless.

    A child that is started again goes on with what is known here: the time, and the certificate, whose files may be unfit now.
    """
    deadline, revived = time.monotonic() + seconds, [True]
    look_at = time.monotonic()
    while all(revived) and (left := deadline - time.monotonic()) > 0 and not until.wait(min(0.5, left)):
        judging()
        if certificate is not None and time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_SECONDS
            certificate.look(tells=False)
        revived = [child.revive() for child in children]
    return all(revived)


def _certificate(settings: Settings) -> tls.Renewing | None:
    """What the server shows to clients; None: it serves plain HTTP.

    Read before the HTTP processes are forked, so that a session which one of them began can be resumed by another.
    """
    if not settings.tls_certificate:
        return None
    client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    try:
        return tls.Renewing(tls.Files(Path(settings.tls_certificate), Path(settings.tls_key), client_ca))
    except tls.InvalidTls as error:
        raise CannotStart(str(error)) from None


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


def _raise_file_limit(settings: Settings) -> None:
    """Let this process and its children open as many files as the connections may need."""
    needed = FILES_PER_CONNECTION * settings.max_connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("too few open files are allowed for max_connections", allowed=allowed, needed=needed)


def _give_back() -> None:
    """Let the C library return free memory to the system: after large transfers it holds on to some tens of megabytes."""
    trim = getattr(_C, "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)


class HttpServer(uvicorn.Server):
    """uvicorn's server. Once a second it looks at every connection and at its certificate; at the end it cuts off what is left."""

    def __init__(
        self,
        config: uvicorn.Config,
        shutdown_timeout: float,
        feed: Feed,
        break_off: Callable[[], None],
        certificate: tls.Renewing | None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._feed = feed
        self._shutdown_timeout = shutdown_timeout
        self._break_off = break_off

    def _connections(self) -> list[Protocol]:
        return [each for each in self.server_state.connections if isinstance(each, Protocol)]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at SIGTERM alone: see :func:`_run` for the other."""
        if sig == signal.SIGTERM:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, with a number that counts."""
        if counter % 10 == 0:
            self._tell()
            if self._certificate is not None:
                self._certificate.look()
            now = asyncio.get_running_loop().time()
            for connection in self._connections():
                try:
                    connection.look(now)
                except Exception:
                    log.exception("a connection could not be looked at")  # the others are served all the same
        if counter % TRIM_TICKS == 0 and len(self.server_state.tasks) <= self._feed.open:
            _give_back()
        return await super().on_tick(counter)

    def _tell(self) -> None:
        """Set the gauges of what is open: once a second, so that no request has to count itself in and out."""
        state, feeds = self.server_state, self._feed.open
        figures.CONNECTIONS.series().set(len(state.connections))
        figures.IN_FLIGHT.series().set(len(state.tasks) - feeds)
        figures.FEEDS.series().set(feeds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for what is under way; what is beyond the time-out ends as if its client had gone away.

        Feeds have no end of their own: they are ended at once.
        """
        self._feed.end()
        cutting = asyncio.get_running_loop().call_later(self._shutdown_timeout, self._cut)
        await super().shutdown(sockets)
        cutting.cancel()

    def _cut(self) -> None:
        connections = self._connections()
        log.warning("transfers did not end in time and are cut off", connections=len(connections))
        for connection in connections:
            connection.cut()
        self._break_off()


def _serve_http(
    settings: Settings,
    listener: socket.socket,
    start: Start,
    draining: Draining,
    certificate: tls.Renewing | None,
) -> None:
    telemetry.configure(settings.log_level)
    Protocol.draining = draining
    Protocol.bounds = Bounds(
        connections=settings.max_connections, head=settings.head_timeout, stall=settings.stall_timeout
    )
    tracing.begin(settings.traces, start.node.id)
    application = server.application(settings, start, draining)
    config = uvicorn.Config(
        application,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=1024,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout) + CUT_SECONDS,
        ssl_context_factory=None if certificate is None else lambda *_: certificate,
    )
    _end_with_parent()
    http = HttpServer(config, settings.shutdown_timeout, application.feed, application.break_off, certificate)
    http.run(sockets=[listener])


def _work(settings: Settings, listener: socket.socket, start: Start, judging: clock.Cautious) -> None:
    listener.close()  # it came with the fork: who listens must be those who answer
    telemetry.configure(settings.log_level)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _end_with_parent(stop)
    tracing.begin(settings.traces, start.node.id)
    registry = startup.open_registry(settings, judging, start)
    try:
        worker.run(registry, stop)
    finally:
        registry.close()
        tracing.end()


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
    """Wait until the registry says that it is ready, or over TLS until a connection is accepted; at most half a minute."""
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
            probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if probe.recv(64).startswith(b"HTTP/1.1 200"):
                return True
        stopping.wait(0.05)
    return False
