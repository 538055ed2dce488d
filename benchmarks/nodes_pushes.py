"""Pushes by processes that share a PostgreSQL: what the database makes of them, without the HTTP in front and the bytes behind."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.nodes_postgres import Meter, Reading
from benchmarks.nodes_together import together
from careen import startup, telemetry
from careen.oci.digest import digest_of
from careen.oci.media_types import OCI_MANIFEST
from careen.registry import images, layers, repositories
from careen.registry.registry import Registry
from careen.registry.repositories import Repository
from careen.settings import Settings

THREADS = 8
"""Pushes at the same time, in all processes together."""

BASE = b"the base layer" * 16


class Image(NamedTuple):
    """What is pushed: nobody else's but for the base layer. All blobs are rows, so that no disk but the database's is measured."""

    manifest: bytes
    config: bytes
    layer: bytes


@dataclass(frozen=True, slots=True)
class Pushes:
    """A number of pushes by some processes."""

    processes: int
    same: bool
    """Whether all went to one repository."""
    count: int
    seconds: float
    cpu: float
    """Processor seconds of the pushing processes."""
    server: Reading


def new_image() -> Image:
    """An image that nobody has."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "container": os.urandom(24).hex()}).encode()
    layer = os.urandom(512)
    described = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest_of(data),
            "size": len(data),
        }
        for data in (BASE, layer)
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": described,
    }
    return Image(json.dumps(manifest).encode(), config, layer)


def push(registry: Registry, target: Repository, image: Image, tag: str) -> None:
    """Push an image as a client does: look for the base layer, put what is missing, put the manifest."""
    base = digest_of(BASE)
    if registry.read(layers.find, target.name, base) is None:
        layers.store(registry, target, base, BASE)
    for blob in (image.config, image.layer):
        layers.store(registry, target, digest_of(blob), blob)
    registry.write_now(images.put, target, image.manifest, media_type=OCI_MANIFEST, tag=tag)


@contextmanager
def opened(url: str, data: Path) -> Iterator[Registry]:
    """A registry as a process of a node has it."""
    telemetry.configure("warning")
    registry = startup.open_registry(Settings(data=str(data), database=url, create_on_push=True))
    try:
        yield registry
    finally:
        registry.close()


def measure(meter: Meter, url: str, data: Path, *, processes: int, count: int, same: bool) -> Pushes:
    """Push ``count`` images by so many processes; each thread has its own repository, unless all have the ``same``."""
    share = count // THREADS
    given = [
        [
            ("pushed/same" if same else f"pushed/by-{process}-{thread}", share)
            for thread in range(THREADS // processes)
        ]
        for process in range(processes)
    ]
    with together(_push_all, [(url, data, each) for each in given]) as (go, ended):
        before, began = meter.read(), time.perf_counter()
        go()
        cpu = sum(ended())
        seconds, cost = time.perf_counter() - began, meter.read().since(before)
    return Pushes(processes, same, share * THREADS, seconds, cpu, cost)


def _push_all(wait: Callable[[], None], url: str, data: Path, given: Sequence[tuple[str, int]]) -> float:
    """Returns the processor seconds that it took."""
    with opened(url, data) as registry, ThreadPoolExecutor(len(given)) as pool:
        targets = [registry.write_now(repositories.require_for_push, name) for name, _ in given]
        for target in targets:
            push(registry, target, new_image(), "first")

        def some(thread: int) -> None:
            for number in range(given[thread][1]):
                push(registry, targets[thread], new_image(), f"{os.getpid()}-{thread}-{number}")

        wait()
        began = time.process_time()
        list(pool.map(some, range(len(given))))
        return time.process_time() - began
