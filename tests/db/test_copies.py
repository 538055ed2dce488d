"""Copies from one database into another: every row, ids that go on, and at most one of the two that can be served."""

import contextlib
import itertools
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table

from careen.db import bulk, copies, events, rules, schema, sqlite_bulk
from careen.db.engine import Connection, Database, Place, name_of, opened
from careen.db.postgres.database import PostgresDatabase
from careen.db.tables import metadata
from tests.begun import migrated
from tests.db.steps import add, names
from tests.postgres import Postgres, needs_postgres

pytestmark = needs_postgres

Rows = dict[str, list[tuple[Any, ...]]]

TEXTS = ["", "a", "team/app", "ünïcödé 🚢", "it's % :name ?", '{"a": [1, 2]}', "a\nb\tc\\N", "x" * 5_000]
BYTES = [b"", b"\x00\xff", b"\\x00", bytes(range(256)) * 200]


def nothing(*_: object) -> None:
    """Nobody listens."""


def move(source: Place, target: Place) -> None:
    """Move."""
    copies.move(source, target, nothing)


@contextlib.contextmanager
def writing(place: Place) -> Iterator[Connection]:
    """A connection to write anything with."""
    with bulk.alone(place) as rows:
        yield rows


def rows_of(place: Place) -> Rows:
    """Every row of every table, but for what is about one database and those who have it open."""
    with bulk.snapshot(place) as rows:
        found = {table.name: sorted(rows.read(table), key=repr) for table in metadata.sorted_tables}
    del found["holds"], found["nodes"]
    about = {*copies._OWN, bulk.NUMBERS, bulk.LAST}
    found["registry_documents"] = [row for row in found["registry_documents"] if row[0] not in about]
    return found


def some_value(column: "Column[Any]", chance: random.Random, known: Rows) -> Any:
    """A value that the column takes; a reference leads to a row."""
    if column.nullable and chance.random() < 0.3:
        return None
    for key in column.foreign_keys:
        parent = key.column.table
        position = list(parent.columns).index(key.column)
        return chance.choice([row[position] for row in known[parent.name]] or [None])
    if isinstance(column.type, LargeBinary):
        return chance.choice(BYTES)
    if isinstance(column.type, Integer):
        top = 2**63 - 1 if isinstance(column.type, BigInteger) else 2**31 - 1
        return chance.choice([0, 1, top, -top, chance.randrange(top)])
    return chance.choice(TEXTS) + chance.choice(["", str(chance.randrange(1000))])


def fill_at_random(rows: Connection, chance: random.Random) -> Rows:
    """Give every table some rows, as far as its constraints let it have any."""
    known: Rows = {}
    rows.execute("DELETE FROM registry_documents")  # a new database says which programs it is for
    for table in metadata.sorted_tables:
        columns, known[table.name] = list(table.columns), []
        marks = ", ".join("?" for _ in columns)
        for _ in range(chance.randrange(1, 8)):
            row = tuple(
                chance.randrange(1, 10_000)
                if column.name == "id" and isinstance(column.type, Integer)
                else some_value(column, chance, known)
                for column in columns
            )
            if table.name == "manifest_blobs" and known["repository_blobs"]:
                row = (row[0], *chance.choice(known["repository_blobs"])[:2])
            with contextlib.suppress(sqlite3.IntegrityError):  # a key that is there, or nothing to refer to
                rows.execute(f"INSERT INTO {table.name} VALUES ({marks})", row)
                known[table.name].append(row)
    return known


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_there_and_back_is_the_same(postgres: Postgres, tmp_path: Path, seed: int) -> None:
    """Whatever is in whichever table: every value of every row, in PostgreSQL and in another file."""
    server_place = postgres.database()
    there, back = tmp_path / f"{seed}.db", tmp_path / f"{seed}-back.db"
    for path in (there, back):
        shutil.copyfile(migrated(), path)
    with writing(there) as rows:
        known = fill_at_random(rows, random.Random(seed))  # noqa: S311 no secret
    expected = rows_of(there)
    assert all(len(expected[name]) == len(known[name]) for name in expected)
    told: dict[str, int] = {}
    copies.move(there, server_place, told.__setitem__)
    assert told == {name: len(each) for name, each in expected.items()}
    assert rows_of(server_place) == expected
    move(server_place, back)
    assert rows_of(back) == expected


