"""The connection, as one request sees it: the ASGI extension ``careen.direct``.

ASGI's messages copy a request's body three times on its way in, write a response in two system calls, and know no file. An
application that finds a :class:`Direct` in its scope may use it instead: body pieces of a megabyte, a whole response in one
write, a response from a file by sendfile(2). :mod:`careen.protocol` offers it.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from careen.bounds import Bounds, Pace, piece_bytes

EXTENSION = "careen.direct"

Header = tuple[bytes, bytes]

SEND_BYTES = 1024 * 1024
"""The most that one sendfile moves."""

HAND_ON_SECONDS = 1.0
"""What has arrived of a body is handed on after this time, be it ever so little: a slow client's bytes are not held here."""

PART_COST = 64
"""What a part of a body costs beyond its bytes: in chunks of two bytes it would be far more than the bytes."""

SLICE_BYTES = 64 * 1024
"""How much of a body in memory is written at a time, and how much of a chunked one parsed: in chunks of two bytes it takes many
times its size."""


class Bounded(HttpToolsProtocol):
    """uvicorn's protocol, with what its clients are allowed."""

    bounds = Bounds()
    sent = 0
    """Bytes that were written to the connection by the direct way, or again."""


class Direct:
    """The connection, as one request sees it. Use it or ASGI's messages for a body or a response, not both in turn."""

    __slots__ = (
        "_cycle", "_failure", "_held", "_pace", "_pieces", "_protocol", "_received", "_wanted",
        "answered", "request_id", "status", "takes_pieces", "waited",
    )  # fmt: skip

    def __init__(self, protocol: Bounded, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._pieces: list[bytes] = []
        self._failure: Exception | None = None
        self._wanted = self._held = self._received = 0
        self.waited = 0.0
        """Seconds in which the body was waited for."""
        self.takes_pieces = False
        self.request_id = b""
        """What the answer's X-Request-Id says; empty: it has none."""
        self.status = 0
        self.answered = 0.0
        """What was answered, and when by ``time.perf_counter``; 0: nothing yet, or not this way."""

    @property
    def sends_files(self) -> bool:
        """Whether :meth:`send_file` works here: over TLS the kernel cannot."""
        return self._protocol.scheme == "http"

    @property
    def is_gone(self) -> bool:
        """Whether the client has closed the connection: what is sent from now on is dropped."""
        return bool(self._cycle.disconnected)

    @property
    def share(self) -> int:
        """How many bytes of a body this request should hold at most, now that so many others are being answered."""
        return piece_bytes(len(self._protocol.tasks))

    def gather(self, body: bytes) -> None:
        """Keep a part of the body; wake the reader and stop reading from the socket when there is a piece."""
        self._pieces.append(body)
        self._received += len(body)
        self._held += len(body) + PART_COST
        if self._held >= self._wanted:
            self._protocol.flow.pause_reading()
            self._cycle.message_event.set()

    async def pieces(self) -> tuple[list[bytes], bool]:
        """What has arrived of the body, and whether more is to come.

        It is a megabyte or so, less where many requests are being answered, and whatever there is where the client is slow.
        What came before a failure is handed out before the failure is raised, so that an upload can go on behind it.

        Raises:
            ConnectionError: the client is gone.
            TimeoutError: it was slower than :data:`careen.bounds.MIN_RATE` for the stall time.
        """
        cycle = self._cycle
        self._begin_pieces()
        if self._failure is not None:
            raise self._failure
        self._wanted = self.share
        try:
            while cycle.more_body and self._held < self._wanted and await self._more():
                pass
        except (ConnectionError, TimeoutError) as error:
            if not self._pieces:
                raise
            self._failure = error
        taken, self._pieces, self._held = self._pieces, [], 0
        return taken, cycle.more_body

    def _begin_pieces(self) -> None:
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not self._protocol.transport.is_closing():
            self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        if not self.takes_pieces:
            self.takes_pieces = True
            self._pace = Pace(self._protocol.bounds.stall)
            if cycle.body:  # what came before the application asked
                self.gather(bytes(cycle.body))
                cycle.body = bytearray()

    async def _more(self) -> bool:
        """Wait until there is a piece, the end, or a disconnect, but not for long.

        Only the time in which we would have read counts for the client's pace.

        Returns:
            False if what there is should be handed on, because it took so long.
        """
        cycle, loop = self._cycle, self._protocol.loop
        if cycle.disconnected:
            raise ConnectionError
        self._protocol.flow.resume_reading()
        began, came = loop.time(), False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(HAND_ON_SECONDS, self._protocol.bounds.stall)):
                came = await cycle.message_event.wait()
        cycle.message_event.clear()
        self.waited += loop.time() - began
        if cycle.more_body and self._pace.is_lost(self.waited, self._received):
            raise TimeoutError
        return came or not self._pieces

    async def respond(self, status: int, headers: Sequence[Header], body: bytes) -> bytes | None:
        """Send a whole response, a short one in one write. ``headers`` have the Content-Length.

        Returns:
            What was sent, if it is short and would do for any connection that stays open: it does not say that this one closes.
        """
        if len(body) <= SLICE_BYTES:
            sent = await self._send_head(status, headers, body)
            response = sent if self._cycle.keep_alive else None
        else:
            response = None
            await self._send_head(status, headers, b"")
            for first in range(0, len(body), SLICE_BYTES):
                await self.drain()
                if not self._cycle.disconnected:
                    self._protocol.transport.write(body[first : first + SLICE_BYTES])
                    self._protocol.sent += min(SLICE_BYTES, len(body) - first)
        self._complete()
        return response

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written, or is gone."""
        if self._protocol.flow.write_paused and not self._cycle.disconnected:
            await self._protocol.flow.drain()

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
        await self.drain()
        self.status, self.answered = status, time.perf_counter()
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        lines = [b"%b: %b\r\n" % header for header in (*protocol.server_state.default_headers, *headers)]
        if self.request_id:
            lines.append(b"x-request-id: %b\r\n" % self.request_id)
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
            protocol.sent += len(response)
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
                sent = os.sendfile(out, fd, offset, min(count, SEND_BYTES))
            except BlockingIOError:
                await self._writable(out)
                continue
            if sent == 0:
                raise EOFError
            offset, count = offset + sent, count - sent
            self._protocol.sent += sent
            if count:
                await asyncio.sleep(0)  # a fast download lets others have their turn

    async def _writable(self, fd: int) -> None:
        loop = self._protocol.loop
        ready = loop.create_future()
        loop.add_writer(fd, _resolve, ready)
        try:
            async with asyncio.timeout(self._protocol.bounds.stall):
                await ready
        finally:
            with contextlib.suppress(ValueError):
                loop.remove_writer(fd)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
