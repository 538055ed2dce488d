"""A scanner that is a command: it is run for each image and prints its report.

It runs without a shell, in a session and an empty folder of its own, and finds the credential where scanners look: in a Docker
configuration file, and in the variables of Trivy, Grype and Syft. Of Careen's own environment it sees neither Careen's settings nor
AWS's keys. What it prints is bounded, and it has so much time; then, or when Careen stops, it and all it has started are ended.
"""

import base64
import contextlib
import json
import os
import re
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import structlog

from careen.scanners.scanner import ScanFailed, Target, Watch

LOOK_SECONDS = 0.1
"""How often it is looked whether to go on while a scanner prints nothing."""

GRACE_SECONDS = 5.0
"""How long a scanner that is told to end may take: it has a cache of its own to close."""

TAIL_BYTES = 4096
"""How much of what it says on standard error is kept: the end."""

_PIECE = 256 * 1024
_CONTROL = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f]")
_WITHHELD = ("CAREEN_", "AWS_")

log = structlog.get_logger()


class CommandScanner:
    """Runs a command.

    Args:
        command: as one would type it; ``{image}`` stands for the image.
        registry: where images are, for a program on this machine.
        timeout: seconds.
        max_bytes: the most that a report may have.
    """

    def __init__(self, command: str, registry: str, timeout: float, max_bytes: int) -> None:
        self.registry = registry
        self.timeout = timeout
        self._words = shlex.split(command)
        self._max_bytes = max_bytes

    def scan(self, target: Target, watch: Watch) -> bytes:
        """Run the command for one image; what it prints."""
        words = [word.replace("{image}", target.reference) for word in self._words]
        with tempfile.TemporaryDirectory(prefix="careen-scan-") as home:
            (Path(home) / "config.json").write_text(_docker_configuration(target))
            try:
                process = subprocess.Popen(  # noqa: S603 the operator's own command, and no shell
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=home,
                    env=_environment(target, home),
                    start_new_session=True,
                )
            except OSError as error:
                raise ScanFailed(f"The scanner cannot be started: {words[0]}: {error.strerror}") from None
            with process:
                try:
                    report, said = self._listen(process, watch)
                    status = process.wait(GRACE_SECONDS)
                except subprocess.TimeoutExpired:  # it has closed its output and does not end
                    raise ScanFailed("The scanner printed its report and did not end") from None
                finally:
                    _end(process)
        if status != 0:
            told = _told(said, target)
            log.warning("the scanner failed", status=status, image=target.reference, said=told)
            raise ScanFailed(f"The scanner ended with status {status}: {_last_line(told)}")
        return report

    def _listen(self, process: "subprocess.Popen[bytes]", watch: Watch) -> tuple[bytes, bytes]:
        """What the process prints, and the end of what it says on standard error, until it closes both."""
        deadline = time.monotonic() + self.timeout
        report, said = bytearray(), bytearray()
        with selectors.DefaultSelector() as selector:
            for stream, buffer in ((process.stdout, report), (process.stderr, said)):
                selector.register(_readable(stream), selectors.EVENT_READ, buffer)
            while selector.get_map():
                watch.wait(0)
                if time.monotonic() >= deadline:
                    raise ScanFailed(f"The scanner took longer than {self.timeout:g} seconds")
                for key, _ in selector.select(LOOK_SECONDS):
                    piece = os.read(key.fd, _PIECE)
                    if not piece:
                        selector.unregister(key.fileobj)
                    key.data.extend(piece)
                if len(report) > self._max_bytes:
                    raise ScanFailed(f"The scanner printed more than {self._max_bytes} bytes")
                del said[:-TAIL_BYTES]
        return bytes(report), bytes(said)


def _readable(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("the process was started without this pipe")
    return stream


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, if it has not ended, and whatever it has left in its session."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    _signal(process, signal.SIGKILL)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _told(said: bytes, target: Target) -> str:
    """What it said, as plain text and without the credential."""
    text = _CONTROL.sub("", said.decode("utf-8", "replace"))
    return text.replace(target.password, "…").strip()


def _last_line(said: str) -> str:
    lines: Sequence[str] = said.splitlines() or ["it said nothing"]
    return lines[-1].strip()[:300]


def _docker_configuration(target: Target) -> str:
    """The file that Docker, and every library that was made after it, looks for credentials in."""
    credential = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
    return json.dumps({"auths": {target.host: {"auth": credential}}})


def _environment(target: Target, home: str) -> Mapping[str, str]:
    """The environment of Careen without what is its own, and where scanners look for credentials.

    Trivy is not told that the registry speaks plain HTTP: it takes loopback addresses for that, and its option would let it
    download its database from anybody.
    """
    plain = str(target.registry.startswith("http://")).lower()
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    return theirs | {
        "DOCKER_CONFIG": home,
        "NO_COLOR": "1",
        "TRIVY_USERNAME": target.user,
        "TRIVY_PASSWORD": target.password,
        **{
            f"{program}_REGISTRY_{name}": value
            for program in ("GRYPE", "SYFT")
            for name, value in (
                ("AUTH_AUTHORITY", target.host),
                ("AUTH_USERNAME", target.user),
                ("AUTH_PASSWORD", target.password),
                ("INSECURE_USE_HTTP", plain),
            )
        },
    }
