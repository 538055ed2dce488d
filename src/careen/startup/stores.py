"""Where the settings say that rows and bytes are."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from careen.blobs.archive import ArchivingBlobStore
from careen.blobs.disk import DiskBlobStore
from careen.blobs.s3 import S3BlobStore, parse_place
from careen.blobs.store import BlobStore
from careen.clock import Clock
from careen.db import engine
from careen.db.engine import Database, Place
from careen.settings import Settings, is_bucket


def database_place(settings: Settings) -> Place:
    """Where the rows are: a server's database, or the file in the data folder."""
    return settings.database or Path(settings.data) / "careen.db"


@contextlib.contextmanager
def looked_at(settings: Settings) -> Iterator[Database]:
    """The database, for the length of a look before anything is served."""
    database = engine.opened(database_place(settings))
    try:
        yield database
    finally:
        database.close()


def blobs_of(settings: Settings, system: Clock) -> BlobStore:
    """The home of the blobs, or the two of them."""
    has_front = settings.accel == "nginx"
    home = blob_store(settings, settings.blobs or settings.data, system, has_front=has_front)
    if not settings.archive_blobs:
        return home
    return ArchivingBlobStore(home, blob_store(settings, settings.archive_blobs, system))


def blob_store(settings: Settings, place: str, system: Clock, *, has_front: bool = False) -> BlobStore:
    """One home of blobs: a bucket if ``place`` is a URL, else a folder, whose files ``has_front`` says that a front sends."""
    if is_bucket(place):
        return S3BlobStore(parse_place(place), redirect=settings.s3_redirect)
    return DiskBlobStore(Path(place), system, settings.reserve, has_front=has_front)
