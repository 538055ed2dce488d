"""How long the console's pages take, on a registry of 10,000 repositories and 100,000 images: ``python -m benchmarks.console``.

The bar is 100 ms of server time for each page. What is measured is the median of the time that a request takes on loopback, one
after the other, and the processor time of the server for one of them.
"""

import argparse
import hashlib
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import cpu_seconds
from benchmarks.rows import insert
from careen import startup
from careen.clock import DAY, HOUR, system_now
from tests.console.visitor import Visitor, settings_of, sign_in
from tests.server import Server, serving

REPOSITORIES, SMALL, LARGE = 10_000, 8, 20_008
"""The first repository has ``LARGE`` images, the others ``SMALL``: 100,000 in all."""

LAYER, CONFIG, MANIFEST = 40_000_000, 6_000, 1_000
ROUNDS = 15
BAR_MS = 100.0

POLICY = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed",'
    '"countUnit":"days","countNumber":14},"action":{"type":"expire"}}]}'
)

PAGES = {
    "overview": "",
    "repositories": "repositories",
    "repositories, searched": "repositories?search=service-77",
    "repositories, by size": "repositories?sort=size",
    "images of 20,000": "repositories/team-0/service-0",
    "images of 8": "repositories/team-1/service-1",
    "policy of 20,000": "repositories/team-0/service-0/-/policy",
    "trash": "trash",
    "activity": "activity",
    "runs": "runs",
    "users": "users",
}


def main() -> int:
    """Measure, print, and answer whether the bar was kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="careen-bench-") as folder:
        made = Server(Path(folder) / "data", collect_interval=86_400, lifecycle_interval=86_400)
        settings = settings_of(made)
        startup.prepare(settings)
        fill(made.data / "careen.db")
        with serving(made) as server:
            settle(server)
            figures = measure(server, sign_in(server))
    print(f"{'page':26} {'ms':>8} {'CPU ms':>8} {'KB':>8}")
    for name, figure in figures.items():
        over = "  over the bar" if figure["ms"] > BAR_MS else ""
        print(f"{name:26} {figure['ms']:8.1f} {figure['cpu_ms']:8.1f} {figure['bytes'] / 1000:8.0f}{over}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1))
    return int(any(figure["ms"] > BAR_MS for figure in figures.values()))


def settle(server: Server) -> None:
    """Wait until the worker has added up what it does at the first start: it would compete for the processors."""
    careen, deadline = server.boto("careen"), time.monotonic() + 120
    while time.monotonic() < deadline:
        largest = careen.list_repository_summaries(sortBy="SIZE", descending=True, maxResults=1)
        if careen.list_storage_samples()["samples"] and largest["repositories"][0]["sizeInBytes"]:
            break
        time.sleep(1)
    time.sleep(5)


def measure(server: Server, visitor: Visitor) -> dict[str, dict[str, float]]:
    """The median of each page, once it has been asked for twice."""
    figures = {}
    for name, path in PAGES.items():
        answered = visitor.get(path)
        if answered.status_code == 404:
            continue
        answered.raise_for_status()
        visitor.get(path)
        taken, before = [], cpu_seconds(server.pid)
        for _ in range(ROUNDS):
            began = time.perf_counter()
            size = len(visitor.get(path).content)
            taken.append(time.perf_counter() - began)
        cpu = (cpu_seconds(server.pid) - before) / ROUNDS
        figures[name] = {"ms": 1000 * median(taken), "cpu_ms": 1000 * cpu, "bytes": size}
    return figures


def fill(path: Path) -> None:
    """Put the repositories, their images and what these are made of into a database."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA synchronous=OFF")
        insert(connection, "repositories", map(_repository, range(REPOSITORIES)))
        insert(connection, "blobs", _blobs())
        insert(connection, "repository_blobs", _links())
        insert(connection, "manifests", (_manifest(*each) for each in _images()))
        insert(connection, "manifest_contents", (_content(*each) for each in _images()))
        insert(connection, "manifest_blobs", _needs())
        insert(connection, "tags", _tags())
    connection.close()


def _images() -> Iterator[tuple[int, int, int]]:
    """Repository, number of the image in it, number of the image in all."""
    number = 0
    for repository in range(REPOSITORIES):
        for image in range(SMALL if repository else LARGE):
            number += 1
            yield repository, image, number


def _digest(*what: object) -> str:
    return "sha256:" + hashlib.sha256(repr(what).encode()).hexdigest()


NOW = system_now()


def _repository(number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "name": f"team-{number % 50}/service-{number}",
        "created_at": NOW - 400 * DAY,
        "tag_mutability": "MUTABLE",
        "tag_mutability_filters": "[]",
        "scan_on_push": 0,
        "encryption": '{"encryptionType":"AES256"}',
        "lifecycle_policy": POLICY if number % 3 else None,
        "lifecycle_evaluated_at": NOW - DAY,
        "lifecycle_due_at": NOW + 300 * DAY,
    }


def _of(repository: int, image: int) -> list[tuple[str, int]]:
    """The blobs of an image: a base that all have, a layer of the repository's, one of its own, its configuration."""
    return [
        (_digest("base"), LAYER),
        (_digest("dependencies", repository, image // 20), LAYER // 2),
        (_digest("own", repository, image), LAYER // 10 + image),
        (_digest("config", repository, image), CONFIG),
    ]


def _blobs() -> Iterator[dict[str, Any]]:
    seen = set()
    for repository, image, _ in _images():
        for digest, size in _of(repository, image):
            if digest not in seen:
                seen.add(digest)
                yield {"digest": digest, "size": size, "generation": "g", "created_at": NOW}


def _links() -> Iterator[dict[str, Any]]:
    for repository in range(REPOSITORIES):
        seen = set()
        for image in range(SMALL if repository else LARGE):
            for digest, _ in _of(repository, image):
                if digest not in seen:
                    seen.add(digest)
                    yield {"repository_id": repository + 1, "digest": digest, "seen_at": NOW}


def _manifest(repository: int, image: int, number: int) -> dict[str, Any]:
    pushed = NOW - (number % 300) * DAY - image * HOUR // 10
    return {
        "id": number,
        "repository_id": repository + 1,
        "digest": _digest("manifest", repository, image),
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "size": MANIFEST,
        "image_size": sum(size for _, size in _of(repository, image)),
        "status": "ACTIVE",
        "pushed_at": pushed,
        "pulled_at": pushed + DAY if number % 2 else None,
        "pull_count": number % 17,
    }


def _content(repository: int, image: int, number: int) -> dict[str, Any]:
    *layers, config = _of(repository, image)
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config[0],
            "size": config[1],
        },
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size}
            for digest, size in layers
        ],
    }
    return {"manifest_id": number, "content": json.dumps(document).encode()}


def _needs() -> Iterator[dict[str, Any]]:
    for repository, image, number in _images():
        for digest, _ in _of(repository, image):
            yield {"manifest_id": number, "repository_id": repository + 1, "digest": digest}


def _tags() -> Iterator[dict[str, Any]]:
    for repository, image, number in _images():
        if image % 3:
            yield {
                "repository_id": repository + 1,
                "name": f"main-{image}",
                "manifest_id": number,
                "tagged_at": NOW,
            }


if __name__ == "__main__":
    sys.exit(main())
