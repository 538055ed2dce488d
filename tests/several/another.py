"""``careen``, as a later version would be: with further migrations, which a test wrote.

``python -m tests.several.another FOLDER serve``: FOLDER is what ``careen/db/migrations`` is to this version.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from careen.cli.main import main
from careen.db import schema
from tests.server import Server

EXPAND = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{before}"
compatible_from = "{before}"

def upgrade():
    op.execute("SELECT pg_sleep(1)")  # so that the nodes at work are at it meanwhile
    op.add_column("repositories", sa.Column("colour", sa.Text()))
    op.create_table("colours", sa.Column("name", sa.Text(), primary_key=True))
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_repositories_colour ON repositories (colour)")
"""
"""What an earlier version need not know of."""

CONTRACT = """
from alembic import op

revision = "9002"
down_revision = "9001"
compatible_from = "9001"

def upgrade():
    op.drop_column("repositories", "protection_rules")
"""
"""What an earlier version cannot work without."""


def migrations(folder: Path, **further: str) -> Path:
    """A folder with this version's migrations, and some more by their revisions."""
    shutil.copytree(schema.MIGRATIONS, folder)
    for revision, text in further.items():
        path = folder / "versions" / f"{revision.removeprefix('r')}_further.py"
        path.write_text(text.replace("{before}", schema.head()))
    return folder


class AnotherServer(Server):
    """``careen serve`` of that version."""

    def __init__(self, data: Path, folder: Path, **settings: Any) -> None:
        super().__init__(data, **settings)
        self._folder = folder

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tests.several.another", str(self._folder), "serve"]


if __name__ == "__main__":
    schema.MIGRATIONS = Path(sys.argv.pop(1))
    main()
