"""Alembic's environment: one connection, one transaction for all the steps, so that a crash leaves all of them or none.

Python's driver would begin a transaction only before the first row is written, and each table would be there on its own.
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event

from careen.db.tables import metadata
from careen.faults import Point, reach

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")


@event.listens_for(engine, "connect")
def leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def begin(connection: Connection) -> None:
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
