"""Alembic's environment: one connection, one transaction for all the steps.

SQLite's databases go through all of them. PostgreSQL's are made as the tables are described now, and go through those that came
later: the oldest there is 0018.

Python's driver begins a transaction only before it changes rows, so that each CREATE TABLE would count by itself, and a migration that
was killed could not be repeated. Here the transaction is begun by ourselves, and SQLite undoes DDL like anything else.
"""

from typing import Any

from alembic import context
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, event, inspect, text

from careen.db.tables import metadata
from careen.db.words import FOUNDING, WORDS
from careen.faults import Point, reach

LOCK = 0x63617265656E
"""Of the nodes that start at once one migrates: the key of an advisory lock, "careen" in ASCII.

It is the session's, not the transaction's: a migration may commit in its midst to make an index without holding up anybody.
"""

LOCK_TIMEOUT = "SET LOCAL lock_timeout = '3s'"
"""A migration that waits for a table lets all wait behind it that come later: so not for long (``careen.db.schema`` tries again)."""

COMPATIBLE_FROM = text(
    "INSERT INTO registry_documents (kind, content) VALUES ('compatible-from', :oldest)"
    " ON CONFLICT (kind) DO UPDATE SET content = excluded.content"
)
"""The oldest schema whose programs may work on what this makes of the database."""

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
is_sqlite = engine.dialect.name == "sqlite"

if is_sqlite:

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _found(connection: Connection) -> None:
    """Make the tables, if nobody has."""
    if not inspect(connection).has_table("alembic_version"):
        metadata.create_all(connection)
        connection.exec_driver_sql(WORDS)
        connection.exec_driver_sql(FOUNDING)
        context.get_context().stamp(ScriptDirectory.from_config(context.config), "head")


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=is_sqlite,
        transactional_ddl=True,
        on_version_apply=lambda **_: reach(Point.MIGRATION_STEP),
    )
    with context.begin_transaction():
        if not is_sqlite:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            connection.exec_driver_sql(LOCK_TIMEOUT)
            _found(connection)
        context.run_migrations()
        if not is_sqlite:
            connection.exec_driver_sql(WORDS)
        oldest = context.config.attributes.get("compatible_from")
        if oldest is not None:  # else somebody goes to a revision of his choice, which is a test
            connection.execute(COMPATIBLE_FROM, {"oldest": oldest})
