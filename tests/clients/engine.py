"""containerd and the Docker Engine as plain processes, in a folder of their own, with nothing of the machine's."""

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 60
"""Seconds that a daemon may take to start."""

CONFIGURATION = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
"""

ISOLATED = (
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--oom-score-adjust=0",
)
"""An engine that leaves the machine's network alone."""


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for sockets, whose paths must be short."""
    folder = Path(tempfile.mkdtemp(prefix="careen"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_root(path: Path) -> None:
    """Write an archive of an `alpine` for `docker import`; it can run commands if busybox is there."""
    with tarfile.open(path, "w") as archive:
        if (busybox := shutil.which("busybox")) is not None:
            archive.add(Path(busybox).resolve(), "bin/busybox")
        echo = tarfile.TarInfo("bin/echo")
        echo.type, echo.linkname = tarfile.SYMTYPE, "busybox"
        archive.addfile(echo)


@contextlib.contextmanager
def containerd(within: tuple[str, ...] = ()) -> Iterator[Path]:
    """A containerd; skips the test, with what it said last, where it does not start.

    Args:
        within: words before the command, which put it into a namespace.

    Returns:
        Its socket.
    """
    with short_folder() as folder:
        configuration, socket = folder / "config.toml", folder / "containerd.sock"
        configuration.write_text(CONFIGURATION.format(folder=folder))
        answers = ("ctr", "--address", str(socket), "version")
        with _running((*within, "containerd", "--config", str(configuration)), folder / "log", answers):
            yield socket


@contextlib.contextmanager
def docker_engine(within: tuple[str, ...] = ()) -> Iterator[str]:
    """A Docker Engine on a containerd; skips the test where they do not start.

    Returns:
        What clients take as ``DOCKER_HOST``.
    """
    with containerd(within) as supervisor, short_folder() as folder:
        (folder / "daemon.json").write_text(json.dumps({"deprecated-key-path": str(folder / "key.json")}))
        host = f"unix://{folder}/docker.sock"
        places = ("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec")
        files = ("--pidfile", f"{folder}/pid", "--config-file", f"{folder}/daemon.json")
        command = ("dockerd", "--host", host, "--containerd", str(supervisor), *places, *files, *ISOLATED)
        with _running((*within, *command), folder / "log", ("docker", "--host", host, "version")):
            yield host


@contextlib.contextmanager
def _running(command: tuple[str, ...], log: Path, answers: tuple[str, ...]) -> Iterator[None]:
    """A daemon, once the command ``answers`` succeeds."""
    if os.geteuid():
        pytest.skip("containerd and dockerd run as root only")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(answers, capture_output=True, check=False, timeout=PATIENCE).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"{answers[0]}'s daemon does not start here: {log.read_text().splitlines()[-1]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
