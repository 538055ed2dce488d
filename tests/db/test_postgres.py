"""What is PostgreSQL's own: statements in its words, conflicts, a server that goes away and comes back."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from careen.db import events, repositories, schema
from careen.db.engine import Away, Connection, OutcomeUnknown
from careen.db.failures import Failure, failure
from careen.db.postgres.database import PostgresDatabase
from careen.db.postgres.dialect import translated
from careen.db.tables import metadata
from tests.db.steps import add, adding, names
from tests.postgres import Postgres, needs_postgres, running
from tests.waiting import PATIENCE, until

pytestmark = needs_postgres


@pytest.fixture
def database(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """A database with the schema in it, open."""
    opened = PostgresDatabase(postgres.database())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 WHERE a = :a AND b = :long_name", "SELECT 1 WHERE a = %(a)s AND b = %(long_name)s"),
        ("INSERT INTO t VALUES (?, ?)", "INSERT INTO t VALUES (%s, %s)"),
        ("SELECT ':no' || '?' || :yes", "SELECT ':no' || '?' || %(yes)s"),
        ("SELECT 'it''s :no', :yes", "SELECT 'it''s :no', %(yes)s"),
        ("SELECT '50%', a % 2", "SELECT '50%%', a %% 2"),
        ("SELECT a::text, :a", "SELECT a::text, %(a)s"),
        ("SELECT 1 /*postgresql: FOR UPDATE SKIP LOCKED */)", "SELECT 1 FOR UPDATE SKIP LOCKED)"),
        ("SELECT 1 /*postgresql: AND a > :a */ LIMIT :b", "SELECT 1 AND a > %(a)s LIMIT %(b)s"),
        ("SELECT 1 /* another comment */", "SELECT 1 /* another comment */"),
    ],
)
def test_statements_are_put_into_its_words(statement: str, expected: str) -> None:
    """Names and marks are placeholders, text is left alone, and what only PostgreSQL is to read is read."""
    assert translated(statement).decode() == expected


def test_values_come_back_as_from_sqlite(database: PostgresDatabase) -> None:
    """Flags and sums are integers, bytes are bytes."""
    with database.read() as rows:
        found = rows.execute(
            "SELECT EXISTS (SELECT 1), (SELECT sum(n) FROM (SELECT CAST(1 AS BIGINT) AS n UNION ALL SELECT 2) AS t),"
            " :flag + 1, CAST(:bytes AS BYTEA), CAST(:nothing AS TEXT) IS NULL",
            {"flag": True, "bytes": b"\x00\xff", "nothing": None},
        ).fetchone()
    assert found == (1, 3, 2, b"\x00\xff", 1)
    assert [type(value) for value in found] == [int, int, int, bytes, int]


def test_a_text_that_cannot_be_stored_finds_nothing(database: PostgresDatabase) -> None:
    """PostgreSQL has no NUL: who asks for a name with one is told that it is not there, as SQLite does, not that we failed."""
    database.write(adding("a")).result()
    with database.read() as rows:
        asked = [
            rows.execute("SELECT name FROM principals WHERE name = ?", (name,)).fetchall()
            for name in ("a\0", "a")
        ]
    assert asked == [[], [("a",)]]


def test_names_are_compared_byte_by_byte(database: PostgresDatabase) -> None:
    """Whatever language the server speaks: capitals come first, as in SQLite."""
    for name in ("b", "B", "a-b", "aB", "ab", "a"):
        database.write(adding(name)).result()
    with database.read() as rows:
        found = [row[0] for row in rows.execute("SELECT name FROM principals ORDER BY name")]
    assert found == ["B", "a", "a-b", "aB", "ab", "b"]
    with psycopg.connect(database.url) as server:
        text = server.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        ).fetchall()
    assert text == []


def test_it_is_made_once_by_nodes_that_start_at_once(postgres: Postgres) -> None:
    """The others wait for the first, and find everything there."""
    url = postgres.empty_database()
    assert schema.current(url) is None
    program = "import sys; from careen.db import schema; schema.migrate(sys.argv[1])"
    starting = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(3)]
    assert [one.wait(PATIENCE) for one in starting] == [0, 0, 0]
    assert schema.current(url) == schema.head()
    with psycopg.connect(url) as server:
        found = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert {name for (name,) in found} == {*metadata.tables, "alembic_version"}


def test_work_is_run_again_until_it_could_have_been_alone(database: PostgresDatabase) -> None:
    """Every one counts what is there and adds it: each run that met another is undone, and no sum is wrong."""
    runs: list[None] = []

    def grow(rows: Connection) -> None:
        runs.append(None)
        (count,) = rows.execute("SELECT count(*) FROM principals").fetchone()
        time.sleep(0.005)  # so that they do meet
        add(rows, str(count))

    for one in [database.write(grow) for _ in range(40)]:
        one.result()
    assert names(database) == {str(number) for number in range(40)}
    assert len(runs) > 40


def test_work_in_turn_waits_for_its_own_kind_alone(database: PostgresDatabase) -> None:
    """What would meet does not, so nothing is run twice; and a write beside it does not wait for its end."""
    runs: list[None] = []
    waits, beside = threading.Event(), threading.Event()

    def grow(rows: Connection) -> None:
        runs.append(None)
        (count,) = rows.execute("SELECT count(*) FROM principals WHERE name >= ''").fetchone()
        waits.set()
        assert beside.wait(PATIENCE)
        add(rows, str(count))

    growing = [database.write(grow, in_turn=True) for _ in range(3)]
    assert waits.wait(PATIENCE)
    database.write(lambda rows: repositories.set_due(rows, 0, None)).result(PATIENCE)
    beside.set()
    for one in growing:
        one.result(PATIENCE)
    assert names(database) == {"0", "1", "2"}
    assert len(runs) == 3


def test_every_foreign_key_has_an_index(database: PostgresDatabase) -> None:
    """Who deletes a row looks through all that may refer to it: without an index that is the whole table, with its lock."""
    found = database.reader().execute(
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint AS f WHERE contype = 'f' AND NOT EXISTS ("
        "SELECT 1 FROM pg_index AS i WHERE indrelid = conrelid AND indpred IS NULL"
        " AND (string_to_array(indkey::text, ' ')::int2[])[1:cardinality(conkey)] @> conkey)"
    )
    assert found.fetchall() == []


def test_what_runs_change_of_a_repository_is_in_no_index(database: PostgresDatabase) -> None:
    """So the row's next version needs no entries in the indexes: those pages are what everybody reads who finds a repository."""
    found = database.reader().execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'repositories'::regclass AND attname LIKE 'lifecycle%'"
        " AND attnum IN (SELECT unnest(string_to_array(indkey::text, ' ')::int2[]) FROM pg_index"
        " WHERE indrelid = 'repositories'::regclass)"
    )
    assert found.fetchall() == []


