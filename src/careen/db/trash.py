"""Deleted images: the ledger of deletions, which is kept for ever, and the trash, from which an image can come back."""

from collections.abc import Iterable
from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Deletion(NamedTuple):
    """A row of ``deletions``: who or what deleted an image, and what became of it."""

    id: int
    repository: str
    digest: str
    tags: str
    """JSON list of names."""
    media_type: str
    image_size: int
    """Bytes, as ECR counts them."""
    deleted_at: Instant
    deleted_by: str
    operation: str
    batch: str
    run_id: int | None
    rule_priority: int | None
    reason: str
    plan_hash: str | None
    ended_at: Instant | None
    ended: str | None
    ended_by: str | None
    freed: int | None
    missed_pulls: int
    missed_at: Instant | None


class Trashed(NamedTuple):
    """An image in the trash, with all that brings it back."""

    deletion_id: int
    repository: str
    digest: str
    batch: str
    media_type: str
    content: bytes
    tags: str
    """JSON list of ``[name, tagged at]``."""
    subject: str | None
    status: str
    pushed_at: Instant
    pulled_at: Instant | None
    pull_count: int
    archived_at: Instant | None
    activated_at: Instant | None
    purge_at: Instant


_DELETION = ", ".join(f"d.{field}" for field in Deletion._fields)
_TRASHED = (
    "SELECT t.deletion_id, d.repository, d.digest, d.batch, d.media_type, t.content, t.tags, t.subject, t.status, t.pushed_at,"
    " t.pulled_at, t.pull_count, t.archived_at, t.activated_at, t.purge_at FROM trash t JOIN deletions d ON d.id = t.deletion_id"
)


def record(rows: Connection, deletion: Deletion) -> int:
    """Add a deletion to the ledger (its ``id`` is ignored). Returns the new id."""
    fields = Deletion._fields[1:]
    names, values = ", ".join(fields), ", ".join(f":{field}" for field in fields)
    statement = f"INSERT INTO deletions ({names}) VALUES ({values}) RETURNING id"
    return int(rows.execute(statement, deletion._asdict()).fetchone()[0])


def keep(rows: Connection, deletion_id: int, manifest_id: int, tags: str, purge_at: Instant) -> None:
    """Put a manifest that is about to be deleted into the trash, with the blobs it needs: their rows must stay."""
    rows.execute(
        "INSERT INTO trash (deletion_id, purge_at, content, tags, subject, status, pushed_at, pulled_at, pull_count,"
        " archived_at, activated_at) SELECT :deletion_id, :purge_at, c.content, :tags, m.subject, m.status, m.pushed_at,"
        " m.pulled_at, m.pull_count, m.archived_at, m.activated_at"
        " FROM manifests m JOIN manifest_contents c ON c.manifest_id = m.id WHERE m.id = :manifest_id",
        {"deletion_id": deletion_id, "purge_at": purge_at, "tags": tags, "manifest_id": manifest_id},
    )
    rows.execute(
        "INSERT INTO trash_blobs (deletion_id, digest)"
        " SELECT :deletion_id, digest FROM manifest_blobs WHERE manifest_id = :manifest_id",
        {"deletion_id": deletion_id, "manifest_id": manifest_id},
    )


def find(rows: Connection, repository: str, digest: str) -> Trashed | None:
    """The image of that digest that was trashed last."""
    row = rows.execute(
        f"{_TRASHED} WHERE d.repository = :repository AND d.digest = :digest ORDER BY t.deletion_id DESC LIMIT 1",
        {"repository": repository, "digest": digest},
    ).fetchone()
    return None if row is None else Trashed._make(row)


def find_by_tag(rows: Connection, repository: str, tag: str) -> Trashed | None:
    """The image that was trashed last with that tag."""
    row = rows.execute(
        f"{_TRASHED} WHERE d.repository = :repository"
        " AND EXISTS (SELECT 1 FROM json_each(d.tags) g WHERE g.value = :tag) ORDER BY t.deletion_id DESC LIMIT 1",
        {"repository": repository, "tag": tag},
    ).fetchone()
    return None if row is None else Trashed._make(row)


def find_all(rows: Connection, repository: str, digest: str) -> list[int]:
    """Every time that the image of that digest lies in the trash, as ids of deletions."""
    statement = (
        "SELECT t.deletion_id FROM trash t JOIN deletions d ON d.id = t.deletion_id"
        " WHERE d.repository = :repository AND d.digest = :digest"
    )
    return [row[0] for row in rows.execute(statement, {"repository": repository, "digest": digest})]


def referrers(rows: Connection, repository: str, subject: str, batch: str) -> list[str]:
    """The digests of trashed images whose subject is ``subject`` and that went in the same batch."""
    found = rows.execute(
        "SELECT d.digest FROM trash t JOIN deletions d ON d.id = t.deletion_id"
        " WHERE d.repository = :repository AND t.subject = :subject AND d.batch = :batch ORDER BY t.deletion_id",
        {"repository": repository, "subject": subject, "batch": batch},
    )
    return [row[0] for row in found]


