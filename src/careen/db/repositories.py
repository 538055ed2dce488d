"""Repositories: their settings and resource tags."""

from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.db.engine import Connection


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


def names(rows: Connection, after: str, limit: int) -> list[str]:
    """Up to ``limit`` names that follow ``after``, in order."""
    found = rows.execute(
        "SELECT name FROM repositories WHERE name > :after ORDER BY name LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [row[0] for row in found]


def with_lifecycle_policy(rows: Connection) -> list[int]:
    """The ids of all repositories that have a lifecycle policy."""
    return [row[0] for row in rows.execute("SELECT id FROM repositories WHERE lifecycle_policy IS NOT NULL")]


def set_mutability(rows: Connection, repository_id: int, mutability: str, filters: str) -> None:
    """Set tag mutability and its filters (JSON list)."""
    rows.execute(
        "UPDATE repositories SET tag_mutability = :mutability, tag_mutability_filters = :filters WHERE id = :id",
        {"id": repository_id, "mutability": mutability, "filters": filters},
    )


def set_lifecycle_policy(rows: Connection, repository_id: int, policy: str | None) -> None:
    """Set or remove the lifecycle policy; a new one has never been evaluated."""
    rows.execute(
        "UPDATE repositories SET lifecycle_policy = :policy, lifecycle_evaluated_at = 0 WHERE id = :id",
        {"id": repository_id, "policy": policy},
    )


def set_evaluated(rows: Connection, repository_id: int, instant: Instant) -> None:
    """Note when the lifecycle policy was last evaluated."""
    rows.execute(
        "UPDATE repositories SET lifecycle_evaluated_at = :instant WHERE id = :id",
        {"id": repository_id, "instant": instant},
    )


def delete(rows: Connection, repository_id: int) -> None:
    """Delete the repository with everything in it; the bytes of its blobs are the collector's business."""
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
