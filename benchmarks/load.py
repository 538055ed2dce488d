"""Load generators: many small requests by wrk, few large transfers by threads that stay in the kernel.

Each answers with the work that was done, and raises where a single response was not the expected one: a
server that refuses quickly must not look fast.
"""

import hashlib
import select
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.uploads import Upload, push_bytes
from benchmarks.wire import TIMEOUT, Client, Origin, WireError, connect, drain, head_of

STREAMS = 4
"""Parallel large transfers: a client pulls or pushes three (docker) to six (podman) layers at a time."""

PUSHERS = 8
"""Connections that push small blobs: a few builds at a time."""

_LUA = """
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("measured %d %d %d %d %d",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
"""
"""Prints counts, and times in microseconds; without a ``request`` function wrk's inner loop stays in C."""


def _lua_of_many(paths: Sequence[str]) -> str:
    listed = ",".join(f'"{path}"' for path in paths)
    return f"""
local paths, ready = {{{listed}}}, {{}}
init = function(args)
  for number, path in ipairs(paths) do ready[number] = wrk.format("GET", path) end
end
request = function() return ready[math.random(#ready)] end
"""


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
    origin: Origin,
    paths: Sequence[str],
    folder: Path,
    *,
    seconds: int,
    connections: int,
    headers: Mapping[str, str],
) -> Work:
    """GET one path, or any of several, over kept-alive connections as fast as one thread of wrk can, for whole seconds."""
    script = folder / "wrk.lua"
    script.write_text(_LUA if len(paths) == 1 else _LUA + _lua_of_many(paths))
    fields = [f"-H{name}: {value}" for name, value in {**origin.headers, **headers}.items()]
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        f"--timeout={TIMEOUT}s",  # what is late is late, and no failure
        f"-s{script}",
        *fields,
        f"{origin.url}{paths[0]}",
    ]
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    return parse_wrk(output)


def heads(origin: Origin, path: str, *, seconds: int, connections: int, headers: Mapping[str, str]) -> Work:
    """HEAD ``path`` over kept-alive connections as fast as one thread of ours can; wrk would wait for a body.

    Raises:
        WireError: something else than 200 was answered.
    """
    request = head_of("HEAD", origin, path, headers)
    asked: dict[int, float] = {}
    taken: list[float] = []
    with ExitStack() as stack:
        poll = stack.enter_context(select.epoll())
        sockets = [stack.enter_context(connect(origin)) for _ in range(connections)]
        by_number = {sock.fileno(): sock for sock in sockets}
        started = time.perf_counter()
        for sock in sockets:
            poll.register(sock, select.EPOLLIN)
            sock.sendall(request)
            asked[sock.fileno()] = time.perf_counter()
        while (now := time.perf_counter()) < started + seconds:
            for number, _ in poll.poll(1):
                answer = by_number[number].recv(16384)
                if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\n"):
                    raise WireError(f"HEAD {path}: {answer[:60]!r}")
                now = time.perf_counter()
                taken.append(now - asked[number])
                asked[number] = now
                by_number[number].sendall(request)
    return _with_percentiles(Work(len(taken), now - started), taken)


def _with_percentiles(work: Work, taken: Iterable[float]) -> Work:
    ordered = sorted(taken)
    return replace(work, p50=ordered[len(ordered) // 2], p99=ordered[len(ordered) * 99 // 100])


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


def pushes(origin: Origin, fresh: Sequence[bytes]) -> Work:
    """Push small blobs that the server does not have, one after the other on each of eight connections."""
    taken: list[float] = []

    def stream(mine: Sequence[bytes]) -> int:
        with Client(origin) as client:
            for data in mine:
                started = time.perf_counter()
                push_bytes(client, data, f"sha256:{hashlib.sha256(data).hexdigest()}")
                taken.append(time.perf_counter() - started)
        return len(mine)

    work = _timed([partial(stream, fresh[first::PUSHERS]) for first in range(PUSHERS)])
    return _with_percentiles(work, taken)


def programs(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Work:
    """Run clients one after the other; each is a unit.

    Raises:
        WireError: one of them failed.
    """
    started = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise WireError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return Work(len(commands), time.perf_counter() - started)


def _timed(streams: Sequence[Callable[[], int]]) -> Work:
    """Run the streams side by side; each answers with the units it moved."""
    with ThreadPoolExecutor(len(streams)) as pool:
        started = time.perf_counter()
        total = sum(future.result() for future in [pool.submit(stream) for stream in streams])
        return Work(total, time.perf_counter() - started)
