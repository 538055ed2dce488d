"""The connection: bodies from files, pipelined requests, slow readers, clients that vanish; the same over TLS."""

import asyncio
import http.client
import itertools
import random
import socket
import ssl
import struct
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import uvicorn
from uvicorn.server import ServerState

from careen import counting
from careen.counting import Page
from careen.oci.digest import digest_of
from careen.protocol import Protocol
from tests import images
from tests.distribution.client import Answer, Client, answer
from tests.server import Server
from tests.tls import TlsServer, needs_openssl

LARGE = random.Random("5 MB").randbytes(5_000_000)  # noqa: S311 the same bytes every time
MIDDLE = random.Random("100 KB").randbytes(100_000)  # noqa: S311
SMALL = b"a row"
BIG_MANIFEST = images.artifact("application/x", images.image("x"), annotations={"org.example": "x" * 50_000})


@pytest.fixture(scope="module")
def name() -> str:
    """The repository of this module."""
    return f"protocol/{uuid.uuid4().hex[:8]}"


def stock(client: Client, name: str) -> Client:
    for data in (LARGE, MIDDLE, SMALL):
        client.push_blob(name, data)
    client.push(name, BIG_MANIFEST, "big")
    return client


@pytest.fixture(scope="module")
def plain(server: Server, name: str) -> Client:
    """A caller over plain HTTP, with blobs to read."""
    return stock(Client(server), name)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Client]:
    """The same over TLS."""
    server = TlsServer(tmp_path_factory.mktemp("tls") / "data")
    server.start()
    try:
        yield stock(Client.of(server), name)
    finally:
        server.stop()


@pytest.fixture(params=["plain", pytest.param("encrypted", marks=needs_openssl)])
def client(request: pytest.FixtureRequest) -> Client:
    """Both, in turn."""
    found: Client = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def quiet(plain: Client) -> Iterator[None]:
    """Whatever happens in the test, the server takes it for ordinary: no error in its log, and it serves the next."""
    before = plain.server.log.stat().st_size
    yield
    assert plain.send("GET", "/v2/").status == 200
    assert "Traceback" not in plain.server.log.read_bytes()[before:].decode()


BODIES = {"a row": SMALL, "100 KB": MIDDLE, "5 MB": LARGE}


@pytest.mark.parametrize("data", BODIES.values(), ids=BODIES.keys())
def test_a_blob_comes_as_it_is(client: Client, name: str, data: bytes) -> None:
    """Whole and in ranges, request after request on one connection."""
    connection = client.open()
    for first, last in (
        (None, None),
        (0, 0),
        (1, len(data) - 2),
        (len(data) - 1, len(data) - 1),
        (None, None),
    ):
        headers = {"Authorization": client.authorization}
        if first is not None:
            headers["Range"] = f"bytes={first}-{last}"
        connection.request("GET", f"/v2/{name}/blobs/{digest_of(data)}", headers=headers)
        got = answer(connection)
        assert got.status == (200 if first is None else 206)
        assert got.body == (data if first is None or last is None else data[first : last + 1])
    connection.close()


def next_answer(stream: BinaryIO, method: str) -> Answer:
    """The next of several answers on one connection."""
    status = int(stream.readline().split()[1])
    fields = dict[str, str]()
    while line := stream.readline().decode().strip():
        key, _, value = line.partition(": ")
        fields[key] = value
    length = 0 if method == "HEAD" or status == 304 else int(fields["content-length"])
    return Answer(status, fields, stream.read(length))


def asked(name: str) -> list[tuple[str, str, str, int, bytes]]:
    """Requests of every kind: method, path, a header, and the status and body that belong to them."""
    manifest, etag = BIG_MANIFEST.manifest, f'"{digest_of(LARGE)}"'
    blob, row = f"/v2/{name}/blobs/{digest_of(LARGE)}", f"/v2/{name}/blobs/{digest_of(SMALL)}"
    return [
        ("GET", blob, "X: x", 200, LARGE),
        ("GET", f"/v2/{name}/manifests/big", "X: x", 200, manifest),
        ("GET", blob, "Range: bytes=7-70006", 206, LARGE[7:70_007]),
        ("HEAD", blob, "X: x", 200, b""),
        ("GET", row, "X: x", 200, SMALL),
        ("GET", blob, f"If-None-Match: {etag}", 304, b""),
        ("GET", "/v2/", "X: x", 200, b"{}"),
        ("GET", f"/v2/{name}/blobs/{digest_of(MIDDLE)}", "X: x", 200, MIDDLE),
    ]


