"""What clients may cost: memory, time, connections. The values are those of docs/limits.md."""

import contextlib
import http.client
import json
import os
import random
import resource
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from tests import images
from tests.distribution.client import Answer, Client, answer, read_to_end, split
from tests.ecrapi.client import signed
from tests.server import FreshServer, Server, serving
from tests.tls import TlsServer, needs_openssl
from tests.waiting import PATIENCE, until

MANY = 200
BLOB = random.Random("limits").randbytes(20_000_000)  # noqa: S311 the same bytes every time
SUBJECT = images.image("subject")
LARGE_MANIFEST = images.artifact("application/x", SUBJECT, annotations={"org.example": "x" * 4_000_000})
PING = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\n\r\n"


def http_process(server: Server) -> int:
    """The process, of a server with one worker, that the parent shares its listening socket with."""
    listening = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{server.port:04X}")
    }
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    (found,) = (child for child in children if listening & set(open_files(int(child))))
    return int(found)


def open_files(pid: int) -> list[str]:
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(link.readlink()))
    return names


def memory(pid: int, field: str) -> int:
    """A line of a process's status in kilobytes: VmHWM is the most it ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0])


def narrow(client: Client) -> socket.socket:
    """A connection whose client's kernel takes next to nothing for it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", client.server.port))
    return (
        connection if client.tls is None else client.tls.wrap_socket(connection, server_hostname="127.0.0.1")
    )


def slow_readers(client: Client, name: str, connections: list[socket.socket]) -> None:
    """Each asks for a large blob, and takes a kilobyte a second."""
    for connection in connections:
        connection.sendall(client.head_of("GET", f"/v2/{name}/blobs/{digest_of(BLOB)}"))
    for _ in range(2):
        time.sleep(1)
        for connection in connections:
            assert connection.recv(1000)


def readers_of_manifests(client: Client, name: str, connections: list[socket.socket]) -> None:
    """Each asks for the largest of manifests, and takes nothing."""
    for connection in connections:
        connection.sendall(client.head_of("GET", f"/v2/{name}/manifests/large"))
    time.sleep(3)


def readers_of_listings(client: Client, name: str, connections: list[socket.socket]) -> None:
    """Each asks for a listing of four megabytes, and takes nothing."""
    for connection in connections:
        connection.sendall(client.head_of("GET", f"/v2/{name}/referrers/{SUBJECT.digest}"))
    time.sleep(3)


def slow_writers(client: Client, name: str, connections: list[socket.socket]) -> None:
    """Each sends almost a megabyte of an upload, and from then on a byte a second."""
    for connection in connections:
        connection.sendall(client.head_of("PATCH", client.begin(name), "Content-Length: 100000000"))
    for part in (bytes(1_000_000), b"x", b"x"):
        for connection in connections:
            connection.sendall(part)
        time.sleep(1)


def splitters(client: Client, name: str, connections: list[socket.socket]) -> None:
    """Each sends its upload in chunks of two bytes."""
    for connection in connections:
        connection.sendall(client.head_of("PATCH", client.begin(name), "Transfer-Encoding: chunked"))
    for connection in connections:
        connection.sendall(b"2\r\nxx\r\n" * 50_000)
    time.sleep(1)


def fast_writers(client: Client, name: str, connections: list[socket.socket]) -> None:
    """Each sends an upload as fast as it can: far faster than two cores can hash and a disk can write."""
    for connection in connections:
        connection.sendall(client.head_of("PATCH", client.begin(name), "Content-Length: 100000000"))
    send_for(3, connections, bytes(1_000_000))


def send_for(seconds: float, connections: list[socket.socket], data: bytes) -> None:
    """Send the data again and again to whichever takes it."""
    sent = dict.fromkeys(connections, 0)
    for connection in connections:
        connection.setblocking(False)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _, writable, _ = select.select([], connections, [], 0.1)
        for connection in writable:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
                sent[connection] = (sent[connection] + connection.send(data[sent[connection] :])) % len(data)


