"""Somebody who reads a page at a machine, in a checkout, and does what it says."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.clients.namespace import Namespace
from tests.docs.blocks import Block
from tests.server import clean_environment
from tests.waiting import until

ROOT = Path(__file__).parents[2]
CHECKOUT = ("Makefile", "README.md", "deploy", "docs", "examples", "pyproject.toml", "src", "uv.lock")
PATIENCE = 120
"""Seconds until what is started has to answer."""

KNOCK = """
import ssl, sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=60, context=ssl._create_unverified_context())
"""
"""Whether anybody answers; whose certificate it is, the page's own commands see."""

BEGIN = """
[ -f {state} ] && . {state} && cd "$PWD"
set -euo pipefail
"""
"""A shell that begins as the one before it ended."""

KEEP = "trap '{{ export -p; declare -f; }} > {state}' EXIT\n"
"""What lets the next one do so."""


class FailedError(AssertionError):
    """A block did not do what the page says."""


class Reader:
    """A home with a checkout in it, a shell, and what was started from it.

    The checkout is this tree, already installed: what `make` would fetch from a package index is there.

    Args:
        folder: where the home is to be.
        place: the machine.
        environment: what the shell has beside what everybody has.
    """

    def __init__(self, folder: Path, place: Namespace, environment: dict[str, str]) -> None:
        self._place = place
        self._state = folder / "state"
        self._printed = folder / "printed"
        self.home = folder / "careen"
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        installed = self.home / ".venv"
        installed.mkdir(parents=True)
        for name in CHECKOUT:
            (self.home / name).symlink_to(ROOT / name)
        (installed / "bin").symlink_to(Path(sys.executable).parent)
        (self.home / ".uv" / "bin").mkdir(parents=True)
        for stamp in (".venv/.core", ".venv/.dev", ".uv/bin/uv"):
            (self.home / stamp).touch()
        self._environment = {
            **clean_environment(),
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(folder),
            "DOCKER_CONFIG": str(folder / ".docker"),
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "COLUMNS": "132",
            **environment,
        }

    def save(self, block: Block) -> None:
        """Save a block as a file."""
        path = self.home / block.about
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def run(self, block: Block) -> str:
        """Run a block. Returns what it printed.

        Raises:
            FailedError: a command of it failed.
        """
        text = block.text
        if block.language == "python":
            (self.home.parent / "block.py").write_text(text)
            text = f"python {self.home.parent / 'block.py'}"
        done = subprocess.run(
            self._command(text, first=BEGIN + KEEP),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode:
            raise FailedError(f"status {done.returncode}:\n{block.text}\n{done.stdout}")
        return done.stdout

    def serve(self, block: Block) -> str:
        """Run a block that goes on, in the place of one that answered there; when it answers, paste what it tells to paste.

        Raises:
            FailedError: it ended, or did not answer.
        """
        if (before := self._servers.pop(block.about, None)) is not None:
            _interrupt(before)
        with self._printed.open("wb") as printed:
            started = subprocess.Popen(
                self._command(block.text),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        self._servers[block.about] = started
        deadline = time.monotonic() + PATIENCE
        while not self._answers(block.about):
            if started.poll() is not None or time.monotonic() > deadline:
                raise FailedError(f"no answer:\n{block.text}\n{self._printed.read_text()}")
            time.sleep(0.2)
        if block.about.endswith(
            "/readyz"
        ):  # a registry: what it tells to paste comes a moment after it answers
            until(lambda: "Stop with Ctrl-C" in self._printed.read_text(), "it tells nothing")
        told = self._printed.read_text()
        exports = [line.strip() for line in told.splitlines() if line.startswith("  export ")]
        self.run(block._replace(language="sh", text="\n".join(exports)))
        return told

    def stop(self) -> None:
        """Press Ctrl-C wherever something goes on, and wait for its end."""
        while self._servers:
            _interrupt(self._servers.popitem()[1])

    def _command(self, text: str, *, first: str = BEGIN) -> tuple[str, ...]:
        script = first.format(state=self._state) + text
        return (*self._place.within(self.home), "bash", "-c", script)

    def _answers(self, url: str) -> bool:
        command = (*self._place.within(), sys.executable, "-c", KNOCK, url)
        return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).returncode == 0


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
