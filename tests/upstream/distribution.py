"""CNCF distribution as another registry: open, with a password, or with a token server of the test's own."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import free_port
from tests.waiting import PATIENCE

PROGRAM = shutil.which("registry") or shutil.which("docker-registry")

needs_distribution = pytest.mark.skipif(
    PROGRAM is None,
    reason="CNCF distribution is not installed: apt-get install docker-registry, or `registry` of version 3 on PATH",
)

USERNAME, PASSWORD = "bench", "benchmark"
"""Beside the password its bcrypt hash, at the cost that ``htpasswd -B`` gives it."""

HASHED = "$2b$05$mAokxsloFSU8LOd9OWgGTOLPI6EXJeHMIk8endTj.uF8yYPrf.pru"

MADE = ("-nodes", "-newkey", "rsa:2048", "-days", "2")

BASIC = f"Basic {base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()}"


class Distribution:
    """CNCF distribution on a free port of 127.0.0.1."""

    def __init__(
        self, folder: Path, auth: dict[str, Any] | None = None, program: str | None = PROGRAM
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.auth = auth
        self._program = program

    @property
    def host(self) -> str:
        """How OCI clients name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator["Distribution"]:
        """Start it, wait until it answers, and stop it in the end."""
        assert self._program is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": "a-secret-for-tests"},
        }
        if self.auth is not None:
            configuration["auth"] = self.auth
        (self.folder / "config.yml").write_text(json.dumps(configuration))  # JSON is YAML
        # Version 3 exports traces to a collector on this machine unless it is told not to.
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [self._program, "serve", self.folder / "config.yml"], env=environment, stdout=log, stderr=log
            )
        try:
            self._await(process)
            yield self
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def _await(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("GET", "/v2/")
                if connection.getresponse().status in {200, 401}:
                    return
            except OSError:
                time.sleep(0.02)
            finally:
                connection.close()
        raise AssertionError(f"distribution did not start:\n{(self.folder / 'log').read_text()}")


def with_password(folder: Path) -> Distribution:
    """One that asks for :data:`USERNAME` and :data:`PASSWORD`."""
    folder.mkdir(parents=True)
    (folder / "htpasswd").write_text(f"{USERNAME}:{HASHED}\n")
    return Distribution(folder, {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}})


class TokenServer:
    """Gives tokens that distribution takes, for a password or for none (token authentication specification).

    Attributes:
        asked: the query and the Authorization of every request.
        seconds: how long a token is good for.
        may: who gets what: the actions on any repository, by the Authorization header; others are refused.
    """

    SERVICE = "tests.example"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.asked: list[tuple[dict[str, list[str]], str]] = []
        self.seconds = 300
        self.may: dict[str, list[str]] = {BASIC: ["pull", "push", "delete"]}
        folder.mkdir(parents=True)
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                *MADE,
                "-subj",
                "/CN=tokens",
                "-keyout",
                "key.pem",
                "-out",
                "cert.pem",
            ],
            cwd=folder,
            check=True,
            capture_output=True,
        )

    @property
    def url(self) -> str:
        """Where tokens are had."""
        return f"http://127.0.0.1:{self.port}/token"

    def auth(self) -> dict[str, Any]:
        """What distribution is configured with."""
        bundle = str(self.folder / "cert.pem")
        return {
            "token": {"realm": self.url, "service": self.SERVICE, "issuer": "tests", "rootcertbundle": bundle}
        }

    @contextlib.contextmanager
    def running(self) -> Iterator["TokenServer"]:
        """Serve for the length of a ``with`` block."""
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                authorization = self.headers.get("Authorization", "")
                tokens.asked.append((query, authorization))
                status, body = tokens.answer(query, authorization)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()

    def answer(self, query: dict[str, list[str]], authorization: str) -> tuple[int, bytes]:
        """A status and a body."""
        if authorization not in self.may:
            return 401, b'{"details": "incorrect username or password"}'
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            granted = [action for action in actions.split(",") if action in self.may[authorization]]
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        claims = {
            "iss": "tests", "aud": self.SERVICE, "sub": "", "jti": str(len(self.asked)), "access": access,
            "iat": now, "nbf": now - 10, "exp": now + max(self.seconds, 60),
        }  # fmt: skip
        return 200, json.dumps({"token": self._signed(claims), "expires_in": self.seconds}).encode()

    def _signed(self, claims: dict[str, Any]) -> str:
        pem = (self.folder / "cert.pem").read_text()
        certificate = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
        header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        signing = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.folder / "key.pem")]
        signature = subprocess.run(command, input=signing.encode(), capture_output=True, check=True).stdout
        return f"{signing}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
