"""The engine: snapshots, group commit, versions, durability."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from careen.db import schema
from careen.db.engine import GROUP, Connection, Database

INSERT = "INSERT INTO principals (kind, name, path, unique_id, created_at) VALUES ('user', ?1, '/', 'AIDA-' || ?1, 0)"


def add(rows: Connection, name: str) -> str:
    """Add a row that must be unique."""
    rows.execute(INSERT, (name,))
    return name


def adding(name: str) -> Callable[[Connection], str]:
    """The same as a piece of work."""
    return lambda rows: add(rows, name)


def names(database: Database) -> set[str]:
    """All rows."""
    with database.read() as rows:
        return {row[0] for row in rows.execute("SELECT name FROM principals")}


def test_a_write_is_seen_when_it_is_answered(database: Database) -> None:
    """The future has what the work returned, and every reader sees what it did."""
    assert database.write(adding("alice")).result() == "alice"
    assert names(database) == {"alice"}
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(names, database).result() == {"alice"}


def test_a_read_is_a_snapshot(database: Database) -> None:
    """What is committed meanwhile is not seen until the next one; nested reads are part of the outer one."""
    with database.read() as rows:
        assert rows.execute("SELECT count(*) FROM principals").fetchone() == (0,)
        database.write(adding("alice")).result()
        with database.read() as inner:
            assert inner.execute("SELECT count(*) FROM principals").fetchone() == (0,)
        assert rows.execute("SELECT count(*) FROM principals").fetchone() == (0,)
    assert names(database) == {"alice"}


def test_a_read_cannot_write(database: Database) -> None:
    """SQLite refuses it, inside a snapshot and outside."""
    with database.read() as rows, pytest.raises(sqlite3.OperationalError, match="readonly"):
        add(rows, "alice")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        add(database.reader(), "alice")
    assert names(database) == set()


def test_a_read_that_fails_leaves_nothing_open(database: Database) -> None:
    """The next one is a new snapshot."""
    with pytest.raises(ZeroDivisionError), database.read():
        raise ZeroDivisionError
    database.write(adding("alice")).result()
    assert names(database) == {"alice"}


def held_up(database: Database) -> threading.Event:
    """Keep the writer busy until the event is set, so that what is asked for meanwhile is one group."""
    started, go_on = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        started.set()
        assert go_on.wait(10)

    database.write(wait)
    assert started.wait(10)
    return go_on


def test_one_failure_undoes_nothing_of_the_others(database: Database) -> None:
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


def test_a_full_disk_fails_the_whole_group_and_no_more(database: Database) -> None:
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
    database = Database(folder / "careen.db")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            database.write(adding("too early")).result(10)
    folder.mkdir()
    schema.migrate(folder / "careen.db")
    database.write(adding("alice")).result(10)
    assert names(database) == {"alice"}
    database.close()


def test_work_that_is_cancelled_before_its_turn_is_not_done(database: Database) -> None:
    """A client that went away while it waited."""
    go_on = held_up(database)
    cancelled = database.write(adding("gone"))
    assert cancelled.cancel()
    go_on.set()
    database.write(adding("here")).result()
    assert names(database) == {"here"}
    with pytest.raises(CancelledError):
        cancelled.result()


def test_more_than_a_group_is_written(database: Database) -> None:
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


def test_many_threads_write_at_once(database: Database) -> None:
    """Nobody waits for a lock, and nothing is lost."""
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(lambda name: database.write(adding(name)).result(), f"{number}")
            for number in range(200)
        ]
        assert {one.result() for one in asked} == names(database)


def test_the_version_moves_with_other_connections_commits(database: Database, path: Path) -> None:
    """Of this process's writer and of other processes alike; while nobody commits it stands still."""
    version = database.version()
    assert database.version() == version
    database.write(adding("alice")).result()
    after_write = database.version()
    assert after_write != version
    database.write(lambda rows: rows.execute("SELECT 1").fetchone()).result()
    assert database.version() == after_write
    other = Database(path)
    other.write(adding("bob")).result()
    other.close()
    assert database.version() != after_write


def test_what_waits_is_written_before_closing(path: Path) -> None:
    """Nothing that was asked for is dropped, and the file is whole afterwards."""
    database = Database(path)
    go_on = held_up(database)
    asked = [database.write(adding(str(number))) for number in range(10)]
    closing = threading.Thread(target=database.close)
    closing.start()
    go_on.set()
    closing.join(10)
    assert all(one.done() for one in asked)
    again = Database(path)
    assert names(again) == {str(number) for number in range(10)}
    again.close()


def test_a_closed_database_can_be_used_again(database: Database) -> None:
    """Closing puts the connections away, no more."""
    database.write(adding("alice")).result()
    database.close()
    assert names(database) == {"alice"}
    database.write(adding("bob")).result()
    assert names(database) == {"alice", "bob"}


def test_an_answered_write_survives_the_death_of_its_process(path: Path) -> None:
    """Killed on the spot, without a chance to close anything."""
    program = (
        "import os, sys, pathlib; from careen.db.engine import Database; database = Database(pathlib.Path(sys.argv[1]));"
        "database.write(lambda rows: rows.execute(sys.argv[2], ('alice',))).result(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, path, INSERT], check=False, timeout=60)
    assert done.returncode == -9
    database = Database(path)
    assert names(database) == {"alice"}
    database.close()


def test_two_processes_write_to_one_file(path: Path) -> None:
    """Each waits for the other's commit; nothing is lost."""
    first, second = Database(path), Database(path)
    asked = [(first if number % 2 else second).write(adding(str(number))) for number in range(100)]
    assert {one.result() for one in asked} == names(first) == names(second)
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_writes_are_durable_and_checked(database: Database, pragma: str, value: object) -> None:
    """The three settings that the promises rest on."""
    assert database.write(lambda rows: rows.execute(f"PRAGMA {pragma}").fetchone()[0]).result() == value
