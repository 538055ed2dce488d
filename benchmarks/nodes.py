"""``python -m benchmarks.nodes``: what pushes, pulls and policy runs cost where several processes share a PostgreSQL.

The server is its own, keeps what it is told (``fsync``), and is filled before anything is measured. It shares the machine with what
asks it: rates are of this machine, what to carry elsewhere is processor time, statements and bytes for each unit.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import nodes_pulls, nodes_pushes, nodes_round, nodes_rows
from benchmarks.nodes_postgres import Meter, TableSize, running
from benchmarks.nodes_pulls import Pulls
from benchmarks.nodes_pushes import Pushes
from benchmarks.nodes_round import Round
from benchmarks.nodes_together import together
from benchmarks.report import aligned
from careen import startup
from careen.settings import Settings

BAR = 60.0
"""Seconds that a run over a million images may take, with :data:`nodes_round.WORKERS` workers."""

PROCESSES = (1, 2, 4)
COMMITS = (0, 1, 10, 100)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    repositories: int
    images: int
    """In each repository."""
    pulled_images: int
    """In each of the 100 repositories of the registries that are pulled from."""
    large: int
    """Images of the one repository whose plan's memory is measured."""
    pushes: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What it takes to plan one large repository, in one process."""

    images: int
    cpu: float
    before: int
    """Bytes that the process had, at most, before."""
    peak: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 if the bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nodes", description=__doc__)
    parser.add_argument(
        "--images", type=int, default=1_000_000, help="that are evaluated, in 1,000 repositories"
    )
    parser.add_argument("--quick", action="store_true", help="a hundredth of it, to see that all works")
    parser.add_argument("--folder", type=Path, help="where data folders are made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args(arguments)
    size = (
        Size(20, 200, pulled_images=10, large=2_000, pushes=80, seconds=1)
        if asked.quick
        else Size(1_000, asked.images // 1_000, pulled_images=500, large=100_000, pushes=2_000, seconds=5)
    )
    found: dict[str, Any] = {}
    with running() as meter, tempfile.TemporaryDirectory(prefix="careen-nodes-", dir=asked.folder) as name:
        for part in (_pulls_and_pushes, _rounds, _memory):
            for key, value in part(meter, Path(name), size):
                found.setdefault(key, []).append(value)
    for title, table in tables(found):
        print(f"\n{title}\n\n{aligned(table)}")
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        written = {
            key: [each if isinstance(each, list) else asdict(each) for each in values]
            for key, values in found.items()
        }
        asked.json.write_text(json.dumps(written, indent=1) + "\n")
    first = found["rounds"][0]
    return 1 if first.images >= 1_000_000 and first.seconds > BAR else 0


Found = Iterator[tuple[str, Any]]


def _pulls_and_pushes(meter: Meter, folder: Path, size: Size) -> Found:
    """On a registry of 100 repositories, without policies: the server's own worker would run them."""
    url = meter.server.database()
    nodes_rows.fill(url, 100, size.pulled_images)
    nodes_rows.copy(url, folder / "sqlite")
    startup.prepare(Settings(data=str(folder / "postgresql"), database=url))
    _tell("pulls")
    for workers in PROCESSES:
        for database, place in (("SQLite", ""), ("PostgreSQL", url)):
            data = folder / database.lower()
            with nodes_pulls.serving(folder / f"{database}-{workers}", workers, data, place) as serving:
                asked = nodes_pulls.paths(nodes_pulls.put_image(serving), size.pulled_images, 100)
                counted = meter if place else None
                for case, paths in asked.items():
                    window = nodes_pulls.window(
                        serving, database, workers, case, paths, counted, seconds=size.seconds
                    )
                    yield "pulls", window
                for commits in COMMITS if place and workers == 1 else ():
                    with nodes_pulls.pushing(url, data, commits):
                        case = "the same tag"
                        window = nodes_pulls.window(
                            serving,
                            database,
                            workers,
                            case,
                            asked[case],
                            counted,
                            seconds=size.seconds,
                            commits=commits,
                        )
                        yield "beside", window
    _tell("pushes")
    for same in (False, True):
        for processes in PROCESSES:
            data = folder / "postgresql"
            yield (
                "pushes",
                nodes_pushes.measure(meter, url, data, processes=processes, count=size.pushes, same=same),
            )


def _rounds(meter: Meter, folder: Path, size: Size) -> Found:
    """A run that expires a hundredth, and one that finds nothing."""
    url, data = meter.server.database(), folder / "round"
    _tell(f"{size.repositories * size.images:,} images")
    nodes_rows.fill(url, size.repositories, size.images, nodes_round.policy(size.images))
    startup.prepare(Settings(data=str(data), database=url))
    yield "sizes", meter.sizes(url)
    yield "idle", nodes_round.undisturbed(url, data)
    yield "busy", nodes_round.undisturbed(url, data, busy=nodes_round.WORKERS)
    for name in ("one in a hundred expires", "nothing is found"):
        _tell(name)
        yield "rounds", nodes_round.measure(meter, url, data, name)


