"""What is wrong with the disk, the database or the bucket, told from errors: for an answer that says what to do."""

import errno
from enum import Enum

import structlog

from careen.blobs.store import BlobsUnavailable
from careen.db.failures import Failure, failure

log = structlog.get_logger()


class Trouble(Enum):
    """Why the registry cannot store now. The value says it to whoever pushes."""

    FULL = "the registry's disk is full: nothing was stored; it takes pushes again when there is room"
    READ_ONLY = "the registry's disk cannot be written to: nothing was stored; images can be pulled"
    BUSY = "the registry's database is held by another program: nothing was stored; try again"
    AWAY = "the registry's database does not answer: nothing was stored; try again"
    UNKNOWN = "the registry's database was lost while it stored this: it may be there or not; try again"
    BYTES_AWAY = "the registry's bucket does not answer, or refuses; try again"


_BY_ERRNO = {
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EROFS: Trouble.READ_ONLY,
    errno.EIO: Trouble.READ_ONLY,
}

_BY_FAILURE = {
    Failure.FULL: Trouble.FULL,
    Failure.READ_ONLY: Trouble.READ_ONLY,
    Failure.BUSY: Trouble.BUSY,
    Failure.AWAY: Trouble.AWAY,
    Failure.UNKNOWN: Trouble.UNKNOWN,
}


def trouble(error: BaseException | None) -> Trouble | None:
    """The trouble behind an error, or behind what caused it; None if it is another failure."""
    while error is not None:
        if isinstance(error, BlobsUnavailable):
            return Trouble.BYTES_AWAY
        if isinstance(error, OSError):
            found = _BY_ERRNO.get(error.errno or 0)
        else:
            said = failure(error)
            found = None if said is None else _BY_FAILURE.get(said)
        if found is not None:
            return found
        error = error.__cause__
    return None


def tell(error: Exception, what: str, **values: object) -> None:
    """Log a failure: trouble by its name, and anything else with the trace that somebody will need."""
    wrong = trouble(error)
    if wrong is None:
        log.error(what, exc_info=error, **values)
    else:
        log.error(what, trouble=wrong.name, error=repr(error), **values)
