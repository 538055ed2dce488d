"""Blobs: their rows, the repositories they are linked in, and the marks of the collector.

A blob that a scrub found damaged (``careen.db.scrubs``) keeps its row and its links, because manifests need them, but is not there
for anybody who asks: so the next client that has its bytes uploads them, and :func:`insert` makes it whole.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Blob(NamedTuple):
    """A blob as one repository sees it."""

    repository_id: int
    digest: str
    size: int
    """Bytes."""
    generation: str
    """Which file or object has the bytes; empty: they are ``content``."""
    seen_at: Instant
    content: bytes | None


_WHOLE = "NOT EXISTS (SELECT 1 FROM damaged_blobs d WHERE d.digest = b.digest)"

_PULLABLE = (
    "SELECT l.repository_id, b.digest, b.size, b.generation, l.seen_at, c.content FROM repositories r"
    " JOIN repository_blobs l ON l.repository_id = r.id AND l.digest = :digest JOIN blobs b ON b.digest = l.digest"
    f" LEFT JOIN blob_contents c ON c.digest = b.digest WHERE r.name = :repository AND {_WHOLE}"
)


def linked(rows: Connection, repository: str, digest: str) -> Blob | None:
    """The blob, if it is linked in the repository of that name, in one statement."""
    row = rows.execute(_PULLABLE, {"repository": repository, "digest": digest}).fetchone()
    return None if row is None else Blob._make(row)


def size(rows: Connection, repository_id: int, digest: str) -> int | None:
    """The blob's size in bytes, or None if it is not linked in the repository."""
    row = rows.execute(
        "SELECT b.size FROM repository_blobs l JOIN blobs b ON b.digest = l.digest"
        f" WHERE l.repository_id = :id AND l.digest = :digest AND {_WHOLE}",
        {"id": repository_id, "digest": digest},
    ).fetchone()
    return None if row is None else int(row[0])


def another_home(rows: Connection, repository: str, digest: str) -> str | None:
    """The name of a repository, other than this one, that a blob is linked in."""
    row = rows.execute(
        "SELECT r.name FROM repository_blobs l JOIN repositories r ON r.id = l.repository_id"
        " WHERE l.digest = :digest AND r.name <> :repository ORDER BY l.repository_id LIMIT 1",
        {"digest": digest, "repository": repository},
    ).fetchone()
    return None if row is None else str(row[0])


def small_content(rows: Connection, digest: str) -> bytes | None:
    """The bytes of a blob that is a row; None if it is a file."""
    row = rows.execute(
        "SELECT content FROM blob_contents WHERE digest = :digest", {"digest": digest}
    ).fetchone()
    return None if row is None else bytes(row[0])


def is_referenced(rows: Connection, repository_id: int, digest: str) -> bool:
    """Whether a manifest of the repository needs the blob."""
    statement = "SELECT 1 FROM manifest_blobs WHERE repository_id = :id AND digest = :digest LIMIT 1"
    return rows.execute(statement, {"id": repository_id, "digest": digest}).fetchone() is not None


def all_referenced_are_archived(rows: Connection, repository_id: int, digest: str) -> bool:
    """Whether manifests need the blob, and every one of them is out of the standard storage class."""
    statement = (
        "SELECT count(*), count(*) FILTER (WHERE m.status = 'ACTIVE') FROM manifest_blobs b"
        " JOIN manifests m ON m.id = b.manifest_id WHERE b.repository_id = :id AND b.digest = :digest"
    )
    needed, active = rows.execute(statement, {"id": repository_id, "digest": digest}).fetchone()
    return needed > 0 and not active


def insert(
    rows: Connection, digest: str, size: int, generation: str, content: bytes | None, now: Instant
) -> bool:
    """Add a blob's row, with its bytes if they are a row too; one that was damaged is whole again.

    Returns:
        False if the blob is there already.
    """
    statement = (
        "INSERT INTO blobs (digest, size, generation, created_at) VALUES (:digest, :size, :generation, :now)"
        " ON CONFLICT (digest) DO NOTHING"
    )
    values = {"digest": digest, "size": size, "generation": generation, "now": now}
    if not rows.execute(statement, values).rowcount:
        if not rows.execute("DELETE FROM damaged_blobs WHERE digest = :digest", {"digest": digest}).rowcount:
            return False
        rows.execute(
            "UPDATE blobs SET size = :size, generation = :generation, created_at = :now WHERE digest = :digest",
            values,
        )
    if content is not None:
        rows.execute(
            "INSERT INTO blob_contents (digest, content) VALUES (:digest, :content)",
            {"digest": digest, "content": content},
        )
    return True