def test_two_blobs_asked_for_at_once_come_one_after_the_other(client: Client, name: str) -> None:
    """Two GETs in one write: both bodies, whole and in order."""
    paths = [f"/v2/{name}/blobs/{digest_of(data)}" for data in (LARGE, MIDDLE)]
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"".join(client.head_of("GET", path) for path in paths))
        assert [next_answer(stream, "GET").body for _ in paths] == [LARGE, MIDDLE]


@pytest.mark.parametrize("pause", [0.0, 0.3], ids=["read at once", "read late"])
def test_answers_keep_the_order_of_the_requests(client: Client, name: str, pause: float) -> None:
    """Files, rows, manifests and refusals, pipelined in many orders: each answer is where its request was, and intact."""
    for seed in range(4):
        requests = random.Random(seed).sample(asked(name) * 3, 24)  # noqa: S311
        with client.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(
                b"".join(client.head_of(method, path, header) for method, path, header, *_ in requests)
            )
            time.sleep(pause)
            for method, path, header, status, body in requests:
                got = next_answer(stream, method)
                assert (got.status, got.body == body) == (status, True), (method, path, header)


def test_a_slow_reader_gets_everything(client: Client, name: str) -> None:
    """A client with a small window that reads in sips; others are served meanwhile."""
    path = f"/v2/{name}/blobs/{digest_of(LARGE)}"
    with client.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
        connection.sendall(client.head_of("GET", path, "Connection: close"))
        got = bytearray()
        for sip in itertools.count():
            if sip < 20:
                time.sleep(0.01)
                assert client.send("GET", "/v2/").status == 200
            if not (part := connection.recv(60_000)):
                break
            got += part
    assert bytes(got).partition(b"\r\n\r\n")[2] == LARGE


def test_a_body_from_a_file_does_not_overtake_what_waits(client: Client, name: str) -> None:
    """Manifests that fill the connection, and between them bodies that the kernel sends by itself."""
    manifest, blob = f"/v2/{name}/manifests/big", f"/v2/{name}/blobs/{digest_of(LARGE)}"
    pair = client.head_of("GET", manifest) + client.head_of("GET", blob, "Range: bytes=5-70004")
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(pair * 150)
        time.sleep(0.3)
        for _ in range(150):
            assert next_answer(stream, "GET").body == BIG_MANIFEST.manifest
            assert next_answer(stream, "GET").body == LARGE[5:70_005]


