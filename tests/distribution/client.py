"""An HTTP client that hides nothing: one connection for each request, headers as they came, no redirects, no retries."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from careen.oci.digest import digest_of
from tests.images import Built
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.tls import TlsServer


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of the error envelope, which holds one error; None if this is no refusal."""
        if self.status < 400:
            return None
        (error,) = self.json()["errors"]
        return str(error["code"])

    @property
    def message(self) -> str:
        """The message of the error envelope."""
        return str(self.json()["errors"][0]["message"])


@dataclass(frozen=True)
class Client:
    """A caller of the distribution API."""

    server: Server
    user: str = ACCESS_KEY_ID
    password: str = SECRET_ACCESS_KEY
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, server: Server) -> "Client":
        """The caller with the root key, over TLS if the server is."""
        return cls(server, tls=server.context() if isinstance(server, TlsServer) else None)

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        return basic(self.user, self.password)

    def open(self) -> http.client.HTTPConnection:
        """A connection; whoever opens it closes it."""
        if self.tls is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=60, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)

    def connect(self) -> socket.socket:
        """A bare connection."""
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        return plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname="127.0.0.1")

    def send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own; an iterable body is sent in chunks, without a length."""
        connection = self.open()
        try:
            connection.request(
                method, path, body, headers={"Authorization": self.authorization, **(headers or {})}
            )
            return answer(connection)
        finally:
            connection.close()

    def begin(self, repository: str) -> str:
        """Begin an upload. Returns its location."""
        begun = self.send("POST", f"/v2/{repository}/blobs/uploads/")
        assert begun.status == 202, begun
        return begun.headers["location"]

    def push_blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> str:
        """Push a blob in one request. Returns its digest."""
        digest = digest_of(data, algorithm)
        pushed = self.send("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        assert pushed.status == 201, pushed
        return digest

    def push_manifest(self, repository: str, built: Built, reference: str | None = None) -> str:
        """Push a manifest by a tag, or by its digest. Returns its digest."""
        path = f"/v2/{repository}/manifests/{reference or built.digest}"
        pushed = self.send("PUT", path, built.manifest, {"Content-Type": built.media_type})
        assert pushed.status == 201, pushed
        return built.digest

    def push(self, repository: str, built: Built, reference: str | None = None) -> str:
        """Push a manifest and its blobs. Returns the manifest's digest."""
        for blob in built.blobs:
            self.push_blob(repository, blob)
        return self.push_manifest(repository, built, reference)

    def pages(self, path: str) -> Iterator[Answer]:
        """A listing, page after page, as the Link headers lead."""
        while path:
            page = self.send("GET", path)
            assert page.status == 200, page
            yield page
            link = page.headers.get("link", "")
            assert not link or link.endswith('>; rel="next"')
            path = link.removeprefix("<").removesuffix('>; rel="next"')

    def head_of(self, method: str, target: str, *headers: str) -> bytes:
        """The head of a request, byte for byte, for those that no client library would send."""
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {self.server.host}",
            f"Authorization: {self.authorization}",
            *headers,
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def send_raw(self, *pieces: bytes) -> bytes:
        """Send bytes as they are, and read until the server closes. It may close before it has taken all."""
        with self.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except ConnectionError:
                pass
            return read_to_end(connection)


def careen(server: Server, *command: str) -> str:
    """Run a `careen` command beside the server. Returns what it prints."""
    done = server.careen(*command)
    done.check_returncode()
    return done.stdout


def new_key(server: Server, name: str, policy: str) -> Client:
    """A caller with a new access key of the principal ``name``, made as people make them."""
    key = server.key(name.replace("/", "-"), policy)
    return Client(server, key["accessKeyId"], key["secretAccessKey"])


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def answer(connection: http.client.HTTPConnection) -> Answer:
    """Read the answer to the request that was sent."""
    response = connection.getresponse()
    fields = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, fields, response.read())


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the server closes; a reset is an end, too."""
    parts = []
    try:
        while part := connection.recv(1 << 20):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def split(data: bytes) -> Answer:
    """Read one answer with a Content-Length out of raw bytes; the body is all that follows."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), fields, body)
