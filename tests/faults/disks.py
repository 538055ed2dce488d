"""A server whose data folder is a file system of its own: small, and in a mount namespace that nobody else sees."""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from tests.waiting import PATIENCE

MIB = 1024 * 1024


@functools.cache
def can_mount() -> bool:
    """Whether this user may make mount namespaces and file systems in them."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        return False
    probe = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="mounting needs root and Linux")
needs_ext4 = pytest.mark.skipif(
    not can_mount() or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists(),
    reason="an ext4 image needs root, mkfs.ext4 and loop devices",
)


class ServerOnADisk(Server):
    """``careen serve`` whose data folder is mounted by ``mount``, a shell command that ends before it starts."""

    def __init__(self, data: Path, mount: str, **settings: Any) -> None:
        super().__init__(data, **settings)
        data.mkdir(exist_ok=True)
        self._mount = mount

    def start(self) -> "ServerOnADisk":
        """Mount, start, and wait until it answers."""
        script = f'set -e; {self._mount}; exec "{sys.executable}" -m careen serve'
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    @property
    def inside(self) -> Path:
        """The data folder as the server sees it."""
        return Path(f"/proc/{self.pid}/root{self.data}")

    def fill(self, leave: int = 0) -> None:
        """Take all of the disk but ``leave`` bytes."""
        deadline = time.monotonic() + PATIENCE
        with (self.inside / "ballast").open("ab", buffering=0) as ballast:
            while (free := self.free()) > leave:
                assert time.monotonic() < deadline, free
                with contextlib.suppress(OSError):  # what was free a moment ago, the server took or gave back
                    ballast.write(b"x" * min(MIB, free - leave))

    def free(self) -> int:
        """Bytes that are free."""
        disk = os.statvfs(self.inside)
        return disk.f_bavail * disk.f_frsize

    def make_room(self) -> None:
        """Give back what :meth:`fill` took."""
        (self.inside / "ballast").unlink()

    def mount_again(self, options: str) -> None:
        """Change how the disk is mounted, while the server runs."""
        subprocess.run(
            [
                "nsenter",
                "--mount",
                "--target",
                str(self.pid),
                "mount",
                "-o",
                f"remount,{options}",
                str(self.data),
            ],
            check=True,
        )
