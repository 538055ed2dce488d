"""The archive storage class: images that are kept but cannot be pulled until they are restored (ECR user guide, archive-image).

Where the settings name a home for the blobs that only such images need, ``careen.registry.moves`` brings them there, and back
before a restored image is active.
"""

from careen.clock import Instant
from careen.db import images, jobs
from careen.db.images import ImageRow
from careen.faults import Point, reach
from careen.registry import events, places, replication, scans
from careen.registry.images import ACTIVE, ImageReferenced
from careen.registry.registry import Transaction

ARCHIVED = "ARCHIVED"
ACTIVATING = "ACTIVATING"


class WrongStatus(Exception):
    """The image is not in the storage class that it should leave."""

    def __init__(self, status: str, needed: str) -> None:
        super().__init__(
            f"The image is {status}; only an image that is {needed} can change its storage class this way"
        )


def archive(tx: Transaction, row: ImageRow) -> None:
    """Move an image to the archive storage class: it cannot be pulled until it is restored."""
    images.set_status(tx.rows, row.id, ARCHIVED, archived_at=tx.now)
    places.look_at_image(tx, row.id)
    events.record_storage_class(tx, row._replace(status=ARCHIVED))
    reach(Point.IMAGE_ARCHIVED)


def archive_with_referrers(tx: Transaction, row: ImageRow) -> ImageRow:
    """:func:`archive`, for an image and the active referrers that follow it. Returns the image as it is now.

    Raises:
        WrongStatus: it is not active.
        ImageReferenced: an active index lists it.
    """
    if row.status != ACTIVE:
        raise WrongStatus(row.status, ACTIVE)
    if parents := images.parents(tx.rows, row.id, status=ACTIVE):
        raise ImageReferenced(parents)
    archive(tx, row)
    for referrer in images.referrers(tx.rows, row.repository_id, row.digest):
        if referrer.status == ACTIVE and not images.parents(tx.rows, referrer.id, status=ACTIVE):
            archive_with_referrers(tx, referrer)
    return row._replace(status=ARCHIVED, archived_at=tx.now)


def begin_restore(tx: Transaction, row: ImageRow) -> ImageRow:
    """Begin to bring an archived image and its referrers back; a job ends it. Returns the image as it is now.

    Raises:
        WrongStatus: it is not archived.
    """
    if row.status != ARCHIVED:
        raise WrongStatus(row.status, ARCHIVED)
    images.set_status(tx.rows, row.id, ACTIVATING)
    jobs.enqueue(tx.rows, places.RESTORE, str(row.id), tx.now)
    for referrer in images.referrers(tx.rows, row.repository_id, row.digest):
        if referrer.status == ARCHIVED:
            begin_restore(tx, referrer)
    return row._replace(status=ACTIVATING)


def end_restore(tx: Transaction, manifest_id: int) -> tuple[str, str, Instant] | None:
    """The image is pullable again, and counts as pushed now (``lastActivatedAt``).

    While a blob of it is in the archive's home, it is asked for instead; its coming back lets this be tried again.

    One that was pushed meanwhile is active already, and may be archived again by now: it stays as it is.

    Returns:
        The repository's name, the digest and the instant, if the image was still on its way.
    """
    restored = None
    if away := places.away(tx, manifest_id):
        places.look(tx, away)
        return None
    row = images.by_id(tx.rows, manifest_id)
    if row is not None and row.status == ACTIVATING:
        images.set_status(tx.rows, manifest_id, ACTIVE, activated_at=tx.now)
        events.record_storage_class(tx, row._replace(status=ACTIVE, activated_at=tx.now))
        scans.restored(tx, manifest_id)
        replication.restored(tx, manifest_id)
        named = images.named(tx.rows, manifest_id)
        restored = None if named is None else (*named, tx.now)
    reach(Point.IMAGE_RESTORED)
    return restored
