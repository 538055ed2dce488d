"""uvicorn's HTTP protocol with a direct way to the connection, for the paths that every push and pull takes.

uvicorn reads and frames requests, keeps connections alive, queues pipelined requests; that is not touched, but two gaps in it are
closed: a head has a largest size, and a lost connection is told to the request that is being answered. ASGI's messages, though,
copy a request's body three times on its way in, write a response in two system calls, and know no file. So each request's scope
carries, as the ASGI extension ``careen.direct``, a :class:`Direct` that an application may use instead of ``receive`` and
``send``: body pieces of a megabyte, a whole response in one write, a response from a file by sendfile(2).
The measurements that asked for it are in docs/adr/0004.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

EXTENSION = "careen.direct"

Header = tuple[bytes, bytes]

PIECE_BYTES = 1024 * 1024
"""How much of a body is gathered before the application is woken, and the most that one sendfile moves."""

STALL_SECONDS = 60.0
"""How long a client may send or take nothing at all in the middle of a body before it is given up."""

_READING = (b"GET", b"HEAD")

MAX_HEAD_BYTES = 64 * 1024
"""The most a client may send that is no part of a body: request line, headers, trailers. uvicorn would keep any number."""


class Protocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, offering ``careen.direct``.

    An application may have a method ``answer_again(method, target, headers)``. It is asked before a request is handed to it, and
    may answer with a whole response at once, or with None.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._again: Callable[[bytes, bytes, Sequence[Header]], bytes | None] = getattr(
            self.app, "answer_again", _never
        )

    _answering: RequestResponseCycle | None = None
    _head_bytes = 0
    """Bytes that came since the last complete head or the last part of a body."""

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up a client whose head does not end."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """The next bytes begin a body, or another head. What can be answered again is answered here."""
        self._head_bytes = 0
        if not self._answer_again():
            super().on_headers_complete()

    def _answer_again(self) -> bool:
        """Write a response that the application has ready, without a task or a cycle for it.

        Only when nothing is under way on the connection that it could overtake: the last request is answered, none waits,
        and the client takes what it is sent. The cycle that stays is the last one's, which takes no body any more.
        """
        last, parser = self._answering, self.parser
        if last is None or not last.response_complete or self.pipeline or self.flow.write_paused:
            return False
        method = parser.get_method()
        if method not in _READING or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return False
        response = self._again(method, self.url, self.headers)
        if response is None:
            return False
        self.transport.write(response)
        self.on_response_complete()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells the last that came, which with pipelining is another.

        This runs before the socket is closed, so a request that was not told may still use the descriptor's number.
        """
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        extensions: dict[str, Any] = {EXTENSION: Direct(self, cycle)}
        cycle.scope["extensions"] = extensions
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body to whoever reads it: ``Direct.pieces`` once that was called, else uvicorn's ``receive``."""
        self._head_bytes = 0
        direct = self.cycle.scope.get("extensions", {}).get(EXTENSION)
        if isinstance(direct, Direct) and direct.takes_pieces and not self.cycle.response_complete:
            direct.gather(body)
        else:
            super().on_body(body)


