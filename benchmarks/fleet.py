"""``python -m benchmarks.fleet``: how long a fleet takes to read and to judge, and how much memory, with a Careen on this machine.

The registry's rows are inserted in bulk, with what a scan asks for: repositories with tags and policies, images with the manifests
that say their layers. Server and scan share the machine, and the scan is run as people run it; so are the report and a plan, which
read what it wrote.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.lifecycle_images import NOW, three_rules
from benchmarks.peers import PEERS, Launch, running
from benchmarks.processes import cpu_seconds
from careen import startup
from careen.clock import DAY
from careen.demo.images import CONFIG, LAYER
from careen.lifecycle.policy import LifecyclePolicy, canonical
from careen.oci.digest import digest_of
from careen.oci.media_types import OCI_MANIFEST
from careen.settings import Settings

SECONDS_BAR, BYTES_BAR = 60.0, 400_000_000
"""What a first scan of 1,000 repositories with 200 images each may take."""

PLAN_BAR = 10.0
"""Seconds that a plan for as many may take."""

LAYERS = 8
"""In an image; all but the last two are those of the image before."""

TEAMS = 40


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan, as its process was accounted for."""

    name: str
    seconds: float
    processor_seconds: float
    server_seconds: float
    bytes: int
    """The most memory that it had."""
    images: int
    file: int
    """Bytes of the inventory."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A report or a plan, as its process was accounted for."""

    name: str
    seconds: float
    processor_seconds: float
    bytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, scan twice, judge, print. Returns 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--repositories", type=int, default=1000)
    parser.add_argument("--images", type=int, default=200, help="in each repository (default 200)")
    parser.add_argument("--folder", type=Path, help="where the registry and the inventory are")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="careen-benchmark-", dir=asked.folder) as name:
        scans = measure(Path(name), asked.repositories, asked.images)
        judged = judge(Path(name))
    for each in scans:
        print(
            f"{each.name:14} {each.images:,} images  {each.seconds:6.1f} s  {each.processor_seconds:6.1f} s of processor"
            f" (server {each.server_seconds:.1f} s)  {each.bytes / 1e6:6.0f} MB  inventory {each.file / 1e6:.1f} MB"
        )
    for other in judged:
        print(
            f"{other.name:14} {other.seconds:29.1f} s  {other.processor_seconds:6.1f} s of processor  {other.bytes / 1e6:21.0f} MB"
        )
    if asked.json:
        figures = [*map(asdict, scans), *map(asdict, judged)]
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    is_full = asked.repositories * asked.images >= 200_000
    missed = [each.name for each in scans if each.seconds > SECONDS_BAR or each.bytes > BYTES_BAR]
    missed += [each.name for each in judged if each.name == "plan" and each.seconds > PLAN_BAR]
    if is_full and missed:
        print(
            f"bar missed ({SECONDS_BAR:.0f} s, {BYTES_BAR / 1e6:.0f} MB; a plan {PLAN_BAR:.0f} s): {', '.join(missed)}"
        )
    return 1 if is_full and missed else 0


def measure(folder: Path, repositories: int, images: int) -> list[Scan]:
    """A first scan of a registry, and one that finds every manifest remembered."""
    with registry(folder, repositories, images) as (environment, pid):
        return [scan(name, folder, environment, pid) for name in ("first", "once more")]


@contextmanager
def registry(folder: Path, repositories: int, images: int) -> Iterator[tuple[dict[str, str], int]]:
    """A registry with so many repositories, each with so many images. Yields what leads AWS clients to it, and its pid."""
    careen = next(peer for peer in PEERS if peer.name == "careen")
    launches: list[Launch] = []

    def launch(program: str, place: Path, port: int) -> Launch:
        fill(place / "data", repositories, images)
        launches.append(careen.launch(program, place, port))
        return launches[0]

    with running(replace(careen, launch=launch), folder / "registry") as started:
        key, _, secret = (
            b64decode(started.origin.authorization.removeprefix("Basic ")).decode().partition(":")
        )
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_ENDPOINT_URL_ECR": started.origin.url,
            "AWS_ENDPOINT_URL_STS": started.origin.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": Settings().region,
        }
        yield environment, started.pid