def new_ids(rows: Connection) -> dict[str, int]:
    """The ids of a new repository, manifest and event."""
    repository = rows.execute(
        "INSERT INTO repositories (name, created_at, tag_mutability, tag_mutability_filters, scan_on_push, encryption,"
        " lifecycle_evaluated_at) VALUES ('new', 1, 'MUTABLE', '[]', 0, '{}', 0) RETURNING id"
    ).fetchone()[0]
    manifest = rows.execute(
        "INSERT INTO manifests (repository_id, digest, media_type, size, image_size, status, pushed_at)"
        " VALUES (?, 'sha256:1', 'm', 1, 1, 'ACTIVE', 1) RETURNING id",
        (repository,),
    ).fetchone()[0]
    rows.execute("DELETE FROM repositories")
    return {"repositories": repository, "manifests": manifest, "events": event(rows)}


def event(rows: Connection) -> int:
    """Record an event."""
    return events.insert(rows, 1, "ECR Image Action", "PUSH", "team/app", "{}")


def write(place: Place, work: Callable[[Connection], Any]) -> Any:
    """Write as a registry does."""
    database = opened(place)
    try:
        return database.write(work).result()
    finally:
        database.close()


def read(place: Place, work: Callable[[Connection], Any]) -> Any:
    """Read as a registry does."""
    database = opened(place)
    try:
        with database.read() as rows:
            return work(rows)
    finally:
        database.close()


def test_no_id_is_given_again(path: Path, postgres: Postgres) -> None:
    """Not even one of a row that was deleted, wherever the rows go."""
    server, another, file = postgres.database(), postgres.database(), path.with_name("another.db")
    places: list[Place] = [path, server, path, server, another, file, another, file]
    given: list[dict[str, int]] = []
    for source, target in itertools.pairwise([path, *places]):
        if source != target:
            move(source, target)
        given += [write(target, new_ids) for _ in range(3)]
    for name in ("repositories", "manifests", "events"):
        ids = [each[name] for each in given]
        assert len(set(ids)) == len(ids), (name, ids)
        if name != "manifests":
            assert ids == sorted(ids)


def test_events_go_on_where_they_were(path: Path, postgres: Postgres) -> None:
    """Who follows the log misses none and gets none twice, though another server's transactions have lower numbers."""
    high = 2**45  # of a server that has written for years
    with writing(path) as rows:
        rows.execute(
            "INSERT INTO events (id, recorded_at, detail_type, action, repository, detail) VALUES (?, 1, 'T', '', NULL, '{}')",
            (high,),
        )
    source: Place = path
    last = high
    for target in (postgres.empty_database(), postgres.empty_database()):
        move(source, target)
        postgres.settle()
        assert read(target, events.latest) == last
        assert seen_after(target, last) == []
        told = [write(target, event) for _ in range(3)]
        postgres.settle()
        assert seen_after(target, last) == told
        source, last = target, told[-1]


def test_events_of_a_dump_go_on_where_they_were(postgres: Postgres) -> None:
    """Restored into a server whose transactions have lower numbers: said once, and never where events go on by themselves."""
    server = postgres.database()
    first = write(server, event)
    settle(server)
    assert shift(server) is None
    high = 2**45
    write(server, lambda rows: rows.execute("UPDATE events SET id = :high", {"high": high}))
    assert seen_after(server, first) == []  # nobody would be told, for years
    settle(server)
    shifted = shift(server)
    told = [write(server, event) for _ in range(3)]
    assert told == sorted(told)
    assert told[0] > high
    postgres.settle()
    assert seen_after(server, first) == [high, *told]
    settle(server)
    assert shift(server) == shifted is not None


def settle(place: Place) -> None:
    """What every start does."""
    with contextlib.closing(opened(place)) as database:
        copies.settle(database)


def shift(place: Place) -> str | None:
    """What is added to the numbers of transactions."""
    with contextlib.closing(opened(place)) as database:
        return rules.registry_document(database.reader(), "event-shift")


def seen_after(place: Place, event_id: int) -> list[int]:
    """What somebody is told who has seen everything up to an event."""
    return [each.id for each in read(place, lambda rows: events.after(rows, event_id, 10))]


def refusal(place: Place) -> str | None:
    """Why it is not to be served."""
    database = opened(place)
    try:
        return copies.refusal(database)
    finally:
        database.close()


