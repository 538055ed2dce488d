"""The homes of the blobs: the same for all nodes of a registry, and no other registry's."""

import contextlib
import secrets
from pathlib import Path

from careen import clock
from careen.blobs.archive import at_home
from careen.blobs.disk import DiskBlobStore
from careen.blobs.s3 import CannotUse, S3BlobStore, parse_place
from careen.db import founding, layers
from careen.db.engine import Database
from careen.settings import Settings, is_bucket
from careen.startup.refusals import CannotMove, CannotStart
from careen.startup.stores import blob_store

_BLOBS = {founding.HOME: "blobs", founding.ARCHIVE: "archived blobs"}
_SETTING = {founding.HOME: "blobs", founding.ARCHIVE: "archive_blobs"}

LOOKED_FOR = 3
"""Blobs of the archive's home that a start looks for."""


def agree_on(settings: Settings, database: Database) -> None:
    """Make sure that all nodes have their blobs in the same place, and that it is no other registry's.

    Raises:
        CannotStart: blobs would be written where the other nodes do not find them, or another registry's sweep would delete them.
    """
    ours = _agreed(database, founding.OWNER, secrets.token_hex(16))
    places = {founding.HOME: settings.blobs or settings.data, founding.ARCHIVE: settings.archive_blobs}
    for kind, place in places.items():
        if not place:
            continue
        claimed = _claim(settings, place, ours, f"{ours}:{secrets.token_hex(8)}")
        if _agreed(database, kind, claimed) != claimed:
            raise CannotStart(
                f"{place} is not where the other nodes of this registry have their {_BLOBS[kind]}: set"
                f" {_SETTING[kind]} as theirs is. If these were moved there, `owner` belongs to them; if it is a folder,"
                " is it mounted?"
            )


def _agreed(database: Database, kind: str, proposed: str) -> str:
    with database.read() as rows:
        known = founding.known(rows, kind)
    return known or database.write(lambda rows: founding.agree(rows, kind, proposed)).result()


def check_place(settings: Settings, place: str) -> None:
    """See that a home of blobs, if one is set, is a bucket that answers or a folder; a folder is made.

    Raises:
        CannotStart: it is neither.
    """
    try:
        if is_bucket(place):
            S3BlobStore(parse_place(place), redirect=settings.s3_redirect).check()
        elif place:
            Path(place).mkdir(parents=True, exist_ok=True)
    except CannotUse as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"the folder {place} for archived blobs cannot be used: {error.strerror}") from None


def check_archive(settings: Settings, database: Database) -> None:
    """See that the blobs of which rows say so are in the archive's home: a disk that is not mounted is an empty folder, too.

    Raises:
        CannotStart: none of those that we looked for is.
    """
    with database.read() as rows:
        archived = layers.some_archived(rows, LOOKED_FOR)
    if not archived:
        return
    if not settings.archive_blobs:
        raise CannotStart("blobs of archived images lie elsewhere: set archive_blobs as it was")
    archive = blob_store(settings, settings.archive_blobs, clock.system_now)
    if all(archive.size(digest, at_home(generation)) is None for digest, generation in archived):
        raise CannotStart(
            f"{settings.archive_blobs} has none of the blobs that were moved there:"
            " is it mounted, and is archive_blobs as it was?"
        )


def claim_archive(settings: Settings) -> str:
    """Make sure that the archive's home is this data folder's alone. A restored one is another: its sweep knows other blobs.

    Returns:
        What the home says of itself: whose it is, and after a colon which, if the rows were on a server when it was claimed.

    Raises:
        CannotStart: it is another's.
    """
    ours = DiskBlobStore(Path(settings.data)).claim(secrets.token_hex(16))
    return _claim(settings, settings.archive_blobs, ours.partition(":")[0], ours)


def _claim(settings: Settings, place: str, registry: str, words: str) -> str:
    """Let a home say ``words`` if it says nothing yet. Returns what it says.

    Raises:
        CannotStart: it is another registry's.
    """
    try:
        claimed = blob_store(settings, place, clock.system_now).claim(words)
    except OSError as error:
        raise CannotStart(f"the folder {place} cannot be used: {error.strerror}") from None
    if claimed.partition(":")[0] != registry:
        raise CannotStart(
            f"{place} has the blobs of another registry, and each would delete the other's: give this one a place"
            " of its own, or remove `owner` there if the other is no more"
        )
    return claimed


def of_folder(settings: Settings) -> dict[str, str]:
    """Who the registry of a data folder is, and what the homes of its blobs say of themselves. Most say nothing.

    Raises:
        CannotStart: the archive's home is another's.
    """
    said = {founding.ARCHIVE: claim_archive(settings)} if settings.archive_blobs else {}
    with contextlib.suppress(FileNotFoundError):
        owner = (Path(settings.data) / "owner").read_text()
        said[founding.OWNER] = owner.partition(":")[0]
        if not settings.blobs:
            said[founding.HOME] = owner
    return said


def bring_owner(data: Path, owner: str | None) -> None:
    """Let a data folder say who the registry is that comes to it.

    Raises:
        CannotMove: it has another's blobs.
    """
    if owner is not None and DiskBlobStore(data).claim(owner).partition(":")[0] != owner:
        raise CannotMove(f"{data} has the blobs of another registry: the folder is not this one's")
