"""A webhook's receiver: a real HTTP server that verifies what it is sent, and answers as a test tells it to."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.waiting import PATIENCE


class Delivery(NamedTuple):
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The envelope."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def action(self) -> tuple[str, str | None]:
        """What was done, to which tag."""
        detail = self.event["detail"]
        return detail["action-type"], detail.get("image-tag")

    def is_signed_with(self, secret: str) -> bool:
        """Whether one of its signatures is of this secret, by the specification and not by our code."""
        message_id, timestamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{message_id}.{timestamp}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(timestamp)) < 300
        return fresh and f"v1,{expected}" in self.headers["webhook-signature"].split()


class Receiver:
    """Answers 204 to every POST unless ``answer`` says otherwise."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.answer: Callable[[Delivery], int] = lambda _: 204
        self._came = threading.Condition()
        self._connections: list[socket.socket] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver._connections.append(self.connection)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._take(self, Delivery(self.path, headers, body))

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _take(self, handler: BaseHTTPRequestHandler, delivery: Delivery) -> None:
        status = self.answer(delivery)
        with self._came:
            self.deliveries.append(delivery)
            self._came.notify_all()
        handler.send_response(status)
        if status == 302:
            handler.send_header("location", "/elsewhere")
        handler.send_header("content-length", "0")
        with contextlib.suppress(OSError):
            handler.end_headers()

    def wait_for(self, count: int) -> list[Delivery]:
        """The deliveries, when there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.deliveries) >= count, PATIENCE), self.deliveries
            return list(self.deliveries)

    @contextlib.contextmanager
    def running(self) -> Iterator["Receiver"]:
        """Serve for the length of a ``with`` block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            for connection in self._connections:  # a client may keep one open
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._server.server_close()
