"""A machine of one's own: a network with nobody else on it, an /etc that tests may write to, registries, and a shell."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.client import Shell
from tests.program import COMMAND
from tests.server import Server
from tests.tls import TlsServer
from tests.waiting import PATIENCE

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
        """Let names lead to this machine, and no others. Before daemons start: they remember for a while what they read."""
        (self.etc / "hosts").write_text(f"{ADDRESS} {' '.join(names)}\n127.0.0.1 localhost\n")

    def write(self, files: Mapping[str, str]) -> None:
        """Write files below /etc."""
        for name, text in files.items():
            path = self.etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


class ServerInside(Server):
    """A registry on that machine, known by a name.

    Args:
        data: its data folder.
        place: where it runs.
        known_as: how clients name it.
    """

    def __init__(self, data: Path, place: Namespace, known_as: str, **settings: Any) -> None:
        super().__init__(data, host="0.0.0.0", **settings)  # noqa: S104 of a network that nobody else is on
        self._known_as = known_as
        self._within = place.within()

    @property
    def host(self) -> str:
        """How clients name the registry."""
        return self._known_as

    def _command(self) -> list[str]:
        return [*self._within, *COMMAND, "serve"]

    def _answers(self) -> bool:
        knock = f"import socket; socket.create_connection(('{ADDRESS}', {self.port}), 5).close()"
        command = (*self._within, sys.executable, "-c", knock)
        return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).returncode == 0


class TlsServerInside(ServerInside, TlsServer):
    """The same over TLS, with a certificate for ``names``."""


class ShellInside(Shell):
    """A shell on that machine."""

    def __init__(
        self, server: Server, folder: Path, place: Namespace, ca_variable: str | None = None
    ) -> None:
        super().__init__(server, folder, ca_variable)
        self._place = place

    def within(self, command: Sequence[str | Path]) -> Sequence[str | Path]:
        """Inside, in the shell's folder."""
        return (*self._place.within(self.folder), *command)


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
