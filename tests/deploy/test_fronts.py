"""Before two nodes, a front passes everything through and lets no request meet a node that stops."""

import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from tests.clients.client import Shell, copy_in_and_out, needs
from tests.deploy.fronts import FRONTS, Front, behind
from tests.distribution.client import Client
from tests.ecrapi.client import push
from tests.images import image
from tests.server import Server
from tests.waiting import until


@pytest.fixture(scope="module", params=FRONTS)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Front, Server, Server]]:
    """A front and two nodes, which drain as long as a front needs to notice."""
    with behind(request.param, tmp_path_factory.mktemp("front"), drain_delay=4, s3_redirect=False) as started:
        yield started


@pytest.fixture
def front(cluster: tuple[Front, Server, Server]) -> Front:
    """The front of them."""
    return cluster[0]


def test_uploads_of_every_form_arrive(front: Front, name: str) -> None:
    """Whole, in chunks without a length, in parts that meet either node."""
    client, data = Client(front), random.Random(name).randbytes(3_000_000)  # noqa: S311 the same bytes every time
    digest = client.push_blob(name, data)
    for pieces in ([iter([data[:1_000_000], data[1_000_000:]])], [data[:1_000_000], data[1_000_000:]]):
        location = client.begin(f"{name}/parts")
        assert [client.send("PATCH", location, piece).status for piece in pieces] == [202] * len(pieces)
        assert client.send("PUT", f"{location}?digest={digest}").status == 201
    got = client.send("GET", f"/v2/{name}/parts/blobs/{digest}")
    assert (got.status, digest_of(got.body)) == (200, digest)


def test_signatures_hold_and_links_lead_back(front: Front, name: str) -> None:
    """The registry sees the host that the client signed for, and calls itself so."""
    ecr = front.boto()
    assert ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"] == f"{front.host}/{name}"
    push(ecr, name, image(name), "1")
    assert [each["imageTag"] for each in ecr.list_images(repositoryName=name)["imageIds"]] == ["1"]


@needs("skopeo")
def test_skopeo_copies_in_and_out(front: Front, name: str, tmp_path: Path) -> None:
    """Logged in through the front."""
    copy_in_and_out(Shell(front, tmp_path), name, image("front", "skopeo", size=300_000))


@pytest.mark.slow
def test_no_request_meets_a_node_that_stops(cluster: tuple[Front, Server, Server], name: str) -> None:
    """Each node in turn is restarted while clients push and pull: every request is answered, by the other if need be."""
    front, *nodes = cluster
    built = image(name, size=70_000)
    Client(front).push(name, built, "v1")
    enough, done = threading.Event(), 0

    def use(number: int) -> None:
        nonlocal done
        client = Client(front)
        while not enough.is_set():
            client.push(f"{name}/{number}", image(f"{name} {done}", size=100), "new")
            for path in ("manifests/v1", f"blobs/{built.digests[1]}"):
                got = client.send("GET", f"/v2/{name}/{path}")
                assert got.status == 200, got
            done += 1

    def go_on(times: int) -> None:
        enough_by = done + times
        until(lambda: done >= enough_by or any(each.done() for each in users), "nobody is served")

    with ThreadPoolExecutor(2) as threads:
        users = [threads.submit(use, number) for number in range(2)]
        try:
            for node in nodes:
                go_on(10)
                assert node.stop() == 0
                go_on(10)
                node.start()
        finally:
            enough.set()
        for each in users:
            each.result()


@pytest.mark.slow
def test_a_node_that_is_killed_costs_what_it_was_doing(
    cluster: tuple[Front, Server, Server], name: str
) -> None:
    """The front may need a moment to notice; then every request finds the other node."""
    front, first, _ = cluster
    client = Client(front)
    client.push(name, image(name), "v1")
    first.stop(signal.SIGKILL)
    path = f"/v2/{name}/manifests/v1"
    until(lambda: all(client.send("GET", path).status == 200 for _ in range(30)), "it is not noticed")
    client.push(name, image(name, "again"), "v2")
    first.start()
