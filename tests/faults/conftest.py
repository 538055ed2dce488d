"""Fixtures: a data folder to begin with."""

import os
from pathlib import Path

import pytest

from careen import server
from tests.faults.model import settings_of


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data folder with what only a sweep finds: a file that no row names, and an old upload."""
    folder = tmp_path_factory.mktemp("template")
    server.prepare(settings_of(folder))
    for path in (
        folder / "blobs" / "sha256" / "00" / f"{'0' * 64}.0123456789abcdef",
        folder / "uploads" / "1" / "01234567-89ab-4def-8123-456789abcdef",
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"stray")
        os.utime(path, (0, 0))
    return folder
