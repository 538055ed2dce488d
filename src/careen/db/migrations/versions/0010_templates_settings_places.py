"""Repository creation templates and account settings; blobs in the archive's home, and bytes that stay a while after a move."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "repository_creation_templates",
        sa.Column("prefix", sa.Text(), nullable=False, comment="as it was sent; ROOT: what no other matches"),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("encryption", sa.Text(), nullable=False, comment="JSON encryptionConfiguration"),
        sa.Column("resource_tags", sa.Text(), nullable=False, comment="JSON object"),
        sa.Column("tag_mutability", sa.Text(), nullable=False),
        sa.Column(
            "tag_mutability_filters", sa.Text(), nullable=False, comment="JSON list of wildcard filters"
        ),
        sa.Column("repository_policy", sa.Text(), nullable=True),
        sa.Column("lifecycle_policy", sa.Text(), nullable=True, comment="canonical JSON; NULL: none"),
        sa.Column("applied_for", sa.Text(), nullable=False, comment="JSON list"),
        sa.Column("custom_role_arn", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_repository_creation_templates")),
    )
    op.create_table(
        "account_settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account_settings")),
        sqlite_with_rowid=False,
    )
    archived = sa.text("generation >= 'archive-' AND generation < 'archive.'")
    op.create_index(
        "ix_blobs_archived", "blobs", ["generation"], sqlite_where=archived, postgresql_where=archived
    )
    op.add_column(
        "condemned_blobs",
        sa.Column(
            "delete_at",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="the bytes stay until this instant: somebody may be reading them",
        ),
    )
