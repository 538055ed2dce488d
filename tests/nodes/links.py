"""Wires that can be cut: TCP connections that pass through the tests, between clients, nodes and what nodes share."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from tests.server import free_port
from tests.waiting import PATIENCE

PORTION = 65_536
"""Bytes that are passed on at once."""

LOOK_SECONDS = 0.05
"""How often a balancer asks its nodes whether they are ready."""

PROBE_SECONDS = 5.0
"""How long a node may take to say so."""


class Link:
    """A port that leads to another one.

    Cut, it behaves as a network that loses every packet: nobody is told, what was sent waits, and when it is healed it arrives,
    however late, as TCP sends again what was not acknowledged.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._targets = [target]
        self._turn = 0
        self._whole = asyncio.Event()
        self._whole.set()
        self._loop = asyncio.new_event_loop()
        self._transports: set[asyncio.WriteTransport] = set()

    def cut(self) -> None:
        """Nothing passes from now on, in either direction."""
        self._do(self._whole.clear)

    def heal(self) -> None:
        """Everything passes again, first of all what waited."""
        self._do(self._whole.set)

    def _do(self, deed: Callable[[], object]) -> None:
        """Do something in the loop's thread, and wait until it is done."""
        done = threading.Event()

        def do() -> None:
            deed()
            done.set()

        self._loop.call_soon_threadsafe(do)
        assert done.wait(PATIENCE)

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Pass things on for the length of a ``with`` block."""
        stop, ready = asyncio.Event(), threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(ready, stop),))
        thread.start()
        try:
            assert ready.wait(PATIENCE)
            yield self
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE)
            self._loop.close()

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async with await asyncio.start_server(self._carry, "127.0.0.1", self.port):
            ready.set()
            await self._watch(stop)
            self._reset_all()
            self._whole.set()
            if carrying := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(carrying)  # they find their connections closed

    async def _watch(self, stop: asyncio.Event) -> None:
        """What is to be done beside, until the end."""
        await stop.wait()

    def _reset_all(self) -> None:
        for transport in list(self._transports):
            transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.add(writer.transport)
        try:
            await self._whole.wait()
            there, back = await self._connect()
        except OSError:
            writer.transport.abort()
            self._transports.discard(writer.transport)
            return
        self._transports.add(back.transport)
        try:
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        except OSError:
            writer.transport.abort()
            back.transport.abort()
        finally:
            self._transports -= {writer.transport, back.transport}
            writer.close()
            back.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the next target whose port somebody listens at.

        Raises:
            ConnectionError: nobody does, at any.
        """
        for _ in range(len(self._targets)):
            self._turn += 1
            port = self._targets[self._turn % len(self._targets)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(PORTION):
            await self._whole.wait()
            sink.write(data)
            await sink.drain()
        await self._whole.wait()
        if not sink.transport.is_closing():
            sink.write_eof()


class Balancer(Link):
    """A load balancer: each connection goes to the next node that says at its ``/readyz`` that it is ready."""

    def __init__(self, nodes: Sequence[int]) -> None:
        super().__init__(nodes[0])
        self._nodes = nodes
        self._targets = []

    def sends_to(self, node: int) -> bool:
        """Whether that node gets connections."""
        return node in self._targets

    async def _watch(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            answers = await asyncio.gather(*map(_is_ready, self._nodes))
            self._targets = [node for node, is_ready in zip(self._nodes, answers, strict=True) if is_ready]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)


async def _is_ready(port: int) -> bool:
    """Whether a node says so, in time."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            finally:
                writer.transport.abort()
    return False
