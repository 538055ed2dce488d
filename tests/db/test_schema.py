"""The schema: what the migrations arrive at, and which databases are let alone."""

import contextlib
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from careen.db import schema
from careen.db.tables import metadata
from tests.waiting import PATIENCE


def master(path: Path) -> dict[str, list[str]]:
    """Every table and index in SQLite's words, sorted: the order of constraints means nothing."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    finally:
        connection.close()
    return {name: sorted(re.findall(r"\w+", sql)) for name, sql in rows if name != "alembic_version"}


def test_the_migrations_arrive_at_the_metadata(path: Path) -> None:
    """Alembic finds no difference; neither does SQLite, which also knows of rowids and autoincrement."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    made = path.with_name("made.db")
    engine = create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    assert master(path) == master(made)


def test_a_founding_database_is_upgraded(tmp_path: Path) -> None:
    """What 0001 holds is all there afterwards, and every repository is looked at once."""
    path = tmp_path / "careen.db"
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    command.upgrade(config, "0001")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO repositories (name, created_at, tag_mutability, tag_mutability_filters, scan_on_push, encryption,"
            " lifecycle_evaluated_at) VALUES ('team/app', 1, 'MUTABLE', '[]', 0, '{}', 7)"
        )
    schema.migrate(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT name, lifecycle_evaluated_at, lifecycle_due_at FROM repositories"
        ).fetchall()
    assert found == [("team/app", 7, 0)]


def test_every_migration_says_whose_programs_may_stay() -> None:
    """From the first on that several nodes lived through: never one to come, and never an older one than its predecessor said."""
    paths = sorted((schema.MIGRATIONS / "versions").glob("[0-9]*.py"))
    revisions = [path.name.partition("_")[0] for path in paths]
    for path, revision in zip(paths, revisions, strict=True):
        assert ("\ncompatible_from = " in path.read_text()) == (revision >= "0018"), path
    said = [schema.compatible_from(revision) for revision in revisions]
    assert said == sorted(said)
    assert all(oldest <= revision for oldest, revision in zip(said, revisions, strict=True))


def test_a_database_that_is_up_to_date_is_left_alone(path: Path) -> None:
    """Recognised without Alembic and SQLAlchemy, which take a second to import; not a byte changes."""
    before = path.read_bytes()
    program = (
        "import sys, pathlib; from careen.db import schema; schema.migrate(pathlib.Path(sys.argv[1]));"
        "print([name for name in ('alembic', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert path.read_bytes() == before


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    """As `touch` or a crash at the very first moment leaves it."""
    path = tmp_path / "careen.db"
    path.touch()
    assert schema.current(path) is None
    schema.migrate(path)
    assert schema.current(path) == schema.head()


def test_a_database_from_the_future_is_refused(path: Path) -> None:
    """A later version wrote it: nothing is changed, and the message says what to do."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.execute("UPDATE registry_documents SET content = '9998' WHERE kind = 'compatible-from'")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(schema.SchemaTooNew, match="has schema 9999; this version of Careen knows 0"):
        schema.migrate(path)
    assert path.read_bytes() == before


def test_a_file_that_does_not_exist_has_no_revision(tmp_path: Path) -> None:
    """And asking does not make it."""
    assert schema.current(tmp_path / "careen.db") is None
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    """The others wait for the first, and find all steps done."""
    program = "import sys, pathlib; from careen.db import schema; schema.migrate(pathlib.Path(sys.argv[1]))"
    path = tmp_path / "careen.db"
    starting = [subprocess.Popen([sys.executable, "-c", program, path]) for _ in range(4)]
    assert [one.wait(PATIENCE) for one in starting] == [0, 0, 0, 0]
    assert schema.current(path) == schema.head()


def test_principals_of_one_policy_become_users_with_it_attached(tmp_path: Path) -> None:
    """With their keys, switched on. Who had everything that there was to do has it still."""
    path = tmp_path / "careen.db"
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    command.upgrade(config, "0006")
    full, pull = "AmazonEC2ContainerRegistryFullAccess", "AmazonEC2ContainerRegistryPullOnly"
    before = [(1, "administrator", full), (2, "owner", full), (3, "Puller", pull)]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO principals VALUES (?, ?, ?, 5)", before)
        connection.executemany(
            "INSERT INTO access_keys VALUES (?, ?, 1, 7)", [("AKIA1", 1), ("AKIA2", 2), ("AKIA3", 3)]
        )
    schema.migrate(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        users = connection.execute(
            "SELECT id, kind, name, path, created_at FROM principals ORDER BY id"
        ).fetchall()
        ids = {row[0] for row in connection.execute("SELECT unique_id FROM principals")}
        attached = connection.execute(
            "SELECT name, policy FROM attached_policies JOIN principals ON id = principal_id ORDER BY id"
        ).fetchall()
        held = connection.execute("SELECT id, principal_id, active FROM access_keys ORDER BY id").fetchall()
        connection.execute("DELETE FROM principals WHERE id = 3")
        left = connection.execute("SELECT count(*) FROM access_keys").fetchone()
    assert users == [(number, "user", name, "/", 5) for number, name, _ in before]
    assert len(ids) == 3
    assert all(re.fullmatch("AIDA[A-Z2-7]{17}", each) for each in ids)
    assert attached == [("administrator", "AdministratorAccess"), ("owner", full), ("Puller", pull)]
    assert held == [("AKIA1", 1, 1), ("AKIA2", 2, 1), ("AKIA3", 3, 1)]
    assert left == (2,)
