"""``python -m benchmarks.lifecycle``: what it costs to decide on images, here, in SQL and in a dataframe.

Processor seconds of this process, best and median of rounds in which every case has its turn. That all of them find the
same images is checked before anything is measured.
"""

import argparse
import json
import platform
import sqlite3
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import lifecycle_frame, lifecycle_images, lifecycle_round, lifecycle_sql
from benchmarks.lifecycle_images import NOW
from benchmarks.report import aligned
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.policy import LifecyclePolicy

MEMORY_BAR = 200_000_000
"""Bytes that evaluating the large repository may take."""
BATCHES = 10
"""The small repositories come in so many batches: memory holds one of them."""
MOMENTS = 3
"""Repeats of the cases that take less than a second."""
HEAD = ("case", "images", "best", "median", "CPU per image", "bar")


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int
    quick: bool
    folder: Path | None
    json: Path | None


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure."""

    name: str
    images: int
    measure: Callable[[], float]
    """Do it once. Returns processor seconds; what comes before and after does not count."""
    bar: float | None = None
    """The most seconds that it may take, at its full size."""
    repeats: int = 1
    """How often it is done in each turn: what takes a moment only is at the mercy of moments."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A case over the rounds."""

    case: str
    images: int
    seconds: Sequence[float]
    bar: float | None

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def missed(self) -> bool:
        return self.bar is not None and self.best > self.bar


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for.

    Returns:
        0, or 1 where a bar was missed.
    """
    asked = _options(arguments)
    large = lifecycle_images.images(10_000 if asked.quick else 100_000)
    agree(large[:10_000])
    about = _about()
    with ExitStack() as stack:
        cases = [*_ours(large, asked), *_others(large), _round(asked, stack)]
        figures = _rounds(cases, asked.rounds)
    peak = memory(lifecycle_images.ten_rules(), large)
    _print(figures, peak, about)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(document(figures, peak, about), indent=1) + "\n")
    return 1 if peak > MEMORY_BAR or any(figure.missed for figure in figures) else 0


def agree(images: Sequence[Image]) -> int:
    """Check that our evaluator, both SQL statements and the dataframe take the same images.

    Returns:
        How many those are.

    Raises:
        RuntimeError: one of them takes others.
    """
    wanted = sorted(_expired(lifecycle_images.three_rules(), images))
    rows = lifecycle_sql.table(images)
    found = {
        "SQL with windows": lifecycle_sql.expired(rows, lifecycle_sql.WINDOW, NOW),
        "SQL by index": lifecycle_sql.expired(rows, lifecycle_sql.INDEXED, NOW),
    }
    rows.close()
    if pl := lifecycle_frame.polars():
        found["polars"] = lifecycle_frame.expired(pl, lifecycle_frame.frame(pl, images), NOW)
    for name, digests in found.items():
        if sorted(digests) != wanted:
            raise RuntimeError(f"{name} takes {len(digests)} images, the evaluator {len(wanted)}")
    return len(wanted)


def memory(policy: LifecyclePolicy, images: Sequence[Image]) -> int:
    """The most bytes that one evaluation holds at a time, its answer included and its images not."""
    tracemalloc.start()
    try:
        evaluate(policy, images, NOW)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def document(figures: Sequence[Figure], peak: int, about: dict[str, Any]) -> dict[str, Any]:
    """Everything of a run in JSON's own types."""
    return {
        **about,
        "peak_bytes": peak,
        "figures": [{**asdict(each), "best": each.best, "median": median(each.seconds)} for each in figures],
        "missed": [each.case for each in figures if each.missed],
    }


def _expired(policy: LifecyclePolicy, images: Sequence[Image]) -> list[str]:
    return [decision.image.digest for decision in evaluate(policy, images, NOW).acted_on]


def _ours(large: Sequence[Image], asked: Options) -> list[Case]:
    """Our evaluator on one large repository and on many small ones."""
    count = 1_000 if asked.quick else 10_000
    ten, three = lifecycle_images.ten_rules(), lifecycle_images.three_rules()

    many = f"{count:,} repositories"
    cases = [
        Case("one repository, 10 rules", len(large), partial(cpu, evaluate, ten, large, NOW), 0.35, MOMENTS),
        Case("one repository, 3 rules", len(large), partial(cpu, evaluate, three, large, NOW), None, MOMENTS),
        Case(f"{many}, 10 rules", count * 100, partial(_small, ten, count), 4),
        Case(f"{many}, 3 rules", count * 100, partial(_small, three, count), 4),
    ]
    return [replace(case, bar=None) for case in cases] if asked.quick else cases


