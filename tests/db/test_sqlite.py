"""What is SQLite's own: group commit, files, pragmas."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from careen.db import schema
from careen.db.engine import Connection
from careen.db.sqlite import GROUP, SqliteDatabase
from tests.db.steps import add, adding, names
from tests.waiting import PATIENCE


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    """A database file, open."""
    opened = SqliteDatabase(path)
    yield opened
    opened.close()


def held_up(database: SqliteDatabase) -> threading.Event:
    """Keep the writer busy until the event is set, so that what is asked for meanwhile is one group."""
    started, go_on = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        started.set()
        assert go_on.wait(PATIENCE)

    database.write(wait)
    assert started.wait(PATIENCE)
    return go_on


def test_one_failure_undoes_nothing_of_the_others(database: SqliteDatabase) -> None:
    """Work that shares a commit is each for itself: the failed piece is undone alone, and its caller told why."""
    go_on = held_up(database)

    def fail(rows: Connection) -> None:
        add(rows, "half")
        raise ZeroDivisionError

    first = database.write(adding("alice"))
    failing = database.write(fail)
    twice = database.write(adding("alice"))
    last = database.write(adding("bob"))
    go_on.set()
    assert (first.result(), last.result()) == ("alice", "bob")
    with pytest.raises(ZeroDivisionError):
        failing.result()
    with pytest.raises(sqlite3.IntegrityError):
        twice.result()
    assert names(database) == {"alice", "bob"}


def test_a_full_disk_fails_the_whole_group_and_no_more(database: SqliteDatabase) -> None:
    """SQLite undoes the transaction by itself: nobody is told that it worked, nothing of it stays, and writing goes on."""
    go_on = held_up(database)

    def fill(rows: Connection) -> str:
        pages = rows.execute("PRAGMA page_count").fetchone()[0]
        rows.execute(f"PRAGMA max_page_count = {pages + 2}")
        try:
            for number in range(1000):
                add(rows, f"{number}{'x' * 3000}")
        finally:
            rows.execute("PRAGMA max_page_count = 1000000")
        return "it fitted"

    before, filling, after = (database.write(work) for work in (adding("before"), fill, adding("after")))
    go_on.set()
    with pytest.raises(sqlite3.OperationalError, match="full"):
        filling.result()
    for innocent in (before, after):
        with pytest.raises(sqlite3.OperationalError):
            innocent.result()
    assert names(database) == set()
    database.write(adding("later")).result()
    assert names(database) == {"later"}


def test_a_database_that_cannot_be_opened_fails_the_write_and_not_the_writer(tmp_path: Path) -> None:
    """As on a disk without room for SQLite's own files: nobody waits for ever, and the next write tries again."""
    folder = tmp_path / "later"
    database = SqliteDatabase(folder / "careen.db")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            database.write(adding("too early")).result(PATIENCE)
    folder.mkdir()
    schema.migrate(folder / "careen.db")
    database.write(adding("alice")).result(PATIENCE)
    assert names(database) == {"alice"}
    database.close()


def test_work_that_is_cancelled_before_its_turn_is_not_done(database: SqliteDatabase) -> None:
    """A client that went away while it waited."""
    go_on = held_up(database)
    cancelled = database.write(adding("gone"))
    assert cancelled.cancel()
    go_on.set()
    database.write(adding("here")).result()
    assert names(database) == {"here"}
    with pytest.raises(CancelledError):
        cancelled.result()


def test_more_than_a_group_is_written(database: SqliteDatabase) -> None:
    """What does not fit into one commit goes into the next, in order."""
    go_on = held_up(database)
    count = 2 * GROUP + 1
    asked = [database.write(adding(str(number))) for number in range(count)]
    go_on.set()
    assert [one.result() for one in asked] == [str(number) for number in range(count)]
    with database.read() as rows:
        assert [row[0] for row in rows.execute("SELECT name FROM principals ORDER BY id")] == [
            str(number) for number in range(count)
        ]


def test_what_waits_is_written_before_closing(path: Path) -> None:
    """Nothing that was asked for is dropped, and the file is whole afterwards."""
    database = SqliteDatabase(path)
    go_on = held_up(database)
    asked = [database.write(adding(str(number))) for number in range(10)]
    closing = threading.Thread(target=database.close)
    closing.start()
    go_on.set()
    closing.join(PATIENCE)
    assert all(one.done() for one in asked)
    again = SqliteDatabase(path)
    assert names(again) == {str(number) for number in range(10)}
    again.close()


def test_two_processes_write_to_one_file(path: Path) -> None:
    """Each waits for the other's commit; nothing is lost."""
    first, second = SqliteDatabase(path), SqliteDatabase(path)
    asked = [(first if number % 2 else second).write(adding(str(number))) for number in range(100)]
    assert {one.result() for one in asked} == names(first) == names(second)
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_writes_are_durable_and_checked(database: SqliteDatabase, pragma: str, value: object) -> None:
    """The three settings that the promises rest on."""
    assert database.write(lambda rows: rows.execute(f"PRAGMA {pragma}").fetchone()[0]).result() == value
