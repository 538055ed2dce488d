"""Replication: the configuration, how far each image is on its way to each destination, and deletions that are on theirs."""

from collections.abc import Iterable
from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection

_KIND = "replication"


class Replication(NamedTuple):
    """A row of ``replications``: an image and a destination."""

    manifest_id: int
    region: str
    registry_id: str
    status: str
    """``IN_PROGRESS``, ``COMPLETE`` or ``FAILED``."""
    failure_code: str | None
    failure_reason: str | None
    """What happened, for people; of a replication that is in progress, why it is tried again."""
    refused_tags: str
    """JSON list: tags that the destination did not take, though it has the image."""
    asked_at: Instant
    updated_at: Instant


class Deletion(NamedTuple):
    """A row of ``replication_deletions``: something that was deleted here and is to be deleted there."""

    id: int
    repository: str
    digest: str
    is_image: int
    """Whether the image itself is deleted; else only tags of it."""
    tags: str
    """JSON list: the tags that the image had, or that were removed."""
    region: str
    registry_id: str
    asked_at: Instant
    failure_code: str | None
    failure_reason: str | None


class Standing(NamedTuple):
    """How a destination stands."""

    region: str
    registry_id: str
    status: str
    images: int


class Unfinished(NamedTuple):
    """An image that is not at a destination, with what is known of why."""

    repository: str
    digest: str
    replication: Replication


_COLUMNS = ", ".join(Replication._fields)
_DELETION = ", ".join(Deletion._fields)


def configuration(rows: Connection) -> str | None:
    """The configuration's text; None before there was one."""
    row = rows.execute(
        "SELECT content FROM registry_documents WHERE kind = :kind", {"kind": _KIND}
    ).fetchone()
    return None if row is None else str(row[0])


def set_configuration(rows: Connection, text: str) -> None:
    """Set the configuration. No policy asks it, so no repository is marked as changed."""
    rows.execute(
        "INSERT INTO registry_documents (kind, content) VALUES (:kind, :text)"
        " ON CONFLICT (kind) DO UPDATE SET content = excluded.content",
        {"kind": _KIND, "text": text},
    )


def ask(rows: Connection, manifest_id: int, region: str, registry_id: str, now: Instant) -> None:
    """An image is on its way to a destination, from now on."""
    rows.execute(
        "INSERT INTO replications (manifest_id, region, registry_id, status, refused_tags, asked_at, updated_at)"
        " VALUES (:manifest_id, :region, :registry_id, 'IN_PROGRESS', '[]', :now, :now)"
        " ON CONFLICT (manifest_id, region, registry_id) DO UPDATE SET status = 'IN_PROGRESS', failure_code = NULL,"
        " failure_reason = NULL, refused_tags = '[]', asked_at = excluded.asked_at, updated_at = excluded.updated_at",
        {"manifest_id": manifest_id, "region": region, "registry_id": registry_id, "now": now},
    )


def one(rows: Connection, manifest_id: int, region: str, registry_id: str) -> Replication | None:
    """How far an image is on its way to a destination."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM replications WHERE manifest_id = :manifest_id AND region = :region"
        " AND registry_id = :registry_id",
        {"manifest_id": manifest_id, "region": region, "registry_id": registry_id},
    ).fetchone()
    return None if row is None else Replication._make(row)


def of_image(rows: Connection, manifest_id: int) -> list[Replication]:
    """How far an image is on its way to each destination, sorted by destination."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM replications WHERE manifest_id = :id ORDER BY region, registry_id",
        {"id": manifest_id},
    )
    return [Replication._make(row) for row in found]


def settle(
    rows: Connection,
    manifest_id: int,
    region: str,
    registry_id: str,
    *,
    status: str,
    code: str | None,
    reason: str | None,
    refused_tags: str,
    now: Instant,
) -> None:
    """Say how the last attempt ended, whether or not a push had asked for it. Nothing happens if the image is gone."""
    rows.execute(
        "INSERT INTO replications (manifest_id, region, registry_id, status, failure_code, failure_reason, refused_tags,"
        " asked_at, updated_at) SELECT id, :region, :registry_id, :status, :code, :reason, :refused_tags, :now, :now"
        " FROM manifests WHERE id = :manifest_id"
        " ON CONFLICT (manifest_id, region, registry_id) DO UPDATE SET status = excluded.status,"
        " failure_code = excluded.failure_code, failure_reason = excluded.failure_reason,"
        " refused_tags = excluded.refused_tags, updated_at = excluded.updated_at",
        {
            "manifest_id": manifest_id,
            "region": region,
            "registry_id": registry_id,
            "status": status,
            "code": code,
            "reason": reason,
            "refused_tags": refused_tags,
            "now": now,
        },
    )


