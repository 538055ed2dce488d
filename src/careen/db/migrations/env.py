"""Alembic's environment: one connection, one transaction for all the steps.

Python's driver begins a transaction only before it changes rows, so that each CREATE TABLE would count by itself, and a migration that
was killed could not be repeated. Here the transaction is begun by ourselves, and SQLite undoes DDL like anything else.
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event

from careen.db.tables import metadata
from careen.faults import Point, reach

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")


@event.listens_for(engine, "connect")
def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transactional_ddl=True,
        on_version_apply=lambda **_: reach(Point.MIGRATION_STEP),
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