def _others(large: Sequence[Image]) -> list[Case]:
    """The same three rules without our evaluator; filling table and frame does not count."""
    rows = lifecycle_sql.table(large)
    sql = {"windows": lifecycle_sql.WINDOW, "by index": lifecycle_sql.INDEXED}
    cases = [
        Case(
            f"SQLite {name}, 3 rules",
            len(large),
            partial(cpu, lifecycle_sql.expired, rows, statement, NOW),
            repeats=MOMENTS,
        )
        for name, statement in sql.items()
    ]
    if pl := lifecycle_frame.polars():
        frame = lifecycle_frame.frame(pl, large)
        expired = lifecycle_frame.expired
        cases.append(
            Case("polars, 3 rules", len(large), partial(cpu, expired, pl, frame, NOW), repeats=MOMENTS)
        )
    return cases


def _round(asked: Options, stack: ExitStack) -> Case:
    """Each turn is another day of the same registry: what comes due on it is put there before the clock starts."""
    count = 1_000 if asked.quick else 10_000
    _say(f"filling a registry with {count:,} repositories")
    opened, clock = stack.enter_context(lifecycle_round.registry(count, asked.folder))

    def measure() -> float:
        lifecycle_round.rewind(opened, clock, count)
        return lifecycle_round.day(opened, clock)

    return Case("a day's round of a registry, 1 % due", count * lifecycle_round.IMAGES, measure, 2)


def _small(policy: LifecyclePolicy, count: int) -> float:
    seconds = 0.0
    for batch in range(BATCHES):
        repositories = list(lifecycle_images.repositories(count // BATCHES, 100, batch))
        seconds += cpu(_each, policy, repositories)
    return seconds


def _each(policy: LifecyclePolicy, repositories: Sequence[Sequence[Image]]) -> None:
    for images in repositories:
        evaluate(policy, images, NOW)


def cpu(work: Callable[..., Any], *args: Any) -> float:
    """Processor seconds of this process, all its threads together."""
    began = time.process_time()
    work(*args)
    return time.process_time() - began


def _rounds(cases: Sequence[Case], rounds: int) -> list[Figure]:
    """Every case once in each round, so that the machine's moods hit all of them."""
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for turn in range(rounds):
        for case in cases:
            spent = [case.measure() for _ in range(case.repeats)]
            seconds[case.name] += spent
            _say(f"round {turn + 1}, {case.name}: {min(spent):.3f} s")
    return [Figure(case.name, case.images, seconds[case.name], case.bar) for case in cases]


def _about() -> dict[str, Any]:
    pl = lifecycle_frame.polars()
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "polars": pl.__version__ if pl else None,
    }


def _print(figures: Sequence[Figure], peak: int, about: dict[str, Any]) -> None:
    rows: list[Sequence[str]] = [HEAD]
    for figure in figures:
        verdict = "" if figure.bar is None else f"≤ {figure.bar:g} s {'MISSED' if figure.missed else 'kept'}"
        each = f"{figure.best / figure.images * 1e6:.2f} µs"
        times = (f"{figure.best:.3f} s", f"{median(figure.seconds):.3f} s")
        rows.append((figure.case, f"{figure.images:,}", *times, each, verdict))
    print(aligned(rows))
    print(f"\nPeak memory of evaluating the one repository by 10 rules: {peak / 1e6:.0f} MB more.")
    versions = [f"{name} {version}" for name, version in about.items() if version]
    print(", ".join(versions) + ("" if about["polars"] else "; polars skipped, it is not installed") + ".")


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lifecycle", description="Lifecycle policies beside SQL and a dataframe."
    )
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="turns of each case (default 5)")
    add("--quick", action="store_true", help="a tenth of the images, two turns: to see that all works")
    add("--folder", type=Path, help="where the registry of the daily round keeps its database")
    add("--json", type=Path, metavar="FILE", help="write every figure there")
    given = parser.parse_args(arguments)
    return Options(2 if given.quick else given.rounds, given.quick, given.folder, given.json)


def _say(line: str) -> None:
    """Progress goes to standard error, the report to standard output."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