class Direct:
    """The connection, as one request sees it. Use it or ASGI's messages for a body or a response, not both in turn."""

    __slots__ = ("_cycle", "_failure", "_pieces", "_protocol", "_size", "takes_pieces")

    def __init__(self, protocol: Protocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._pieces: list[bytes] = []
        self._failure: Exception | None = None
        self._size = 0
        self.takes_pieces = False

    @property
    def sends_files(self) -> bool:
        """Whether :meth:`send_file` works here: over TLS the kernel cannot."""
        return self._protocol.scheme == "http"

    @property
    def is_gone(self) -> bool:
        """Whether the client has closed the connection: what is sent from now on is dropped."""
        return bool(self._cycle.disconnected)

    def gather(self, body: bytes) -> None:
        """Keep a part of the body; wake the reader and stop reading from the socket when there is a piece."""
        self._pieces.append(body)
        self._size += len(body)
        if self._size >= PIECE_BYTES:
            self._protocol.flow.pause_reading()
            self._cycle.message_event.set()

    async def pieces(self) -> tuple[list[bytes], bool]:
        """What has arrived of the body, a megabyte or more unless it is the rest, and whether more is to come.

        What came before a failure is handed out before the failure is raised, so that an upload can go on behind it.

        Raises:
            ConnectionError: the client is gone.
            TimeoutError: it sent nothing for :data:`STALL_SECONDS`.
        """
        cycle = self._cycle
        self._begin_pieces()
        if self._failure is not None:
            raise self._failure
        try:
            while cycle.more_body and self._size < PIECE_BYTES:
                await self._more()
        except (ConnectionError, TimeoutError) as error:
            if not self._pieces:
                raise
            self._failure = error
        taken, self._pieces, self._size = self._pieces, [], 0
        return taken, cycle.more_body

    def _begin_pieces(self) -> None:
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not self._protocol.transport.is_closing():
            self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        if not self.takes_pieces:
            self.takes_pieces = True
            if cycle.body:  # what came before the application asked
                self._pieces.append(bytes(cycle.body))
                self._size += len(cycle.body)
                cycle.body = bytearray()

    async def _more(self) -> None:
        """Wait until there is a piece, the end, or a disconnect; as long as something arrives, for however long it takes."""
        if self._cycle.disconnected:
            raise ConnectionError
        self._protocol.flow.resume_reading()
        before = self._size
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._cycle.message_event.wait()
        except TimeoutError:
            if self._size == before:
                raise
        self._cycle.message_event.clear()

    async def respond(self, status: int, headers: Sequence[Header], body: bytes) -> bytes | None:
        """Send a whole response in one write. ``headers`` have the Content-Length.

        Returns:
            What was sent, if it would do for any connection that stays open: it does not say that this one closes.
        """
        response = await self._send_head(status, headers, body)
        keeps = self._cycle.keep_alive
        self._complete()
        return response if keeps else None

    async def send_file(
        self, status: int, headers: Sequence[Header], fd: int, offset: int, count: int
    ) -> None:
        """Send a response whose body is ``count`` bytes of an open file, beginning at ``offset``.

        Raises:
            EOFError: the file ended early; the connection is closed.
        """
        await self._send_head(status, headers, b"")
        await self._drain()
        if self._cycle.disconnected:
            return  # the descriptor's number may be another connection's, or a file's, by now
        # The event loop owns the socket's descriptor and would refuse to watch it twice; a duplicate is ours.
        out = os.dup(self._protocol.transport.get_extra_info("socket").fileno())
        try:
            await self._copy(out, fd, offset, count)
        except (ConnectionError, TimeoutError):
            self._protocol.transport.abort()
        except EOFError:
            self._protocol.transport.abort()
            raise
        finally:
            os.close(out)
        self._complete()

    async def _send_head(self, status: int, headers: Sequence[Header], body: bytes) -> bytes:
        protocol, cycle = self._protocol, self._cycle
        if protocol.flow.write_paused and not cycle.disconnected:
            await protocol.flow.drain()
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        lines = [b"%b: %b\r\n" % header for header in (*protocol.server_state.default_headers, *headers)]
        if any(header == (b"connection", b"close") for header in headers):
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise ValueError(
                "a header has a line break"
            )  # never a client's doing: they would be two headers by now
        response = b"".join((STATUS_LINE[status], head, b"\r\n", body))
        if not cycle.disconnected:
            protocol.transport.write(response)
        return response

    def _complete(self) -> None:
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._protocol.transport.close()
        cycle.on_response()

    async def _drain(self) -> None:
        """Wait until the head has left the transport's buffer: what we write ourselves must not overtake it."""
        transport = self._protocol.transport
        if not transport.get_write_buffer_size():
            return
        transport.set_write_buffer_limits(0)
        try:
            while transport.get_write_buffer_size() and not self._cycle.disconnected:
                await self._protocol.flow.drain()
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits()

    async def _copy(self, out: int, fd: int, offset: int, count: int) -> None:
        while count and not self._cycle.disconnected:
            try:
                sent = os.sendfile(out, fd, offset, min(count, PIECE_BYTES))
            except BlockingIOError:
                await self._writable(out)
                continue
            if sent == 0:
                raise EOFError
            offset, count = offset + sent, count - sent
            if count:
                await asyncio.sleep(0)  # a fast download lets others have their turn

    async def _writable(self, fd: int) -> None:
        loop = self._protocol.loop
        ready = loop.create_future()
        loop.add_writer(fd, _resolve, ready)
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await ready
        finally:
            with contextlib.suppress(ValueError):
                loop.remove_writer(fd)


def _never(_method: bytes, _target: bytes, _headers: Sequence[Header]) -> None:
    """The ``answer_again`` of an application that has none."""


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
