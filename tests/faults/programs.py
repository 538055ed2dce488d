"""Child programs that may die: each arms the fault points in its own process, and then does what Careen does anyway."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from careen import faults, processes
from careen.cli import serving
from careen.faults import Point
from careen.settings import Settings
from tests.forks import FORKS
from tests.server import Server
from tests.waiting import PATIENCE, until


class Kill(NamedTuple):
    """Where a process dies."""

    points: tuple[Point, ...]
    """One after the other; it dies at the last."""
    passing: int = 1
    """The first point counts from this passing on."""
    whole: bool = True
    """Every process of the server dies at once, or only the one that reached the point."""
    number: signal.Signals = signal.SIGKILL
    """Of those that nobody can hold back: SIGSTOP, and it stands still there, until somebody sends SIGCONT."""

    def __str__(self) -> str:
        passing = f" #{self.passing}" if self.passing > 1 else ""
        return " ".join(point.value for point in self.points) + passing


def arm(kill: Kill) -> None:
    """Die at that point."""
    lock, passed, stage = threading.Lock(), 0, 0

    def at(point: Point) -> None:
        nonlocal passed, stage
        with lock:
            if stage == len(kill.points) or point is not kill.points[stage]:
                return
            passed += 1
            if stage == 0 and passed < kill.passing:
                return
            stage += 1
            if stage < len(kill.points):
                return
            die(kill.number, whole=kill.whole)

    faults.arm(at)


def die(number: signal.Signals = signal.SIGKILL, *, whole: bool) -> None:
    """A signal that nobody can hold back."""
    if whole:
        os.killpg(os.getpgrp(), number)
    # To this thread, though the process is meant: else another takes the signal, and this one goes on for a while.
    signal.pthread_kill(threading.get_ident(), number)


def count(report: Path) -> None:
    """Die nowhere, and note every point that is passed."""
    fd = os.open(report, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    def at(point: Point) -> None:
        os.write(fd, point.value.encode() + b"\n")

    faults.arm(at)


class Life(NamedTuple):
    """A program that runs, with all that it forks."""

    process: BaseProcess
    lifeline: Connection
    """Ends when the last of them is gone: until then a lock may be held, or a commit be under way."""

    @property
    def pid(self) -> int:
        """The first process, and the group of all."""
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill all of them at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def was_killed(self, seconds: float = PATIENCE) -> bool:
        """Wait for its end. Returns whether it was killed; it may also have come to its end."""
        self.process.join(seconds)
        assert self.process.exitcode in {0, -signal.SIGKILL}, self.process.exitcode
        assert self.lifeline.poll(seconds), "some of it is still alive"
        # The kernel closes a dead process's files one after the other: the lifeline may end before a lock does.
        until(lambda: not _is_any_left(self.pid), "some of it is still being ended")
        self.lifeline.close()
        return self.process.exitcode != 0


def _is_any_left(group: int) -> bool:
    """Whether a process of a group has its files yet: it is no zombie, or has threads that are none."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it is gone by now
            _, _, rest = status.read_text().rpartition(")")
            state, _, its_group, *_ = rest.split()
            threads = len(list((status.parent / "task").iterdir()))
            if int(its_group) == group and (state not in {"Z", "X"} or threads > 1):
                return True
    return False


def start(program: Callable[..., None], *arguments: Any, kill: Kill | Path | None = None) -> Life:
    """Run a program in a process group of its own, to die somewhere, or to note in a file what it passes."""
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_run, args=(program, kill, theirs, arguments))
    process.start()
    theirs.close()
    life = Life(process, ours)
    with contextlib.suppress(ProcessLookupError):
        while os.getpgid(life.pid) != life.pid:  # until then nobody could kill its group
            time.sleep(0.001)
    return life


def _run(
    program: Callable[..., None], kill: Kill | Path | None, _lifeline: Connection, arguments: tuple[Any, ...]
) -> None:
    os.setsid()
    if isinstance(kill, Path):
        count(kill)
    elif kill is not None:
        arm(kill)
    program(*arguments)


def serve(settings: Settings, log: str, environment: Mapping[str, str]) -> None:
    """``careen serve``, as its command does it."""
    os.environ.clear()
    os.environ.update(environment)
    fd = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    raise SystemExit(processes.serve(settings, serving._prepare(settings).start))


def prepare(settings: Settings) -> None:
    """What ``careen serve`` does before it serves."""
    serving._prepare(settings)


class ForkedServer(Server):
    """``careen serve`` in a process group of its own, forked and not started anew."""

    def __init__(self, data: Path, **settings: Any) -> None:
        super().__init__(data, **settings)
        self._life: Life | None = None

    @property
    def pid(self) -> int:
        """The parent process, and its group."""
        assert self._life is not None
        return self._life.pid

    def start(self, kill: Kill | Path | None = None) -> "ForkedServer":
        """Start, and wait until it answers, or has been killed."""
        settings = msgspec.convert(self._settings | {"data": str(self.data)}, Settings)
        self._life = start(serve, settings, str(self.log), self.environment(), kill=kill)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.is_alive() and not self._answers():
            time.sleep(0.01)
        return self

    def children(self) -> list[int]:
        """Its HTTP processes and its worker."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(child) for child in path.read_text().split()]

    def crash(self) -> None:
        """Kill every process of it at once, if that has not happened."""
        if self._life is not None:
            self._life.kill()
            assert self._life.was_killed()
            self._life = None

    def is_alive(self) -> bool:
        """Whether its parent process lives."""
        return self._life is not None and self._life.process.is_alive()
