"""What collections gave back, one by one and all together."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _given_back() -> list[sa.Column[int]]:
    return [
        sa.Column("blobs", sa.BigInteger(), nullable=False),
        sa.Column("freed", sa.BigInteger(), nullable=False, comment="bytes"),
        sa.Column("orphans", sa.BigInteger(), nullable=False, comment="files that no row named"),
        sa.Column("uploads", sa.BigInteger(), nullable=False, comment="that were abandoned"),
        sa.Column("purged", sa.BigInteger(), nullable=False, comment="images that left the trash"),
    ]


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="collect or sweep"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True, comment="NULL: under way, or its process died"),
        *_given_back(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
    )
    op.create_table(
        "collection_totals",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("busy", sa.BigInteger(), nullable=False, comment="microseconds that they took"),
        sa.Column("ended_at", sa.BigInteger(), nullable=False, comment="of the last one; 0: none yet"),
        *_given_back(),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_collection_totals")),
        sqlite_with_rowid=False,
    )
