"""Passwords, and who is signed in to the console."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "login_profiles",
        sa.Column("principal_id", _Id, autoincrement=False, nullable=False),
        sa.Column("password", sa.Text(), nullable=False, comment="its Argon2id hash"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "reset_required", sa.Integer(), nullable=False, comment="1: the next sign-in asks for another"
        ),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["principals.id"],
            name=op.f("fk_login_profiles_principal_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_login_profiles")),
    )
    op.create_table(
        "console_sessions",
        sa.Column("secret_hash", sa.Text(), nullable=False, comment="SHA-256 of what the cookie has"),
        sa.Column("principal_id", _Id, comment="NULL: the account itself, by the key of the settings"),
        sa.Column(
            "access_key_id",
            sa.Text(),
            comment="what it was begun with, and ends with; NULL: no key of a user",
        ),
        sa.Column(
            "root_key",
            sa.Text(),
            comment="a keyed hash of the settings' key and its secret; NULL: a user's session",
        ),
        sa.Column("method", sa.Text(), nullable=False, comment="Password, AccessKey or Link"),
        sa.Column(
            "began_at", sa.BigInteger(), nullable=False, comment="by the system's clock, as all of these"
        ),
        sa.Column(
            "used_at", sa.BigInteger(), nullable=False, comment="within the minutes that are not written"
        ),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), comment="where it was begun from; NULL: not known"),
        sa.Column("user_agent", sa.Text()),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["principals.id"],
            name=op.f("fk_console_sessions_principal_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["access_key_id"],
            ["access_keys.id"],
            name=op.f("fk_console_sessions_access_key_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_console_sessions")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_console_sessions_principal_id"), "console_sessions", ["principal_id"])
    op.create_index(op.f("ix_console_sessions_access_key_id"), "console_sessions", ["access_key_id"])
    op.create_index(op.f("ix_console_sessions_expires_at"), "console_sessions", ["expires_at"])
    op.create_table(
        "sign_in_links",
        sa.Column("secret_hash", sa.Text(), nullable=False, comment="SHA-256 of what the link has"),
        sa.Column("principal_id", _Id, comment="NULL: the account itself"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, comment="by the system's clock"),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["principals.id"],
            name=op.f("fk_sign_in_links_principal_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_sign_in_links")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_sign_in_links_principal_id"), "sign_in_links", ["principal_id"])
    op.create_index(op.f("ix_sign_in_links_expires_at"), "sign_in_links", ["expires_at"])
    op.create_table(
        "sign_in_attempts",
        sa.Column("subject", sa.Text(), nullable=False, comment="an address, or a name's keyed hash"),
        sa.Column("wrong", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("next_at", sa.BigInteger(), nullable=False, comment="not sooner, by the system's clock"),
        sa.Column("forget_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_attempts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_sign_in_attempts_forget_at"), "sign_in_attempts", ["forget_at"])
