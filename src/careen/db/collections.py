"""What collections gave back: each that gave back anything, and the sum of all there ever were.

The sum is kept beside the list, so that it goes on when old rows of the list are dropped.
"""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Yield(NamedTuple):
    """What a part of a collection gave back."""

    blobs: int = 0
    freed: int = 0
    """Bytes."""
    orphans: int = 0
    """Files that no row named."""
    uploads: int = 0
    """Abandoned uploads."""
    purged: int = 0
    """Images that left the trash."""


class Collection(NamedTuple):
    """A collection that gave something back."""

    id: int
    kind: str
    started_at: Instant
    ended_at: Instant | None
    """None: it is under way, or its process died."""
    blobs: int
    freed: int
    orphans: int
    uploads: int
    purged: int


class Total(NamedTuple):
    """All collections of a kind together."""

    kind: str
    runs: int
    busy: Instant
    """Microseconds that they took."""
    ended_at: Instant
    """When the last one ended; 0: none has yet."""
    blobs: int
    freed: int
    orphans: int
    uploads: int
    purged: int


def begin(rows: Connection, kind: str, now: Instant) -> int:
    """Note that a collection begins. Returns its id."""
    row = rows.execute(
        "INSERT INTO collections (kind, started_at, blobs, freed, orphans, uploads, purged)"
        " VALUES (:kind, :now, 0, 0, 0, 0, 0) RETURNING id",
        {"kind": kind, "now": now},
    ).fetchone()
    return int(row[0])


def add(rows: Connection, collection_id: int, kind: str, part: Yield) -> None:
    """Note what a step of it gave back; in the transaction that gives it back, so that no crash makes the sum wrong."""
    given = part._asdict()
    rows.execute(
        "UPDATE collections SET blobs = blobs + :blobs, freed = freed + :freed, orphans = orphans + :orphans,"
        " uploads = uploads + :uploads, purged = purged + :purged WHERE id = :id",
        given | {"id": collection_id},
    )
    rows.execute(
        "INSERT INTO collection_totals (kind, runs, busy, ended_at, blobs, freed, orphans, uploads, purged)"
        " VALUES (:kind, 0, 0, 0, :blobs, :freed, :orphans, :uploads, :purged) ON CONFLICT (kind) DO UPDATE SET"
        " blobs = collection_totals.blobs + excluded.blobs, freed = collection_totals.freed + excluded.freed,"
        " orphans = collection_totals.orphans + excluded.orphans,"
        " uploads = collection_totals.uploads + excluded.uploads, purged = collection_totals.purged + excluded.purged",
        given | {"kind": kind},
    )


def end(rows: Connection, collection_id: int, kind: str, now: Instant, busy: Instant) -> None:
    """Note that it is over after ``busy`` microseconds. One that gave nothing back is counted, and not listed."""
    add(rows, collection_id, kind, Yield())
    rows.execute(
        "UPDATE collection_totals SET runs = runs + 1, busy = busy + :busy, ended_at = :now WHERE kind = :kind",
        {"kind": kind, "busy": busy, "now": now},
    )
    rows.execute("UPDATE collections SET ended_at = :now WHERE id = :id", {"id": collection_id, "now": now})
    rows.execute(
        "DELETE FROM collections WHERE id = :id AND freed + blobs + orphans + uploads + purged = 0",
        {"id": collection_id},
    )


def forget(rows: Connection, before: Instant) -> None:
    """Drop those from the list that began before an instant."""
    rows.execute("DELETE FROM collections WHERE started_at < :before", {"before": before})


def latest(rows: Connection, limit: int) -> list[Collection]:
    """Up to ``limit`` collections that gave something back, the latest first."""
    found = rows.execute(
        "SELECT id, kind, started_at, ended_at, blobs, freed, orphans, uploads, purged FROM collections"
        " WHERE freed + blobs + orphans + uploads + purged > 0 ORDER BY id DESC LIMIT :limit",
        {"limit": limit},
    )
    return [Collection._make(row) for row in found]


def totals(rows: Connection) -> list[Total]:
    """The sums, a row for each kind."""
    found = rows.execute(
        "SELECT kind, runs, busy, ended_at, blobs, freed, orphans, uploads, purged FROM collection_totals ORDER BY kind"
    )
    return [Total._make(row) for row in found]
