"""Zero-copy response bodies: uvicorn's HTTP protocol with one ASGI extension more.

uvicorn frames requests and responses; that is not touched, but two gaps in it are closed: a head has a largest size, and a lost
connection is told to the request that is being answered. Between ``http.response.start`` and the last
``http.response.body`` an application may await ``scope["extensions"]["careen.sendfile"](fd, offset, count)``, and the kernel
moves those bytes from the file to the socket. It is not offered where that cannot be (TLS): applications then send body
messages. The trial that chose this way is in docs/adr/0004.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION = "careen.sendfile"

Sendfile = Callable[[int, int, int], Awaitable[None]]
"""``await sendfile(fd, offset, count)``: send ``count`` bytes of the open file, beginning at ``offset``."""

PIECE_BYTES = 1024 * 1024
"""The most one system call moves, so that a fast download lets others have their turn."""

STALL_SECONDS = 60.0
"""How long a client may take nothing at all before it is given up."""

MAX_HEAD_BYTES = 64 * 1024
"""The most a client may send that is no part of a body: request line, headers, trailers. uvicorn would keep any number."""


class TruncatedFile(Exception):
    """The file ended before the bytes that were promised: damage on the disk."""


class SendfileProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, offering ``careen.sendfile`` on plain connections."""

    _answering: RequestResponseCycle | None = None
    _head_bytes = 0
    """Bytes that came since the last complete head or the last piece of a body."""

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up a client whose head does not end."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """The next bytes begin a body, or another head."""
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A body may be of any size."""
        self._head_bytes = 0
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells the last that came, which with pipelining is another.

        This runs before the socket is closed, so a request that was not told may still use the descriptor's number.
        """
        if self._answering is not None:
            self._answering.disconnected = True
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if self.scheme == "http":
            extensions: dict[str, Any] = {EXTENSION: functools.partial(self._sendfile, cycle)}
            cycle.scope["extensions"] = extensions
        super()._start_asgi_task(cycle, app)

    async def _sendfile(self, cycle: RequestResponseCycle, fd: int, offset: int, count: int) -> None:
        await self._written(cycle)
        cycle.expected_content_length -= count
        if cycle.disconnected:  # the descriptor's number may be another connection's, or a file's, by now
            return
        # The event loop owns the socket's descriptor and would refuse to watch it twice; a duplicate is ours.
        out = os.dup(self.transport.get_extra_info("socket").fileno())
        try:
            while count and not cycle.disconnected:
                try:
                    sent = os.sendfile(out, fd, offset, min(count, PIECE_BYTES))
                except BlockingIOError:
                    await self._writable(out)
                    continue
                if sent == 0:
                    raise TruncatedFile
                offset, count = offset + sent, count - sent
                if count:
                    await asyncio.sleep(0)
        except (ConnectionError, TimeoutError):
            self.transport.abort()
        finally:
            os.close(out)

    async def _written(self, cycle: RequestResponseCycle) -> None:
        """Wait until the headers have left the transport's buffer: what we write ourselves must not overtake them."""
        if not self.transport.get_write_buffer_size():
            return
        self.transport.set_write_buffer_limits(0)
        try:
            while self.transport.get_write_buffer_size() and not cycle.disconnected:
                await self.flow.drain()
        finally:
            if not self.transport.is_closing():
                self.transport.set_write_buffer_limits()

    async def _writable(self, fd: int) -> None:
        ready = self.loop.create_future()
        self.loop.add_writer(fd, _resolve, ready)
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await ready
        finally:
            with contextlib.suppress(ValueError):
                self.loop.remove_writer(fd)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
