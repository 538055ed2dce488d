"""HTTP as the load generators speak it: as little Python as possible between the socket and the kernel.

Bodies leave by ``sendfile`` and arrive into nowhere (``MSG_TRUNC`` lets the kernel drop received bytes
without copying them), so that a client costs the servers as little of the shared cores as it can. Sockets
stay blocking: a time limit set through Python would put a ``poll`` before every call, so limits are the
kernel's own (``SO_RCVTIMEO``, ``SO_SNDTIMEO``).
"""

import http.client
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urljoin, urlsplit

TIMEOUT = 60
"""Seconds without a byte after which a transfer has failed."""
DRAIN = 1 << 20
"""Bytes dropped by one receive."""

Send = Callable[[socket.socket], None]
"""Writes a request's body."""


class WireError(Exception):
    """A server answered otherwise than the measurement needs; a figure from it would be void."""


class Origin(NamedTuple):
    """Where a server listens, and the ``Authorization`` its clients send."""

    host: str
    port: int
    authorization: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": self.authorization} if self.authorization else {}


class Answer(NamedTuple):
    """A response read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Client:
    """One kept-alive connection to one server."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._http = http.client.HTTPConnection(origin.host, origin.port)

    def __enter__(self) -> Self:
        self._http.connect()
        _limit(self._http.sock)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        expect: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request with a body that is at hand; any status but ``expect`` raises WireError."""
        length = {"Content-Length": str(len(body))} if method not in {"GET", "HEAD"} else {}
        return self.send(
            method,
            path,
            lambda sock: sock.sendall(body),
            expect=expect,
            headers={**length, **(headers or {})},
        )

    def send(self, method: str, path: str, body: Send, *, expect: int, headers: Mapping[str, str]) -> Answer:
        """Send a request whose body ``body`` writes to the socket itself, framed as ``headers`` say."""
        self._http.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {**self._origin.headers, **headers}.items():
            self._http.putheader(name, value)
        self._http.endheaders()
        body(self._http.sock)
        response = self._http.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if answer.status != expect:
            raise WireError(f"{method} {path}: {answer.status}, not {expect}: {answer.body[:200]!r}")
        return answer

    def location(self, answer: Answer, **query: str) -> str:
        """The path that an answer's ``Location`` names, with ``query`` added to whatever query it has."""
        parts = urlsplit(urljoin(self._origin.url, answer.headers["Location"]))
        added = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{parts.path}?{'&'.join(filter(None, (parts.query, added)))}".rstrip("?")


def send_file(sock: socket.socket, path: Path) -> None:
    """Send a whole file without copying it through this process."""
    with path.open("rb") as file:
        offset, size = 0, path.stat().st_size
        while offset < size:
            offset += os.sendfile(sock.fileno(), file.fileno(), offset, size - offset)


def connect(origin: Origin) -> socket.socket:
    """A plain connection, for ``drain``."""
    sock = socket.create_connection((origin.host, origin.port))
    _limit(sock)
    return sock


def drain(
    sock: socket.socket,
    origin: Origin,
    path: str,
    *,
    expect: int = 200,
    headers: Mapping[str, str] | None = None,
) -> int:
    """GET ``path`` and drop its body.

    Returns:
        The bytes of the body, which must have had a Content-Length.
    """
    sock.sendall(head_of("GET", origin, path, headers or {}))
    status, length, left = _read_head(sock)
    if status != expect:
        raise WireError(f"GET {path}: {status}, not {expect}")
    buffer = bytearray(DRAIN)
    while left:
        dropped = sock.recv_into(buffer, min(left, DRAIN), socket.MSG_TRUNC)
        if not dropped:
            raise WireError(f"GET {path}: the connection ended {left} bytes early")
        left -= dropped
    return length


def head_of(method: str, origin: Origin, path: str, headers: Mapping[str, str]) -> bytes:
    """A request without a body."""
    fields = {"Host": f"{origin.host}:{origin.port}", **origin.headers, **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode()


def _read_head(sock: socket.socket) -> tuple[int, int, int]:
    """Status, length of the body, and how much of the body is still to come."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(16384)
        if not piece:
            raise WireError("the connection ended before a response")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
    length = int(fields["content-length"])
    return int(first.split()[1]), length, length - len(body)


def _limit(sock: socket.socket) -> None:
    timeval = struct.pack("ll", TIMEOUT, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
