"""Databases on PostgreSQL that earlier versions made: migrated, they are what this version makes."""

import lzma
from pathlib import Path

import psycopg
import pytest

from careen.db import schema
from tests.postgres import Postgres, needs_postgres

pytestmark = needs_postgres

DUMPS = sorted(Path(__file__).parent.glob("*.postgresql.sql.xz"))

TABLES = """
SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public'
UNION ALL SELECT 'index', indexdef, '', '', '', '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), '', '', '' FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'function', pg_get_functiondef(oid), '', '', '', '' FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
UNION ALL SELECT 'aggregate', oid::regprocedure::text, '', '', '', '' FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'a'
UNION ALL SELECT 'sequence', sequencename, data_type::text, '', '', '' FROM pg_sequences WHERE schemaname = 'public'
UNION ALL SELECT 'document', kind, content, '', '', '' FROM registry_documents
"""
"""All that a schema consists of. The order of columns means nothing: no statement asks for all of them."""


def described(url: str) -> set[tuple[str, ...]]:
    """What is in a database."""
    with psycopg.connect(url) as connection:
        return set(connection.execute(TABLES).fetchall())


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.name.partition(".")[0])
def test_a_database_that_was_migrated_is_one_that_was_made(postgres: Postgres, dump: Path) -> None:
    """Tables are described once and migrated step by step: both ways lead to the same."""
    old, new = postgres.empty_database(), postgres.empty_database()
    with psycopg.connect(old) as connection:
        connection.execute(lzma.decompress(dump.read_bytes()))
    assert schema.current(old) == dump.name.partition(".")[0]
    for url in (old, new):
        schema.migrate(url)
        assert schema.current(url) == schema.head()
    assert described(old) == described(new)
