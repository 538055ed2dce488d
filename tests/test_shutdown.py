"""SIGTERM: the node drains, ends what is under way and begins nothing new; beyond the time-out the end is orderly, too."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from tests import images
from tests.distribution.client import Client, answer, split
from tests.ecrapi.client import signed
from tests.server import Server
from tests.waiting import PATIENCE, until

BLOB = random.Random("shutdown").randbytes(50_000_000)  # noqa: S311 the same bytes every time
"""More than the kernel's buffers take, so a client that does not read keeps it in flight."""


@contextlib.contextmanager
def stopping(server: Server) -> Iterator["Future[int]"]:
    """Tell the server to stop, and go on when it no longer listens."""
    with ThreadPoolExecutor(1) as threads:
        stopped = threads.submit(server.stop)
        until(lambda: is_refused(server), "new connections are not refused")
        yield stopped


def is_refused(server: Server) -> bool:
    """Whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def begin_download(client: Client, name: str) -> socket.socket:
    """Ask for the blob, and take next to nothing of it."""
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    reading.settimeout(PATIENCE)
    reading.connect(("127.0.0.1", client.server.port))
    reading.sendall(client.head_of("GET", f"/v2/{name}/blobs/{digest_of(BLOB)}"))
    assert reading.recv(12) == b"HTTP/1.1 200"
    return reading


def begin_upload(client: Client, location: str) -> http.client.HTTPConnection:
    """Send the first half of ten bytes, once our request holds the upload."""
    sending = client.open()
    sending.putrequest("PATCH", location)
    sending.putheader("Authorization", client.authorization)
    sending.putheader("Content-Length", "10")
    sending.putheader("Expect", "100-continue")
    sending.endheaders()
    assert sending.sock.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sending.send(b"01234")
    return sending


def begin_call(server: Server, name: str) -> tuple[http.client.HTTPConnection, bytes]:
    """Send the head of a call of the ECR API, and wait until it waits for the body. Returns the connection, and that body."""
    body = json.dumps({"repositoryName": name}).encode()
    calling = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    calling.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
    for key, value in signed(server, "ListImages", body).items():
        calling.putheader(key, value)
    calling.putheader("Content-Length", str(len(body)))
    calling.putheader("Expect", "100-continue")
    calling.endheaders()
    assert calling.sock.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return calling, body


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_under_way_is_finished(make_server: Callable[..., Server], name: str, workers: int) -> None:
    """A download and an upload of slow clients and a call of the ECR API are answered whole; new connections are refused."""
    server = make_server(workers=workers, shutdown_timeout=PATIENCE)
    client = Client(server)
    client.push_blob(name, BLOB)
    location = client.begin(name)
    with (
        begin_download(client, name) as reading,
        contextlib.closing(begin_upload(client, location)) as sending,
    ):
        calling, body = begin_call(server, name)
        with stopping(server) as stopped:
            time.sleep(0.5)
            assert not stopped.done()
            calling.send(body)
            called = answer(calling)
            calling.close()
            sending.send(b"56789")
            patched = answer(sending)
            got = bytearray()
            while part := reading.recv(1 << 20):
                got += part
            assert stopped.result(PATIENCE) == 0
    assert called.json() == {"imageIds": []}
    assert (patched.status, patched.headers["range"]) == (202, "0-9")
    assert bytes(got).partition(b"\r\n\r\n")[2] == BLOB
    server.start()
    assert client.send("GET", location).headers["range"] == "0-9"


@pytest.mark.parametrize("workers", [1, 2])
def test_what_takes_too_long_is_cut_and_the_end_is_orderly(
    make_server: Callable[..., Server], name: str, workers: int
) -> None:
    """Beyond the time-out: exit 0, no error in the log, the upload keeps what came, and pull times are not lost."""
    server = make_server(workers=workers, shutdown_timeout=2)
    client = Client(server)
    client.push_blob(name, BLOB)
    client.push(name, images.image("pulled"), "v1")
    location = client.begin(name)
    with begin_download(client, name), contextlib.closing(begin_upload(client, location)):
        calling, _ = begin_call(server, name)
        assert client.send("GET", f"/v2/{name}/manifests/v1").status == 200  # the flush is seconds away
        began = time.monotonic()
        assert server.stop() == 0
        took = time.monotonic() - began
        calling.close()
    assert took >= 2
    assert "Traceback" not in server.log.read_text()
    server.start()
    assert client.send("GET", location).headers["range"] == "0-4"
    (detail,) = server.boto().describe_images(repositoryName=name, imageIds=[{"imageTag": "v1"}])[
        "imageDetails"
    ]
    assert "lastRecordedPullTime" in detail


def family(server: Server) -> list[int]:
    """The parent and its children."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [server.pid, *map(int, children.split())]


