"""Small pulls from a registry that asks PostgreSQL each time whether what it remembers is fresh, and from one with SQLite."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

from benchmarks.load import Work, requests
from benchmarks.nodes_postgres import Meter, Reading
from benchmarks.nodes_pushes import BASE, Image, new_image, opened
from benchmarks.peers import PEERS, Launch, Server, running
from benchmarks.processes import cpu_seconds
from benchmarks.uploads import push_bytes
from benchmarks.wire import Client
from careen.oci.digest import digest_of
from careen.oci.media_types import OCI_MANIFEST
from careen.registry import images, repositories

CONNECTIONS = 128
NAME = "team-1/service-1"
ACCEPT = {"Accept": OCI_MANIFEST}


@dataclass(frozen=True, slots=True)
class Pulls:
    """Requests in one window."""

    database: str
    workers: int
    case: str
    commits: int
    """How many pushes a second were asked for elsewhere."""
    work: Work
    cpu: float
    """Processor seconds of Careen's processes."""
    server: Reading | None
    """What PostgreSQL cost, the pushes included."""


@contextmanager
def serving(folder: Path, workers: int, data: Path, url: str = "") -> Iterator[Server]:
    """``careen serve`` on a filled registry; with SQLite unless ``url`` is given."""
    [careen] = (peer for peer in PEERS if peer.name == "careen")
    with running(
        replace(careen, launch=partial(_launch, careen.launch, workers, data, url)), folder
    ) as server:
        yield server


def _launch(
    plain: Callable[[str, Path, int], Launch],
    workers: int,
    data: Path,
    url: str,
    program: str,
    place: Path,
    port: int,
) -> Launch:
    launch = plain(program, place, port)
    database: Mapping[str, str] = {"CAREEN_DATABASE": url} if url else {}
    own = {"CAREEN_DATA": str(data), "CAREEN_WORKERS": str(workers), **database}
    kept = [word for word in launch.command if word not in {"--data", str(place / "data")}]
    kept = kept[: kept.index("--workers")] + kept[kept.index("--workers") + 2 :]
    return replace(launch, command=tuple(kept), environment={**launch.environment, **own})


def put_image(server: Server) -> Image:
    """Push what is pulled: over HTTP, so that it is the same on both databases."""
    image = new_image()
    with Client(server.origin) as client:
        for blob in (BASE, image.config, image.layer):
            push_bytes(client, blob, digest_of(blob), NAME)
        client.call(
            "PUT",
            f"/v2/{NAME}/manifests/pulled",
            expect=201,
            headers={"Content-Type": OCI_MANIFEST},
            body=image.manifest,
        )
    return image


def paths(image: Image, images_each: int, repositories_: int) -> dict[str, list[str]]:
    """What is asked for, by the name of the case."""
    chance = random.Random(1)
    numbers = [chance.randrange(repositories_ * images_each) for _ in range(20_000)]
    others = [
        f"/v2/team-{(1 + number // images_each) % 40}/service-{1 + number // images_each}/manifests/v1.{number + 1}"
        for number in numbers
    ]
    return {
        "the same tag": [f"/v2/{NAME}/manifests/pulled"],
        "another tag each time": others,
        "the same config": [f"/v2/{NAME}/blobs/{digest_of(image.config)}"],
    }


def window(
    server: Server,
    database: str,
    workers: int,
    case: str,
    asked: list[str],
    meter: Meter | None,
    *,
    seconds: int,
    commits: int = 0,
) -> Pulls:
    """Ask for seconds."""
    before, cpu = meter.read() if meter else None, cpu_seconds(server.pid)
    work = requests(
        server.origin, asked, server.folder, seconds=seconds, connections=CONNECTIONS, headers=ACCEPT
    )
    cpu = cpu_seconds(server.pid) - cpu
    cost = meter.read().since(before) if meter and before else None
    return Pulls(database, workers, case, commits, work, cpu, cost)


@contextmanager
def pushing(url: str, data: Path, rate: int) -> Iterator[None]:
    """Let somebody else tag an image so many times a second, in another repository; none if the rate is 0."""
    if not rate:
        yield
        return
    stop = Event()
    with opened(url, data) as registry:
        target = registry.read(repositories.page, "team-", 1)[0]
        [row] = registry.read(images.page, target, "", 1)
        content = registry.read(images.content, row.row)
        assert content is not None  # noqa: S101 - it was filled in

        def go() -> None:
            due = time.monotonic()
            for number in range(1_000_000):
                registry.write_now(
                    images.put, target, content, media_type=OCI_MANIFEST, tag=f"moved-{number % 5}"
                )
                due += 1 / rate
                if stop.wait(max(0.0, due - time.monotonic())):
                    return

        thread = Thread(target=go)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