def stored(rows: Connection, digest: str) -> tuple[int, str] | None:
    """The blob's size in bytes and its generation, in whatever repository it is; None if the registry does not have it."""
    found: tuple[int, str] | None = rows.execute(
        "SELECT size, generation FROM blobs WHERE digest = :digest", {"digest": digest}
    ).fetchone()
    return found


def replace(rows: Connection, digest: str, old: str, new: str, delete_at: Instant = 0) -> bool:
    """Let a blob have its bytes in another generation and mark the old for deletion. False if it has not ``old`` any more.

    Args:
        rows: the transaction.
        digest: the blob.
        old: the generation it should have.
        new: the one that it is given.
        delete_at: when the old bytes may go.
    """
    parameters = {"digest": digest, "old": old, "new": new, "delete_at": delete_at}
    if not rows.execute(
        "UPDATE blobs SET generation = :new WHERE digest = :digest AND generation = :old", parameters
    ).rowcount:
        return False
    rows.execute(
        "INSERT INTO condemned_blobs (digest, generation, size, delete_at)"
        " SELECT digest, :old, size, :delete_at FROM blobs WHERE digest = :digest",
        parameters,
    )
    return True


class Need(NamedTuple):
    """Where the bytes of a blob that is no row lie, and for what."""

    digest: str
    size: int
    generation: str
    needed: int
    """Whether an image needs it."""
    active: int
    """Whether one does that is not archived: it can be pulled, or is on its way."""


# Asked within pushes and deletions, of layers that thousands of images share: each EXISTS ends at the first that it meets.
_NEEDING = (
    "SELECT 1 FROM repository_blobs l JOIN manifest_blobs n ON n.repository_id = l.repository_id AND n.digest = l.digest"
    " JOIN manifests m ON m.id = n.manifest_id WHERE l.digest = b.digest"
)
_NEED = (
    f"SELECT b.digest, b.size, b.generation, EXISTS ({_NEEDING}), EXISTS ({_NEEDING} AND m.status <> 'ARCHIVED')"
    " FROM blobs b WHERE b.generation <> ''"
)


def need(rows: Connection, digest: str) -> Need | None:
    """What needs a blob; None if it is a row, damaged or gone."""
    row = rows.execute(f"{_NEED} AND b.digest = :digest", {"digest": digest}).fetchone()
    return None if row is None else Need._make(row)


def needs_after(rows: Connection, after: str, limit: int) -> list[Need]:
    """The same of up to ``limit`` blobs that follow ``after``, by digest."""
    statement = f"{_NEED} AND b.digest > :after ORDER BY b.digest LIMIT :limit"
    return [Need._make(row) for row in rows.execute(statement, {"after": after, "limit": limit})]


def files_of(rows: Connection, manifest_id: int) -> list[tuple[str, str]]:
    """``(digest, generation)`` of the blobs that a manifest needs and that are no rows."""
    return rows.execute(
        "SELECT b.digest, b.generation FROM manifest_blobs n JOIN blobs b ON b.digest = n.digest"
        " WHERE n.manifest_id = :id AND b.generation <> ''",
        {"id": manifest_id},
    ).fetchall()


_ARCHIVED = "generation >= 'archive-' AND generation < 'archive.'"
"""In the archive's home (``careen.blobs.archive.MARK``), in the words of the index."""


def some_archived(rows: Connection, limit: int) -> list[tuple[str, str]]:
    """``(digest, generation)`` of up to ``limit`` blobs in the archive's home."""
    statement = f"SELECT digest, generation FROM blobs WHERE {_ARCHIVED} LIMIT :limit"
    return rows.execute(statement, {"limit": limit}).fetchall()


def bring_home(rows: Connection) -> None:
    """Say of all blobs that their bytes are in the registry's own home, under the names that they had in the archive's."""
    for table in ("blobs", "damaged_blobs"):
        rows.execute(
            f"UPDATE {table} SET generation = substr(generation, length('archive-') + 1) WHERE {_ARCHIVED}"
        )


def files(rows: Connection) -> Iterator[tuple[str, str, int]]:
    """Every blob that is no row: ``(digest, generation, bytes)``."""
    yield from rows.execute("SELECT digest, generation, size FROM blobs WHERE generation <> ''")


def exists(rows: Connection, digest: str) -> bool:
    """Whether the registry has the blob, in whatever repository."""
    statement = f"SELECT 1 FROM blobs b WHERE digest = :digest AND {_WHOLE}"
    return rows.execute(statement, {"digest": digest}).fetchone() is not None