def await_draining(client: Client) -> None:
    """Until the node says that it drains."""
    until(lambda: client.send("GET", "/readyz").json() == {"status": "draining"}, "it does not drain")
    assert client.send("GET", "/readyz").status == 503


@pytest.mark.parametrize("by", ["a supervisor", "Ctrl-C"])
def test_a_node_that_drains_says_so_and_serves_on(
    make_server: Callable[..., Server], name: str, by: str
) -> None:
    """In every process: not ready, alive, and a push and a pull go through; told once more, it stops at once."""
    server = make_server(workers=2, drain_delay=600, s3_redirect=False)
    client, built = Client(server), images.image("drain", size=200_000)
    client.push(name, built, "before")
    told = (server.pid,) if by == "a supervisor" else family(server)  # a terminal interrupts all of them
    for pid in told:
        os.kill(pid, signal.SIGTERM if by == "a supervisor" else signal.SIGINT)
    await_draining(client)
    assert {client.send("GET", "/readyz").status for _ in range(20)} == {503}
    assert client.send("GET", "/healthz").status == 200
    client.push(name, images.image("drain", "late", size=300_000), "late")
    for digest in built.digests:
        assert client.send("GET", f"/v2/{name}/blobs/{digest}").status == 200
    assert server.stop() == 0


def test_connections_that_stay_open_end_with_an_answer_while_a_node_drains(
    make_server: Callable[..., Server], name: str
) -> None:
    """Whichever way the answer is made; so their clients come again, elsewhere, and none is cut off in the middle."""
    server = make_server(drain_delay=600)
    client = Client(server)
    client.push(name, images.image("kept"), "v1")
    paths = ("/v2/", f"/v2/{name}/manifests/v1", "/healthz", "/metrics")
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(contextlib.closing(client.open())) for _ in paths]

        def ask(connection: http.client.HTTPConnection, path: str) -> str:
            connection.request("GET", path, headers={"Authorization": client.authorization})
            got = answer(connection)
            assert got.status == 200
            return got.headers.get("connection", "")

        before = [ask(connection, path) for connection, path in zip(kept, paths, strict=True)]
        os.kill(server.pid, signal.SIGTERM)
        await_draining(client)
        sockets = [connection.sock for connection in kept]
        after = [ask(connection, path) for connection, path in zip(kept, paths, strict=True)]
    assert (before, after) == ([""] * len(paths), ["close"] * len(paths))
    assert all(sockets)  # they were the same connections
    assert server.stop() == 0


def test_a_balancer_that_asks_loses_no_request(make_server: Callable[..., Server], name: str) -> None:
    """Clients go on until the node says that it is about to stop; every request before that is answered, and so is the last."""
    server = make_server(workers=2, drain_delay=600, s3_redirect=False)
    client, built = Client(server), images.image("balanced", size=100_000)
    client.push(name, built, "v1")
    answered = []

    def pull_while_ready() -> None:
        while client.send("GET", "/readyz").json()["status"] != "draining":
            answered.append(client.send("GET", f"/v2/{name}/manifests/v1").status)
            answered.append(client.send("GET", f"/v2/{name}/blobs/{built.digests[1]}").status)

    with ThreadPoolExecutor(4) as threads:
        pulls = [threads.submit(pull_while_ready) for _ in range(3)]
        while len(answered) < 30 and not any(each.done() for each in pulls):
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGTERM)
        for each in pulls:
            each.result()
    assert set(answered) == {200}
    assert server.stop() == 0


def test_a_drain_ends_by_itself(make_server: Callable[..., Server]) -> None:
    """Told once, a node stops when its time is over."""
    assert make_server(drain_delay=0.5).stop() == 0


def test_a_connection_without_a_request_holds_nobody_up(make_server: Callable[..., Server]) -> None:
    """Idle ones, silent ones and half a head are closed at once, however much time there is: there is nothing to finish."""
    server = make_server(shutdown_timeout=3600)
    client = Client(server)
    with client.connect() as idle, client.connect() as silent, client.connect() as half:
        idle.sendall(client.head_of("GET", "/v2/"))
        assert split(idle.recv(10_000)).status == 200
        half.sendall(b"GET /v2/ HTTP/1.1\r\nHost:")
        assert server.stop() == 0
        assert (idle.recv(1), silent.recv(1)) == (b"", b"")
