"""uvicorn's HTTP protocol with a direct way to the connection, for the paths that every push and pull takes.

uvicorn reads and frames requests and queues pipelined ones; that is not touched, but gaps in it are closed: a head has a largest
size and a longest time, a pipeline has a depth, a client that takes or sends next to nothing is given up, connections have a
number, and a lost connection is told to the request that is being answered. Each request's scope carries a
:class:`careen.direct.Direct`, and an application may have whole responses ready (``answer_again``).
The measurements that asked for it are in docs/adr/0004; every limit is in docs/limits.md.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from careen import figures
from careen.bounds import Pace
from careen.direct import EXTENSION, SLICE_BYTES, Bounded, Direct, Header
from careen.draining import Draining

COARSE_BYTES = 4 * 1024
"""A body whose last chunk had so many bytes is parsed as it comes: clients send in pieces of 32 KB."""

_READING = (b"GET", b"HEAD")

MAX_HEAD_BYTES = 64 * 1024
"""The most a client may send that is no part of a body: request line, headers, trailers. uvicorn would keep any number."""

HEADS_BYTES = 8 * 1024
"""How much is parsed at a time outside of bodies. A request costs a hundred times its bytes once it is parsed, so what is behind
the ones that wait stays as it came."""

MAX_WAITING = 256
"""How many pipelined requests may wait, parsed. Only requests of thirty bytes, or those behind a body, come to so many."""

_ACKNOWLEDGED = struct.Struct("@Q")
_ACKNOWLEDGED_AT = 120
_UNSENT = struct.Struct("@I")
_UNSENT_AT = 144
"""Where Linux's struct tcp_info has tcpi_bytes_acked and tcpi_notsent_bytes."""