def reset(connection: socket.socket) -> None:
    """Close so that the other side learns it at once, by a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["reset", "close"])
def test_a_client_that_vanishes_in_the_middle_is_no_matter(
    client: Client, name: str, end: Callable[[socket.socket], None]
) -> None:
    """In the middle of a body, and before it."""
    for taken in (0, 1000, 1_000_000):
        connection = client.connect()
        connection.sendall(client.head_of("GET", f"/v2/{name}/blobs/{digest_of(LARGE)}"))
        if taken:
            connection.recv(taken)
        end(connection)
    assert client.send("GET", f"/v2/{name}/blobs/{digest_of(LARGE)}").body == LARGE


@pytest.mark.usefixtures("quiet")
def test_nothing_is_sent_for_a_client_that_vanished_in_a_pipeline(plain: Client, name: str) -> None:
    """Hundreds of requests, nothing read, then a reset: the rest is dropped, and no stranger gets a byte of it.

    Small manifests fill the connection until a body from a file has to wait for them. When the client goes, the socket's
    descriptor may be somebody else's the next moment.
    """
    pair = plain.head_of("GET", f"/v2/{name}/manifests/big") + plain.head_of(
        "GET", f"/v2/{name}/blobs/{digest_of(LARGE)}", "Range: bytes=0-9"
    )
    for _ in range(5):
        connection = plain.connect()
        connection.setblocking(False)
        connection.send(pair * 300)
        time.sleep(0.3)
        reset(connection)
        strangers = [plain.connect() for _ in range(3)]
        for stranger in strangers:
            stranger.settimeout(0.02)
            with pytest.raises(TimeoutError):
                stranger.recv(1)
            stranger.close()


@pytest.mark.usefixtures("quiet")
def test_a_head_may_come_byte_by_byte(plain: Client) -> None:
    """A slow line is no wrong line."""
    with plain.connect() as connection, connection.makefile("rb") as stream:
        for byte in plain.head_of("GET", "/v2/"):
            connection.sendall(bytes([byte]))
        assert next_answer(stream, "GET").status == 200


def test_who_asks_for_leave_is_told_to_go_on(client: Client, name: str) -> None:
    """``Expect: 100-continue``, as curl sends it: the body is asked for, then answered."""
    path = f"/v2/{name}/blobs/uploads/?digest={digest_of(SMALL)}"
    head = client.head_of("POST", path, f"Content-Length: {len(SMALL)}", "Expect: 100-continue")
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(SMALL)
        assert next_answer(stream, "POST").status == 201


def test_a_refused_body_does_not_disturb_the_next_request(client: Client, name: str) -> None:
    """What is not read of a body is not taken for a request: the connection goes on behind it."""
    refused = (
        client.head_of("PATCH", f"/v2/{name}/blobs/uploads/none", f"Content-Length: {len(MIDDLE)}") + MIDDLE
    )
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(refused + client.head_of("GET", "/v2/"))
        assert next_answer(stream, "PATCH").code == "BLOB_UPLOAD_UNKNOWN"
        assert next_answer(stream, "GET").body == b"{}"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_a_connection_is_closed_when_it_should_be(client: Client, name: str, version: str) -> None:
    """Behind the whole body: for a client of before keep-alive, and for one that asks for it."""
    head = client.head_of("GET", f"/v2/{name}/blobs/{digest_of(LARGE)}", "Connection: close")
    got = client.send_raw(head.replace(b"HTTP/1.1", version.encode(), 1))
    assert got.partition(b"\r\n\r\n")[2] == LARGE
    assert b"connection: close" in got[:500]


def file_of(server: Server, digest: str) -> Path:
    (found,) = (server.data / "blobs").rglob(f"{digest.partition(':')[2]}.*")
    return found


@pytest.mark.disk
def test_a_damaged_file_is_never_taken_for_the_whole(client: Client, name: str) -> None:
    """The connection ends before the promised length, and the client knows that it has not got everything."""
    data = random.Random(name).randbytes(300_000)  # noqa: S311
    digest = client.push_blob(name, data)
    path = file_of(client.server, digest)
    path.write_bytes(data[:200_000])
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        client.send("GET", f"/v2/{name}/blobs/{digest}")
    assert client.send("GET", "/v2/").status == 200


def test_tls_is_what_it_says(encrypted: Client) -> None:
    """The challenge names an https address; a client that does not trust the certificate does not get in."""
    got = encrypted.send("GET", "/v2/", headers={"Authorization": ""})
    assert f'realm="https://{encrypted.server.host}/"' in got.headers["www-authenticate"]
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(encrypted.server, tls=ssl.create_default_context()).send("GET", "/v2/")


@pytest.fixture
def own_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test counts is forgotten."""
    monkeypatch.setattr(counting, "_own", counting._own)


async def answer_nothing(_scope: object, _receive: object, send: Callable[[object], Awaitable[None]]) -> None:
    """An application."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.mark.usefixtures("own_row")
def test_a_connection_is_counted_only_if_something_went_over_it() -> None:
    """Ten thousand that do nothing are looked at once a second, and their figures left alone."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def counted(connection: Protocol) -> set[tuple[str, float]]:
        """What a look adds."""
        counting.begin(Page(1), 0, [])
        connection.look(asyncio.get_running_loop().time())
        return {(name, value) for (name, _), (value,) in counting.totals().items()}

    async def connect() -> None:
        config, state = uvicorn.Config(answer_nothing, log_config=None, access_log=False), ServerState()
        config.load()
        listening = await asyncio.get_running_loop().create_server(
            lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            (connection,) = state.connections
            assert isinstance(connection, Protocol)
            assert ("careen_http_received_bytes", len(request)) in counted(connection)
            assert counted(connection) == set()
            writer.close()
            await writer.wait_closed()

    asyncio.run(connect())
