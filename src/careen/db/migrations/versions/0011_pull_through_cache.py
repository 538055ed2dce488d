"""Pull-through cache: which prefixes stand for other registries, and when what was cached was compared with them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pull_through_cache_rules",
        sa.Column("prefix", sa.Text(), nullable=False, comment="of repository names, without its /; or ROOT"),
        sa.Column("upstream_url", sa.Text(), nullable=False, comment="as it was given"),
        sa.Column("upstream_registry", sa.Text(), comment="ECR's name for it; NULL: it has none"),
        sa.Column(
            "upstream_prefix", sa.Text(), nullable=False, comment="what stands there for prefix; or ROOT"
        ),
        sa.Column("credential_arn", sa.Text(), comment="names a secret; NULL: none is needed"),
        sa.Column("custom_role_arn", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_pull_through_cache_rules")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "upstream_references",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column(
            "reference", sa.Text(), nullable=False, comment="a tag; or a digest, whose referrers were listed"
        ),
        sa.Column(
            "digest",
            sa.Text(),
            nullable=False,
            comment="what it stood for; a tag that was pushed here is ours",
        ),
        sa.Column(
            "due_at", sa.BigInteger(), nullable=False, comment="when to compare it with the upstream again"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("fk_upstream_references_repository_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "reference", name=op.f("pk_upstream_references")),
        sqlite_with_rowid=False,
    )
