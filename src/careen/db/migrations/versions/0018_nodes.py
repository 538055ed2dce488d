"""Which nodes work on the database."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
compatible_from = "0018"

_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", _Text, nullable=False, comment="another with every start"),
        sa.Column("name", _Text, nullable=False),
        sa.Column("version", _Text, nullable=False, comment="of Careen"),
        sa.Column("schema", _Text, nullable=False, comment="the newest that it knows"),
        sa.Column("processes", sa.Integer(), nullable=False, comment="that answer requests"),
        sa.Column("started_at", sa.BigInteger(), nullable=False, comment="by the database's clock"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="by the database's clock"),
        sa.Column(
            "clock_offset",
            sa.BigInteger(),
            nullable=False,
            comment="how far its clock is ahead of the database's",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
    )
