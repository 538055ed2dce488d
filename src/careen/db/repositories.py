"""Repositories: their settings and resource tags."""

from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.db.engine import Connection

LOOSE = (
    "m.subject IS NULL AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)"
    " AND NOT EXISTS (SELECT 1 FROM manifest_children c WHERE c.child_id = m.id)"
)
"""A manifest ``m`` that no tag names, no index lists, and that is no signature or the like of another."""


class Repository(NamedTuple):
    """A row of ``repositories``."""

    id: int
    name: str
    created_at: Instant
    tag_mutability: str
    tag_mutability_filters: str
    """JSON list of wildcard filters."""
    scan_on_push: int
    encryption: str
    """JSON ``encryptionConfiguration``."""
    lifecycle_policy: str | None
    lifecycle_evaluated_at: Instant
    """0: never."""


_COLUMNS = ", ".join(Repository._fields)


def insert(rows: Connection, repository: Repository) -> int | None:
    """Add a repository (its ``id`` is ignored). Returns the new id, or None if the name is taken."""
    row = rows.execute(
        "INSERT INTO repositories (name, created_at, tag_mutability, tag_mutability_filters, scan_on_push, encryption,"
        " lifecycle_policy, lifecycle_evaluated_at) VALUES (:name, :created_at, :tag_mutability, :tag_mutability_filters,"
        " :scan_on_push, :encryption, :lifecycle_policy, :lifecycle_evaluated_at)"
        " ON CONFLICT (name) DO NOTHING RETURNING id",
        repository._asdict(),
    ).fetchone()
    return None if row is None else int(row[0])


def by_name(rows: Connection, name: str) -> Repository | None:
    """The repository of that name."""
    row = rows.execute(f"SELECT {_COLUMNS} FROM repositories WHERE name = :name", {"name": name}).fetchone()
    return None if row is None else Repository._make(row)


def by_id(rows: Connection, repository_id: int) -> Repository | None:
    """The repository of that id."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM repositories WHERE id = :id", {"id": repository_id}
    ).fetchone()
    return None if row is None else Repository._make(row)


def page(rows: Connection, after: str, limit: int) -> list[Repository]:
    """Up to ``limit`` repositories whose names follow ``after``, by name."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM repositories WHERE name > :after ORDER BY name LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [Repository._make(row) for row in found]


def every(rows: Connection) -> list[Repository]:
    """All repositories, by name."""
    return [
        Repository._make(row) for row in rows.execute(f"SELECT {_COLUMNS} FROM repositories ORDER BY name")
    ]


