"""Pushes while a collector deletes ten thousand layers: ``python -m benchmarks.collection``.

Careen collects beside its server, as ``careen gc --now`` does; what counts is how much longer a push takes meanwhile. CNCF
distribution collects while nobody may push: its ``garbage-collect`` asks for a registry that is read-only or stopped, since a
layer that is pushed while it marks is deleted under its image (distribution's documentation, "garbage collection"). There it is
the whole length of the collection that counts: the registry stands still for it.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.peers import PEERS, PeerError, Server, running
from benchmarks.report import aligned
from benchmarks.uploads import push_bytes
from benchmarks.wire import Client

LAYER = 70_000
"""Bytes of a layer: a file in every registry's folder."""
PUSH = 10_000
"""Bytes of what is pushed meanwhile."""
PUSHERS = 4
IDLE = 8000
"""Pushes by which an idle registry is judged, before a collection and once more after it: disks have better and worse minutes."""
BAR = 1.25
"""How many times as long a push may take while the collector works, at the 99th percentile."""


@dataclass(frozen=True, slots=True)
class Round:
    """One collection, and the pushes before and meanwhile. Times are seconds."""

    layers: int
    seconds: float
    """How long the collection took."""
    idle_p50: float
    idle_p99: float
    busy_p50: float | None
    busy_p99: float | None
    """None: nobody may push meanwhile."""
    pushes: int


def main() -> int:
    """Measure and print; returns 1 where the bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collection")
    parser.add_argument("--layers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="careen,docker-registry,distribution")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    found: dict[str, list[Round]] = {}
    for number in range(asked.rounds):
        for name in asked.peers.split(","):
            print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
            try:
                found.setdefault(name, []).append(measure(name, asked.layers))
            except PeerError as error:
                print(f"{name} is skipped: {error}", file=sys.stderr)
    print(table(found))
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        written = {name: [asdict(each) for each in rounds] for name, rounds in found.items()}
        asked.json.write_text(json.dumps(written, indent=1) + "\n")
    missed = [factor for name, rounds in found.items() if (factor := slower(rounds)) and factor > BAR]
    return 1 if missed else 0


def measure(name: str, layers: int) -> Round:
    """A server of its own, filled with layers that nothing needs; pushes; a collection, and pushes beside it."""
    peer = {each.name: each for each in PEERS}[name]
    with tempfile.TemporaryDirectory(prefix="careen-collection-") as folder:
        with running(peer, Path(folder) / name) as server:
            fill(server, layers)
            os.sync()
            idle = undisturbed(server)
            if name == "careen":
                return _beside(server, layers, idle)
        # The server is stopped: what this takes is how long nobody can push.
        return _alone(peer.locate() or "", Path(folder) / name, layers, idle)


def _beside(server: Server, layers: int, idle: Sequence[float]) -> Round:
    command = [
        sys.executable,
        "-m",
        "careen",
        "gc",
        "--now",
        "--grace",
        "0",
        "--json",
        "--data",
        str(server.folder / "data"),
    ]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
        busy = pushes(server, until=lambda _: collector.poll() is not None)
        seconds = time.perf_counter() - began
        told, _ = collector.communicate()
    collected = json.loads(told)
    if collected["blobs"] < layers:
        raise PeerError(f"only {collected['blobs']} of {layers} layers were collected")
    idle = [*idle, *undisturbed(server)]
    return Round(layers, seconds, *percentiles(idle), *percentiles(busy), len(busy))


def _alone(program: str, folder: Path, layers: int, idle: Sequence[float]) -> Round:
    stored = folder / "data" / "docker" / "registry" / "v2" / "blobs"
    before = sum(1 for _ in stored.rglob("data"))
    began = time.perf_counter()
    subprocess.run(
        [program, "garbage-collect", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        check=True,
    )
    seconds = time.perf_counter() - began
    if before - sum(1 for _ in stored.rglob("data")) < layers:
        raise PeerError("the layers were not collected")
    return Round(layers, seconds, *percentiles(idle), None, None, 0)


def fill(server: Server, count: int) -> None:
    """Push layers that no manifest needs."""

    def some(first: int) -> None:
        with Client(server.origin) as client:
            for number in range(first, count, PUSHERS):
                data = number.to_bytes(8, "big") * (LAYER // 8)
                push_bytes(client, data, f"sha256:{hashlib.sha256(data).hexdigest()}", f"bench/{number % 50}")

    with ThreadPoolExecutor(PUSHERS) as pool:
        list(pool.map(some, range(PUSHERS)))


def undisturbed(server: Server) -> list[float]:
    """How long pushes take, in seconds, while nothing else happens."""
    return pushes(server, until=lambda count: count >= IDLE)


def pushes(server: Server, until: Callable[[int], bool]) -> list[float]:
    """Push new blobs over some connections, one after the other, until it is enough. Returns how long each took, in seconds."""
    taken: list[float] = []
    enough = threading.Event()

    def some(_: int) -> None:
        with Client(server.origin) as client:
            while not enough.is_set():
                data = os.urandom(PUSH)
                began = time.perf_counter()
                push_bytes(client, data, f"sha256:{hashlib.sha256(data).hexdigest()}", "bench/pushed")
                taken.append(time.perf_counter() - began)
                if until(len(taken)):
                    enough.set()

    with ThreadPoolExecutor(PUSHERS) as pool:
        list(pool.map(some, range(PUSHERS)))
    return taken


def percentiles(taken: Sequence[float]) -> tuple[float, float]:
    """The 50th and the 99th."""
    ordered = sorted(taken)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def slower(rounds: Sequence[Round]) -> float | None:
    """How many times as long a push took at the 99th percentile, the median of the rounds; None where none was possible."""
    factors = [each.busy_p99 / each.idle_p99 for each in rounds if each.busy_p99 is not None]
    return median(factors) if factors else None


def table(found: dict[str, list[Round]]) -> str:
    """A row for each registry, medians of its rounds."""
    rows: list[Sequence[str]] = [
        ("registry", "collection", "p50 idle", "p50 meanwhile", "p99 idle", "p99 meanwhile", "p99 ratio")
    ]
    for name, rounds in found.items():
        busy = slower(rounds) is not None
        rows.append(
            (
                name,
                f"{median(each.seconds for each in rounds):.1f} s",
                _ms([each.idle_p50 for each in rounds]),
                _ms([each.busy_p50 for each in rounds]) if busy else "stands still",
                _ms([each.idle_p99 for each in rounds]),
                _ms([each.busy_p99 for each in rounds]) if busy else "stands still",
                f"{slower(rounds):.2f}x (at most {BAR}x)" if busy else "",
            )
        )
    return aligned(rows)


def _ms(values: Sequence[float | None]) -> str:
    return f"{median(value for value in values if value is not None) * 1e3:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
