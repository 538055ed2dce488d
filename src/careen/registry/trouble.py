"""What is wrong with the disk or the bucket, told from the errors it makes: for an answer that says what to do, not "it failed"."""

import errno
import sqlite3
from enum import Enum

from careen.blobs.store import BlobsUnavailable


class Trouble(Enum):
    """Why the registry cannot store now. The value says it to whoever pushes."""

    FULL = "the registry's disk is full: nothing was stored; it takes pushes again when there is room"
    READ_ONLY = "the registry's disk cannot be written to: nothing was stored; images can be pulled"
    BUSY = "the registry's database is held by another program: nothing was stored; try again"
    AWAY = "the registry's bucket does not answer, or refuses; try again"


_BY_ERRNO = {
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EROFS: Trouble.READ_ONLY,
    errno.EIO: Trouble.READ_ONLY,
}

_BY_RESULT = {
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.READ_ONLY,
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
}


def trouble(error: BaseException | None) -> Trouble | None:
    """The trouble behind an error, or behind what caused it; None if it is another failure."""
    while error is not None:
        found = None
        if isinstance(error, BlobsUnavailable):
            found = Trouble.AWAY
        elif isinstance(error, OSError):
            found = _BY_ERRNO.get(error.errno or 0)
        elif isinstance(error, sqlite3.Error):
            found = _BY_RESULT.get(
                getattr(error, "sqlite_errorcode", 0) & 0xFF
            )  # the rest says where, not what
        if found is not None:
            return found
        error = error.__cause__
    return None
