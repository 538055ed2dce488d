"""The collector: gives back the bytes that no manifest needs, while pushes and pulls go on.

A blob is reviewed when something may have made it needless: an upload that no manifest followed within the grace period, a
deleted manifest. The review deletes the link only if no manifest needs it and its lease (``seen_at`` plus the grace) is over;
foreign keys stand behind that check. A blob without links loses its row in the same transaction, which notes its generation as
condemned; only then do the bytes go, and only that generation's, so a push of the same digest is never touched. Every step is
short and picks up where a crash left it; nothing ever waits for the collector.
"""

import select
import time
import uuid
from dataclasses import dataclass
from typing import NamedTuple

from careen.blobs.store import UploadBusy, UploadUnknown
from careen.clock import DAY, SECOND, Instant, system_now
from careen.db import collections, holds, layers
from careen.db.collections import Collection as Collection
from careen.db.collections import Total as Total
from careen.faults import Point, reach
from careen.registry import pull_through, trash
from careen.registry.registry import Registry, Transaction

BATCH = 20
"""Reviews or files per transaction: a millisecond, in which a push may have to wait."""

REST = 4
"""How many times as long as a step the collector rests after it: four fifths of the time are the pushes'."""

MAX_REST = 0.1
"""Seconds that the collector rests at most between two steps."""

ORPHAN_AGE = 3600.0
"""Seconds after which a file without a row is no commit in flight."""


KEPT = 90 * DAY
"""How long a collection is listed after it began; the totals count it for ever."""

COLLECT = "collect"
SWEEP = "sweep"


class Collected(NamedTuple):
    """What a collection did."""

    reviewed: int = 0
    blobs: int = 0
    """Blobs that are gone."""
    freed: int = 0
    """Bytes given back: of rows and of files."""
    waiting: int = 0
    """Unneeded blobs whose lease is not over yet."""
    orphans: int = 0
    """Files that no row named."""
    uploads: int = 0
    """Abandoned uploads."""
    purged: int = 0
    """Images whose time in the trash was over."""

    def plus(self, other: "Collected") -> "Collected":
        """The sum of two collections."""
        return Collected._make(a + b for a, b in zip(self, other, strict=True))


@dataclass(frozen=True, slots=True)
class _Collection:
    """A collection under way, as it is noted for people and for metrics."""

    registry: Registry
    id: int
    kind: str
    began: float

    def note(self, tx: Transaction, part: Collected) -> None:
        """What a step gave back; in its own transaction, so that a crash neither loses it nor counts it twice."""
        given = collections.Yield(part.blobs, part.freed, part.orphans, part.uploads, part.purged)
        if any(given):
            collections.add(tx.rows, self.id, self.kind, given)

    def end(self) -> None:
        busy = round((time.monotonic() - self.began) * SECOND)
        self.registry.write_now(_end, self.id, self.kind, busy)


def _begin(registry: Registry, kind: str) -> _Collection:
    began = time.monotonic()
    return _Collection(registry, registry.write_now(_note_begin, kind), kind, began)


def _note_begin(tx: Transaction, kind: str) -> int:
    collections.forget(tx.rows, tx.now - KEPT)
    return collections.begin(tx.rows, kind, tx.now)


def _end(tx: Transaction, collection_id: int, kind: str, busy: Instant) -> None:
    collections.end(tx.rows, collection_id, kind, tx.now, busy)
    reach(Point.COLLECTION_ENDED)


def history(tx: Transaction, limit: int) -> list[Collection]:
    """Up to ``limit`` collections of the last 90 days that gave something back, the latest first."""
    return collections.latest(tx.rows, limit)


def collect(registry: Registry, *, grace: Instant | None = None) -> Collected:
    """Review everything that is due and delete what is needless.

    Args:
        registry: the registry.
        grace: microseconds to use instead of the registry's own grace period, for all that waits for a review. A client that
            was told "you have this blob" less than that ago may have its manifest refused and must push the blob again.
    """
    if grace is not None:
        registry.write_now(_bring_forward)
    collection = _begin(registry, COLLECT)
    emptied = trash.purge(registry)
    total = Collected(purged=emptied.images, blobs=emptied.blobs, freed=emptied.freed)
    registry.write_now(collection.note, total)
    while True:
        began = time.monotonic()
        step = registry.write_now(_review_step, collection, registry.limits.grace if grace is None else grace)
        total = total.plus(step)
        _delete_condemned(registry)
        rest = min(REST * (time.monotonic() - began), MAX_REST)
        select.select((), (), (), rest)  # a wait that no clock set anew can spoil
        if step.reviewed < BATCH:
            collection.end()
            return total


