"""The log of events, webhooks and what could not be delivered to them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("detail_type", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="its action-type; empty: it has none"),
        sa.Column(
            "repository", sa.Text(), nullable=True, comment="its name: the event outlives the repository"
        ),
        sa.Column("detail", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("detail_types", sa.Text(), nullable=False, comment="JSON list; empty: all"),
        sa.Column("actions", sa.Text(), nullable=False, comment="JSON list; empty: all"),
        sa.Column("repositories", sa.Text(), nullable=False, comment="a pattern of names; empty: all events"),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column(
            "generation", sa.Integer(), nullable=False, comment="of its secret, which is derived and not kept"
        ),
        sa.Column(
            "rotated_at",
            sa.BigInteger(),
            nullable=False,
            comment="when the generation began, by the system's clock",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False, comment="the last event that is dealt with"),
        sa.Column(
            "attempts", sa.Integer(), nullable=False, comment="how often the next one was tried in vain"
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="of the last attempt; NULL: it was delivered"),
        sa.Column("attempted_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("name", name=op.f("uq_webhooks_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dead_letters",
        sa.Column("webhook_id", _ID, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False, comment="1: somebody asked for it after all"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_dead_letters_webhook_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_dead_letters_event_id")),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name=op.f("pk_dead_letters")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_dead_letters_event_id"), "dead_letters", ["event_id"])