def names(rows: Connection, after: str, limit: int) -> list[str]:
    """Up to ``limit`` names that follow ``after``, in order."""
    found = rows.execute(
        "SELECT name FROM repositories WHERE name > :after ORDER BY name LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [row[0] for row in found]


def count(rows: Connection) -> int:
    """How many there are."""
    return int(rows.execute("SELECT count(*) FROM repositories").fetchone()[0])


def with_loose_images(rows: Connection, before: Instant) -> set[int]:
    """The ids of the repositories with an untagged image, pushed before an instant, that belongs to no other image."""
    found = rows.execute(
        f"SELECT DISTINCT m.repository_id FROM manifests m WHERE m.pushed_at < :before AND {LOOSE}",
        {"before": before},
    )
    return {row[0] for row in found}


def every_id(rows: Connection) -> list[int]:
    """The ids of all repositories."""
    return [row[0] for row in rows.execute("SELECT id FROM repositories ORDER BY id")]


def due(rows: Connection, now: Instant) -> list[int]:
    """The ids of the repositories whose evaluation might do something, by index."""
    found = rows.execute("SELECT id FROM repositories WHERE lifecycle_due_at <= :now", {"now": now})
    return [row[0] for row in found]


EVALUATING = 1
"""The ``lifecycle_due_at`` of a repository that is being evaluated: due, so that a crash is made good, and not 0."""


def mark_changed(rows: Connection, repository_id: int) -> None:
    """Something about the repository's images or documents is new: its next evaluation may have something to do."""
    rows.execute(
        "UPDATE repositories SET lifecycle_due_at = 0 WHERE id = :id AND lifecycle_due_at IS DISTINCT FROM 0",
        {"id": repository_id},
    )


def mark_all_changed(rows: Connection) -> None:
    """Something that holds for all repositories is new."""
    rows.execute("UPDATE repositories SET lifecycle_due_at = 0 WHERE lifecycle_due_at IS DISTINCT FROM 0")


def set_due(rows: Connection, repository_id: int, due_at: Instant | None) -> None:
    """Note when to evaluate a repository next."""
    rows.execute(
        "UPDATE repositories SET lifecycle_due_at = :due_at WHERE id = :id",
        {"id": repository_id, "due_at": due_at},
    )


def begin_evaluation(rows: Connection, repository_id: int) -> None:
    """From now on a change shows."""
    set_due(rows, repository_id, EVALUATING)


def end_evaluation(
    rows: Connection, repository_id: int, evaluated_at: Instant, due_at: Instant | None
) -> None:
    """Note when a repository was evaluated; and when to do so next, unless something changed since the beginning."""
    rows.execute(
        "UPDATE repositories SET lifecycle_evaluated_at = :evaluated_at,"
        " lifecycle_due_at = CASE lifecycle_due_at WHEN :evaluating THEN :due_at ELSE lifecycle_due_at END WHERE id = :id",
        {"id": repository_id, "evaluated_at": evaluated_at, "due_at": due_at, "evaluating": EVALUATING},
    )


def set_mutability(rows: Connection, repository_id: int, mutability: str, filters: str) -> None:
    """Set tag mutability and its filters (JSON list)."""
    rows.execute(
        "UPDATE repositories SET tag_mutability = :mutability, tag_mutability_filters = :filters WHERE id = :id",
        {"id": repository_id, "mutability": mutability, "filters": filters},
    )


def set_scan_on_push(rows: Connection, repository_id: int, scan_on_push: int) -> None:
    """Set whether images are scanned when they are pushed."""
    rows.execute(
        "UPDATE repositories SET scan_on_push = :scan_on_push WHERE id = :id",
        {"id": repository_id, "scan_on_push": scan_on_push},
    )


def set_lifecycle_policy(rows: Connection, repository_id: int, policy: str | None) -> None:
    """Set or remove the lifecycle policy; a new one has never been evaluated."""
    rows.execute(
        "UPDATE repositories SET lifecycle_policy = :policy, lifecycle_evaluated_at = 0, lifecycle_due_at = 0 WHERE id = :id",
        {"id": repository_id, "policy": policy},
    )


def delete(rows: Connection, repository_id: int) -> None:
    """Delete the repository with everything in it; the bytes of its blobs are the collector's business."""
    # PostgreSQL looks after each step of a cascade whether a child is still listed, SQLite after all of them.
    rows.execute(
        "DELETE FROM manifest_children WHERE manifest_id IN (SELECT id FROM manifests WHERE repository_id = :id)",
        {"id": repository_id},
    )
    rows.execute("DELETE FROM manifests WHERE repository_id = :id", {"id": repository_id})
    rows.execute("DELETE FROM repositories WHERE id = :id", {"id": repository_id})


def resource_tags(rows: Connection, repository_id: int) -> dict[str, str]:
    """Key to value, by key."""
    found = rows.execute(
        "SELECT key, value FROM repository_tags WHERE repository_id = :id ORDER BY key", {"id": repository_id}
    )
    return dict(found.fetchall())


def put_resource_tags(rows: Connection, repository_id: int, tags: dict[str, str]) -> None:
    """Add tags, replacing the values of keys that are there."""
    rows.executemany(
        "INSERT INTO repository_tags (repository_id, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (repository_id, key) DO UPDATE SET value = excluded.value",
        [(repository_id, key, value) for key, value in tags.items()],
    )


def remove_resource_tags(rows: Connection, repository_id: int, keys: list[str]) -> None:
    """Remove tags; keys that are not there are no error."""
    rows.executemany(
        "DELETE FROM repository_tags WHERE repository_id = ? AND key = ?",
        [(repository_id, key) for key in keys],
    )


def filters_of(repository: Repository) -> list[str]:
    """The mutability exclusion filters, as wildcard patterns."""
    return msgspec.json.decode(repository.tag_mutability_filters, type=list[str])