def callers(client: Client, _: str, connections: list[socket.socket]) -> None:
    """Each sends almost all of a layer part to the ECR API, and then nothing."""
    fields = signed(client.server, "UploadLayerPart", b"{}").items()
    lines = [
        b"POST / HTTP/1.1",
        b"Content-Length: 27000000",
        *(f"{key}: {value}".encode() for key, value in fields),
    ]
    for connection in connections:
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda connection: connection.sendall(bytes(4_000_000)), connections))
    time.sleep(1)


def pipeliners(_: Client, __: str, connections: list[socket.socket]) -> None:
    """Each sends request after request, and reads no answer."""
    send_for(4, connections, PING * 5000)


Load = Callable[[Client, str, list[socket.socket]], None]

LOADS: dict[str, tuple[Load, bool, int]] = {
    "slow readers": (slow_readers, False, 64),
    "readers of manifests": (readers_of_manifests, False, 256),
    "readers of listings": (readers_of_listings, False, 2048),
    "slow writers": (slow_writers, False, 1536),
    "fast writers": (fast_writers, False, 1536),
    "writers in chunks of two bytes": (splitters, False, 2304),
    "callers of the ECR API": (callers, False, 1024),
    "pipeliners": (pipeliners, False, 1024),
    "slow readers, TLS": (slow_readers, True, 1024),
    "slow writers, TLS": (slow_writers, True, 2560),
    "fast writers, TLS": (fast_writers, True, 2560),
}
"""What two hundred clients do at a time, over TLS or not, and the kilobytes that each may cost.

What is bounded is what may be held at one moment; how much of it two hundred hold at the same moment is the machine's doing, so the
bounds are what may be held and not what was seen.
"""


QUICK = {"slow readers", "slow writers", "callers of the ECR API"}


@pytest.mark.disk  # what passes from a bucket is held in pieces
@pytest.mark.parametrize(
    ("load", "tls", "kilobytes"),
    [
        pytest.param(
            *case,
            id=key,
            marks=[*([needs_openssl] if case[1] else []), *([] if key in QUICK else [pytest.mark.slow])],
        )
        for key, case in LOADS.items()
    ],
)
def test_clients_that_take_their_time_hold_little_memory(
    tmp_path: Path, name: str, load: Load, tls: bool, kilobytes: int
) -> None:
    """Two hundred at a time; while they are there, an honest client is served."""
    server: Server = TlsServer(tmp_path / "data") if tls else Server(tmp_path / "data")
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        client = Client(server, tls=server.context() if isinstance(server, TlsServer) else None)
        client.push_blob(name, BLOB)
        client.push(name, LARGE_MANIFEST, "large")
        connections = [stack.enter_context(narrow(client)) for _ in range(MANY)]
        pid = http_process(server)
        before = memory(pid, "VmHWM")
        load(client, name, connections)
        assert client.send("GET", "/v2/").status == 200
        assert (memory(pid, "VmHWM") - before) / MANY < kilobytes
        for connection in connections:
            connection.close()


HASTY = {"head_timeout": 1, "stall_timeout": 2}
STEADY = {"head_timeout": 3, "stall_timeout": 6}


def impatient(kind: type[Server], data: Path, limits: dict[str, int]) -> Iterator[Client]:
    """A server with these limits, and something to pull, which was pushed to one that has time."""
    with serving(kind(data)) as server:
        client = Client.of(server)
        client.push_blob("a/b", BLOB)
        client.push("a/b", LARGE_MANIFEST, "large")
    with serving(kind(data, **limits)) as server:
        yield Client.of(server)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that waits a second for a head, and two for 500 bytes of a body or of an answer."""
    yield from impatient(Server, tmp_path_factory.mktemp("hasty") / "data", HASTY)


@pytest.fixture(scope="module")
def hasty_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The same over TLS."""
    yield from impatient(TlsServer, tmp_path_factory.mktemp("hasty-tls") / "data", HASTY)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Three times as long: for clients that are slow but good, which a busy machine may hold up for seconds."""
    yield from impatient(Server, tmp_path_factory.mktemp("steady") / "data", STEADY)


HEADS = {
    "nothing": (b"", b""),
    "half a head": (b"GET /v2/ HTTP/1.1\r\nHost:", b"HTTP/1.1 408 "),
    "an empty line": (b"\r\n", b"HTTP/1.1 408 "),
    "a request and half a head": (PING + b"GET /v2/ HTTP/1.1\r\nHost:", b"HTTP/1.1 401 "),
    "a request and half a line": (PING + b"GE", b"HTTP/1.1 401 "),
}


@pytest.mark.parametrize(("sent", "begins"), HEADS.values(), ids=HEADS.keys())
def test_a_head_that_does_not_come_is_not_waited_for(hasty: Client, sent: bytes, begins: bytes) -> None:
    """A new connection may be silent, and a head be on its way, for the head's time; then the connection is closed."""
    began = time.monotonic()
    with hasty.connect() as connection:
        connection.sendall(sent)
        assert read_to_end(connection)[: len(begins)] == begins
        assert time.monotonic() - began > 0.9


