"""What the registry stored, measured again and again: a row for each time."""

from typing import NamedTuple

from careen.clock import DAY, Instant
from careen.db.engine import Connection


class Sample(NamedTuple):
    """One measurement. Each byte of a blob is in exactly one of the first five."""

    sampled_at: Instant
    live_bytes: int
    """Of blobs that images of one repository need, not all of them archived."""
    shared_bytes: int
    """The same of several repositories."""
    archive_bytes: int
    """Of blobs that only archived images need."""
    trash_bytes: int
    """Of blobs that only images in the trash need."""
    unneeded_bytes: int
    """Of blobs that no image needs: the collector's."""
    taken_bytes: int
    """Of files and of the database, as the rows say: what is paid for."""
    archive_home_bytes: int
    """The part of ``taken_bytes`` that lies in the archive's home, which has a price of its own."""
    repositories: int
    images: int
    trash_images: int
    unruled: int
    """Repositories on whose images no rule acts."""
    stale_images: int
    """Untagged images that have been in those for too long."""
    stale_bytes: int
    """What deleting them gives back."""
    spared_images: int
    """Images that a rule would take were they not in use."""


_COLUMNS = ", ".join(Sample._fields)


def insert(rows: Connection, sample: Sample) -> None:
    """Keep a measurement; a second one of the same instant takes its place."""
    values = ", ".join(f":{name}" for name in Sample._fields)
    changes = ", ".join(f"{name} = excluded.{name}" for name in Sample._fields[1:])
    rows.execute(
        f"INSERT INTO storage_samples ({_COLUMNS}) VALUES ({values}) ON CONFLICT (sampled_at) DO UPDATE SET {changes}",
        sample._asdict(),
    )


def thin(rows: Connection, before: Instant) -> None:
    """Of the measurements before an instant keep the first of each day."""
    rows.execute(
        "DELETE FROM storage_samples WHERE sampled_at < :before AND sampled_at NOT IN"
        " (SELECT min(sampled_at) FROM storage_samples WHERE sampled_at < :before GROUP BY sampled_at / :day)",
        {"before": before, "day": DAY},
    )


def page(rows: Connection, start: Instant, end: Instant, before: Instant, limit: int) -> list[Sample]:
    """Up to ``limit`` measurements from ``start`` on, up to ``end`` and before ``before``, the latest first."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM storage_samples WHERE sampled_at >= :start AND sampled_at <= :end"
        " AND sampled_at < :before ORDER BY sampled_at DESC LIMIT :limit",
        {"start": start, "end": end, "before": before, "limit": limit},
    )
    return [Sample._make(row) for row in found]
