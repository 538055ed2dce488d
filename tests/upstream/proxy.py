"""A proxy on the loopback that stands between two registries, notes what passes, and does damage on order."""

import contextlib
import http.client
import http.server
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.server import free_port
from tests.tls import Certificate
from tests.waiting import PATIENCE


class Fault(NamedTuple):
    """What goes wrong with a request."""

    status: int | None = None
    """Answered instead of the registry's."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Sent with :attr:`status`."""
    body: bytes = b""
    """The same."""
    cut_after: int | None = None
    """Bytes of the request's body after which the connection is reset: the registry is never asked."""
    is_lost: bool = False
    """Whether the registry does as it is asked, and the connection is reset instead of its answer."""
    delay: float = 0.0
    """Seconds until anything is done about the request."""
    mute: threading.Event | None = None
    """Nothing is done about the request until this is set."""
    reset_after: int | None = None
    """Bytes of the body after which the connection is reset."""
    wrong: bool = False
    """Whether the first byte of the body is another."""
    hold: threading.Event | None = None
    """The body is sent when this is set."""
    drop_range: bool = False
    """Whether the registry is not told of a Range."""


class Seen(NamedTuple):
    """A request that passed."""

    method: str
    path: str
    headers: dict[str, str]

    def is_get(self, part: str) -> bool:
        """Whether it is a GET of a path with ``part``."""
        return self.method == "GET" and part in self.path


Headers = list[tuple[str, str]]


class Proxy:
    """Forwards to ``target``; speaks HTTPS if it is given a certificate.

    Attributes:
        seen: every request, in the order of arrival.
        faults: asked in turn for each request; the first that answers a :class:`Fault` has its way.
        drops: headers, in small letters, that are not passed on.
        rewrite: is handed each answer's headers and body, and says what they are instead; the body keeps its length.
    """

    def __init__(self, target: str, certificate: Certificate | None = None) -> None:
        self.port = free_port()
        self._certificate = certificate
        self.seen: list[Seen] = []
        self.faults: list[Callable[[Seen], Fault | None]] = []
        self.drops: frozenset[str] = frozenset()
        self.rewrite: Callable[[Seen, Headers, bytes], tuple[Headers, bytes]] = lambda _, *answer: answer
        self._target = urlsplit(target).netloc

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'http' if self._certificate is None else 'https'}://127.0.0.1:{self.port}"

    def once(self, part: str, *faults: Fault, method: str = "GET") -> None:
        """Let the next requests for a path with ``part`` fail, one for each fault."""
        left = list(faults)
        lock = threading.Lock()

        def next_fault(seen: Seen) -> Fault | None:
            with lock:
                return left.pop(0) if left and seen.method == method and part in seen.path else None

        self.faults.append(next_fault)

    def always(self, part: str, fault: Fault, method: str | None = None) -> None:
        """Let all requests for a path with ``part`` fail."""
        self.faults.append(
            lambda seen: fault if part in seen.path and method in {None, seen.method} else None
        )

    def heal(self) -> None:
        """No more faults."""
        self.faults.clear()

    def gets(self, part: str) -> int:
        """How many GETs of paths with ``part`` there were."""
        return sum(seen.is_get(part) for seen in self.seen)

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Serve for the length of a ``with`` block."""
        proxy = self

        class Handler(_Handler):
            owner = proxy

        with _Server(("127.0.0.1", self.port), Handler) as server:
            if self._certificate is not None:
                tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                tls.load_cert_chain(self._certificate.chain, self._certificate.key)
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()


class _Server(http.server.ThreadingHTTPServer):
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Connections that we reset end in errors."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy

    def _handle(self) -> None:
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.owner.seen.append(seen)
        fault = next((found for ask in self.owner.faults if (found := ask(seen)) is not None), Fault())
        length = int(self.headers.get("Content-Length", 0))
        if fault.cut_after is not None:
            self.rfile.read(min(length, fault.cut_after))
            self._reset()
            return
        sent = self.rfile.read(length)
        if fault.delay:
            time.sleep(fault.delay)
        if fault.mute is not None:
            fault.mute.wait(600)
        if fault.status is not None:
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(fault.body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else fault.body)
            return
        self._forward(seen, sent, fault)

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _forward(self, seen: Seen, sent: bytes, fault: Fault) -> None:
        upstream = http.client.HTTPConnection(self.owner._target, timeout=PATIENCE)
        left_out = self.owner.drops | ({"range"} if fault.drop_range else set())
        try:
            # The registry is told our own name, so that what it gives as a Location leads through here.
            upstream.request(
                self.command,
                self.path,
                sent or None,
                {name: value for name, value in self.headers.items() if name.lower() not in left_out},
            )
            answer = upstream.getresponse()
            body = answer.read()
        finally:
            upstream.close()
        if fault.is_lost:
            self._reset()
            return
        headers, body = self.owner.rewrite(seen, answer.getheaders(), body)
        self.send_response(answer.status)
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                self.send_header(name, value)
        if answer.getheader("Transfer-Encoding") is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault.hold is not None:
            fault.hold.wait(PATIENCE)
        if fault.wrong:
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault.reset_after is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[: fault.reset_after])
        self.wfile.flush()
        self._reset()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass
