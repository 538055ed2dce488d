"""Child programs that may die: each arms the fault points in its own process, and then does what Careen does anyway.

They are forked from a process that has imported everything (multiprocessing's fork server), so that a life costs milliseconds.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from careen import faults, processes
from careen.cli import serve as cli_serve
from careen.faults import Point
from careen.settings import Settings

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["__main__", "tests.faults.programs", "tests.faults.script", "tests.faults.hands"]
)


class Kill(NamedTuple):
    """Where a process dies."""

    points: tuple[Point, ...]
    """One after the other; it dies at the last."""
    passing: int = 1
    """The first point counts from this passing on."""
    whole: bool = True
    """Every process of the server dies at once, or only the one that reached the point."""

    def __str__(self) -> str:
        passing = f" #{self.passing}" if self.passing > 1 else ""
        return " ".join(point.value for point in self.points) + passing


def arm(kill: Kill) -> None:
    """Die at that point."""
    lock, passed, stage = threading.Lock(), 0, 0

    def at(point: Point) -> None:
        nonlocal passed, stage
        with lock:
            if point is not kill.points[stage]:
                return
            passed += 1
            if stage == 0 and passed < kill.passing:
                return
            stage += 1
            if stage < len(kill.points):
                return
            die(whole=kill.whole)

    faults.arm(at)


def die(*, whole: bool) -> None:
    """SIGKILL, which nobody can hold back."""
    if whole:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def count(report: Path) -> None:
    """Die nowhere, and note every point that is passed."""
    fd = os.open(report, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    faults.arm(lambda point: os.write(fd, point.value.encode() + b"\n") and None)


def start(program: Callable[..., None], *arguments: Any, kill: Kill | Path | None = None) -> BaseProcess:
    """Run a program in a process group of its own, to die somewhere, or to note in a file what it passes."""
    process = _FORKS.Process(target=_run, args=(program, kill, arguments))
    process.start()
    return process


def killed(process: BaseProcess, seconds: float = 60) -> bool:
    """Wait for its end. Returns whether it was killed; it may also have come to its end."""
    process.join(seconds)
    assert process.exitcode is not None, "it is still alive"
    assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
    return process.exitcode != 0


def _run(program: Callable[..., None], kill: Kill | Path | None, arguments: tuple[Any, ...]) -> None:
    os.setsid()
    if isinstance(kill, Path):
        count(kill)
    elif kill is not None:
        arm(kill)
    program(*arguments)


def serve(settings: Settings, log: str) -> None:
    """``careen serve``, as its command does it."""
    fd = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    cli_serve._prepare(settings)
    raise SystemExit(processes.serve(settings))


def prepare(settings: Settings) -> None:
    """What ``careen serve`` does before it serves."""
    cli_serve._prepare(settings)
