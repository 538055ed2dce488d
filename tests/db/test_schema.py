"""The migrations arrive at the schema that ``careen.db.tables`` describes, and know where they stand."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from careen.db import schema
from careen.db.tables import metadata


def test_the_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    """Nothing is missing from the migrations, and nothing is left over."""
    schema.migrate(tmp_path / "careen.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'careen.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_every_foreign_key_has_an_index_to_look_it_up(tmp_path: Path) -> None:
    """Deleting a row never scans a table for what refers to it."""
    schema.migrate(tmp_path / "careen.db")
    connection = sqlite3.connect(tmp_path / "careen.db")
    missing = []
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        keys: dict[int, list[str]] = {}
        for number, _, _, column, *_ in connection.execute(f"PRAGMA foreign_key_list({table})"):
            keys.setdefault(number, []).append(column)
        indexed = [
            [row[2] for row in connection.execute(f"PRAGMA index_info({index[1]})")]
            for index in connection.execute(f"PRAGMA index_list({table})")
        ]
        primary = [
            row[1]
            for row in sorted(connection.execute(f"PRAGMA table_info({table})"), key=lambda r: r[5])
            if row[5]
        ]
        missing += [
            (table, columns)
            for columns in keys.values()
            if not any(set(index[: len(columns)]) == set(columns) for index in [*indexed, primary])
        ]
    connection.close()
    assert missing == [("access_keys", ["principal_id"])]  # a handful of keys; principals are not deleted


def test_a_second_start_does_not_import_alembic(tmp_path: Path) -> None:
    """An up-to-date database is recognised without the second that Alembic takes to import."""
    path = tmp_path / "careen.db"
    schema.migrate(path)
    program = (
        "import sys, pathlib; from careen.db import schema;"
        f" schema.migrate(pathlib.Path({str(path)!r})); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """A downgrade is refused before anything is changed, and the message says what to do."""
    path = tmp_path / "careen.db"
    schema.migrate(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(schema.SchemaTooNew, match=r"9999.*Install the newer version"):
        schema.migrate(path)
    assert path.read_bytes() == before
