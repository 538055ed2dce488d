"""A node's start: what is seen to once, before any of its processes is there."""

import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from careen.db import copies, engine, founding, schema
from careen.db.engine import Database, is_url
from careen.registry import backup
from careen.registry.registry import Node
from careen.settings import Settings
from careen.startup import homes, master_key
from careen.startup.refusals import CannotStart, NoRegistry, answering
from careen.startup.stores import database_place, looked_at


@dataclass(frozen=True, slots=True)
class Start:
    """What the processes of a node have in common, and what is found out once, before they are forked."""

    node: Node
    master_key: bytes = field(repr=False)


def prepare(settings: Settings) -> None:
    """Make the data folder, the master key and the database, or bring them up to date. Once per start, before any process.

    Raises:
        CannotStart: something of it cannot be used. What is there already is as it was.
    """
    data, place = Path(settings.data), database_place(settings)
    check_restored(data)
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not (settings.master_key or is_url(place) or Path(place).exists()):
            master_key.make(data)
    except OSError as error:
        raise CannotStart(f"the data folder {data} cannot be used: {error.strerror}") from None
    given = master_key.in_file(settings)
    with answering(place):
        schema.migrate(place)
        with looked_at(settings) as database:
            check_served(database)
            master_key.agree_on(settings, database, given)
            for home in (settings.blobs, settings.archive_blobs):
                homes.check_place(settings, home)
            if database.is_shared:
                homes.agree_on(settings, database)
                copies.settle(database)
            homes.check_archive(settings, database)
    if settings.archive_blobs and not is_url(place):
        homes.claim_archive(settings)
    for draft in data.glob(f"master.key.{'[0-9a-f]' * 8}"):  # left by a crash: a key that nobody looks after
        draft.unlink(missing_ok=True)


def check_begun(settings: Settings) -> None:
    """See that there is a registry, for whoever must not be the one that begins it.

    Raises:
        NoRegistry: there is none.
        CannotStart: the database cannot be used.
    """
    place = database_place(settings)
    with answering(place):
        is_begun = schema.current(place) is not None if is_url(place) else Path(place).exists()
    if not is_begun:
        raise NoRegistry(
            f"there is no registry in {engine.name_of(place) if is_url(place) else settings.data}"
        )


def begin(settings: Settings) -> Start:
    """What the processes of a node that is prepared have in common.

    Raises:
        CannotStart: the master key is damaged, or nothing is prepared.
    """
    node = Node(settings.node or socket.gethostname(), secrets.token_hex(4), settings.workers)
    key = master_key.in_file(settings)
    if key is None:
        with looked_at(settings) as database, database.read() as rows:
            key = founding.known_key(rows, None)
    if key is None:
        raise CannotStart("the database is not prepared")
    return Start(node, key)


def check_restored(data: Path) -> None:
    """See that no restore into the data folder is half done.

    Raises:
        CannotStart: one is.
    """
    if (data / backup.RESTORING).exists():
        raise CannotStart(f"the restore into {data} has not ended: start it again, it goes on where it was")


def check_served(database: Database) -> None:
    """See that the rows are all there, and not elsewhere by now; else the database is closed.

    Raises:
        CannotStart: a copy into this database has not ended, or they were moved away.
    """
    refusal = copies.refusal(database)
    if refusal is not None:
        database.close()
        raise CannotStart(refusal)
