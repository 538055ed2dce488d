"""What both databases promise: snapshots, writes with the effect of one after another, versions, durability."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from careen.db.engine import Connection, Database, Place, name_of, opened
from tests.db.steps import INSERT, add, adding, names
from tests.waiting import PATIENCE

Open = Callable[[], Database]


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
        assert database.reader().execute("SELECT count(*) FROM principals").fetchone() == (0,)
    assert names(database) == {"alice"}


def test_a_read_cannot_write(database: Database) -> None:
    """The database refuses it, inside a snapshot and outside."""
    with database.read() as rows, pytest.raises(Exception, match=r"read-?only"):
        add(rows, "alice")
    with pytest.raises(Exception, match=r"read-?only"):
        add(database.reader(), "alice")
    assert names(database) == set()


def test_a_read_that_fails_leaves_nothing_open(database: Database) -> None:
    """The next one is a new snapshot."""
    with pytest.raises(ZeroDivisionError), database.read():
        raise ZeroDivisionError
    database.write(adding("alice")).result()
    assert names(database) == {"alice"}


def test_work_that_fails_is_undone(database: Database) -> None:
    """Whole, and its caller is told why; what others do at the same time counts."""

    def fail(rows: Connection) -> None:
        add(rows, "half")
        raise ZeroDivisionError

    first, failing, last = (database.write(work) for work in (adding("alice"), fail, adding("bob")))
    assert (first.result(), last.result()) == ("alice", "bob")
    with pytest.raises(ZeroDivisionError):
        failing.result()
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(adding("alice")).result()
    assert names(database) == {"alice", "bob"}


def test_many_threads_write_at_once(database: Database) -> None:
    """Nobody waits for a lock, and nothing is lost."""
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(lambda name: database.write(adding(name)).result(), f"{number}")
            for number in range(200)
        ]
        assert {one.result() for one in asked} == names(database)


def test_what_a_write_has_read_still_holds_when_it_counts(open_database: Open) -> None:
    """Each counts all rows and adds one of that number, in three processes at once: no number is given twice, none is left out."""
    databases = [open_database() for _ in range(3)]

    def add_the_next(rows: Connection) -> str:
        return add(rows, str(rows.execute("SELECT count(*) FROM principals").fetchone()[0]))

    asked = [databases[number % 3].write(add_the_next) for number in range(60)]
    assert sorted(int(one.result()) for one in asked) == list(range(60))


def test_of_two_writes_that_each_rest_on_what_the_other_changes_one_comes_second(open_database: Open) -> None:
    """Write skew: each may leave if the other stays. However they meet, somebody stays."""
    first, second = open_database(), open_database()

    def leaving(name: str, other: str, together: threading.Barrier) -> Callable[[Connection], None]:
        def leave(rows: Connection) -> None:
            stays = rows.execute("SELECT 1 FROM principals WHERE name = :name", {"name": other}).fetchone()
            with contextlib.suppress(threading.BrokenBarrierError):  # where one has to wait for the other
                together.wait(0.2)
            if stays:
                rows.execute("DELETE FROM principals WHERE name = :name", {"name": name})

        return leave

    for turn in range(10):
        a, b, together = f"a{turn}", f"b{turn}", threading.Barrier(2)
        for name in (a, b):
            first.write(adding(name)).result()
        for one in [first.write(leaving(a, b, together)), second.write(leaving(b, a, together))]:
            one.result()
        assert len(names(first) & {a, b}) == 1


def test_the_version_moves_with_commits(database: Database, open_database: Open) -> None:
    """Of this process and of others alike; while nobody commits it stands still."""
    version = database.version()
    assert database.version() == version
    database.write(adding("alice")).result()
    after_write = database.version()
    assert after_write != version
    database.write(lambda rows: rows.execute("SELECT 1").fetchone()).result()
    assert database.version() == after_write
    open_database().write(adding("bob")).result()
    assert database.version() != after_write


def test_what_waits_is_written_before_closing(open_database: Open) -> None:
    """Nothing that was asked for is dropped."""
    database = open_database()
    asked = [database.write(adding(str(number))) for number in range(100)]
    database.close()
    assert all(one.done() for one in asked)
    assert names(open_database()) == {str(number) for number in range(100)}


def test_a_closed_database_can_be_used_again(database: Database) -> None:
    """Closing puts the connections away, no more."""
    database.write(adding("alice")).result()
    database.close()
    assert names(database) == {"alice"}
    database.write(adding("bob")).result()
    assert names(database) == {"alice", "bob"}


def test_an_answered_write_survives_the_death_of_its_process(place: Place) -> None:
    """Killed on the spot, without a chance to close anything."""
    program = (
        "import os, sys; from careen.db.engine import opened; database = opened(sys.argv[1]);"
        "database.write(lambda rows: rows.execute(sys.argv[2], {'name': 'alice'})).result(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(place), INSERT], check=False, timeout=PATIENCE)
    assert done.returncode == -9
    database = opened(place)
    assert names(database) == {"alice"}
    database.close()


def test_a_database_knows_its_size(database: Database) -> None:
    """In bytes."""
    assert database.size() > 100_000


def test_nothing_is_wrong_with_a_new_database(database: Database) -> None:
    """The check finds nothing."""
    assert database.check() == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://user:secret@db:5432/careen?sslmode=require", "postgresql://db:5432/careen"),
        ("postgres://user@db/careen?application_name=x", "postgresql://db/careen"),
        ("postgresql://user:secret@/careen?host=/run/a&port=5433", "postgresql://%2Frun%2Fa:5433/careen"),
        ("postgresql://%2Frun%2Fa:5433/careen", "postgresql://%2Frun%2Fa:5433/careen"),
        ("postgresql:///careen?host=/run/b", "postgresql://%2Frun%2Fb/careen"),
        ("postgresql://user@one:1,two:2/careen", "postgresql://one:1,two:2/careen"),
        ("postgresql://user@one,two/careen", "postgresql://one,two/careen"),
        ("postgresql://[::1]:5432/careen", "postgresql://[::1]:5432/careen"),
        ("postgresql:///careen?hostaddr=10.0.0.1&port=1", "postgresql://:1/careen?hostaddr=10.0.0.1"),
        ("postgresql://db/?dbname=careen", "postgresql://db/careen"),
        ("postgresql://user@db", "postgresql://db/user"),
    ],
)
def test_a_database_on_a_server_is_known_by_where_it_is(url: str, name: str) -> None:
    """However the URL says it; user and password are left out."""
    pytest.importorskip("psycopg")
    assert name_of(url) == name
