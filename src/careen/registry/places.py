"""In which home a blob belongs: the archive's if archived images need it and no others, else the registry's own.

Whatever may change the answer looks again, in its own transaction, and asks for a move if there is one to make; a job makes it
(``careen.registry.moves``). A blob in the wrong home can be read all the same, only more slowly. What nobody needs stays where
it is, for the collector.
"""

from collections.abc import Iterable

from careen.blobs.archive import is_archived
from careen.db import jobs, layers
from careen.db.layers import Need as Need
from careen.registry.registry import Transaction

MOVE = "move"
"""The kind of job that moves a blob; its key is the digest."""

RESTORE = "restore"
"""The kind of job that ends the restoration of an image; its key is the manifest's id."""


def is_misplaced(need: Need) -> bool:
    """Whether a blob belongs in the other home."""
    if is_archived(need.generation):
        return bool(need.active)
    return bool(need.needed and not need.active)


def look(tx: Transaction, digests: Iterable[str]) -> None:
    """Ask for the moves of those blobs that belong in the other home."""
    if not tx.limits.has_archive:
        return
    for digest in digests:
        need = layers.need(tx.rows, digest)
        if need is not None and is_misplaced(need):
            jobs.enqueue(tx.rows, MOVE, digest, tx.now)


def look_at_image(tx: Transaction, manifest_id: int) -> None:
    """:func:`look` at all that an image needs."""
    if tx.limits.has_archive:
        look(tx, [digest for digest, _ in layers.files_of(tx.rows, manifest_id)])


def away(tx: Transaction, manifest_id: int) -> list[str]:
    """The blobs of an image that are in the archive's home. A damaged one is in none, and a push brings it back."""
    return [digest for digest, generation in layers.files_of(tx.rows, manifest_id) if is_archived(generation)]
