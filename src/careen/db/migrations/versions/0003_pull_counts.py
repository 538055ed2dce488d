"""How often each image was pulled."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("manifests", sa.Column("pull_count", sa.BigInteger(), nullable=False, server_default="0"))