class Protocol(Bounded):
    """uvicorn's httptools protocol, offering ``careen.direct``. :meth:`look` is to be called about once a second.

    An application may have a method ``answer_again(method, target, headers)``. It is asked before a request is handed to it, and
    may answer with a whole response at once, or with None.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._again: Callable[[bytes, bytes, Sequence[Header]], bytes | None] = getattr(
            self.app, "answer_again", no_answer_again
        )

    draining = Draining()
    """Whether the node is about to stop. Every connection then ends with its next answer, so that clients come again elsewhere."""

    _answering: RequestResponseCycle | None = None
    _head_bytes = 0
    """Bytes that came since the last complete head or the last part of a body."""
    _in_head = False
    _in_body = False
    """Whether the parser is between a head and the end of its body."""
    _unparsed = b""
    """What came behind requests that wait for their turn."""
    _surplus = False
    _received = 0
    _told = (0, 0)
    """How many bytes in either direction the figures have."""
    _part_bytes = 0
    """Of the last part of a body."""
    _repeated = 0
    """Answers that were given again, without a cycle."""
    _seen: tuple[str, RequestResponseCycle | None, int] = ("", None, 0)
    _since = 0.0
    _pace: Pace | None = None
    """What :meth:`look` found the connection to be doing, for which request, since when, and how it got on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Count the connection: one too many gets a 503 for its first request, and far too many get nothing."""
        super().connection_made(transport)
        self.flow = Flow(self, transport)
        transport.set_write_buffer_limits(SLICE_BYTES)  # over TLS uvloop would buffer half a megabyte
        self._surplus = len(self.connections) > self.bounds.connections
        if self._surplus:
            figures.SURPLUS.series().add()
        if len(self.connections) > 2 * self.bounds.connections:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it is wanted now."""
        self._received += len(data)
        if len(data) <= self._portion(len(data)) and not self._unparsed and not self.flow.read_paused:
            self._feed(data)
        else:
            self._unparsed += data
            self.read_on()

    def read_on(self) -> None:
        """Parse what came until enough is held: a piece of a body, or a request behind the one that is being answered."""
        view, at = memoryview(self._unparsed), 0
        self._unparsed = b""
        while at < len(view) and not self.flow.read_paused:
            end = at + self._portion(len(view))
            self._feed(view[at:end])
            at = end
            if self.transport.is_closing():
                return
        self._unparsed = bytes(view[at:])

    def _portion(self, there: int) -> int:
        """How many bytes to parse at once."""
        if not self._in_body:
            return HEADS_BYTES
        if self._part_bytes >= COARSE_BYTES:
            return there
        return SLICE_BYTES if any(name == b"transfer-encoding" for name, _ in self.headers) else there

    def _feed(self, data: bytes | memoryview) -> None:
        """Parse, and give up a client whose head does not end."""
        self._head_bytes += len(data)
        super().data_received(data)  # type: ignore[arg-type]  # the parser takes any buffer
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A head begins. Too many that wait are refused as what is no HTTP is."""
        self._in_head = True
        if len(self.pipeline) >= MAX_WAITING:
            raise ValueError("too many pipelined requests")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The next bytes begin a body, or another head. What can be answered again is answered here."""
        self._head_bytes = 0
        self._in_head, self._in_body, self._part_bytes = False, True, 0
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
        if self.draining:
            return False
        method = parser.get_method()
        if method not in _READING or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return False
        response = self._again(method, self.url, self.headers)
        if response is None:
            return False
        self._repeated += 1
        self.sent += len(response)
        self.transport.write(response)
        self.on_response_complete()
        return True

    def on_message_complete(self) -> None:
        """The next bytes begin a head."""
        self._head_bytes = 0
        self._in_body = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells the last that came, which with pipelining is another.

        This runs before the socket is closed, so a request that was not told may still use the descriptor's number.
        """
        if self._answering is not None:
            self._answering.disconnected = True
        self._unparsed = b""
        self._tell_bytes()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Go on with the request that waits, or read on: uvicorn reads on in any case, and parses faster than it answers."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if not self.pipeline:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        extensions: dict[str, Any] = {EXTENSION: Direct(self, cycle)}
        cycle.scope["extensions"] = extensions
        if self.draining and not self.pipeline:
            cycle.keep_alive = False
        super()._start_asgi_task(cycle, _answer_surplus if self._surplus else app)

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body to whoever reads it: ``Direct.pieces`` once that was called, else uvicorn's ``receive``."""
        self._head_bytes, self._part_bytes = 0, len(body)
        direct = self.cycle.scope.get("extensions", {}).get(EXTENSION)
        if isinstance(direct, Direct) and direct.takes_pieces and not self.cycle.response_complete:
            direct.gather(body)
        else:
            super().on_body(body)

    def cut(self) -> None:
        """Break the connection off, also under a sendfile, which has a descriptor of its own."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)
        self.transport.abort()

    def look(self, now: float) -> None:
        """Give the client up if it has used up its time.

        Args:
            now: the event loop's time in seconds.
        """
        self._tell_bytes()
        seen = (self._doing(), self._answering, self._repeated)
        if seen != self._seen:
            self._seen, self._since, self._pace = seen, now, None
        match seen[0]:
            case "answering" | "closing":
                self._look_at_the_answer(now)
            case "refused":
                self._pace = self._pace or Pace(self.bounds.stall, now, self._received)
                if self._pace.is_lost(now, self._received):
                    self.cut()
            case "idle":
                if now - self._since >= self.bounds.idle:
                    self.transport.close()
            case state:
                if now - self._since >= self.bounds.head:
                    if state == "head":
                        self.transport.write(
                            STATUS_LINE[408] + b"connection: close\r\ncontent-length: 0\r\n\r\n"
                        )
                    self.transport.close()

    def _tell_bytes(self) -> None:
        """Count what went over the connection since it was last looked at: once a second, not with every request."""
        now = self._received, self.sent
        if now == self._told:
            return  # most connections of a node do nothing most of the time
        (received, sent), self._told = self._told, now
        figures.RECEIVED.series().add(self._received - received)
        figures.SENT.series().add(self.sent - sent)

    def _doing(self) -> str:
        if self.transport.is_closing():
            return "closing"
        if self._answering is not None and not self._answering.response_complete:
            return "answering"
        if self._in_body:
            return "refused"  # answered already: the rest of its body is read and forgotten
        if self._in_head or self._head_bytes:
            return "head"
        return "silent" if self._answering is None else "idle"

    def _look_at_the_answer(self, now: float) -> None:
        """Break off an answer that is there and is not taken. The kernel knows, whichever way it was written."""
        connection = self.transport.get_extra_info("socket")
        if connection is None:
            return  # over TLS there is none any more while the connection is being closed
        if sys.platform != "linux":
            return  # other kernels tell other things, or nothing: there an answer is waited for without an end
        try:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        except OSError:
            return  # it is closed; we are told in a moment
        (taken,) = _ACKNOWLEDGED.unpack_from(info, _ACKNOWLEDGED_AT)
        (unsent,) = _UNSENT.unpack_from(info, _UNSENT_AT)
        if self._pace is None or not (unsent or self.transport.get_write_buffer_size()):
            self._pace = Pace(self.bounds.stall, now, taken)
        elif self._pace.is_lost(now, taken):
            self.cut()


async def _answer_surplus(scope: Any, *_: Any) -> None:
    """The answer to whoever is one too many."""
    text = b"This registry has as many connections as it takes. Try again."
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"retry-after", b"1"),
        (b"connection", b"close"),
    ]
    await scope["extensions"][EXTENSION].respond(503, headers, text)


class Flow(FlowControl):
    """uvicorn's, which also goes on with what came before the pause."""

    def __init__(self, protocol: Protocol, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Read on, after a pause."""
        if self.read_paused:
            super().resume_reading()
            self._protocol.read_on()


def no_answer_again(_method: bytes, _target: bytes, _headers: Sequence[Header]) -> None:
    """The ``answer_again`` of an application that has none."""
