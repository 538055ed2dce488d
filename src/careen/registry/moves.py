"""Moves of blobs between the registry's own home and the archive's, while everybody reads on.

A move is a durable copy in the other home, compared with its digest on the way; then one transaction that looks again whether the
blob still belongs there, lets its row name the copy and condemns the old bytes; then the collector deletes those, after as long as
somebody may take who was told where they lie. A crash leaves a copy that no row names, or old bytes that are condemned: the sweep
and the collector know both. Moves are made one after another, by one worker at a time for each blob.
"""

from collections.abc import Callable
from typing import NamedTuple

from careen.blobs.archive import ArchivingBlobStore, is_archived
from careen.clock import HOUR, Instant
from careen.db import images, jobs, layers
from careen.db.layers import Need
from careen.faults import Point, reach
from careen.registry import places
from careen.registry.registry import Registry, Transaction

LINGER = HOUR
"""How long the old bytes stay at most: downloads of them go on, and a client that was sent to a bucket arrives there."""

BATCH = 500
"""Blobs that are looked at in one transaction."""


class Moved(NamedTuple):
    """A blob that was moved."""

    digest: str
    bytes: int
    to: str
    """``archive`` or ``home``."""


def move(registry: Registry, digest: str, going: Callable[[], None] = lambda: None) -> Moved | None:
    """Move a blob to the home where it belongs, if it is in the other.

    Args:
        registry: the registry.
        digest: the blob.
        going: called before each piece that is copied; what it raises ends the move, and leaves everything as it was.

    Returns:
        What was done; None if there was nothing to do.

    Raises:
        FileNotFoundError: its bytes are not in the home that its row names.
        careen.blobs.archive.Corrupt: they are not those of its digest.
    """
    need = registry.read(_misplaced, digest)
    if need is None or not isinstance(registry.blobs, ArchivingBlobStore):
        registry.write_now(_end_restorations, digest)
        return None
    copy = registry.blobs.copy_across(digest, need.generation, need.size, going)
    reach(Point.BLOB_COPIED)
    if registry.write_now(_name_copy, need, copy):
        return Moved(digest, need.size, "home" if is_archived(need.generation) else "archive")
    registry.blobs.delete(digest, copy)
    return None


def look_at_all(registry: Registry) -> int:
    """Look at every blob, for what no event told of: a home that was not there before, a repository that was deleted.

    Returns:
        How many moves were asked for.
    """
    after, asked = "", 0
    while found := registry.read(_needs_after, after):
        after = found[-1].digest
        if misplaced := [need.digest for need in found if places.is_misplaced(need)]:
            registry.write_now(places.look, misplaced)
            asked += len(misplaced)
    return asked


def _misplaced(tx: Transaction, digest: str) -> Need | None:
    need = layers.need(tx.rows, digest)
    return need if need is not None and places.is_misplaced(need) else None


def _needs_after(tx: Transaction, after: str) -> list[Need]:
    return layers.needs_after(tx.rows, after, BATCH)


def _name_copy(tx: Transaction, before: Need, copy: str) -> bool:
    """Let the row name the copy, if the blob is what it was and still belongs there."""
    need = _misplaced(tx, before.digest)
    if need is None or need.generation != before.generation:
        return False
    layers.replace(tx.rows, before.digest, before.generation, copy, tx.now + _linger(tx))
    _end_restorations(tx, before.digest)
    reach(Point.BLOB_MOVED)
    return True


def _linger(tx: Transaction) -> Instant:
    """How long the old bytes of a blob that was moved stay."""
    return min(tx.limits.grace, LINGER)


def _end_restorations(tx: Transaction, digest: str) -> None:
    """Let the restoration of the images that waited for this blob alone be tried again."""
    for manifest_id in images.activating(tx.rows, digest):
        if not places.away(tx, manifest_id):
            jobs.enqueue(tx.rows, places.RESTORE, str(manifest_id), tx.now)