def repositories_with(rows: Connection, digest: str, limit: int) -> list[str]:
    """The names of up to ``limit`` repositories in which the blob is linked, the oldest first."""
    found = rows.execute(
        "SELECT r.name FROM repository_blobs l JOIN repositories r ON r.id = l.repository_id JOIN blobs b ON b.digest = l.digest"
        f" WHERE l.digest = :digest AND {_WHOLE} ORDER BY r.id LIMIT :limit",
        {"digest": digest, "limit": limit},
    )
    return [row[0] for row in found]


def link(rows: Connection, repository_id: int, digest: str, now: Instant, review_at: Instant) -> None:
    """Make a blob readable in a repository and renew its lease; look again at ``review_at`` whether a manifest needs it."""
    rows.execute(
        "INSERT INTO repository_blobs (repository_id, digest, seen_at) VALUES (:id, :digest, :now)"
        " ON CONFLICT (repository_id, digest) DO UPDATE SET seen_at = excluded.seen_at"
        " WHERE repository_blobs.seen_at < excluded.seen_at",
        {"id": repository_id, "digest": digest, "now": now},
    )
    review(rows, repository_id, [digest], review_at)


def renew(rows: Connection, repository_id: int, digest: str, now: Instant) -> bool:
    """Renew a lease. Returns whether the link is there."""
    statement = "UPDATE repository_blobs SET seen_at = :now WHERE repository_id = :id AND digest = :digest"
    return rows.execute(statement, {"id": repository_id, "digest": digest, "now": now}).rowcount > 0


def review(rows: Connection, repository_id: int, digests: Iterable[str], due_at: Instant) -> None:
    """Ask for a review of links at ``due_at``; one that is asked for already keeps the earlier time."""
    rows.executemany(
        "INSERT INTO reviews (repository_id, digest, due_at) VALUES (?, ?, ?)"
        " ON CONFLICT (repository_id, digest) DO UPDATE SET due_at = excluded.due_at WHERE reviews.due_at > excluded.due_at",
        [(repository_id, digest, due_at) for digest in digests],
    )


def review_all(rows: Connection, due_at: Instant) -> None:
    """Make every review that waits due at ``due_at`` at the latest."""
    rows.execute("UPDATE reviews SET due_at = :due_at WHERE due_at > :due_at", {"due_at": due_at})


class Review(NamedTuple):
    """A link that may be unreferenced, with all that decides its fate."""

    repository_id: int
    digest: str
    seen_at: Instant | None
    """None: the link is gone already."""
    referenced: int


def due_reviews(rows: Connection, now: Instant, limit: int) -> list[Review]:
    """Up to ``limit`` reviews that are due, the earliest first."""
    found = rows.execute(
        "SELECT v.repository_id, v.digest, l.seen_at,"
        " EXISTS (SELECT 1 FROM manifest_blobs b WHERE b.repository_id = v.repository_id AND b.digest = v.digest)"
        " FROM reviews v LEFT JOIN repository_blobs l ON l.repository_id = v.repository_id AND l.digest = v.digest"
        " WHERE v.due_at <= :now ORDER BY v.due_at LIMIT :limit",
        {"now": now, "limit": limit},
    )
    return [Review._make(row) for row in found]


def end_review(rows: Connection, repository_id: int, digest: str) -> None:
    """The review is done."""
    rows.execute(
        "DELETE FROM reviews WHERE repository_id = :id AND digest = :digest",
        {"id": repository_id, "digest": digest},
    )


def postpone_review(rows: Connection, repository_id: int, digest: str, due_at: Instant) -> None:
    """Look again later."""
    rows.execute(
        "UPDATE reviews SET due_at = :due_at WHERE repository_id = :id AND digest = :digest",
        {"id": repository_id, "digest": digest, "due_at": due_at},
    )


def unlink(rows: Connection, repository_id: int, digest: str) -> None:
    """Remove a link. The foreign keys refuse it while a manifest needs the blob."""
    rows.execute(
        "DELETE FROM repository_blobs WHERE repository_id = :id AND digest = :digest",
        {"id": repository_id, "digest": digest},
    )


