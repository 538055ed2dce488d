"""Users and roles with policies of their own, keys that can be switched off, and OpenID Connect providers.

A principal's one managed policy becomes its first attached policy. The administrator of the first start had what was the highest
of them, everything that there was to do; managing users is to do now, so it has the policy that includes it.
"""

import base64
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    found = op.get_bind().execute(sa.text("SELECT id, name, policy, created_at FROM principals")).fetchall()
    op.create_table(
        "new_principals",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("unique_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("trust_policy", sa.Text()),
        sa.Column("description", sa.Text()),
        sa.Column("max_session", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principals")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_principals_kind_name")),
        sa.UniqueConstraint("unique_id", name=op.f("uq_principals_unique_id")),
    )
    for row in found:
        op.get_bind().execute(
            sa.text(
                "INSERT INTO new_principals (id, kind, name, path, unique_id, created_at)"
                " VALUES (:id, 'user', :name, '/', :unique_id, :created_at)"
            ),
            {"id": row.id, "name": row.name, "unique_id": _unique_id(), "created_at": row.created_at},
        )
    # Foreign keys are not enforced while a schema is changed, so the keys stay.
    op.drop_table("principals")
    op.rename_table("new_principals", "principals")
    op.create_table(
        "identity_policies",
        sa.Column("principal_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["principals.id"],
            name=op.f("fk_identity_policies_principal_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("principal_id", "name", name=op.f("pk_identity_policies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attached_policies",
        sa.Column("principal_id", _ID, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["principals.id"],
            name=op.f("fk_attached_policies_principal_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("principal_id", "policy", name=op.f("pk_attached_policies")),
        sqlite_with_rowid=False,
    )
    for row in found:
        is_first = row.name == "administrator" and row.policy == "AmazonEC2ContainerRegistryFullAccess"
        op.get_bind().execute(
            sa.text("INSERT INTO attached_policies (principal_id, policy) VALUES (:id, :policy)"),
            {"id": row.id, "policy": "AdministratorAccess" if is_first else row.policy},
        )
    op.add_column("access_keys", sa.Column("active", sa.Integer(), nullable=False, server_default="1"))
    op.create_table(
        "oidc_providers",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("audiences", sa.Text(), nullable=False),
        sa.Column("thumbprints", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("keys", sa.Text()),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_oidc_providers")),
    )


def _unique_id() -> str:
    """As ``careen.iam.keys.new_unique_id`` makes them; a migration keeps what it needs, whatever becomes of that."""
    return "AIDA" + base64.b32encode(secrets.token_bytes(11)).decode()[:17]