def _memory(meter: Meter, folder: Path, size: Size) -> Found:
    url, data = meter.server.database(), folder / "large"
    nodes_rows.fill(url, 1, size.large, nodes_round.policy(size.large))
    startup.prepare(Settings(data=str(data), database=url))
    with together(nodes_round.evaluate_one, [(url, data)]) as (go, ended):
        go()
        [(cpu, before, peak)] = ended()
    yield "memory", Memory(size.large, cpu, before, peak)


def tables(found: dict[str, Any]) -> Iterator[tuple[str, list[Sequence[str]]]]:
    """What was measured, for people: titles with tables."""
    yield "Pulls, 128 connections", [_PULL_HEAD, *map(_pull_row, found["pulls"])]
    yield "Pulls of the same tag beside pushes elsewhere", [_PULL_HEAD, *map(_pull_row, found["beside"])]
    yield "Pushes, 8 at the same time", [_PUSH_HEAD, *map(_push_row, found["pushes"])]
    yield "Rows", [_SIZE_HEAD, *map(_size_row, found["sizes"][0])]
    yield "Policy runs, 4 workers", [_ROUND_HEAD, *map(_round_row, found["rounds"])]
    yield (
        "How long pushes take",
        [
            ("beside", "p50", "p99", "pushes"),
            _latency_row("nothing", found["idle"][0]),
            _latency_row("4 processes that compute", found["busy"][0]),
            *(_latency_row(f"a run: {each.name}", each.pushes) for each in found["rounds"]),
        ],
    )
    [memory] = found["memory"]
    yield (
        "A plan of one repository",
        [
            ("images", "CPU", "memory before", "at most", "for each image"),
            (
                f"{memory.images:,}",
                f"{memory.cpu:.2f} s",
                _mb(memory.before),
                _mb(memory.peak),
                f"{(memory.peak - memory.before) / memory.images:,.0f} B",
            ),
        ],
    )


_PULL_HEAD = (
    *("database", "workers", "what", "pushes/s", "rate", "p50", "p99", "CPU Careen"),
    *("CPU PostgreSQL", "statements", "bytes to Careen", "back"),
)


def _pull_row(each: Pulls) -> Sequence[str]:
    count, cost = each.work.units, each.server
    return (
        each.database,
        str(each.workers),
        each.case,
        str(each.commits),
        f"{count / each.work.seconds:,.0f} /s",
        _ms(each.work.p50 or 0),
        _ms(each.work.p99 or 0),
        f"{each.cpu / count * 1e6:.0f} µs",
        *(
            ("", "", "", "")
            if cost is None
            else (
                f"{cost.cpu / count * 1e6:.0f} µs",
                f"{cost.statements / count:.2f}",
                f"{cost.to_clients / count:.0f}",
                f"{cost.from_clients / count:.0f}",
            )
        ),
    )


_PUSH_HEAD = (
    *("processes", "repositories", "rate", "CPU Careen", "CPU PostgreSQL", "statements"),
    *("log", "run again"),
)


def _push_row(each: Pushes) -> Sequence[str]:
    cost = each.server
    return (
        str(each.processes),
        "the same" if each.same else "one each",
        f"{each.count / each.seconds:,.0f} /s",
        _ms(each.cpu / each.count),
        _ms(cost.cpu / each.count),
        f"{cost.statements / each.count:.0f}",
        f"{cost.wal / each.count / 1e3:.1f} kB",
        f"{cost.repeated / each.count:.2f}",
    )


_SIZE_HEAD = ("table", "rows", "table", "indexes", "bytes a row, with indexes")


def _size_row(each: TableSize) -> Sequence[str]:
    a_row = (each.heap + each.indexes) / each.rows
    return each.name, f"{each.rows:,}", _mb(each.heap), _mb(each.indexes), f"{a_row:,.0f}"


_ROUND_HEAD = (
    *("run", "images", "deleted", "seconds", "CPU workers", "CPU PostgreSQL", "statements", "run again"),
    "memory of a worker",
)


def _round_row(each: Round) -> Sequence[str]:
    return (
        each.name,
        f"{each.images:,}",
        f"{each.deleted:,}",
        f"{each.seconds:.1f}",
        f"{sum(worker.cpu for worker in each.workers):.1f} s",
        f"{each.server.cpu:.1f} s",
        f"{each.server.statements:,}",
        f"{each.server.repeated:,}",
        _mb(max(worker.peak for worker in each.workers)),
    )


def _latency_row(name: str, taken: Sequence[float]) -> Sequence[str]:
    ordered = sorted(taken)
    return name, _ms(ordered[len(ordered) // 2]), _ms(ordered[len(ordered) * 99 // 100]), f"{len(ordered):,}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
