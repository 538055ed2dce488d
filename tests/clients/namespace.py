"""A machine of one's own: a network with nobody else on it, and an /etc that tests may write to."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ADDRESS = "10.0.0.1"
"""Of this machine. It is not 127.0.0.1, which docker takes for insecure."""

ENTER = f"""
ip link set lo up && ip address add {ADDRESS}/32 dev lo && mount --bind "$0" /etc && echo ready && exec cat
"""
"""Ends with its standard input, and the namespaces with it."""


@dataclass(frozen=True)
class Namespace:
    """Network and mount namespaces."""

    pid: int
    etc: Path
    """What is /etc inside."""

    def within(self, folder: Path = Path("/")) -> tuple[str, ...]:
        """The words before a command that put it inside, in a working folder."""
        return ("nsenter", f"--target={self.pid}", "--mount", "--net", f"--wd={folder}", "--")

    def name(self, *names: str) -> None:
        """Let names lead to this machine, and no others."""
        (self.etc / "hosts").write_text(f"{ADDRESS} {' '.join(names)}\n127.0.0.1 localhost\n")

    def write(self, files: Mapping[str, str]) -> None:
        """Write files below /etc."""
        for name, text in files.items():
            path = self.etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@contextlib.contextmanager
def namespace(folder: Path) -> Iterator[Namespace]:
    """Namespaces for the length of a ``with`` block; skips the test where there can be none."""
    if os.geteuid():
        pytest.skip("only root makes network namespaces")
    etc = folder / "etc"
    shutil.copytree("/etc", etc, symlinks=True)
    command = ("unshare", "--mount", "--net", "sh", "-c", ENTER, etc)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            pytest.skip(f"namespaces cannot be made here: {process.stderr.read().strip()}")
        yield Namespace(process.pid, etc)
        # Popen closes its end of the pipe here, and waits.
