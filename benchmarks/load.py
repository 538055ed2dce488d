"""Load generators: many small requests by wrk, few large transfers by threads that stay in the kernel.

Each answers with the work that was done, and raises where a single response was not the expected one: a
server that refuses quickly must not look fast.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.uploads import Upload
from benchmarks.wire import Client, Origin, WireError, connect, drain

STREAMS = 4
"""Parallel large transfers: a client pulls or pushes three (docker) to six (podman) layers at a time."""

_LUA = """
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("measured %d %d %d %d %d",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
"""
"""Prints counts, and times in microseconds; without a ``request`` function wrk's inner loop stays in C."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in one window."""

    units: float
    """Requests, or bytes."""
    seconds: float
    p50: float | None = None
    """Seconds that half of the requests took at most."""
    p99: float | None = None


Push = Callable[[Client, Upload], None]


def requests(
    origin: Origin, path: str, folder: Path, *, seconds: int, connections: int, headers: Mapping[str, str]
) -> Work:
    """GET ``path`` over kept-alive connections as fast as one thread of wrk can, for whole seconds."""
    script = folder / "wrk.lua"
    script.write_text(_LUA)
    fields = [f"-H{name}: {value}" for name, value in {**origin.headers, **headers}.items()]
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        f"-s{script}",
        *fields,
        f"{origin.url}{path}",
    ]
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    return parse_wrk(output)


def parse_wrk(output: str) -> Work:
    """Read the line that our script printed.

    Raises:
        WireError: some request failed, or none was answered.
    """
    line = next(line for line in output.splitlines() if line.startswith("measured "))
    count, duration, p50, p99, failed = map(int, line.split()[1:])
    if failed or not count:
        raise WireError(f"{failed} of {count + failed} requests failed")
    return Work(count, duration / 1e6, p50 / 1e6, p99 / 1e6)


def downloads(
    origin: Origin, path: str, *, repeats: int, expect: int = 200, headers: Mapping[str, str] | None = None
) -> Work:
    """GET ``path`` on four connections at once, ``repeats`` times on each, and drop what comes."""

    def stream() -> int:
        with connect(origin) as sock:
            return sum(drain(sock, origin, path, expect=expect, headers=headers) for _ in range(repeats))

    return _timed([stream] * STREAMS)


def uploads(origin: Origin, fresh: Sequence[Upload], push: Push) -> Work:
    """Push blobs that the server does not have, all at once."""

    def stream(upload: Upload) -> int:
        with Client(origin) as client:
            push(client, upload)
        return upload.size

    return _timed([partial(stream, upload) for upload in fresh])


def _timed(streams: Sequence[Callable[[], int]]) -> Work:
    """Run the streams side by side; each answers with the units it moved."""
    with ThreadPoolExecutor(len(streams)) as pool:
        started = time.perf_counter()
        total = sum(future.result() for future in [pool.submit(stream) for stream in streams])
        return Work(total, time.perf_counter() - started)
