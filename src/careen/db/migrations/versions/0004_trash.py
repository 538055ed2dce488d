"""The ledger of deletions, and the trash from which images come back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("image_size", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("run_id", _ID),
        sa.Column("rule_priority", sa.Integer()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("plan_hash", sa.Text()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended", sa.Text()),
        sa.Column("ended_by", sa.Text()),
        sa.Column("freed", sa.BigInteger()),
        sa.Column("missed_pulls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("missed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletions")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deletions_digest", "deletions", ["digest"])
    op.create_index("ix_deletions_run_id", "deletions", ["run_id"])
    op.create_index("ix_deletions_repository_digest", "deletions", ["repository", "digest"])
    op.create_table(
        "trash",
        sa.Column("deletion_id", _ID, autoincrement=False, nullable=False),
        sa.Column("purge_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.Column("pulled_at", sa.BigInteger()),
        sa.Column("pull_count", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger()),
        sa.Column("activated_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["deletion_id"], ["deletions.id"], name=op.f("fk_trash_deletion_id")),
        sa.PrimaryKeyConstraint("deletion_id", name=op.f("pk_trash")),
    )
    op.create_index("ix_trash_purge_at", "trash", ["purge_at"])
    op.create_table(
        "trash_blobs",
        sa.Column("deletion_id", _ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deletion_id"],
            ["trash.deletion_id"],
            name=op.f("fk_trash_blobs_deletion_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_trash_blobs_digest")),
        sa.PrimaryKeyConstraint("deletion_id", "digest", name=op.f("pk_trash_blobs")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_trash_blobs_digest", "trash_blobs", ["digest"])
