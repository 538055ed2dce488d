"""A policy run over everything by several workers, and how long pushes take meanwhile."""

import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.nodes_postgres import Meter, Reading
from benchmarks.nodes_pushes import new_image, opened, push
from benchmarks.nodes_together import Wait, together
from careen import worker
from careen.lifecycle.policy import canonical, parse
from careen.registry import lifecycle, repositories

WORKERS = 4

_WORK = {"lifecycle": worker.JOBS["lifecycle"]}

IDLE_SECONDS = 20.0
"""How long pushes are timed without a run beside them."""

PAUSE = 0.02
"""Seconds between two pushes: builds that push, not a load that takes the machine from the workers."""


class Worked(NamedTuple):
    """What one worker did."""

    jobs: int
    cpu: float
    peak: int
    """The most memory that it had, in bytes."""


@dataclass(frozen=True, slots=True)
class Round:
    """A run over all repositories."""

    name: str
    images: int
    deleted: int
    seconds: float
    workers: Sequence[Worked]
    server: Reading
    pushes: Sequence[float]
    """Seconds that each push beside it took."""


def policy(images: int) -> str:
    """Two rules for repositories of so many images, all of them tagged: a hundredth of the images goes."""
    expire = {"type": "expire"}
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 14,
    }
    tagged = {
        "tagStatus": "tagged",
        "tagPrefixList": ["v"],
        "countType": "imageCountMoreThan",
        "countNumber": images - images // 100,
    }
    rules = [
        {"rulePriority": priority, "selection": selection, "action": expire}
        for priority, selection in ((1, untagged), (2, tagged))
    ]
    return canonical(parse(json.dumps({"rules": rules})))


def measure(meter: Meter, url: str, data: Path, name: str) -> Round:
    """Evaluate every repository, by :data:`WORKERS` processes, with somebody who pushes."""
    with (
        opened(url, data) as registry,
        together(_work, [(url, data, number) for number in range(WORKERS)]) as (go, ended),
    ):
        (images, deleted), stop = _counts(meter, url), data / "stop"
        with together(_push, [(url, data, stop)]) as (push_on, pushed):
            before, began = meter.read(), time.perf_counter()
            lifecycle.enqueue_runs(registry)
            push_on()
            go()
            workers = ended()
            seconds, cost = time.perf_counter() - began, meter.read().since(before)
            stop.touch()
            taken = pushed()[0]
        stop.unlink()
        return Round(name, images, _counts(meter, url)[1] - deleted, seconds, workers, cost, taken)


def undisturbed(url: str, data: Path, *, busy: int = 0) -> list[float]:
    """How long pushes take beside no run at all.

    Args:
        url: of the database.
        data: a data folder.
        busy: processes that compute meanwhile and have nothing to do with the registry: on a small machine it is they that pushes
            wait for.
    """
    stop = data / "stop"
    with (
        together(_push, [(url, data, stop)]) as (push_on, pushed),
        together(_compute, [(stop,)] * (busy or 1)) as (compute, computed),
    ):
        if busy:
            compute()
        push_on()
        time.sleep(IDLE_SECONDS)
        stop.touch()
        if not busy:
            compute()
        computed()
        taken: list[float] = pushed()[0]
    stop.unlink()
    return taken


def _counts(meter: Meter, url: str) -> tuple[int, int]:
    with meter.server.connected(url.rpartition("/")[2]) as connection:
        [found] = connection.execute(
            "SELECT (SELECT count(*) FROM manifests), (SELECT count(*) FROM deletions)"
        ).fetchall()
    return found[0], found[1]


def _work(wait: Wait, url: str, data: Path, number: int) -> Worked:
    with opened(url, data) as registry:
        wait()
        began, jobs = time.process_time(), 0
        while worker.run_one(registry, f"worker-{number}", _WORK):
            jobs += 1
        return Worked(jobs, time.process_time() - began, peak())


def _push(wait: Wait, url: str, data: Path, stop: Path) -> list[float]:
    """Push to one of the repositories that are evaluated after the other."""
    taken: list[float] = []
    with opened(url, data) as registry:
        targets = registry.read(repositories.page, "team-", 200)
        push(registry, targets[0], new_image(), "pushed")
        wait()
        while not stop.exists():
            target, image = targets[len(taken) % len(targets)], new_image()
            began = time.perf_counter()
            push(registry, target, image, f"pushed-{len(taken)}")
            taken.append(time.perf_counter() - began)
            time.sleep(PAUSE)
    return taken


def _compute(wait: Wait, stop: Path) -> int:
    wait()
    turns = 0
    while not stop.exists():
        turns += len(json.loads(json.dumps(list(range(1000)))))
    return turns


def peak() -> int:
    """The most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def evaluate_one(wait: Wait, url: str, data: Path) -> tuple[float, int, int]:
    """Plan the first repository. Returns processor seconds, and the memory before and at most."""
    with opened(url, data) as registry:
        [first] = registry.read(repositories.page, "team-", 1)
        before = peak()
        wait()
        began = time.process_time()
        found: Any = registry.read(lifecycle.planned, first.id)
        assert found is not None  # noqa: S101 - it has a policy
        return time.process_time() - began, before, peak()
