"""What the scrub found damaged and how far it is; what keeps files from being deleted while they are copied."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "damaged_blobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column(
            "generation", sa.Text(), nullable=False, comment="of the lost bytes; empty: they were a row"
        ),
        sa.Column(
            "size", sa.BigInteger(), nullable=False, comment="bytes that the blob has when it is whole"
        ),
        sa.Column("what", sa.Text(), nullable=False, comment="missing, size, digest or unreadable"),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"], ["blobs.digest"], name=op.f("fk_damaged_blobs_digest"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_damaged_blobs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "damaged_manifests",
        sa.Column("manifest_id", _ID, autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="missing, size, digest or references"),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["manifests.id"],
            name=op.f("fk_damaged_manifests_manifest_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_damaged_manifests")),
    )
    op.create_table(
        "scrubs",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column(
            "cursor",
            sa.Text(),
            nullable=False,
            comment="the last digest or manifest id of the phase that is done",
        ),
        sa.Column("blobs", sa.BigInteger(), nullable=False),
        sa.Column("manifests", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes that were verified"),
        sa.Column("strays", sa.BigInteger(), nullable=False, comment="files that no row names"),
        sa.Column("stray_size", sa.BigInteger(), nullable=False, comment="their bytes"),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_scrubs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "holds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False, comment="by the system's clock"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_holds")),
        sqlite_with_rowid=False,
    )
