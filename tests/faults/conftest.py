"""Fixtures: a data folder to begin with."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from careen import startup
from tests.faults.model import settings_of

MEMORY = Path("/dev/shm")  # noqa: S108 a disk for those who die: the kernel outlives them, and nothing waits for a real one
ROOM = 64 * 1024 * 1024


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory, where that is possible: most of a life would be spent waiting for the disk."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(prefix="careen-faults-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def quick_path(memory: Path) -> Iterator[Path]:
    """As pytest's ``tmp_path``, in memory."""
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def template(memory: Path) -> Path:
    """A prepared data folder with what only a sweep finds: a file that no row names, and an old upload."""
    folder = memory / "template"
    startup.prepare(settings_of(folder))
    for path in (
        folder / "blobs" / "sha256" / "00" / f"{'0' * 64}.0123456789abcdef",
        folder / "uploads" / "1" / "01234567-89ab-4def-8123-456789abcdef",
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"stray")
        os.utime(path, (0, 0))
    return folder
