"""What no honest client sends: paths that lead out, bodies and heads without end, requests that are none."""

import itertools
import socket
from collections.abc import Iterable

import pytest

from careen.oci.manifest import MAX_BYTES
from tests.distribution.client import Client, read_to_end, split
from tests.distribution.stock import SMALL

ZEROS = "sha256:" + "0" * 64

PATHS: dict[str, tuple[str, int, str]] = {
    "out of the API": ("/v2/../healthz", 404, "UNSUPPORTED"),
    "out of a repository": ("/v2/a/../b/manifests/v1", 400, "NAME_INVALID"),
    "up in the name": (f"/v2/../../etc/blobs/{ZEROS}", 400, "NAME_INVALID"),
    "up in the name, encoded": (f"/v2/%2e%2e/%2e%2e/etc/blobs/{ZEROS}", 400, "NAME_INVALID"),
    "up in the name, encoded throughout": (f"/v2/%2e%2e%2f%2e%2e%2fetc/blobs/{ZEROS}", 400, "NAME_INVALID"),
    "encoded twice": ("/v2/%252e%252e/manifests/v1", 400, "NAME_INVALID"),
    "a dot": ("/v2/./x/manifests/v1", 400, "NAME_INVALID"),
    "an empty component": ("/v2/a//b/manifests/v1", 400, "NAME_INVALID"),
    "backslashes": ("/v2/..\\..\\etc/manifests/v1", 400, "NAME_INVALID"),
    "up in the tag": ("/v2/{name}/manifests/..", 400, "TAG_INVALID"),
    "up in the tag, encoded": ("/v2/{name}/manifests/%2e%2e%2fmaster.key", 404, "UNSUPPORTED"),
    "up in the digest": ("/v2/{name}/blobs/sha256:..", 400, "DIGEST_INVALID"),
    "up in the digest, encoded": ("/v2/{name}/blobs/sha256:..%2f..%2fmaster.key", 404, "UNSUPPORTED"),
    "up in the upload": ("/v2/{name}/blobs/uploads/..", 404, "BLOB_UPLOAD_UNKNOWN"),
    "up in the upload, encoded": ("/v2/{name}/blobs/uploads/..%2f..%2fmaster.key", 404, "UNSUPPORTED"),
    "up in the subject": ("/v2/{name}/referrers/..", 400, "DIGEST_INVALID"),
    "NUL": ("/v2/{name}%00/manifests/v1", 400, "NAME_INVALID"),
    "newline": ("/v2/{name}/manifests/v1%0a", 400, "TAG_INVALID"),
    "newline in the name": ("/v2/{name}%0a/manifests/v1", 404, "UNSUPPORTED"),
    "not UTF-8": ("/v2/%ff%fe/manifests/v1", 400, "NAME_INVALID"),
    "not ASCII": ("/v2/caf%C3%A9/manifests/v1", 400, "NAME_INVALID"),
    "broken escape": ("/v2/%zz/manifests/v1", 400, "NAME_INVALID"),
    "a whole URL": ("http://elsewhere.example/v2/{name}/manifests/v1", 404, "MANIFEST_UNKNOWN"),
    "a name without end": ("/v2/" + "a/" * 5000 + "manifests/v1", 400, "NAME_INVALID"),
}


@pytest.mark.parametrize(("target", "status", "code"), PATHS.values(), ids=PATHS.keys())
def test_a_path_leads_nowhere_else(client: Client, name: str, target: str, status: int, code: str) -> None:
    """Dots, slashes and escapes are characters that no name has: the request is refused, byte for byte as it came."""
    client.push_blob(name, SMALL)
    request = client.head_of("GET", target.replace("{name}", name), "Connection: close")
    got = split(client.send_raw(request))
    assert (got.status, got.code) == (status, code)


NOT_HTTP = {
    "noise": b"\x00\x01\x02\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no target": b"GET\r\n\r\n",
    "a length and chunks": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length that is none": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a length of Unicode digits": "PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: ²\r\n\r\n".encode(
        "latin-1"
    ),
    "a proxy's request": b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_what_is_no_request_is_refused(client: Client, data: bytes) -> None:
    """400 and the end of the connection; the next client is served."""
    assert client.send_raw(data).startswith(b"HTTP/1.1 400 ")
    assert client.send("GET", "/v2/").status == 200


HEADS = {
    "one header": itertools.chain([b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: "], itertools.repeat(b"x" * 65_536, 400)),
    "many headers": itertools.chain([b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"], itertools.repeat(b"X: x\r\n" * 10_000, 400)),
    "a target": itertools.chain([b"GET /v2/"], itertools.repeat(b"x" * 65_536, 400)),
    "empty lines": itertools.repeat(b"\r\n" * 32_768, 400),
}  # fmt: skip


@pytest.mark.parametrize("pieces", HEADS.values(), ids=HEADS.keys())
def test_a_head_that_does_not_end_is_cut_off(client: Client, pieces: itertools.chain[bytes]) -> None:
    """Without a credential nobody makes the server keep more than some ten kilobytes."""
    taken = 0
    with client.connect() as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                taken += len(piece)
        except ConnectionError:
            pass
        assert b" 400 " in read_to_end(connection)[:20]
    assert taken < 400 * 60_000


def send_all(connection: socket.socket, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        connection.sendall(piece)


def test_trailers_that_do_not_end_are_cut_off(client: Client) -> None:
    """Nor by headers behind a body."""
    head = client.head_of("PUT", "/v2/", "Transfer-Encoding: chunked")
    trailer = b"X: " + b"x" * 10_000 + b"\r\n"
    with client.connect() as connection:
        connection.sendall(head + b"1\r\nx\r\n0\r\n")
        with pytest.raises(ConnectionError):
            send_all(connection, itertools.repeat(trailer, 2000))


def test_a_head_of_ordinary_excess_is_taken(client: Client) -> None:
    """Cookies of a browser, a token of a proxy: 32 kB are no attack."""
    assert client.send("GET", "/v2/", headers={"Cookie": "x" * 32_000}).status == 200


def test_a_body_that_does_not_end_is_cut_off(client: Client, name: str) -> None:
    """PUT of a manifest that streams on and on: 413, and the connection is closed."""
    client.push_blob(name, SMALL)
    chunk = b"%x\r\n" % 65_536 + b" " * 65_536 + b"\r\n"
    head = client.head_of("PUT", f"/v2/{name}/manifests/v1", "Transfer-Encoding: chunked")
    sent = 0
    with client.connect() as connection:
        connection.sendall(head)
        try:
            while sent < 100 * MAX_BYTES:
                connection.sendall(chunk)
                sent += 65_536
        except ConnectionError:
            pass
        got = split(read_to_end(connection))
    assert (got.status, got.code, got.headers["connection"]) == (413, "SIZE_INVALID", "close")
    assert MAX_BYTES < sent < 100 * MAX_BYTES


def test_a_body_is_refused_before_it_is_sent(client: Client, name: str) -> None:
    """Whoever asks first (``Expect: 100-continue``) is told at once, and not asked for a byte."""
    client.push_blob(name, SMALL)
    length = f"Content-Length: {MAX_BYTES + 1}"
    head = client.head_of("PUT", f"/v2/{name}/manifests/v1", length, "Expect: 100-continue")
    assert split(client.send_raw(head)).status == 413


def test_a_client_that_only_connects_holds_nobody_up(client: Client) -> None:
    """A hundred silent connections, and half a request in each of a hundred more."""
    silent = [client.connect() for _ in range(200)]
    for connection in silent[100:]:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost:")
    assert client.send("GET", "/v2/").status == 200
    for connection in silent:
        connection.close()
