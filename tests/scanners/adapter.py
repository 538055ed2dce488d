"""A Harbor scanner adapter on loopback, for tests: it pulls the image with the credential it is sent, and answers as it is told."""

import contextlib
import http.server
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.waiting import PATIENCE

REPORT_1_1 = "application/vnd.security.vulnerability.report; version=1.1"
REPORT_1_0 = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"


class Answer(NamedTuple):
    """What the adapter says to one request."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = MappingProxyType({})


def metadata(*produces: str) -> Answer:
    """What it says it can do."""
    made = {"type": "vulnerability", "consumes_mime_types": [], "produces_mime_types": list(produces)}
    sbom = {"type": "sbom", "produces_mime_types": ["application/vnd.security.sbom.report+json; version=1.0"]}
    return Answer(200, json.dumps({"scanner": {"name": "t"}, "capabilities": [sbom, made]}).encode())


class Adapter:
    """An adapter; ``answers`` is by method and the end of the path, a list is one answer after another."""

    def __init__(self, report: Any) -> None:
        self.url = ""
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.pulled: list[str] = []
        self.answers: dict[str, list[Answer] | Callable[[], Answer]] = {
            "GET metadata": lambda: metadata(REPORT_1_0, REPORT_1_1.replace("; ", ";")),
            "POST scan": lambda: Answer(202, b'{"id": "a/b"}'),
            "GET report": [
                Answer(302, headers={"Refresh-After": "1", "Location": "/elsewhere"}),
                Answer(200, json.dumps(report).encode()),
            ],
        }

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Note a request and answer it."""
        self.requests.append((method, path, headers, body))
        what = f"{method} {path.rpartition('/')[2]}"
        if what == "POST scan":
            self._pull(json.loads(body))
        answers = self.answers[what]
        return answers() if callable(answers) else answers.pop(0)

    def _pull(self, request: Any) -> None:
        registry, artifact = request["registry"], request["artifact"]
        path = f"/v2/{artifact['repository']}/manifests/{artifact['digest']}"
        asked = urllib.request.Request(
            registry["url"] + path,
            headers={"Authorization": registry["authorization"], "Accept": artifact["mime_type"]},
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            self.pulled.append(answer.headers["Docker-Content-Digest"])


@contextlib.contextmanager
def running(report: Any) -> Iterator[Adapter]:
    """An adapter for the length of a ``with`` block."""
    adapter = Adapter(report)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, data, headers = adapter.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data)

        do_GET = _handle  # noqa: N815 http.server's names
        do_POST = _handle  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    adapter.url = f"http://user:p%40ss@127.0.0.1:{server.server_port}/base"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield adapter
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
