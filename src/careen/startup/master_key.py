"""The master key: made once, in a file or in the database, and the same for all nodes ever after."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from careen import durable
from careen.db import founding
from careen.db.engine import Database, is_url
from careen.faults import Point, reach
from careen.iam import keys
from careen.settings import Settings
from careen.startup.refusals import CannotMove, CannotStart
from careen.startup.stores import database_place


def make(data: Path, key: bytes | None = None) -> None:
    """Make the key that signs tokens and derives secrets, readable by the owner alone, unless there is one.

    It appears under its name whole or not at all: half a key would silently be another key.
    """
    path = data / "master.key"
    if not path.exists():
        durable.write_once(
            path,
            key or keys.new_master_key(),
            0o600,
            drafted=lambda: reach(Point.MASTER_KEY_DRAFTED),
            written=lambda: reach(Point.MASTER_KEY_MADE),
        )


def bring(data: Path, key: bytes) -> None:
    """Put the key of a registry that comes to a data folder there.

    Raises:
        CannotMove: there is another.
    """
    make(data, key)
    if (data / "master.key").read_bytes() != key:
        raise CannotMove(
            f"{data / 'master.key'} is the master key of another registry: the folder is not this one's"
        )


def is_for(settings: Settings, database: str) -> bool:
    """Whether a database is to keep the master key: on a server it is where nodes look for it, unless a file is to have it."""
    return bool(database) and not settings.master_key


def in_file(settings: Settings) -> bytes | None:
    """The key that a file has; None: there is none, and on a server's database there need not be.

    Raises:
        CannotStart: it is missing or damaged. A new one would make every access key and token invalid.
    """
    path = Path(settings.master_key or Path(settings.data) / "master.key")
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        if is_url(database_place(settings)) and not settings.master_key:
            return None
        key = b""
    except OSError as error:
        raise CannotStart(f"the master key {path} cannot be read: {error.strerror}") from None
    if len(key) != keys.MASTER_KEY_SIZE:
        raise CannotStart(
            f"{path} has {len(key)} bytes instead of {keys.MASTER_KEY_SIZE}: restore it from a backup. "
            "Without it no access key of this registry works."
        )
    return key


def agree_on(settings: Settings, database: Database, given: bytes | None) -> None:
    """See that the key is the one that the registry began with; let it begin with this one, or one of its own.

    Raises:
        CannotStart: it is another, or it is not there.
    """
    with checked(settings):
        with database.read() as rows:
            known = founding.known_key(rows, given)
        if known is None:
            database.write(lambda rows: founding.agree_on_key(rows, given)).result()


@contextlib.contextmanager
def checked(settings: Settings) -> Iterator[None]:
    """Let what is wrong with a master key be said in a sentence."""
    try:
        yield
    except founding.WrongKey:
        raise CannotStart(
            f"{settings.master_key or Path(settings.data) / 'master.key'} is not the master key that this registry began with."
            " With another no access key and no token works: restore it, or take it from another node."
        ) from None
    except founding.NoKey:
        raise CannotStart(
            "the registry began with a master key in a file, which is not in its database:"
            " name that file with the setting master_key, or copy it into the data folder as master.key"
        ) from None
