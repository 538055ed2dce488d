"""Snapshots for readers, group commit for writers."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from careen.db.engine import Connection, Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with one table of numbers."""
    opened = Database(tmp_path / "test.db")
    opened.write(lambda rows: rows.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")).result()
    yield opened
    opened.close()


def put(number: int) -> Any:
    """Work that stores a number."""
    return lambda rows: rows.execute("INSERT INTO numbers VALUES (?)", (number,))


def numbers(rows: Connection) -> list[int]:
    """All numbers."""
    return [row[0] for row in rows.execute("SELECT n FROM numbers ORDER BY n")]


def test_a_read_is_a_snapshot(database: Database) -> None:
    """What is committed while somebody reads is seen by the next read."""
    with database.read() as rows:
        assert numbers(rows) == []
        database.write(put(1)).result()
        assert numbers(rows) == []
    with database.read() as rows:
        assert numbers(rows) == [1]


def test_a_read_cannot_write(database: Database) -> None:
    """A preview could not change anything if it tried."""
    with database.read() as rows, pytest.raises(sqlite3.OperationalError, match="readonly"):
        rows.execute("INSERT INTO numbers VALUES (1)")


def test_reads_nest_in_the_outermost_snapshot(database: Database) -> None:
    """A use case that calls another sees one state throughout."""
    with database.read() as outer:
        assert numbers(outer) == []
        database.write(put(1)).result()
        with database.read() as inner:
            assert numbers(inner) == []
        assert numbers(outer) == []


def test_one_failure_undoes_nothing_of_another_in_the_same_commit(database: Database) -> None:
    """Work that shares a commit shares neither its errors nor its rollback."""
    gate = threading.Event()
    blocked = database.write(lambda _: gate.wait(10))
    good = [database.write(put(number)) for number in (1, 2)]
    bad: Future[Any] = database.write(lambda rows: (put(3)(rows), put(1)(rows)))
    more = database.write(put(4))
    gate.set()
    assert blocked.result() is True
    for future in (*good, more):
        future.result()
    with pytest.raises(sqlite3.IntegrityError):
        bad.result()
    with database.read() as rows:
        assert numbers(rows) == [1, 2, 4]


def test_many_threads_write_and_nothing_is_lost(database: Database) -> None:
    """Whatever was answered is there, whoever asked."""

    def write(start: int) -> None:
        for number in range(start, start + 50):
            database.write(put(number)).result()

    threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as rows:
        assert numbers(rows) == list(range(400))


def test_the_version_moves_with_commits_of_others_only(database: Database, tmp_path: Path) -> None:
    """A cache may rely on the number while it stands still, and sees commits of this and of other processes."""
    first = database.version()
    assert database.version() == first
    database.write(put(1)).result()
    second = database.version()
    assert second != first
    other = Database(tmp_path / "test.db")
    other.write(put(2)).result()
    other.close()
    assert database.version() not in {first, second}


def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    """Writes that were handed over before the close are durable after it."""
    opened = Database(tmp_path / "test.db")
    opened.write(lambda rows: rows.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
    waiting = [opened.write(put(number)) for number in range(200)]
    opened.close()
    for future in waiting:
        future.result(0)
    again = Database(tmp_path / "test.db")
    with again.read() as rows:
        assert len(numbers(rows)) == 200
    again.close()


def test_a_commit_that_fails_fails_everybody_in_it(database: Database, tmp_path: Path) -> None:
    """When the commit itself is impossible, nobody is told that his work is done, and the next commit works again."""
    intruder = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    waiting = [database.write(put(number)) for number in (1, 2)]
    intruder.execute("DROP TABLE numbers")
    intruder.execute("COMMIT")
    intruder.close()
    for future in waiting:
        with pytest.raises(sqlite3.OperationalError):
            future.result(60)
    database.write(lambda rows: rows.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")).result()
    database.write(put(1)).result()
