"""Protection rules, extension rules and default policies; and from when each repository's evaluation can do something."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "default_lifecycle_policies",
        sa.Column("pattern", sa.Text(), nullable=False, comment="of repository names, * for anything"),
        sa.Column("policy", sa.Text(), nullable=False, comment="canonical JSON"),
        sa.PrimaryKeyConstraint("pattern", name=op.f("pk_default_lifecycle_policies")),
    )
    op.create_table(
        "pull_time_exclusions",
        sa.Column("principal_arn", sa.Text(), nullable=False, comment="whose pulls are not recorded"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("principal_arn", name=op.f("pk_pull_time_exclusions")),
    )
    op.create_table(
        "registry_documents",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_registry_documents")),
    )
    # Columns are added where they are: SQLite would otherwise copy a table that others refer to.
    op.add_column("repositories", sa.Column("extension_rules", sa.Text()))
    op.add_column("repositories", sa.Column("protection_rules", sa.Text()))
    op.add_column("repositories", sa.Column("lifecycle_due_at", sa.BigInteger(), server_default="0"))
    op.create_index("ix_repositories_lifecycle_due_at", "repositories", ["lifecycle_due_at"])