def condemn_if_unlinked(rows: Connection, digest: str) -> int | None:
    """Delete the row of a blob that no repository links and no trashed image holds, and mark its bytes for deletion.

    Returns:
        The bytes that this gives back, or None if a repository or the trash still needs the blob.
    """
    row = rows.execute(
        "DELETE FROM blobs WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE digest = :digest)"
        " AND NOT EXISTS (SELECT 1 FROM trash_blobs WHERE digest = :digest) RETURNING size, generation",
        {"digest": digest},
    ).fetchone()
    if row is None:
        return None
    if row[1]:
        rows.execute(
            "INSERT INTO condemned_blobs (digest, generation, size) VALUES (:digest, :generation, :size)",
            {"digest": digest, "generation": row[1], "size": row[0]},
        )
    return int(row[0])


def unlinked(rows: Connection, limit: int) -> list[str]:
    """Blobs that no repository links and no trashed image holds: left by a deleted repository, or by a crash."""
    found = rows.execute(
        "SELECT digest FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.digest = b.digest)"
        " AND NOT EXISTS (SELECT 1 FROM trash_blobs t WHERE t.digest = b.digest) LIMIT :limit",
        {"limit": limit},
    )
    return [row[0] for row in found]


def condemned(rows: Connection, now: Instant, limit: int) -> list[tuple[str, str, int]]:
    """Up to ``limit`` generations whose bytes are to be deleted by now: ``(digest, generation, bytes)``."""
    return rows.execute(
        "SELECT digest, generation, size FROM condemned_blobs WHERE delete_at <= :now LIMIT :limit",
        {"now": now, "limit": limit},
    ).fetchall()


def backlog(rows: Connection, now: Instant) -> tuple[int, int, int]:
    """What waits for the collector: reviews, those of them that are due, the bytes of condemned generations."""
    found = rows.execute(
        "SELECT (SELECT count(*) FROM reviews), (SELECT count(*) FROM reviews WHERE due_at <= :now),"
        " coalesce(sum(size), 0) FROM condemned_blobs",
        {"now": now},
    ).fetchone()
    reviews, due, size = map(int, found)
    return reviews, due, size


def forget_condemned(rows: Connection, gone: Iterable[tuple[str, str]]) -> None:
    """The bytes of these ``(digest, generation)`` are gone."""
    rows.executemany("DELETE FROM condemned_blobs WHERE digest = ? AND generation = ?", list(gone))


def is_known_generation(rows: Connection, digest: str, generation: str) -> bool:
    """Whether a row names this generation, as a blob, as one that is damaged, or as condemned.

    Without a digest every row is looked at.
    """
    if not digest:
        statement = (
            "SELECT 1 FROM blobs WHERE generation = :generation UNION ALL"
            " SELECT 1 FROM damaged_blobs WHERE generation = :generation UNION ALL"
            " SELECT 1 FROM condemned_blobs WHERE generation = :generation"
        )
        return rows.execute(statement, {"generation": generation}).fetchone() is not None
    statement = (
        "SELECT 1 FROM blobs WHERE digest = :digest AND generation = :generation UNION ALL"
        " SELECT 1 FROM damaged_blobs WHERE digest = :digest AND generation = :generation UNION ALL"
        " SELECT 1 FROM condemned_blobs WHERE digest = :digest AND generation = :generation"
    )
    return rows.execute(statement, {"digest": digest, "generation": generation}).fetchone() is not None


def digests_in(rows: Connection, repository_id: int) -> list[str]:
    """Every blob linked in a repository."""
    found = rows.execute(
        "SELECT digest FROM repository_blobs WHERE repository_id = :id", {"id": repository_id}
    )
    return [row[0] for row in found]


def all_references(rows: Connection) -> Iterator[tuple[str, str, str, int]]:
    """Every ``(repository, manifest digest, blob digest, blob bytes)`` of the registry."""
    yield from rows.execute(
        "SELECT r.name, m.digest, n.digest, b.size FROM manifest_blobs n JOIN manifests m ON m.id = n.manifest_id"
        " JOIN repositories r ON r.id = m.repository_id JOIN blobs b ON b.digest = n.digest"
    )


def references_in(rows: Connection, repository_id: int) -> Iterator[tuple[str, str, int]]:
    """Every ``(manifest digest, blob digest, blob bytes)`` of a repository, without blobs that images elsewhere need, too."""
    yield from rows.execute(
        "SELECT m.digest, n.digest, b.size FROM manifests m JOIN manifest_blobs n ON n.manifest_id = m.id"
        " JOIN blobs b ON b.digest = n.digest WHERE m.repository_id = :id AND NOT EXISTS ("
        "SELECT 1 FROM repository_blobs l JOIN manifest_blobs o ON o.repository_id = l.repository_id AND o.digest = l.digest"
        " WHERE l.digest = n.digest AND l.repository_id <> :id)",
        {"id": repository_id},
    )