def test_at_most_one_of_the_two_can_be_served(path: Path, postgres: Postgres) -> None:
    """Before the move the source, after it the target; what was moved away can be moved back."""
    server = postgres.database()
    write(path, lambda rows: add(rows, "team/app"))
    assert refusal(path) is None
    copies.reserve(server, f"move from {name_of(path)}")
    assert refusal(path) is None
    assert refusal(server) == f"the move from {path} has not ended: start it again, it goes on where it was"
    move(path, server)
    assert refusal(path) == f"this registry was moved to {name_of(server)}: set `database` to that"
    assert "only-for-tests" not in str(refusal(path))
    assert refusal(server) is None
    write(server, lambda rows: add(rows, "team/lib"))
    move(server, path)
    assert refusal(path) is None
    assert refusal(server) == f"this registry was moved to {path}: set `database` to that"
    assert read(path, lambda rows: rows.execute("SELECT name FROM principals ORDER BY 1").fetchall()) == [
        ("team/app",),
        ("team/lib",),
    ]


def test_a_move_that_has_ended_may_be_asked_for_again(path: Path, postgres: Postgres) -> None:
    """Nothing happens: what was written since is there, and whoever has the registry open there goes on."""
    server = postgres.database()
    move(path, server)
    write(server, lambda rows: add(rows, "team/app"))
    with contextlib.closing(open_it(server)):
        move(path, server)
    assert read(server, lambda rows: rows.execute("SELECT name FROM principals").fetchall()) == [
        ("team/app",)
    ]


