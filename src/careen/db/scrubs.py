"""What a scrub goes through, what it found damaged, and how far it is.

A damaged blob has a row in ``damaged_blobs``; its row in ``blobs`` says 0 bytes and names no generation, because that is what is
stored of it, and so every sum of bytes stays exact. Its links and the manifests that need it are untouched.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Progress(NamedTuple):
    """How far a scrub is. Sizes are bytes."""

    scope: str
    started_at: Instant
    finished_at: Instant | None
    phase: str
    cursor: str
    blobs: int = 0
    manifests: int = 0
    size: int = 0
    """Of what was verified."""
    strays: int = 0
    """Files that no row names: they await the sweep."""
    stray_size: int = 0


class StoredBlob(NamedTuple):
    """A blob as it should be stored."""

    digest: str
    generation: str
    """Which file has the bytes; empty: they are ``content``."""
    size: int
    content: bytes | None
    is_damaged: int
    """Whether it is known as damaged; then generation and size are what they were before."""


class StoredManifest(NamedTuple):
    """A manifest as it should be stored."""

    id: int
    digest: str
    media_type: str
    size: int
    content: bytes | None
    blobs: frozenset[str]
    """What its rows say it needs."""
    children: frozenset[str]
    what: str | None
    """How it is known to be damaged."""


class DamagedBlob(NamedTuple):
    """A row of ``damaged_blobs``."""

    digest: str
    generation: str
    size: int
    what: str
    found_at: Instant


class DamagedManifest(NamedTuple):
    """A row of ``damaged_manifests``."""

    repository: str
    digest: str
    what: str
    found_at: Instant


class Affected(NamedTuple):
    """An image that damage makes useless, in whole or in part."""

    repository: str
    digest: str
    tags: list[str]
    damaged: list[str]
    """Digests: of blobs it needs, or of manifests."""


_BLOBS = (
    "SELECT b.digest, coalesce(d.generation, b.generation), coalesce(d.size, b.size), c.content, d.digest IS NOT NULL"
    " FROM blobs b LEFT JOIN damaged_blobs d ON d.digest = b.digest LEFT JOIN blob_contents c ON c.digest = b.digest"
)


def blobs_after(rows: Connection, after: str, limit: int, repository_id: int | None) -> list[StoredBlob]:
    """Up to ``limit`` blobs whose digests follow ``after``, in order; None: of every repository."""
    linked = (
        ""
        if repository_id is None
        else " JOIN repository_blobs l ON l.digest = b.digest AND l.repository_id = :id"
    )
    statement = f"{_BLOBS}{linked} WHERE b.digest > :after ORDER BY b.digest LIMIT :limit"
    found = rows.execute(statement, {"after": after, "limit": limit, "id": repository_id})
    return [StoredBlob._make(row) for row in found]


def blob(rows: Connection, digest: str) -> StoredBlob | None:
    """One blob, as it should be stored now."""
    row = rows.execute(f"{_BLOBS} WHERE b.digest = :digest", {"digest": digest}).fetchone()
    return None if row is None else StoredBlob._make(row)


def files(rows: Connection) -> Iterator[tuple[str, str, int]]:
    """Every ``(digest, generation, bytes)`` that is a file."""
    yield from rows.execute(
        "SELECT digest, generation, size FROM blobs WHERE generation <> '' ORDER BY digest"
    )


_MANIFESTS = (
    "SELECT m.id, m.digest, m.media_type, m.size, c.content,"
    " (SELECT json_group_array(b.digest) FROM manifest_blobs b WHERE b.manifest_id = m.id),"
    " (SELECT json_group_array(k.digest) FROM manifest_children n JOIN manifests k ON k.id = n.child_id"
    " WHERE n.manifest_id = m.id), d.what"
    " FROM manifests m LEFT JOIN manifest_contents c ON c.manifest_id = m.id"
    " LEFT JOIN damaged_manifests d ON d.manifest_id = m.id"
)


def manifests_after(
    rows: Connection, after: int, limit: int, repository_id: int | None
) -> list[StoredManifest]:
    """Up to ``limit`` manifests whose ids follow ``after``, in order; None: of every repository."""
    found = rows.execute(
        f"{_MANIFESTS} WHERE m.id > :after AND m.repository_id = coalesce(:id, m.repository_id) ORDER BY m.id LIMIT :limit",
        {"after": after, "limit": limit, "id": repository_id},
    )
    return [_manifest(*row) for row in found]


def manifest(rows: Connection, manifest_id: int) -> StoredManifest | None:
    """One manifest, as it should be stored now."""
    row = rows.execute(f"{_MANIFESTS} WHERE m.id = :id", {"id": manifest_id}).fetchone()
    return None if row is None else _manifest(*row)


def _manifest(*row: Any) -> StoredManifest:
    found = StoredManifest(*row)
    return found._replace(blobs=frozenset(json.loads(row[5])), children=frozenset(json.loads(row[6])))


def mark_blob(rows: Connection, found: StoredBlob, what: str, now: Instant) -> None:
    """Nobody is given this blob any more. What is left of it in a row goes."""
    rows.execute(
        "INSERT INTO damaged_blobs (digest, generation, size, what, found_at)"
        " VALUES (:digest, :generation, :size, :what, :now)",
        {
            "digest": found.digest,
            "generation": found.generation,
            "size": found.size,
            "what": what,
            "now": now,
        },
    )
    rows.execute("DELETE FROM blob_contents WHERE digest = :digest", {"digest": found.digest})
    rows.execute(
        "UPDATE blobs SET size = 0, generation = '' WHERE digest = :digest", {"digest": found.digest}
    )


def unmark_blob(rows: Connection, digest: str, generation: str) -> bool:
    """The bytes of that generation are whole after all. Returns whether it was marked."""
    row = rows.execute(
        "DELETE FROM damaged_blobs WHERE digest = :digest AND generation = :generation RETURNING size",
        {"digest": digest, "generation": generation},
    ).fetchone()
    if row is not None:
        rows.execute(
            "UPDATE blobs SET size = :size, generation = :generation WHERE digest = :digest",
            {"digest": digest, "generation": generation, "size": row[0]},
        )
    return row is not None


def mark_manifest(rows: Connection, manifest_id: int, what: str, now: Instant, *, lost: bool) -> None:
    """Note what is wrong with a manifest; if its bytes are ``lost``, nobody is given them any more."""
    rows.execute(
        "INSERT INTO damaged_manifests (manifest_id, what, found_at) VALUES (:id, :what, :now)"
        " ON CONFLICT (manifest_id) DO UPDATE SET what = excluded.what WHERE damaged_manifests.what <> excluded.what",
        {"id": manifest_id, "what": what, "now": now},
    )
    if lost:
        rows.execute("DELETE FROM manifest_contents WHERE manifest_id = :id", {"id": manifest_id})


def unmark_manifest(rows: Connection, manifest_id: int) -> bool:
    """Nothing is wrong with it any more. Returns whether something was."""
    statement = "DELETE FROM damaged_manifests WHERE manifest_id = :id"
    return rows.execute(statement, {"id": manifest_id}).rowcount > 0


def damage_of(rows: Connection, repository: str, digest: str) -> DamagedBlob | None:
    """What is wrong with a blob that is linked in that repository; None: nothing, or it is not."""
    row = rows.execute(
        "SELECT d.digest, d.generation, d.size, d.what, d.found_at FROM damaged_blobs d"
        " JOIN repository_blobs l ON l.digest = d.digest JOIN repositories r ON r.id = l.repository_id"
        " WHERE d.digest = :digest AND r.name = :repository",
        {"digest": digest, "repository": repository},
    ).fetchone()
    return None if row is None else DamagedBlob._make(row)


def damaged_blobs(rows: Connection) -> list[DamagedBlob]:
    """Every damaged blob, by digest."""
    found = rows.execute("SELECT digest, generation, size, what, found_at FROM damaged_blobs ORDER BY digest")
    return [DamagedBlob._make(row) for row in found]


def damaged_manifests(rows: Connection) -> list[DamagedManifest]:
    """Every damaged manifest, by repository and digest."""
    found = rows.execute(
        "SELECT r.name, m.digest, d.what, d.found_at FROM damaged_manifests d JOIN manifests m ON m.id = d.manifest_id"
        " JOIN repositories r ON r.id = m.repository_id ORDER BY r.name, m.digest"
    )
    return [DamagedManifest._make(row) for row in found]


def affected(rows: Connection) -> list[Affected]:
    """Every image that needs something damaged, and every index that lists one, by repository and digest."""
    found = rows.execute(
        "WITH RECURSIVE hurt (manifest_id, damaged) AS ("
        "SELECT n.manifest_id, d.digest FROM damaged_blobs d CROSS JOIN repository_blobs l CROSS JOIN manifest_blobs n"
        " WHERE l.digest = d.digest AND n.repository_id = l.repository_id AND n.digest = l.digest"
        " UNION SELECT d.manifest_id, m.digest FROM damaged_manifests d JOIN manifests m ON m.id = d.manifest_id"
        " UNION SELECT c.manifest_id, h.damaged FROM hurt h JOIN manifest_children c ON c.child_id = h.manifest_id)"
        " SELECT r.name, m.digest,"
        " (SELECT json_group_array(t.name) FROM tags t WHERE t.manifest_id = m.id),"
        " json_group_array(h.damaged) FROM hurt h JOIN manifests m ON m.id = h.manifest_id"
        " JOIN repositories r ON r.id = m.repository_id GROUP BY m.id, r.id ORDER BY r.name, m.digest"
    )
    return [
        Affected(name, digest, sorted(json.loads(tags)), sorted(json.loads(damaged)))
        for name, digest, tags, damaged in found
    ]


def find(rows: Connection, scope: str) -> Progress | None:
    """How far the scrub of that scope is, or was when it ended."""
    row = rows.execute(
        f"SELECT {', '.join(Progress._fields)} FROM scrubs WHERE scope = :scope", {"scope": scope}
    ).fetchone()
    return None if row is None else Progress._make(row)


def save(rows: Connection, progress: Progress) -> None:
    """Note how far a scrub is."""
    names = Progress._fields
    rows.execute(
        f"INSERT INTO scrubs ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        f" ON CONFLICT (scope) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names[1:])}",
        progress._asdict(),
    )
