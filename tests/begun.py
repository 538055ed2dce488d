"""Registries that have their schema already: migrating is most of a start, and only some tests are about it.

The state is one that is met: of a start that was killed when it had migrated and nothing else.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from careen.db import schema
from careen.startup import master_key
from tests import backend


@cache
def migrated() -> Path:
    """A database file with the schema in it and nothing else, made once. Copy it."""
    folder = Path(tempfile.mkdtemp(prefix="careen-migrated-"))
    atexit.register(shutil.rmtree, folder)
    schema.migrate(folder / "careen.db")
    return folder / "careen.db"


def begin(data: Path) -> None:
    """Make a data folder, unless it is there, and let it have its database, unless that is on a server: that has it already."""
    if data.exists() or backend.current().postgres is not None:
        return
    data.mkdir(parents=True)
    master_key.make(data)
    shutil.copyfile(migrated(), data / "careen.db")
