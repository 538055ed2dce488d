"""What the registry stores over time, and repositories at a glance."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "repository_summaries",
        sa.Column("repository_id", _Id, autoincrement=False, nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("untagged", sa.BigInteger(), nullable=False),
        sa.Column(
            "size",
            sa.BigInteger(),
            nullable=False,
            comment="bytes of the blobs that its images need, each once",
        ),
        sa.Column("pushed_at", sa.BigInteger()),
        sa.Column("pulled_at", sa.BigInteger()),
        sa.Column("pulls", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("fk_repository_summaries_repository_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", name=op.f("pk_repository_summaries")),
    )
    op.create_table(
        "storage_samples",
        sa.Column("sampled_at", _Id, autoincrement=False, nullable=False),
        sa.Column(
            "live_bytes",
            sa.BigInteger(),
            nullable=False,
            comment="of blobs that images of one repository need",
        ),
        sa.Column(
            "shared_bytes", sa.BigInteger(), nullable=False, comment="the same of several repositories"
        ),
        sa.Column(
            "archive_bytes",
            sa.BigInteger(),
            nullable=False,
            comment="of blobs that only archived images need",
        ),
        sa.Column(
            "trash_bytes",
            sa.BigInteger(),
            nullable=False,
            comment="of blobs that only images in the trash need",
        ),
        sa.Column("unneeded_bytes", sa.BigInteger(), nullable=False, comment="of blobs that no image needs"),
        sa.Column("taken_bytes", sa.BigInteger(), nullable=False, comment="of files and of the database"),
        sa.Column(
            "archive_home_bytes", sa.BigInteger(), nullable=False, comment="of these, in the archive's home"
        ),
        sa.Column("repositories", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("trash_images", sa.BigInteger(), nullable=False),
        sa.Column(
            "unruled", sa.BigInteger(), nullable=False, comment="repositories on whose images no rule acts"
        ),
        sa.Column(
            "stale_images",
            sa.BigInteger(),
            nullable=False,
            comment="untagged for two weeks in such repositories",
        ),
        sa.Column("stale_bytes", sa.BigInteger(), nullable=False, comment="what deleting those gives back"),
        sa.Column(
            "spared_images",
            sa.BigInteger(),
            nullable=False,
            comment="that a rule would take were they not in use",
        ),
        sa.PrimaryKeyConstraint("sampled_at", name=op.f("pk_storage_samples")),
    )
