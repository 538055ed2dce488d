"""What each push and pull asks of the bucket: as docs/s3.md says, request for request, and never a list."""

import random
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from careen import startup
from careen.oci.digest import digest_of
from careen.registry import gc
from careen.settings import Settings
from tests.distribution.client import Client
from tests.faulty_s3 import FaultyS3
from tests.images import image
from tests.seaweed import S3, S3Server, needs_seaweed
from tests.waiting import until

pytestmark = needs_seaweed

DOCS = Path(__file__).parents[2] / "docs" / "s3.md"


class Cost(NamedTuple):
    """Requests as Amazon bills them."""

    puts: int
    """PUT, COPY, POST and LIST."""
    gets: int
    """GET and HEAD."""
    deletes: int
    """DELETE and the end of a multipart upload, which are free."""


class Scene(NamedTuple):
    """A registry, a repository with an image, and what that has."""

    bucket: FaultyS3
    client: Client
    name: str
    layer: str
    manifest: str


@pytest.fixture(scope="module")
def bucket(s3: S3) -> Iterator[FaultyS3]:
    with FaultyS3(s3).running() as running:
        yield running


@pytest.fixture(autouse=True)
def _credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def scenes(bucket: FaultyS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bool], Scene]]:
    """A scene at a registry that sends clients to the bucket, or at one that passes bytes on."""
    servers: dict[bool, S3Server] = {}

    def scene(redirect: bool) -> Scene:
        if redirect not in servers:
            prefix = f"requests-{uuid.uuid4().hex[:12]}"
            folder = tmp_path_factory.mktemp("requests")
            rarely = {"collect_interval": 3600, "sweep_interval": 86_400}  # nothing but what is counted
            settings = {"s3_redirect": redirect, "blob_grace": 0, "trash_days": 0, **rarely}
            server = S3Server(folder / "data", bucket, prefix, **settings)
            server.start()
            servers[redirect] = server
            await_first_sweep(Client(server))
        client, name = Client(servers[redirect]), f"s3/{uuid.uuid4().hex[:8]}"
        built = image(name, size=100_000)
        client.push(name, built, "1")
        return Scene(bucket, client, name, built.digests[1], built.digest)

    yield scene
    for server in servers.values():
        server.stop()


def await_first_sweep(client: Client) -> None:
    """It lists, as it may."""
    ended = re.compile(rb'^careen_collector_last_end_timestamp_seconds\{kind="sweep"\} [1-9]', re.MULTILINE)
    until(lambda: ended.search(client.send("GET", "/metrics").body), "no sweep ends")


def fresh(size: int) -> bytes:
    """Bytes that nobody has."""
    return random.Random(uuid.uuid4().hex).randbytes(size)  # noqa: S311 only new


def push(scene: Scene, data: bytes) -> None:
    """As docker and crane do: POST, PATCH, PUT."""
    place = scene.client.begin(scene.name)
    assert scene.client.send("PATCH", place, data).status == 202
    assert scene.client.send("PUT", f"{place}?digest={digest_of(data)}").status == 201


def push_in_two(scene: Scene, data: bytes) -> None:
    """As containerd and oras do: POST, PUT."""
    place = scene.client.begin(scene.name)
    assert scene.client.send("PUT", f"{place}?digest={digest_of(data)}", data).status == 201


def push_known(scene: Scene) -> None:
    """A layer that the registry has, in a repository where the client did not look."""
    data = fresh(1_000_000)
    push(scene, data)
    scene.bucket.forget()
    push(scene, data)


def pull(scene: Scene, status: int) -> None:
    """A layer."""
    assert scene.client.send("GET", f"/v2/{scene.name}/blobs/{scene.layer}").status == status


def look(scene: Scene) -> None:
    """Whether a layer is there, the manifest, the tags."""
    for method, path in (("HEAD", f"blobs/{scene.layer}"), ("GET", "manifests/1"), ("GET", "tags/list")):
        assert scene.client.send(method, f"/v2/{scene.name}/{path}").status == 200


def mount(scene: Scene) -> None:
    """A layer of another repository."""
    path = f"/v2/{scene.name}-2/blobs/uploads/?mount={scene.layer}&from={scene.name}"
    assert scene.client.send("POST", path).status == 201


def delete(scene: Scene) -> None:
    """An image with one large layer, by the API."""
    assert scene.client.send("DELETE", f"/v2/{scene.name}/manifests/{scene.manifest}").status == 202


def collect(scene: Scene) -> None:
    """What that leaves, and nothing else."""
    server = scene.client.server
    settings = Settings(data=str(server.data), blobs=server.environment()["CAREEN_BLOBS"])
    opened = startup.open_registry(settings)
    try:
        gc.collect(opened, grace=0)
        delete(scene)
        scene.bucket.forget()
        assert gc.collect(opened, grace=0).blobs == 2  # the config is a row
    finally:
        opened.close()


ACTS: dict[str, tuple[bool, Callable[[Scene], None]]] = {
    "pull of a layer, by redirect": (True, lambda scene: pull(scene, 307)),
    "pull of a layer, through Careen": (False, lambda scene: pull(scene, 200)),
    "manifests, tags, `HEAD` of a layer": (False, look),
    "push of a layer of 20 MB (`POST`, `PATCH`, `PUT`)": (
        False,
        lambda scene: push(scene, fresh(20_000_000)),
    ),
    "of 20 MB, with the bytes in the `PUT`": (False, lambda scene: push_in_two(scene, fresh(20_000_000))),
    "push of a layer of 1 MB (`POST`, `PATCH`, `PUT`)": (False, lambda scene: push(scene, fresh(1_000_000))),
    "of 1 MB, with the bytes in the `PUT`": (False, lambda scene: push_in_two(scene, fresh(1_000_000))),
    "push of a config of 5 KB (`POST`, `PUT`)": (False, lambda scene: push_in_two(scene, fresh(5_000))),
    "push of 1 MB that the registry has already": (False, push_known),
    "mount of a layer": (False, mount),
    "deletion of an image": (False, delete),
    "collection of its layer": (False, collect),
}


def documented() -> dict[str, Cost]:
    """The table of the page."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \|", DOCS.read_text(), re.MULTILINE)
    return {what: Cost(*map(int, counts)) for what, *counts in rows}


@pytest.mark.sqlite  # opens the folder that it was served from
@pytest.mark.parametrize("what", ACTS)
def test_it_costs_what_the_page_says(bucket: FaultyS3, scenes: Callable[[bool], Scene], what: str) -> None:
    """So many requests, and no listing among them."""
    redirect, act = ACTS[what]
    scene = scenes(redirect)
    bucket.forget()
    act(scene)
    asked = bucket.counted()
    gets = asked["GetObject"] + asked["HeadObject"]
    deletes = asked["DeleteObject"] + asked["AbortMultipartUpload"]
    assert not {"ListObjectsV2", "ListMultipartUploads"} & set(asked)
    assert documented().get(what) == Cost(asked.total() - gets - deletes, gets, deletes), asked