def withdraw(rows: Connection, manifest_id: int, region: str, registry_id: str) -> None:
    """An image is not to go to a destination any more."""
    rows.execute(
        "DELETE FROM replications WHERE manifest_id = :manifest_id AND region = :region AND registry_id = :registry_id",
        {"manifest_id": manifest_id, "region": region, "registry_id": registry_id},
    )


def standings(rows: Connection) -> list[Standing]:
    """How many images are how far on their way to each destination."""
    found = rows.execute(
        "SELECT region, registry_id, status, count(*) FROM replications GROUP BY region, registry_id, status"
        " ORDER BY region, registry_id, status"
    )
    return [Standing._make(row) for row in found]


def unfinished(rows: Connection, limit: int) -> list[Unfinished]:
    """Up to ``limit`` images that are not where they should be, the latest first."""
    columns = ", ".join(f"x.{field}" for field in Replication._fields)
    found = rows.execute(
        f"SELECT r.name, m.digest, {columns} FROM replications x JOIN manifests m ON m.id = x.manifest_id"
        " JOIN repositories r ON r.id = m.repository_id WHERE x.status <> 'COMPLETE' OR x.refused_tags <> '[]'"
        " ORDER BY x.updated_at DESC, x.manifest_id DESC LIMIT :limit",
        {"limit": limit},
    )
    return [Unfinished(row[0], row[1], Replication._make(row[2:])) for row in found]


def add_deletion(
    rows: Connection,
    repository: str,
    digest: str,
    *,
    is_image: bool,
    tags: str,
    region: str,
    registry_id: str,
    now: Instant,
) -> int:
    """Note what is to be deleted at a destination. Returns its id."""
    row = rows.execute(
        "INSERT INTO replication_deletions (repository, digest, is_image, tags, region, registry_id, asked_at)"
        " VALUES (:repository, :digest, :is_image, :tags, :region, :registry_id, :now) RETURNING id",
        {
            "repository": repository,
            "digest": digest,
            "is_image": int(is_image),
            "tags": tags,
            "region": region,
            "registry_id": registry_id,
            "now": now,
        },
    ).fetchone()
    return int(row[0])


def deletion(rows: Connection, deletion_id: int) -> Deletion | None:
    """A deletion that is on its way."""
    row = rows.execute(
        f"SELECT {_DELETION} FROM replication_deletions WHERE id = :id", {"id": deletion_id}
    ).fetchone()
    return None if row is None else Deletion._make(row)


def deletions(rows: Connection, limit: int) -> list[Deletion]:
    """Up to ``limit`` deletions that are on their way or failed, the latest first."""
    found = rows.execute(
        f"SELECT {_DELETION} FROM replication_deletions ORDER BY id DESC LIMIT :limit", {"limit": limit}
    )
    return [Deletion._make(row) for row in found]


def note_deletion(rows: Connection, deletion_id: int, code: str | None, reason: str | None) -> None:
    """Say why a deletion has not succeeded; with a code it is not tried again."""
    rows.execute(
        "UPDATE replication_deletions SET failure_code = :code, failure_reason = :reason WHERE id = :id",
        {"id": deletion_id, "code": code, "reason": reason},
    )


def end_deletions(rows: Connection, ids: Iterable[int]) -> None:
    """They have succeeded, or there is nothing to delete any more."""
    rows.executemany("DELETE FROM replication_deletions WHERE id = ?", [(each,) for each in ids])


def forget_deletions(rows: Connection, before: Instant) -> None:
    """Forget deletions that failed and were asked for before an instant."""
    rows.execute(
        "DELETE FROM replication_deletions WHERE failure_code IS NOT NULL AND asked_at < :before",
        {"before": before},
    )