def test_work_that_goes_on_after_a_failed_statement_does_not_count(database: PostgresDatabase) -> None:
    """PostgreSQL would undo it at the end and say nothing."""

    def swallow(rows: Connection) -> None:
        add(rows, "alice")
        with contextlib.suppress(psycopg.Error):
            rows.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        database.write(swallow).result()
    assert names(database) == set()


def test_events_are_shown_when_nothing_older_can_come(database: PostgresDatabase) -> None:
    """One transaction draws its ids first and ends last: who follows the log misses none of its events."""

    def tell(rows: Connection, what: str) -> int:
        return events.insert(rows, 1, what, "TEST", None, "{}")

    drawn, go_on = threading.Event(), threading.Event()

    def slow(rows: Connection) -> int:
        told = tell(rows, "slow")
        drawn.set()
        assert go_on.wait(PATIENCE)
        return told

    late = database.write(slow)
    assert drawn.wait(PATIENCE)
    early = database.write(lambda rows: tell(rows, "quick")).result()
    with database.read() as rows:
        assert events.after(rows, 0, 10) == []
        assert events.latest(rows) == 0
    go_on.set()
    assert late.result() < early
    with database.read() as rows:
        assert [event.detail_type for event in events.after(rows, 0, 10)] == ["slow", "quick"]


@pytest.fixture(scope="module")
def lone() -> Iterator[Postgres]:
    """A server of one's own, to stop and start."""
    with running() as server:
        yield server


