"""Files that are there whole or not at all."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from careen import durable


def write_once(path: Path, data: bytes, mode: int) -> None:
    """Nothing else is to be done meanwhile."""
    durable.write_once(path, data, mode, drafted=lambda: None, written=lambda: None)


@pytest.mark.parametrize(
    ("write", "named"), [(durable.write, "rename"), (write_once, "link")], ids=["replaced", "once"]
)
def test_bytes_are_on_the_disk_before_the_name_is(
    write: Callable[[Path, bytes, int], None], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced, then named, then the folder synced; nothing else stays in the folder."""
    calls: list[str] = []

    def spy(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "rename", "link"):
        spy(name)
    write(tmp_path / "file", b"content", 0o600)
    assert calls == ["fsync", named, "fsync"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"content"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_one_of_all_that_write_it_once_does(tmp_path: Path) -> None:
    """The file has what one of them wrote, whole, and keeps it."""
    path, texts = tmp_path / "file", [bytes([65 + number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda text: write_once(path, text, 0o600), texts))
    first = path.read_bytes()
    assert first in texts
    write_once(path, b"late", 0o600)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """What replaces a file begins anew."""
    (tmp_path / "file.part").write_bytes(b"half")
    durable.write(tmp_path / "file", b"whole", 0o644)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"whole")]