_ONLY_ARCHIVED = (
    "SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (SELECT b.digest FROM manifest_blobs b"
    " JOIN manifests m ON m.id = b.manifest_id GROUP BY b.digest HAVING count(*) FILTER (WHERE m.status <> 'ARCHIVED') = 0)"
)


class Totals(NamedTuple):
    """What the rows say is stored. Sizes are bytes."""

    blobs: int
    blob_bytes: int
    inline_blobs: int
    inline_bytes: int
    referenced_bytes: int
    """Of blobs that some manifest needs."""
    archive_bytes: int
    """Of blobs that manifests need, all of which are archived."""
    archive_home_bytes: int
    """Of blobs in the archive's home."""
    manifests: int
    manifest_bytes: int
    condemned: int
    condemned_bytes: int


def totals(rows: Connection) -> Totals:
    """Sums over the whole registry."""
    values: list[int] = []
    for statement in (
        "SELECT count(*), coalesce(sum(size), 0) FROM blobs",
        "SELECT count(*), coalesce(sum(size), 0) FROM blobs WHERE generation = ''",
        "SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (SELECT digest FROM manifest_blobs)",
        _ONLY_ARCHIVED,
        f"SELECT coalesce(sum(size), 0) FROM blobs WHERE {_ARCHIVED}",
        "SELECT count(*), coalesce(sum(size), 0) FROM manifests",
        "SELECT count(*), coalesce(sum(size), 0) FROM condemned_blobs",
    ):
        values.extend(rows.execute(statement).fetchone())
    return Totals._make(values)


def shared_bytes(rows: Connection) -> int:
    """Of the blobs that images of several repositories need, not all of them archived."""
    found = rows.execute(
        "SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (SELECT n.digest FROM manifest_blobs n"
        " JOIN manifests m ON m.id = n.manifest_id GROUP BY n.digest"
        " HAVING min(n.repository_id) < max(n.repository_id) AND count(*) FILTER (WHERE m.status <> 'ARCHIVED') > 0)"
    )
    return int(found.fetchone()[0])


def needs(rows: Connection, repository_id: int) -> Iterator[tuple[int, int, int]]:
    """Every ``(manifest id, bytes of a blob it needs, how many manifests of the registry need that blob)`` of a repository."""
    yield from rows.execute(
        "SELECT n.manifest_id, b.size, (SELECT count(*) FROM repository_blobs l JOIN manifest_blobs o"
        " ON o.repository_id = l.repository_id AND o.digest = l.digest WHERE l.digest = n.digest)"
        " FROM manifest_blobs n JOIN blobs b ON b.digest = n.digest WHERE n.repository_id = :id",
        {"id": repository_id},
    )


def of_manifest(rows: Connection, manifest_id: int) -> list[tuple[str, int]]:
    """``(digest, bytes)`` of the blobs that a manifest needs."""
    return rows.execute(
        "SELECT b.digest, b.size FROM manifest_blobs n JOIN blobs b ON b.digest = n.digest WHERE n.manifest_id = :id",
        {"id": manifest_id},
    ).fetchall()


def needing(rows: Connection, digest: str) -> Iterator[tuple[int, int]]:
    """``(id, repository's id)`` of the manifests of the registry that need a blob. Of a base layer they are many: take a few."""
    yield from rows.execute(
        "SELECT n.manifest_id, n.repository_id FROM repository_blobs l JOIN manifest_blobs n"
        " ON n.repository_id = l.repository_id AND n.digest = l.digest WHERE l.digest = :digest",
        {"digest": digest},
    )


def repository_bytes(rows: Connection) -> list[tuple[str, int, int, int, int]]:
    """Per repository, by name: ``(name, manifests, blobs, bytes, bytes that manifests need)``.

    A blob counts once in each repository that links it.
    """
    return rows.execute(
        "SELECT r.name, (SELECT count(*) FROM manifests m WHERE m.repository_id = r.id), count(b.digest),"
        " coalesce(sum(b.size), 0), coalesce(sum(CASE WHEN EXISTS (SELECT 1 FROM manifest_blobs n"
        " WHERE n.repository_id = r.id AND n.digest = b.digest) THEN b.size END), 0)"
        " FROM repositories r LEFT JOIN repository_blobs l ON l.repository_id = r.id LEFT JOIN blobs b ON b.digest = l.digest"
        " GROUP BY r.id, r.name ORDER BY r.name"
    ).fetchall()