def _bring_forward(tx: Transaction) -> None:
    layers.review_all(tx.rows, tx.now)


def _review_step(tx: Transaction, collection: _Collection, grace: Instant) -> Collected:
    reviewed = blobs = freed = waiting = 0
    # Later than that is only what a clock that was ahead has noted. Not sooner, whatever grace is asked for: what is pushed from
    # now on is the next collection's, or this one would not end as long as somebody pushes.
    layers.review_all(tx.rows, tx.now + tx.limits.grace)
    for review in layers.due_reviews(tx.rows, tx.now, BATCH):
        reviewed += 1
        if review.seen_at is None or review.referenced:
            layers.end_review(tx.rows, review.repository_id, review.digest)
        elif review.seen_at > tx.now:  # by a clock that was ahead: as good as seen now
            waiting += 1
            layers.renew(tx.rows, review.repository_id, review.digest, tx.now)
            layers.postpone_review(tx.rows, review.repository_id, review.digest, tx.now + grace)
        elif review.seen_at + grace > tx.now:
            waiting += 1
            layers.postpone_review(tx.rows, review.repository_id, review.digest, review.seen_at + grace)
        else:
            layers.end_review(tx.rows, review.repository_id, review.digest)
            layers.unlink(tx.rows, review.repository_id, review.digest)
            size = layers.condemn_if_unlinked(tx.rows, review.digest)
            if size is not None:
                blobs, freed = blobs + 1, freed + size
    step = Collected(reviewed=reviewed, blobs=blobs, freed=freed, waiting=waiting)
    collection.note(tx, step)
    reach(Point.REVIEWED)
    return step


def _delete_condemned(registry: Registry) -> None:
    """Delete the bytes whose rows are gone. What a crash left condemned is deleted here too.

    While a backup copies files, none is deleted: they stay condemned until it has ended.
    """
    while condemned := registry.read(_condemned):
        for digest, generation, _ in condemned:
            registry.blobs.delete(digest, generation)
            reach(Point.BYTES_DELETED)
        registry.write_now(_forget_condemned, [(digest, generation) for digest, generation, _ in condemned])


def _condemned(tx: Transaction) -> list[tuple[str, str, int]]:
    return [] if holds.any_held(tx.rows, system_now()) else layers.condemned(tx.rows, tx.now, BATCH)


def _forget_condemned(tx: Transaction, gone: list[tuple[str, str]]) -> None:
    layers.forget_condemned(tx.rows, gone)
    reach(Point.CONDEMNED_FORGOTTEN)


def sweep(registry: Registry) -> Collected:
    """Look through the whole store for what no event told of: files without a row, blobs without a link, abandoned uploads."""
    collection, total = _begin(registry, SWEEP), Collected()
    while found := registry.write_now(_condemn_unlinked, collection):
        total = total.plus(found)
    _delete_condemned(registry)
    registry.write_now(pull_through.forget)
    for stored in registry.blobs.stored():
        if stored.age > ORPHAN_AGE and not registry.read(is_known, stored.digest, stored.generation):
            registry.blobs.delete(stored.digest, stored.generation)
            reach(Point.SWEPT_ORPHAN)
            orphan = Collected(orphans=1, freed=stored.size)
            registry.write_now(collection.note, orphan)
            total = total.plus(orphan)
    strays = registry.blobs.abandon_strays(registry.limits.upload_ttl / SECOND)
    abandoned = _abandon_uploads(registry).plus(Collected(uploads=strays))
    registry.write_now(collection.note, abandoned)
    collection.end()
    return total.plus(abandoned)


def _condemn_unlinked(tx: Transaction, collection: _Collection) -> Collected | None:
    digests = layers.unlinked(tx.rows, BATCH)
    freed = sum(layers.condemn_if_unlinked(tx.rows, digest) or 0 for digest in digests)
    found = Collected(blobs=len(digests), freed=freed)
    collection.note(tx, found)
    reach(Point.SWEPT_UNLINKED)
    return found if digests else None


def is_known(tx: Transaction, digest: str, generation: str) -> bool:
    """Whether a row names this generation of a blob."""
    return layers.is_known_generation(tx.rows, digest, generation)


def _abandon_uploads(registry: Registry) -> Collected:
    total = Collected()
    for repository_id, upload_id, size, age in registry.blobs.uploads():
        if age * SECOND < registry.limits.upload_ttl:
            continue
        try:
            registry.blobs.hold_upload(repository_id, str(uuid.UUID(upload_id))).abort()
        except (UploadUnknown, UploadBusy, ValueError):
            continue
        reach(Point.UPLOAD_ABANDONED)
        total = total.plus(Collected(uploads=1, freed=size))
    return total