@pytest.fixture
def unsteady(lone: Postgres) -> Iterator[PostgresDatabase]:
    """A database of it, open."""
    opened = PostgresDatabase(lone.database())
    yield opened
    opened.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_was_started_again_is_used_again(
    unsteady: PostgresDatabase, lone: Postgres, how: signal.Signals
) -> None:
    """Nobody has to start the registry again: reads fail while it is away, writes wait for it, and then all is as before."""
    unsteady.write(adding("before")).result()
    assert names(unsteady) == {"before"}
    lone.stop(how)
    with pytest.raises(Exception) as caught:  # noqa: PT011 whichever error is first
        names(unsteady)
    assert failure(caught.value) is Failure.AWAY
    with pytest.raises(Away):
        unsteady.version()
    assert unsteady.is_away()
    waiting = unsteady.write(adding("meanwhile"))
    lone.start()
    assert waiting.result() == "meanwhile"
    until(lambda: not unsteady.is_away())
    assert names(unsteady) == {"before", "meanwhile"}


def test_connections_that_were_lost_while_nobody_used_them_are_replaced(
    unsteady: PostgresDatabase, lone: Postgres
) -> None:
    """A server that was started again in between is not noticed at all."""
    unsteady.write(adding("alice")).result()
    assert names(unsteady) == {"alice"}
    lone.stop()
    lone.start()
    assert names(unsteady) == {"alice"}
    assert unsteady.write(adding("bob")).result() == "bob"
    assert unsteady.version() == unsteady.version()
    assert not unsteady.is_away()


def test_a_commit_whose_answer_was_lost_is_said_to_be_unknown(
    unsteady: PostgresDatabase, lone: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not run again: it may count already."""
    runs: list[None] = []

    def work(rows: Connection) -> None:
        runs.append(None)
        add(rows, "alice")
        [(backend,)] = rows.execute("SELECT pg_backend_pid()").fetchall()
        monkeypatch.setattr(
            "careen.db.postgres.database.reach",
            lambda _: _terminate(lone, backend) if len(runs) == 1 else None,
        )

    with pytest.raises(OutcomeUnknown) as caught:
        unsteady.write(work).result()
    assert failure(caught.value) is Failure.UNKNOWN
    assert len(runs) == 1


def _terminate(server: Postgres, backend: int) -> None:
    with server.connected("postgres") as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (backend,))
        gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        until(lambda: connection.execute(gone, (backend,)).fetchone() == (0,))


def test_a_node_that_was_held_up_in_a_transaction_does_it_again(
    database: PostgresDatabase, postgres: Postgres
) -> None:
    """The server has ended what stood still for so long, and nothing of it counts."""
    runs: list[int] = []

    def work(rows: Connection) -> str:
        [(backend,)] = rows.execute("SELECT pg_backend_pid()").fetchall()
        if not runs:
            rows.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
            runs.append(backend)
            with postgres.connected("postgres") as connection:
                gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
                until(lambda: connection.execute(gone, (backend,)).fetchone() == (0,))
        return add(rows, "alice")

    assert database.write(work).result() == "alice"
    assert names(database) == {"alice"}


def test_a_connection_more_that_cannot_be_had_does_not_make_the_server_away(
    database: PostgresDatabase, postgres: Postgres
) -> None:
    """What is there goes on; whoever needs another is told why there is none."""
    database.version()
    with postgres.connected("postgres") as connection:
        connection.execute(f"ALTER DATABASE {database.url.rpartition('/')[2]} ALLOW_CONNECTIONS false")
    with database.read(), ThreadPoolExecutor(1) as threads:
        asking = threads.submit(names, database)
        with pytest.raises(Away, match="not currently accepting connections"):
            asking.result()
    assert not database.is_away()
    assert names(database) == set()


@pytest.mark.slow
def test_a_server_that_hangs_is_away_after_a_while(unsteady: PostgresDatabase, lone: Postgres) -> None:
    """Its machine is there and takes requests, so only the clock can tell; it is found again when it goes on."""
    unsteady.version()
    with lone.connected("postgres") as connection:
        mine = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
        found = connection.execute(mine, (unsteady.url.rpartition("/")[2],)).fetchall()
    stopped = [lone.pid, *(pid for (pid,) in found)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Away, match="silent"):
            unsteady.version()
        assert unsteady.is_away()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    until(lambda: not unsteady.is_away())
    assert names(unsteady) == set()
