"""One request and its response, on bare ASGI.

Every push and pull passes here, so this is as thin as it can be: a manifest GET has a budget of some tens of microseconds, of
which a general request and response object would take half.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from careen.oci.errors import OciError
from careen.registry.fresh import Version
from careen.traffic import Served, served

Header = tuple[bytes, bytes]

API_VERSION: Header = (b"docker-distribution-api-version", b"registry/2.0")

PIECE_BYTES = 256 * 1024
"""How much of a file is read at a time where the server cannot send it by itself, unless many are being answered."""

LEAST_PIECE_BYTES = 64 * 1024
"""And where many are. A piece takes three times its size on its way through TLS."""

STALL_SECONDS = 60.0
"""How long a client may send nothing in the middle of a body where the server offers no direct way."""


_NO_CONTENT = frozenset({204, 304})
"""Statuses whose answers have no content, and so no length of it (RFC 9110, section 8.6)."""


class ClientGone(Exception):
    """The client closed the connection."""


class Exchange:
    """A request being answered."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.served: Served = served(scope)
        """What is noted of the request for figures and the log."""
        self._direct = self.served.direct
        self.started = False
        self.version: Version = -1
        """The database's when the answering began (:attr:`careen.registry.fresh.Fresh.version`): what was decided is of it."""
        self.is_judged_alone = False
        """Whether what was decided about this request may be decided otherwise about the next: its address or the time counts."""
        self.on_answer: Callable[[int, Sequence[Header]], None] | None = None
        """Called with the status and the headers of an answer that is no stream, before it is sent."""
        self._unread = True

    @property
    def headers(self) -> Sequence[Header]:
        """All headers as they came, their names in small letters."""
        headers: Sequence[Header] = self.scope["headers"]
        return headers

    @property
    def target(self) -> bytes:
        """The path and the query as they came."""
        query: bytes = self.scope["query_string"]
        path: bytes = self.scope["raw_path"]
        return b"%b?%b" % (path, query) if query else path

    @property
    def credential(self) -> bytes | None:
        """The Authorization header as it came."""
        return next((value for name, value in self.headers if name == b"authorization"), None)

    def header(self, name: bytes) -> str | None:
        """The first header of that (lower-case) name."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return None

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters, each with all its values."""
        return parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        if not self.scope["query_string"]:
            return None
        values = self.query.get(name)
        return values[0] if values else None

    def has(self, etag: str) -> bool:
        """Whether the client has this representation already, by its If-None-Match (RFC 9110, section 13.1.2)."""
        known = self.header(b"if-none-match")
        return known is not None and (
            known.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}
        )

    @property
    def base_url(self) -> str:
        """``http://host:port``, as the client addressed us."""
        return f"{self.scope['scheme']}://{self.header(b'host') or ''}"

    @property
    def content_length(self) -> int | None:
        """The declared length of the body in bytes; None if it is streamed."""
        value = self.header(b"content-length")
        return int(value) if value is not None and value.isdigit() else None

    async def body(self) -> AsyncIterator[list[bytes]]:
        """The body, as it arrives, in portions that are worth a thread's while.

        Raises:
            ClientGone: the connection ended before the body did.
            OciError: next to nothing came for the stall time (408).
        """
        while self._unread:
            try:
                parts = await self._parts()
            except TimeoutError:
                raise OciError("SIZE_INVALID", "the rest of the body did not come", status=408) from None
            if parts:
                yield parts
            del parts  # not held while the next are waited for

    async def _parts(self) -> list[bytes]:
        if self._direct is not None:
            try:
                parts, self._unread = await self._direct.pieces()
            except ConnectionError:
                raise ClientGone from None
            return list(parts)
        async with asyncio.timeout(STALL_SECONDS):
            message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGone
        self._unread = message.get("more_body", False)
        return [message["body"]] if message["body"] else []

    async def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            OciError: it has more than ``limit`` bytes (413), or stands still (408).
            ClientGone: the connection ended before the body did.
        """
        declared = self.content_length
        parts: list[bytes] = []
        size = 0
        if declared is None or declared <= limit:
            async for portion in self.body():
                parts += portion
                size += sum(map(len, portion))
                if size > limit:
                    break
            else:
                return b"".join(parts)
        raise OciError("SIZE_INVALID", f"the body has more than {limit} bytes", status=413)

    async def discard(self, limit: int) -> None:
        """Take in what is left of the body, about ``limit`` bytes of it at most, and forget it.

        A client that is cut off while it sends may never see the answer. One that waits for leave to send is not told to.
        """
        if self.header(b"expect") is not None:
            return
        with contextlib.suppress(ClientGone, OciError):
            async for portion in self.body():
                limit -= sum(map(len, portion))
                if limit < 0:
                    return

    async def respond(self, status: int, headers: Iterable[Header] = (), body: bytes = b"") -> bytes | None:
        """Answer. A HEAD is answered with the length of ``body`` and nothing more. Returns as :meth:`respond_exactly`."""
        length = () if status in _NO_CONTENT else ((b"content-length", b"%d" % len(body)),)
        return await self.respond_exactly(status, [*headers, *length], b"" if self.method == "HEAD" else body)

    async def respond_exactly(self, status: int, headers: list[Header], body: bytes = b"") -> bytes | None:
        """Answer with headers that say the length already; for a HEAD without the body they speak of.

        Returns:
            The whole response as it went out, where it would do for another connection too; else None.
        """
        headers = [API_VERSION, *headers]
        self.started = True
        if self.on_answer is not None:
            self.on_answer(status, headers)
        if self._direct is not None:
            self._direct.request_id = self.served.id.encode()
            response: bytes | None = await self._direct.respond(status, headers, body)
            return response
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
        return None

    async def respond_pieces(
        self,
        status: int,
        headers: list[Header],
        pieces: Generator[bytes, None, None],
        in_thread: Callable[..., Awaitable[bytes]],
    ) -> None:
        """Answer with a body that is read piece by piece, as fast as the client takes it.

        Args:
            status: the status.
            headers: with the length of the body.
            pieces: the body; asking for the next piece blocks.
            in_thread: runs something that blocks.

        Raises:
            Exception: what reading raises. Before the first piece nothing has been sent.
        """
        with contextlib.closing(pieces):
            piece = await in_thread(next, pieces, b"")
            headers = [API_VERSION, *headers]
            self.started = True
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            while piece and not (self._direct is not None and self._direct.is_gone):
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await in_thread(next, pieces, b"")
            await self._send({"type": "http.response.body", "body": b""})

    async def respond_stream(
        self, status: int, headers: list[Header], pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """Answer with a body that comes into being while it is sent, until it ends or the client is gone.

        Args:
            status: the status.
            headers: without a length.
            pieces: the body. An empty piece is not sent, but tells that this is a good time to look after the client.
        """
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        async with contextlib.aclosing(pieces) as body:
            async for piece in body:
                if self._direct is not None and self._direct.is_gone:
                    return
                if piece:
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def respond_file(self, status: int, headers: list[Header], fd: int, start: int, count: int) -> None:
        """Answer with ``count`` bytes of an open file, beginning at ``start``.

        Raises:
            EOFError: the file ends before that; the answer was begun already.
        """
        headers = [API_VERSION, *headers]
        self.started = True
        if self._direct is not None and self._direct.sends_files:
            self._direct.request_id = self.served.id.encode()
            await self._direct.send_file(status, headers, fd, start, count)
            return
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        loop, end = asyncio.get_running_loop(), start + count
        while start < end and not (self._direct is not None and self._direct.is_gone):
            size = PIECE_BYTES
            if self._direct is not None:
                await self._direct.drain()  # nothing is read for a client that does not take what there is
                size = min(size, max(LEAST_PIECE_BYTES, self._direct.share // 4))
            piece = await loop.run_in_executor(None, os.pread, fd, min(size, end - start), start)
            if not piece:
                raise EOFError
            start += len(piece)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


def json_header(media_type: bytes = b"application/json") -> Header:
    """A content type."""
    return (b"content-type", media_type)
