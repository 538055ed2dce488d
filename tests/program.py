"""``careen`` as a process of its own, forked from one that has imported everything: it costs milliseconds, not an interpreter.

What it is led by is what a shell would give it: arguments, environment, folder and the three standard files, and no more. Tests
of what a fresh interpreter does (how fast it is there, what it imports, what its own signals do) start one.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from careen.cli.main import main
from tests.forks import FORKS

COMMAND = [sys.executable, "-m", "careen"]
"""The same in a fresh interpreter."""


class Program:
    """A ``careen …`` that runs: of `subprocess.Popen` what the tests need.

    Args:
        arguments: what follows ``careen``.
        env: its environment, whole.
        stdout: an open file that it writes to.
        stderr: the same for what is wrong.
        stdin: a file that it reads; by default an empty one.
        cwd: the folder that it runs in; by default the one of the caller.
    """

    def __init__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str],
        stdout: IO[Any],
        stderr: IO[Any],
        stdin: IO[Any] | None = None,
        cwd: Path | None = None,
    ) -> None:
        with contextlib.ExitStack() as stack:
            files = (stdin or stack.enter_context(Path(os.devnull).open("rb")), stdout, stderr)
            self._process = FORKS.Process(
                target=_live,
                args=(
                    [str(each) for each in arguments],
                    dict(env),
                    str(cwd or Path.cwd()),
                    _Files(tuple(each.fileno() for each in files)),
                ),
            )
            self._process.start()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """How it ended, below zero by which signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it goes on after ``timeout`` seconds.
        """
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("careen", timeout)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class _Files:
    """The three standard files, which a process takes along when it is forked."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self._numbers = numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return _taken, tuple(map(DupFd, self._numbers))


def _taken(*duplicates: Any) -> tuple[int, ...]:
    return tuple(each.detach() for each in duplicates)


def _live(arguments: list[str], environment: dict[str, str], folder: str, files: tuple[int, ...]) -> None:
    """Be that program, in the child."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["careen", *arguments]
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    main()


def run(
    *arguments: str | Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 120,
) -> "subprocess.CompletedProcess[str]":
    """Run ``careen …`` to its end: `subprocess.run` with ``capture_output`` and ``text``.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``timeout`` seconds; it is killed.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as wrong,
    ):
        given.write(stdin.encode())
        given.seek(0)
        program = Program(*arguments, env=env, stdin=given, stdout=said, stderr=wrong, cwd=cwd)
        try:
            status = program.wait(timeout)
        finally:
            program.kill()
        return subprocess.CompletedProcess(("careen", *arguments), status, _read(said), _read(wrong))


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