def test_a_head_that_drips_is_not_waited_for(hasty: Client) -> None:
    """The time is for the whole of a head, however busy the client looks."""
    with hasty.connect() as connection:
        with contextlib.suppress(ConnectionError):
            for byte in hasty.head_of("GET", "/v2/")[:40]:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        assert b"200" not in read_to_end(connection)[:20]


def test_a_connection_that_has_served_may_rest(steady: Client) -> None:
    """Between requests a connection is kept for longer than a head may take."""
    connection = steady.open()
    connection.request("GET", "/v2/", headers={"Authorization": steady.authorization})
    assert answer(connection).status == 200
    kept = connection.sock
    time.sleep(5)
    connection.request("GET", "/v2/", headers={"Authorization": steady.authorization})
    assert answer(connection).status == 200
    assert connection.sock is kept
    connection.close()


def drip(connection: socket.socket, pause: float, count: int) -> None:
    """Send a byte up to so many times, until an answer comes or the connection is gone."""
    with contextlib.suppress(ConnectionError):
        for _ in range(count):
            connection.sendall(b"x")
            if select.select([connection], [], [], pause)[0]:
                return
        raise AssertionError("it is listened to for ever")


@pytest.mark.parametrize(("pause", "count"), [(PATIENCE, 1), (0.1, 10 * PATIENCE)], ids=["stops", "drips"])
def test_a_body_that_does_not_get_on_is_answered_408(hasty: Client, pause: float, count: int) -> None:
    """An upload; what came of it stays, and can be gone on with."""
    location = hasty.begin("a/b")
    began = time.monotonic()
    with hasty.connect() as connection:
        connection.sendall(hasty.head_of("PATCH", location, "Content-Length: 1000000"))
        drip(connection, pause, count)
        took = time.monotonic() - began
        got = split(read_to_end(connection))
    assert (got.status, got.code, got.headers["connection"]) == (408, "SIZE_INVALID", "close")
    assert took > 1.9
    assert hasty.send("GET", location).headers["range"].startswith("0-")


@pytest.mark.parametrize("sent", [b"{", b"{" + b" " * 200_000], ids=["small", "large"])
def test_a_call_that_does_not_get_on_is_answered_408(hasty: Client, sent: bytes) -> None:
    """The ECR API too, in AWS's form."""
    fields = signed(hasty.server, "UploadLayerPart", b"{}").items()
    lines = ["POST / HTTP/1.1", "Content-Length: 1000000", *(f"{key}: {value}" for key, value in fields)]
    with hasty.connect() as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + sent)
        got = split(read_to_end(connection))
    assert (got.status, got.headers["connection"]) == (408, "close")
    assert json.loads(got.body)["__type"] == "RequestTimeoutException"


def test_a_refused_body_is_not_listened_to_for_ever(hasty: Client) -> None:
    """The answer is there; what still drips in behind it is cut off."""
    began = time.monotonic()
    with hasty.connect() as connection:
        connection.sendall(hasty.head_of("PATCH", "/v2/a/b/blobs/uploads/none", "Content-Length: 1000000"))
        assert split(connection.recv(10_000)).code == "BLOB_UPLOAD_UNKNOWN"
        drip(connection, 0.1, 10 * PATIENCE)
    assert time.monotonic() - began > 1.9


