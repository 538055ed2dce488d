"""Several worker processes, restarts and crashes: what was acknowledged is there, and uploads go on where they were."""

import contextlib
import http.client
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from tests import images
from tests.distribution.client import Client, answer
from tests.server import Server
from tests.waiting import until

DATA = random.Random("workers").randbytes(2_500_000)  # noqa: S311 the same bytes every time
CUTS = [0, 10, 1_200_000, 1_200_001, 2_450_000, 2_500_000]
"""Where the parts of an upload begin; the last is small enough that, alone, it would be a row."""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def crash(server: Server) -> None:
    """Kill every process of a server at once, as a power cut would."""
    for pid in (server.pid, *children(server.pid)):
        os.kill(pid, signal.SIGKILL)
    server.stop(signal.SIGKILL)


def parts(data: bytes) -> list[bytes]:
    return [data[first:last] for first, last in itertools.pairwise(CUTS)]


def push_in_parts(client: Client, name: str, number: int) -> tuple[str, int]:
    """POST, PATCH, PATCH…, PUT with the last part, each on a connection of its own, and no word about places."""
    data = number.to_bytes(8, "big") + DATA[8:]
    *most, last = parts(data)
    location = client.begin(name)
    for part in most:
        patched = client.send("PATCH", location, part)
        assert patched.status == 202, patched
    return digest_of(data), client.send("PUT", f"{location}?digest={digest_of(data)}", last).status


def test_an_upload_meets_another_worker_at_every_request(
    make_server: Callable[..., Server], name: str
) -> None:
    """Thirty uploads at a time over three workers: every one is the bytes that were sent."""
    client = Client(make_server(workers=3))
    client.push_blob(name, b"so that it is there")
    with ThreadPoolExecutor(10) as threads:
        pushed = list(threads.map(lambda number: push_in_parts(client, name, number), range(30)))
    assert {status for _, status in pushed} == {201}
    for number, (digest, _) in enumerate(pushed):
        got = client.send("GET", f"/v2/{name}/blobs/{digest}").body
        assert got == number.to_bytes(8, "big") + DATA[8:]


@pytest.mark.parametrize("way", [crash, Server.stop], ids=["crash", "stop"])
def test_an_upload_outlives_the_server(
    make_server: Callable[..., Server], name: str, way: Callable[[Server], object]
) -> None:
    """Ended between two chunks and started again, the server knows how far the upload was, and takes the rest."""
    server = make_server()
    client = Client(server)
    location = client.begin(name)
    for first, part in list(zip(CUTS, parts(DATA), strict=False))[:3]:
        place = {"Content-Range": f"{first}-{first + len(part) - 1}"}
        assert client.send("PATCH", location, part, place).status == 202
    way(server)
    server.start()
    assert client.send("GET", location).headers["range"] == f"0-{CUTS[3] - 1}"
    assert client.send("PATCH", location, parts(DATA)[3]).status == 202
    way(server)
    server.start()
    done = client.send("PUT", f"{location}?digest={digest_of(DATA)}", parts(DATA)[4])
    assert done.status == 201
    assert client.send("GET", done.headers["location"]).body == DATA


def push_until_it_fails(client: Client, name: str, worker: int, acknowledged: dict[str, bytes]) -> None:
    """Push image after image, small and large, and note the path and bytes of everything that was answered 201."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in range(1000):
            built = images.image(f"{worker} {number}", size=100 if number % 2 else 100_000)
            for blob, digest in zip(built.blobs, built.digests, strict=True):
                client.push_blob(name, blob)
                acknowledged[f"blobs/{digest}"] = blob
            client.push_manifest(name, built, f"{worker}-{number}")
            acknowledged[f"manifests/{worker}-{number}"] = built.manifest


@pytest.mark.sqlite  # tests/nodes has the others
def test_what_was_acknowledged_survives_a_crash(make_server: Callable[..., Server], name: str) -> None:
    """Killed in the middle of many pushes: every blob and every tag that was answered 201 is there, and whole."""
    server = make_server(workers=2)
    client, acknowledged = Client(server), dict[str, bytes]()
    client.push_blob(name, b"so that it is there")
    pushers = [
        threading.Thread(target=push_until_it_fails, args=(client, name, worker, acknowledged))
        for worker in range(4)
    ]
    for pusher in pushers:
        pusher.start()
    until(lambda: len(acknowledged) > 50, "next to nothing is pushed")
    crash(server)
    for pusher in pushers:
        pusher.join()
    server.start()
    for path, data in acknowledged.items():
        assert client.send("GET", f"/v2/{name}/{path}").body == data


def test_an_orderly_stop_waits_for_a_push(make_server: Callable[..., Server], name: str) -> None:
    """A chunk that is on its way when the server is told to stop arrives, and is answered."""
    server = make_server()
    client = Client(server)
    location = client.begin(name)
    slow = client.open()
    slow.putrequest("PATCH", location)
    slow.putheader("Authorization", client.authorization)
    slow.putheader("Content-Length", "10")
    slow.endheaders(b"01234")
    until(lambda: client.send("GET", location).status == 409)
    with ThreadPoolExecutor(1) as threads:
        stopped = threads.submit(server.stop)
        time.sleep(1)
        assert not stopped.done()
        slow.send(b"56789")
        assert answer(slow).headers["range"] == "0-9"
        assert stopped.result() == 0
    slow.close()