def of_run(rows: Connection, run_id: int) -> list[tuple[str, str]]:
    """What a lifecycle run put into the trash and is still there: ``(repository, digest)``."""
    return rows.execute(
        "SELECT d.repository, d.digest FROM deletions d JOIN trash t ON t.deletion_id = d.id WHERE d.run_id = :run_id"
        " ORDER BY d.id",
        {"run_id": run_id},
    ).fetchall()


def blobs_of(rows: Connection, deletion_id: int) -> list[str]:
    """The blobs that a trashed image holds."""
    found = rows.execute("SELECT digest FROM trash_blobs WHERE deletion_id = :id", {"id": deletion_id})
    return [row[0] for row in found]


def take_out(rows: Connection, deletion_id: int) -> None:
    """Remove an image from the trash; the blobs are held no longer."""
    rows.execute("DELETE FROM trash WHERE deletion_id = :id", {"id": deletion_id})


def end(
    rows: Connection, deletion_id: int, ended: str, by: str, now: Instant, freed: int | None = None
) -> None:
    """Note in the ledger what became of a deleted image."""
    rows.execute(
        "UPDATE deletions SET ended = :ended, ended_by = :by, ended_at = :now, freed = :freed WHERE id = :id",
        {"id": deletion_id, "ended": ended, "by": by, "now": now, "freed": freed},
    )


def due(rows: Connection, now: Instant, limit: int, repository: str | None = None) -> list[int]:
    """Up to ``limit`` deletions whose time in the trash is over at ``now``, in one repository or in all."""
    found = rows.execute(
        "SELECT t.deletion_id FROM trash t JOIN deletions d ON d.id = t.deletion_id"
        " WHERE t.purge_at <= :now AND (CAST(:repository AS TEXT) IS NULL OR d.repository = :repository)"
        " ORDER BY t.purge_at LIMIT :limit",
        {"now": now, "limit": limit, "repository": repository},
    )
    return [row[0] for row in found]


def page(
    rows: Connection, repository: str | None, run_id: int | None, before: int, limit: int
) -> list[tuple[Deletion, Instant]]:
    """Up to ``limit`` trashed images and when they are purged, the latest deletion first, those before an id.

    None selects every repository, or every run and what no run deleted.
    """
    found = rows.execute(
        f"SELECT {_DELETION}, t.purge_at FROM trash t JOIN deletions d ON d.id = t.deletion_id"
        " WHERE t.deletion_id < :before AND (CAST(:repository AS TEXT) IS NULL OR d.repository = :repository)"
        " AND (CAST(:run_id AS BIGINT) IS NULL OR d.run_id = :run_id) ORDER BY t.deletion_id DESC LIMIT :limit",
        {"repository": repository, "run_id": run_id, "before": before, "limit": limit},
    )
    return [(Deletion._make(row[:-1]), row[-1]) for row in found]


def history(
    rows: Connection, repository: str | None, digest: str | None, tag: str | None, before: int, limit: int
) -> list[Deletion]:
    """Up to ``limit`` deletions, the latest first, those before an id: of a repository, a digest, a tag, or all three."""
    found = rows.execute(
        f"SELECT {_DELETION} FROM deletions d WHERE d.id < :before"
        " AND (CAST(:repository AS TEXT) IS NULL OR d.repository = :repository)"
        " AND (CAST(:digest AS TEXT) IS NULL OR d.digest = :digest)"
        " AND (CAST(:tag AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM json_each(d.tags) g WHERE g.value = :tag))"
        " ORDER BY d.id DESC LIMIT :limit",
        {"repository": repository, "digest": digest, "tag": tag, "before": before, "limit": limit},
    )
    return [Deletion._make(row) for row in found]


def deleted_at(rows: Connection, repository: str, digest: str) -> Instant | None:
    """When an image was deleted last, whatever became of it; None: never."""
    statement = "SELECT MAX(deleted_at) FROM deletions WHERE repository = :repository AND digest = :digest"
    found = rows.execute(statement, {"repository": repository, "digest": digest}).fetchone()
    return None if found[0] is None else int(found[0])


def one(rows: Connection, deletion_id: int) -> Deletion:
    """A deletion that is there."""
    row = rows.execute(
        f"SELECT {_DELETION} FROM deletions d WHERE d.id = :id", {"id": deletion_id}
    ).fetchone()
    return Deletion._make(row)


def record_missed(rows: Connection, missed: Iterable[tuple[int, Instant, int]]) -> None:
    """Add pulls of what is in the trash: ``(deletion id, instant of the last, how many)``."""
    rows.executemany(
        "UPDATE deletions SET missed_pulls = missed_pulls + :count,"
        " missed_at = CASE WHEN missed_at > :at THEN missed_at ELSE :at END WHERE id = :id",
        [{"id": deletion_id, "at": at, "count": count} for deletion_id, at, count in missed],
    )


def count(rows: Connection) -> int:
    """Images in the trash."""
    return int(rows.execute("SELECT count(*) FROM trash").fetchone()[0])


def totals(rows: Connection) -> tuple[int, int]:
    """Images in the trash, and the bytes of the blobs that only they need."""
    size = rows.execute(
        "SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (SELECT digest FROM trash_blobs)"
        " AND digest NOT IN (SELECT digest FROM manifest_blobs)"
    ).fetchone()[0]
    return count(rows), int(size)