def test_a_slow_body_is_taken(steady: Client) -> None:
    """A kilobyte a second is slow, and enough: it takes longer than the stall time."""
    location = steady.begin("a/b")
    connection = steady.open()
    connection.putrequest("PATCH", location)
    connection.putheader("Authorization", steady.authorization)
    connection.putheader("Content-Length", "8000")
    connection.endheaders()
    for _ in range(80):
        connection.send(b"x" * 100)
        time.sleep(0.1)
    assert answer(connection).headers["range"] == "0-7999"
    connection.close()


ANSWERS = {
    "a blob": ("GET", f"/v2/a/b/blobs/{digest_of(BLOB)}"),
    "a manifest": ("GET", "/v2/a/b/manifests/large"),
}


@pytest.mark.parametrize(("method", "path"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("how", ["hasty", pytest.param("hasty_tls", marks=needs_openssl)])
@pytest.mark.parametrize("last", ["close", "keep-alive"])
def test_an_answer_that_nobody_takes_is_broken_off(
    request: pytest.FixtureRequest, how: str, method: str, path: str, last: str
) -> None:
    """From a file, from memory, over TLS; also when the server has done its part and only the kernel still waits."""
    client: Client = request.getfixturevalue(how)
    with narrow(client) as connection:
        for _ in range(4):
            connection.sendall(client.head_of(method, path, "Connection: keep-alive"))
        connection.sendall(client.head_of(method, path, f"Connection: {last}"))
        until(lambda: is_held(client.server, connection), "it is not taken in")
        until(lambda: not is_held(client.server, connection), "it is not broken off")


def is_held(server: Server, connection: socket.socket) -> bool:
    """Whether the server has its end of a connection open."""
    port = f":{connection.getsockname()[1]:04X}"
    theirs = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[2].endswith(port)
    }
    return bool(theirs & set(open_files(http_process(server))))


def test_a_slow_reader_is_served(steady: Client) -> None:
    """Ten kilobytes a second is slow, and enough: the connection is there after twice the stall time."""
    with narrow(steady) as connection:
        connection.sendall(steady.head_of(*ANSWERS["a blob"]))
        began = time.monotonic()
        while time.monotonic() - began < 13:
            assert connection.recv(1000)
            time.sleep(0.1)


def ask(connection: socket.socket) -> Answer:
    connection.sendall(PING)
    return split(connection.recv(10_000))


def test_connections_have_a_number(make_server: Callable[..., Server]) -> None:
    """Who is one too many is told 503 and when to come back; those who are in stay; far too many are not even told."""
    client = Client(make_server(max_connections=4))
    with contextlib.ExitStack() as stack:
        inside = [stack.enter_context(client.connect()) for _ in range(4)]
        assert [ask(connection).status for connection in inside] == [401] * 4
        surplus = [stack.enter_context(client.connect()) for _ in range(4)]
        refused = ask(surplus[0])
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert read_to_end(surplus[0]) == b""
        assert [ask(connection).status for connection in inside] == [401] * 4
        surplus.append(stack.enter_context(client.connect()))
        far_too_many = stack.enter_context(client.connect())
        assert read_to_end(far_too_many) == b""
        for connection in (*surplus, inside[0]):
            connection.close()
        until(lambda: client.send("GET", "/v2/").status == 200, "nobody gets the place that is free")


def test_as_many_files_may_be_open_as_connections_need(tmp_path: Path) -> None:
    """The soft limit that shells give, often 1024, is raised for the server's processes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = FreshServer(tmp_path / "data", max_connections=1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    try:
        soft, _ = resource.prlimit(http_process(server), resource.RLIMIT_NOFILE)
        assert soft == min(3512, before[1])
    finally:
        server.stop()


def whole(connection: socket.socket) -> Answer:
    """An answer, in however many pieces it comes."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, {}, response.read())


def head_of_call(server: Server, operation: str, *extra: str) -> bytes:
    fields = signed(server, operation, b"{}").items()
    return "\r\n".join(["POST / HTTP/1.1", *extra, *(f"{k}: {v}" for k, v in fields), "", ""]).encode()


CALLS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "a layer part": ("UploadLayerPart", ("Content-Length: 29360129",), "SerializationException"),
    "a manifest": ("PutImage", ("Content-Length: 8388609",), "SerializationException"),
    "what is no operation": ("NoSuchOperation", ("Content-Length: 8388609",), "SerializationException"),
    "too much to measure": ("UploadLayerPart", ("Content-Length: 10000000000000",), "SerializationException"),
}


