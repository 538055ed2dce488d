"""Replication: how far images are on their way to other registries, deletions on theirs, backfills."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "replications",
        sa.Column("manifest_id", _ID, nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("registry_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="IN_PROGRESS, COMPLETE or FAILED"),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True, comment="for people"),
        sa.Column(
            "refused_tags",
            sa.Text(),
            nullable=False,
            comment="JSON list: tags that the destination did not take",
        ),
        sa.Column(
            "asked_at",
            sa.BigInteger(),
            nullable=False,
            comment="the push; what fails is tried again for a day",
        ),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name=op.f("fk_replications_manifest_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", "region", "registry_id", name=op.f("pk_replications")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "replication_deletions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("repository", sa.Text(), nullable=False, comment="its name: the image is gone"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("is_image", sa.Integer(), nullable=False, comment="0: only the tags"),
        sa.Column(
            "tags",
            sa.Text(),
            nullable=False,
            comment="JSON list: those that it had, or that were removed",
        ),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("registry_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("failure_code", sa.Text(), nullable=True, comment="NULL: it is tried"),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replication_deletions")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "replication_backfills",
        sa.Column("id", sa.Text(), nullable=False, comment="a UUID"),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("registry_id", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="PREPARING, IN_PROGRESS, STOPPING, STOPPED, COMPLETE or FAILED",
        ),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "prepared_to",
            sa.BigInteger(),
            nullable=False,
            comment="images up to this manifest's id are listed",
        ),
        sa.Column("is_prepared", sa.Integer(), nullable=False),
        sa.Column(
            "rounds",
            sa.Integer(),
            nullable=False,
            comment="how often in a row the destination was not to be reached",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replication_backfills")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "replication_backfill_results",
        sa.Column("backfill_id", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False, comment="empty: an image without a tag"),
        sa.Column("status", sa.Text(), nullable=True, comment="COMPLETE or FAILED; NULL: not yet"),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("sub_image_failure_codes", sa.Text(), nullable=True, comment="JSON list; only of an index"),
        sa.ForeignKeyConstraint(
            ["backfill_id"],
            ["replication_backfills.id"],
            name=op.f("fk_replication_backfill_results_backfill_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "backfill_id", "repository", "digest", "tag", name=op.f("pk_replication_backfill_results")
        ),
        sqlite_with_rowid=False,
    )
