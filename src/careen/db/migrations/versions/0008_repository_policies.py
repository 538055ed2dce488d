"""Policies that stand on repositories; the registry's own is one of its documents."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("repositories", sa.Column("access_policy", sa.Text()))
