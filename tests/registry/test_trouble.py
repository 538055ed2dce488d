"""What is wrong with the disk is told from real errors."""

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from careen.registry.trouble import Trouble, trouble


def full(rows: sqlite3.Connection, _: Path) -> None:
    rows.execute("PRAGMA max_page_count = 2")
    rows.execute("INSERT INTO t VALUES (randomblob(100000))")


def read_only(rows: sqlite3.Connection, _: Path) -> None:
    rows.execute("PRAGMA query_only = ON")
    rows.execute("INSERT INTO t VALUES (1)")


def held(rows: sqlite3.Connection, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        rows.execute("BEGIN IMMEDIATE")
    finally:
        other.close()


def no_room(_: sqlite3.Connection, __: Path) -> None:
    raise OSError(errno.ENOSPC, "no room")


def behind_another(rows: sqlite3.Connection, path: Path) -> None:
    try:
        full(rows, path)
    except sqlite3.Error as error:
        raise sqlite3.OperationalError("the transaction was undone") from error


def something_else(rows: sqlite3.Connection, _: Path) -> None:
    rows.execute("SELECT nonsense")


CASES = {
    "a full database": (full, Trouble.FULL),
    "a full disk": (no_room, Trouble.FULL),
    "the cause of another error": (behind_another, Trouble.FULL),
    "a read-only database": (read_only, Trouble.READ_ONLY),
    "a database that is held": (held, Trouble.BUSY),
    "our own mistake": (something_else, None),
}


@pytest.mark.parametrize(("fail", "expected"), CASES.values(), ids=CASES.keys())
def test_trouble(
    tmp_path: Path, fail: Callable[[sqlite3.Connection, Path], None], expected: Trouble | None
) -> None:
    """Each error as SQLite or the kernel makes it, and what it says."""
    path = tmp_path / "db"
    rows = sqlite3.connect(path, isolation_level=None, timeout=0)
    rows.execute("CREATE TABLE t (x)")
    with pytest.raises((OSError, sqlite3.Error)) as caught:
        fail(rows, path)
    rows.close()
    assert trouble(caught.value) is expected