def scan(name: str, folder: Path, environment: dict[str, str], pid: int) -> Scan:
    """Scan the registry in a process of its own."""
    before = cpu_seconds(pid)
    document, seconds, usage = _run(["scan"], folder, environment)
    return Scan(
        name,
        seconds,
        usage.ru_utime + usage.ru_stime,
        cpu_seconds(pid) - before,
        usage.ru_maxrss * 1024,
        document["images"],
        (folder / document["inventory"]).stat().st_size,
    )


def judge(folder: Path) -> list[Judgement]:
    """A report of the last scan, and a plan that gives every repository another policy than it has."""
    (folder / "policy.json").write_text(canonical(LifecyclePolicy(three_rules().rules[:2])))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    judged = []
    for name, *options in (["report"], ["plan", "--policy", "policy.json"]):
        _, seconds, usage = _run([name, *options], folder, environment)
        judged.append(Judgement(name, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))
    return judged


def _run(
    arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> tuple[dict[str, Any], float, Any]:
    """Run ``careen fleet …``. Returns what it says, its seconds, and what the system accounted for."""
    began = time.monotonic()
    command = [sys.executable, "-m", "careen", "fleet", *arguments, "--json"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        document: dict[str, Any] = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments[0]} ended with {process.returncode}: {document}")
    return document, time.monotonic() - began, usage


def fill(data: Path, repositories: int, images: int) -> None:
    """Make a data folder with so many repositories."""
    startup.prepare(Settings(data=str(data)))
    with closing(sqlite3.connect(data / "careen.db")) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        chance = random.Random(1)
        for number in range(repositories):
            _insert(connection, "repositories", _repository(number))
            _insert(
                connection,
                "repository_tags",
                {"repository_id": number + 1, "key": "owner", "value": f"team-{number % TEAMS}"},
            )
            layers = [_blob(LAYER, chance, 40_000_000) for _ in range(LAYERS)]
            for image in range(images):
                layers = [*layers[:-2], _blob(LAYER, chance, 40_000_000), _blob(LAYER, chance, 4_000_000)]
                _image(connection, number, number * images + image, layers, _blob(CONFIG, chance, 8_000))


def _image(
    connection: sqlite3.Connection,
    repository: int,
    number: int,
    layers: list[dict[str, Any]],
    config: dict[str, Any],
) -> None:
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    content = json.dumps(body).encode()
    identifier, pushed_at = number + 1, NOW - number % 400 * DAY
    _insert(
        connection,
        "manifests",
        {
            "id": identifier,
            "repository_id": repository + 1,
            "digest": digest_of(content),
            "media_type": OCI_MANIFEST,
            "size": len(content),
            "image_size": sum(each["size"] for each in layers),
            "status": "ACTIVE",
            "pushed_at": pushed_at,
        },
    )
    _insert(connection, "manifest_contents", {"manifest_id": identifier, "content": content})
    if number % 3:
        _insert(
            connection,
            "tags",
            {
                "repository_id": repository + 1,
                "name": f"v{number}",
                "manifest_id": identifier,
                "tagged_at": pushed_at,
            },
        )


def _repository(number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "name": f"team-{number % TEAMS}/service-{number}",
        "created_at": NOW - 400 * DAY,
        "tag_mutability": "MUTABLE",
        "tag_mutability_filters": "[]",
        "scan_on_push": 0,
        "encryption": '{"encryptionType":"AES256"}',
        # Not due: the registry's own runs would be measured, too.
        "lifecycle_policy": canonical(three_rules()) if number % 2 else None,
        "lifecycle_evaluated_at": NOW,
        "lifecycle_due_at": None,
    }


def _blob(media_type: str, chance: random.Random, most: int) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{chance.randbytes(32).hex()}",
        "size": chance.randrange(1000, most),
    }


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    columns, values = ", ".join(row), ", ".join(f":{column}" for column in row)
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", row)


if __name__ == "__main__":
    sys.exit(main())