@pytest.fixture(params=["to a server", "to a file"])
def ends(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> tuple[Place, Place]:
    """A source with a repository in it, and an empty target."""
    file = tmp_path / "end.db"
    shutil.copyfile(migrated(), file)
    found: tuple[Place, Place] = (file, postgres.database())
    if request.param == "to a file":
        found = found[::-1]
    write(found[0], lambda rows: add(rows, "team/app"))
    return found


def open_it(place: Place) -> "Database":
    """Have it open, as a node has."""
    database = opened(place)
    names(database)
    return database


@pytest.mark.parametrize("which", [0, 1], ids=["source", "target"])
def test_nobody_may_have_one_of_them_open(
    ends: tuple[Place, Place], which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said that somebody has, and both are as they were; a while later it goes."""
    monkeypatch.setattr("careen.db.postgres.bulk.LOCK_SECONDS", 0.1)
    monkeypatch.setattr("careen.db.sqlite_bulk.LOCK_SECONDS", 0.1)
    somebody = open_it(ends[which])
    try:
        with pytest.raises(bulk.InUse, match=r"has .* open|others are connected to the database as our user"):
            move(*ends)
        assert refusal(ends[0]) is None
    finally:
        somebody.close()
    monkeypatch.undo()
    move(*ends)
    assert refusal(ends[1]) is None


def test_who_comes_in_the_middle_undoes_it(
    path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was just starting has looked before the move began: the move does not count."""
    monkeypatch.setattr("careen.db.postgres.bulk.LOCK_SECONDS", 0.1)
    server = postgres.database()
    late: list[Database] = []
    write(server, lambda rows: add(rows, "team/app"))

    def come(*_: object) -> None:
        if not late:
            late.append(open_it(server))

    with pytest.raises(bulk.InUse, match="others are connected"):
        copies.move(server, path, come)
    late[0].close()
    assert refusal(server) is None
    assert refusal(path) is not None
    move(server, path)
    assert refusal(path) is None


def test_who_opens_a_file_before_it_is_locked_is_seen(
    path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the end of its log and the lock: it has one again then, and its readers would not be kept out."""
    came: list[Database] = []

    class Slow(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
            if statement == "BEGIN EXCLUSIVE" and not came:
                came.append(open_it(path))
            return super().execute(statement, *parameters)

    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.connect", partial(sqlite3.connect, factory=Slow))
        with pytest.raises(bulk.InUse, match=r"another process has just opened .*careen\.db"):
            move(path, postgres.database())
    with contextlib.closing(came[0]):
        came[0].write(lambda rows: add(rows, "team/app")).result()
    assert refusal(path) is None


def test_a_target_that_has_rows_is_refused(ends: tuple[Place, Place]) -> None:
    """It stays as it is."""
    source, target = ends
    write(target, lambda rows: add(rows, "team/other"))
    with pytest.raises(copies.CopyFailed, match="is not empty: there are rows in principals"):
        move(source, target)
    assert refusal(source) is refusal(target) is None
    with contextlib.closing(opened(target)) as database:
        assert names(database) == {"team/other"}


def test_what_was_moved_away_is_replaced_by_nothing_else(
    ends: tuple[Place, Place], postgres: Postgres
) -> None:
    """It is what is left of a registry: only its own rows come back there, neither another registry's nor a restore's."""
    left, here = ends
    move(left, here)
    another = postgres.database()
    write(another, lambda rows: add(rows, "team/other"))
    says = "is not empty: there are rows in principals, of a registry that was moved to"
    with pytest.raises(copies.CopyFailed, match=says):
        move(another, left)
    with pytest.raises(copies.CopyFailed, match=says):
        copies.reserve(left, "restore into /somewhere")
    assert refusal(another) is None
    assert read(left, lambda rows: rows.execute("SELECT name FROM principals").fetchall()) == [("team/app",)]
    move(here, left)
    assert refusal(left) is None


def test_a_target_is_reserved_for_one_copy(ends: tuple[Place, Place], path: Path) -> None:
    """Another is refused, and so is one that lost its reservation."""
    source, target = ends
    copies.reserve(target, "restore into /somewhere")
    with pytest.raises(
        copies.CopyFailed, match="awaits another copy: the restore into /somewhere has not ended"
    ):
        move(source, target)
    with pytest.raises(
        copies.CopyFailed, match=r"no whole registry in .*: the restore into /somewhere has not ended"
    ):
        move(target, path)
    copies.release(target, "restore into /somewhere")
    with pytest.raises(copies.CopyFailed, match="not reserved for the restore into /somewhere any more"):
        copies.fill(source, target, "restore into /somewhere", nothing)


def test_nothing_is_moved_to_where_it_is(ends: tuple[Place, Place]) -> None:
    """Nor to two places."""
    source, target = ends
    with pytest.raises(copies.CopyFailed, match="already"):
        move(source, source)
    move(source, target)
    with pytest.raises(copies.CopyFailed, match=r"was moved to .*: what is here is old"):
        move(source, f"{target}-another" if isinstance(target, str) else target.with_name("another.db"))


def test_another_schema_is_refused(ends: tuple[Place, Place]) -> None:
    """Rows of an older version are brought up to date first."""
    source, target = ends
    copies.reserve(target, "copy")
    with writing(source) as rows:
        rows.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(copies.CopyFailed, match="the rows have schema 0001, the database for them has"):
        copies.fill(source, target, "copy", nothing)


def test_what_arrives_differently_does_not_count(path: Path, postgres: Postgres) -> None:
    """As with a trigger that somebody made: every row is read again and compared."""
    server = postgres.database()
    write(path, lambda rows: add(rows, "team/app"))
    with psycopg.connect(server) as connection:
        connection.execute(
            "CREATE FUNCTION improve() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.name = upper(NEW.name); RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER improve BEFORE INSERT ON principals FOR EACH ROW EXECUTE FUNCTION improve()"
        )
    with pytest.raises(
        copies.CopyFailed, match="principals did not arrive as it was sent: 1 rows went, 1 came"
    ):
        move(path, server)
    assert refusal(path) is None
    assert "has not ended" in str(refusal(server))
    assert rows_of(server)["principals"] == []
    with psycopg.connect(server) as connection:
        connection.execute("DROP TRIGGER improve ON principals")
    move(path, server)
    assert refusal(server) is None


def test_what_a_server_cannot_keep_is_said(path: Path, postgres: Postgres) -> None:
    """PostgreSQL's text has no NUL."""
    write(path, lambda rows: add(rows, "team/\x00"))
    with pytest.raises(bulk.Unfit, match=r"principals: .*0x00"):
        move(path, postgres.database())
    assert refusal(path) is None


def test_a_copy_into_a_file_is_the_database_at_one_instant(place: Place, tmp_path: Path) -> None:
    """Whatever is written meanwhile: of two repositories that are always made together, the copy has both or none."""
    database = opened(place)
    numbers = iter(range(1_000_000))

    def pair(rows: Connection) -> None:
        number = next(numbers)
        add(rows, f"a/{number}")
        add(rows, f"b/{number}")
        rows.execute("INSERT INTO holds (name, until) VALUES (?, 1)", (f"{number}",))

    try:
        for turn in range(3):
            pending = [database.write(pair) for _ in range(40)]
            copies.make(place, tmp_path / "copy.db")
            with copies.opened(tmp_path / "copy.db") as rows:
                found = {name for (name,) in rows.execute("SELECT name FROM principals")}
                assert rows.execute("SELECT count(*) FROM holds").fetchone() == (0,)
            assert len(found) >= 80 * turn
            assert {name[2:] for name in found if name[0] == "a"} == {
                name[2:] for name in found if name[0] == "b"
            }
            for each in pending:
                each.result()
    finally:
        database.close()
    if isinstance(database, PostgresDatabase):
        assert schema.current(tmp_path / "copy.db") == schema.head()
    assert [each.name for each in tmp_path.glob("copy.db*")] == ["copy.db"]


def test_tables_that_refer_come_after_what_they_refer_to() -> None:
    """The order of a copy; no table refers to itself, whose rows would need one of their own."""
    seen: set[str] = set()
    for table in copies._tables():
        assert isinstance(table, Table)
        assert {key.column.table.name for key in table.foreign_keys} <= seen
        seen.add(table.name)
    assert seen == set(metadata.tables)


def fill_with_images(path: Path, number: int) -> None:
    """So many images of three layers, with manifests of a kilobyte."""
    with writing(path) as rows:
        rows.execute(
            "INSERT INTO repositories (id, name, created_at, tag_mutability, tag_mutability_filters, scan_on_push, encryption,"
            " lifecycle_evaluated_at) VALUES (1, 'team/app', 1, 'MUTABLE', '[]', 0, '{}', 0)"
        )
        images = range(1, number + 1)
        digest = "sha256:{:064x}".format
        blobs = [(digest(3 * image + layer), image, layer) for image in images for layer in range(3)]
        for statement, values in (
            (
                "INSERT INTO manifests (id, repository_id, digest, media_type, size, image_size, status, pushed_at)"  # noqa: ISC004
                " VALUES (?, 1, ?, 'application/vnd.oci.image.manifest.v1+json', 1000, 100000, 'ACTIVE', 1)",
                ((image, digest(image)) for image in images),
            ),
            ("INSERT INTO manifest_contents VALUES (?, ?)", ((image, bytes(1000)) for image in images)),
            ("INSERT INTO tags VALUES (1, ?, ?, 1)", ((f"{image}", image) for image in images)),
            ("INSERT INTO blobs VALUES (?, 30000, '0123456789abcdef', 1)", ((blob,) for blob, _, _ in blobs)),
            ("INSERT INTO repository_blobs VALUES (1, ?, 1)", ((blob,) for blob, _, _ in blobs)),
            ("INSERT INTO manifest_blobs VALUES (?, 1, ?)", ((image, blob) for blob, image, _ in blobs)),
            (
                "INSERT INTO events VALUES (?, 1, 'ECR Image Action', 'PUSH', 'team/app', ?)",
                ((image, "x" * 300) for image in images),
            ),
        ):
            rows.executemany(statement, values)


MOVER = """
import re, sys, time
from pathlib import Path
from careen.db import copies
from careen.db.tables import metadata
source, target = (each if "://" in each else Path(each) for each in sys.argv[1:])
start = time.monotonic()
copies.move(source, target, lambda *_: None)
# Not getrusage, whose peak begins with that of the process before exec.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(peak, time.monotonic() - start)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_images_take_no_more_memory_than_a_thousand(
    postgres: Postgres, tmp_path: Path
) -> None:
    """There and back; but for the pages that SQLite keeps."""
    peaks: dict[tuple[int, bool], float] = {}
    for number in (1_000, 100_000):
        there, server, back = (tmp_path / f"{number}.db", postgres.database(), tmp_path / f"{number}-back.db")
        for path in (there, back):
            shutil.copyfile(migrated(), path)
        fill_with_images(there, number)
        for source, target in ((there, server), (server, back)):
            done = subprocess.run(
                [sys.executable, "-c", MOVER, source, target], capture_output=True, text=True, check=True
            )
            kilobytes, seconds = map(float, done.stdout.split())
            sys.stdout.write(f"{number:,} images: {kilobytes / 1024:.0f} MiB, {seconds:.1f} s\n")
            peaks[number, source is there] = kilobytes
    cache = sqlite_bulk.CACHE_KIB
    for is_there in (True, False):
        assert peaks[100_000, is_there] < peaks[1_000, is_there] + cache + 16 * 1024
