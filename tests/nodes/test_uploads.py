"""A node dies in the middle of an upload: the client goes on with the same upload at another node."""

import contextlib
import random

import pytest

from careen.oci.digest import digest_of
from tests.distribution.client import Answer, Client
from tests.nodes.cluster import Cluster
from tests.postgres import needs_postgres
from tests.seaweed import needs_seaweed
from tests.waiting import until

pytestmark = [needs_postgres, needs_seaweed]

MEBIBYTE = 1024 * 1024
DATA = random.Random("upload").randbytes(20 * MEBIBYTE)  # noqa: S311 the same bytes every time
"""Two whole parts in the bucket, and what is less than a part."""

HALF = 9 * MEBIBYTE


def patch(client: Client, location: str, start: int, end: int) -> Answer:
    """Send a chunk."""
    return client.send("PATCH", location, DATA[start:end], {"Content-Range": f"{start}-{end - 1}"})


def offset(client: Client, location: str) -> int:
    """How many bytes the upload has, as its status says."""
    status = client.send("GET", location)
    assert status.status == 204, status
    last = int(status.headers["range"].removeprefix("0-"))
    return (
        last + 1 if last else 0
    )  # nothing is 0-0 (OCI distribution specification, "Pushing a blob in chunks")


def finish(client: Client, repository: str, location: str, start: int) -> None:
    """Send the rest, complete the upload, and read it all."""
    sent = patch(client, location, start, len(DATA))
    assert sent.status == 202, sent
    completed = client.send("PUT", f"{sent.headers['location']}?digest={digest_of(DATA)}")
    assert completed.status == 201, completed
    assert client.send("HEAD", f"/v2/{repository}/blobs/{digest_of(DATA)}").status == 200


def test_an_upload_goes_on_at_another_node(shared_cluster: Cluster, name: str) -> None:
    """Killed between two chunks: not a byte that was acknowledged is sent again."""
    first, second = shared_cluster.nodes[0], shared_cluster.nodes[1]
    location = Client(first).begin(name)
    location = patch(Client(first), location, 0, HALF).headers["location"]
    first.crash()
    try:
        assert offset(Client(second), location) == HALF
        finish(Client(second), name, location, HALF)
    finally:
        first.start()


@pytest.mark.slow
def test_an_upload_goes_on_when_its_node_died_in_the_middle_of_a_chunk(
    shared_cluster: Cluster, name: str
) -> None:
    """Who asks for it waits until it is free, and it goes on after whole parts; a new upload begins at once."""
    first, second = shared_cluster.nodes[0], Client(shared_cluster.nodes[1])
    location = Client(first).begin(name)
    with contextlib.closing(Client(first).open()) as sending:
        sending.putrequest("PATCH", location)
        sending.putheader("Authorization", Client(first).authorization)
        sending.putheader("Content-Length", str(len(DATA)))
        sending.endheaders()
        sending.send(DATA[: 18 * MEBIBYTE])
        until(lambda: first.bucket.counted()["UploadPart"] >= 2, "no parts leave")
        first.crash()
    try:
        second.push_blob(name, b"another blob")
        there = offset(second, location)
        assert there in {0, 8 * MEBIBYTE, 16 * MEBIBYTE}
        finish(second, name, location, there)
    finally:
        first.start()