@pytest.mark.parametrize(("operation", "length", "code"), CALLS.values(), ids=CALLS.keys())
def test_a_call_that_says_it_is_too_large_is_refused_at_once(
    server: Server, operation: str, length: tuple[str, ...], code: str
) -> None:
    """The answer comes before a byte of the body is sent."""
    with Client(server).connect() as connection:
        connection.sendall(head_of_call(server, operation, *length))
        got = whole(connection)
    assert (got.status, json.loads(got.body)["__type"]) == (400, code)


def test_a_call_that_turns_out_too_large_is_refused(server: Server) -> None:
    """One that is streamed, and has not said how large it is."""
    chunk = b"%x\r\n" % 1_000_000 + bytes(1_000_000) + b"\r\n"
    with Client(server).connect() as connection:
        connection.sendall(head_of_call(server, "PutImage", "Transfer-Encoding: chunked"))
        for _ in range(9):
            connection.sendall(chunk)
        got = whole(connection)
    assert json.loads(got.body)["__type"] == "SerializationException"
    assert (
        json.loads(got.body)["message"]
        == "The request has more than 8388608 bytes, the most that this operation takes"
    )


@pytest.mark.parametrize("length", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_large_call_is_taken_from_a_key_that_is_known(server: Server, length: str) -> None:
    """A stranger's is refused before it has come in."""
    head = head_of_call(server, "PutImage", length).replace(b"Credential=AKIA", b"Credential=AKIB")
    with Client(server).connect() as connection:
        connection.sendall(head + b"20000\r\n" + bytes(0x20000))
        got = whole(connection)
    assert json.loads(got.body)["__type"] == "UnrecognizedClientException"


def let_stand(server: Server, location: str) -> Callable[[], bool]:
    """An upload has not grown for two hours. Returns what tells whether it is gone."""
    (file,) = (server.data / "uploads").rglob(location.rpartition("/")[2])
    os.utime(file, (time.time() - 7200,) * 2)
    return lambda: not file.exists()


@pytest.mark.disk
def test_abandoned_uploads_go_and_others_stay(make_server: Callable[..., Server], name: str) -> None:
    """One that nobody goes on with is unknown after its time, and so is its file; one that a request holds is kept."""
    server = make_server(upload_ttl=3600, sweep_interval=0.3)
    client = Client(server)
    in_use = client.begin(name)
    sending = client.open()
    sending.putrequest("PATCH", in_use)
    sending.putheader("Authorization", client.authorization)
    sending.putheader("Content-Length", "10")
    sending.endheaders(b"01234")
    until(lambda: client.send("GET", in_use).status == 409)
    let_stand(server, in_use)
    for _ in range(2):  # when the second is gone, a whole sweep has been since the first
        abandoned = client.begin(name)
        assert client.send("PATCH", abandoned, b"never finished").status == 202
        until(let_stand(server, abandoned), "it stays")
        gone = client.send("PATCH", abandoned, b"now")
        assert (gone.status, gone.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    sending.send(b"56789")
    assert answer(sending).headers["range"] == "0-9"
    sending.close()
    held = [path.name for path in (server.data / "uploads").rglob("*-*")]
    assert held == [in_use.rpartition("/")[2]]
    assert client.send("PUT", f"{in_use}?digest={digest_of(b'0123456789')}").status == 201


def test_a_connection_on_its_way_out_is_no_matter(hasty_tls: Client) -> None:
    """Over TLS a connection is closing for as long as its client does not answer; the process that serves the others lives on."""
    process = http_process(hasty_tls.server)
    closing = [hasty_tls.connect() for _ in range(20)]
    for connection in closing:
        connection.sendall(hasty_tls.head_of("GET", "/v2/", "Connection: close"))
    time.sleep(2.5)  # it is looked at every second
    assert http_process(hasty_tls.server) == process
    for connection in closing:
        connection.close()
