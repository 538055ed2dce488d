"""Manifests, their tags, and what they refer to."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.db import repositories
from careen.db.engine import Connection

ACTIVE = "ACTIVE"
"""The status of an image that can be pulled."""


class ImageRow(NamedTuple):
    """A row of ``manifests``."""

    id: int
    repository_id: int
    digest: str
    media_type: str
    artifact_type: str | None
    size: int
    """Bytes of the manifest itself."""
    image_size: int
    """Bytes of config and layers; of an index, of its largest child."""
    subject: str | None
    annotations: str | None
    status: str
    pushed_at: Instant
    pulled_at: Instant | None
    pull_count: int
    archived_at: Instant | None
    activated_at: Instant | None


class Pullable(NamedTuple):
    """What a manifest GET answers with."""

    manifest_id: int
    repository_id: int
    digest: str
    media_type: str
    content: bytes


class TaggedImage(NamedTuple):
    """A tag with the image that it names."""

    tag: str
    tagged_at: Instant
    row: ImageRow


_COLUMNS = ", ".join(f"m.{field}" for field in ImageRow._fields)

_BY_TAG = (
    "SELECT m.id, m.repository_id, m.digest, m.media_type, c.content FROM repositories r"
    " JOIN tags t ON t.repository_id = r.id AND t.name = :reference JOIN manifests m ON m.id = t.manifest_id"
    " JOIN manifest_contents c ON c.manifest_id = m.id WHERE r.name = :repository AND m.status = 'ACTIVE'"
)
_BY_DIGEST = (
    "SELECT m.id, m.repository_id, m.digest, m.media_type, c.content FROM repositories r"
    " JOIN manifests m ON m.repository_id = r.id AND m.digest = :reference"
    " JOIN manifest_contents c ON c.manifest_id = m.id WHERE r.name = :repository AND m.status = 'ACTIVE'"
)


def pullable(rows: Connection, repository: str, reference: str) -> Pullable | None:
    """The active manifest that a tag or digest names, in one statement: the hottest read of all."""
    statement = _BY_DIGEST if ":" in reference else _BY_TAG
    row = rows.execute(statement, {"repository": repository, "reference": reference}).fetchone()
    return None if row is None else Pullable._make(row)


def content(rows: Connection, manifest_id: int) -> bytes | None:
    """The manifest's bytes; None if they were damaged."""
    row = rows.execute(
        "SELECT content FROM manifest_contents WHERE manifest_id = :id", {"id": manifest_id}
    ).fetchone()
    return None if row is None else bytes(row[0])


def restore_content(rows: Connection, manifest_id: int, data: bytes) -> None:
    """Give a manifest its bytes back, if they were damaged."""
    added = rows.execute(
        "INSERT INTO manifest_contents (manifest_id, content) VALUES (:id, :data) ON CONFLICT (manifest_id) DO NOTHING",
        {"id": manifest_id, "data": data},
    ).rowcount
    if added:
        rows.execute("DELETE FROM damaged_manifests WHERE manifest_id = :id", {"id": manifest_id})


def insert(rows: Connection, image: ImageRow, data: bytes) -> int:
    """Add a manifest (its ``id`` is ignored) with its bytes. Returns the new id."""
    manifest_id = int(
        rows.execute(
            "INSERT INTO manifests (repository_id, digest, media_type, artifact_type, size, image_size, subject, annotations,"
            " status, pushed_at, pulled_at, pull_count, archived_at, activated_at) VALUES (:repository_id, :digest, :media_type,"
            " :artifact_type, :size, :image_size, :subject, :annotations, :status, :pushed_at, :pulled_at, :pull_count,"
            " :archived_at, :activated_at) RETURNING id",
            image._asdict(),
        ).fetchone()[0]
    )
    rows.execute(
        "INSERT INTO manifest_contents (manifest_id, content) VALUES (:id, :data)",
        {"id": manifest_id, "data": data},
    )
    repositories.mark_changed(rows, image.repository_id)
    return manifest_id


def by_digest(rows: Connection, repository_id: int, digest: str) -> ImageRow | None:
    """The manifest of that digest, whatever its status."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM manifests m WHERE m.repository_id = :repository_id AND m.digest = :digest",
        {"repository_id": repository_id, "digest": digest},
    ).fetchone()
    return None if row is None else ImageRow._make(row)


def by_id(rows: Connection, manifest_id: int) -> ImageRow | None:
    """The manifest of that id, whatever its status."""
    row = rows.execute(f"SELECT {_COLUMNS} FROM manifests m WHERE m.id = :id", {"id": manifest_id}).fetchone()
    return None if row is None else ImageRow._make(row)


def named(rows: Connection, manifest_id: int) -> tuple[str, str] | None:
    """The repository's name and the digest of the manifest of that id."""
    row: tuple[str, str] | None = rows.execute(
        "SELECT r.name, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id WHERE m.id = :id",
        {"id": manifest_id},
    ).fetchone()
    return row


def by_tag(rows: Connection, repository_id: int, tag: str) -> ImageRow | None:
    """The manifest that a tag names, whatever its status."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM tags t JOIN manifests m ON m.id = t.manifest_id"
        " WHERE t.repository_id = :repository_id AND t.name = :tag",
        {"repository_id": repository_id, "tag": tag},
    ).fetchone()
    return None if row is None else ImageRow._make(row)


_SELECTED = {
    None: "",
    "TAGGED": " AND EXISTS (SELECT 1 FROM tags s WHERE s.manifest_id = m.id)",
    "UNTAGGED": " AND NOT EXISTS (SELECT 1 FROM tags s WHERE s.manifest_id = m.id)",
}


def page(
    rows: Connection, repository_id: int, after: str, limit: int, status: str | None, tag_status: str | None
) -> list[ImageRow]:
    """Up to ``limit`` manifests whose digests follow ``after``, by digest; None selects every status."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM manifests m WHERE m.repository_id = :repository_id AND m.digest > :after"
        f" AND m.status = coalesce(:status, m.status){_SELECTED[tag_status]} ORDER BY m.digest LIMIT :limit",
        {"repository_id": repository_id, "after": after, "limit": limit, "status": status},
    )
    return [ImageRow._make(row) for row in found]


def ids(
    rows: Connection,
    repository_id: int,
    after: tuple[str, str],
    limit: int,
    status: str | None,
    tag_status: str | None,
) -> list[tuple[str, str]]:
    """Up to ``limit`` pairs of digest and tag that follow ``after``, in order; the tag of an untagged manifest is empty."""
    found: list[tuple[str, str]] = rows.execute(
        "SELECT m.digest, coalesce(t.name, '') FROM manifests m LEFT JOIN tags t ON t.manifest_id = m.id"
        " WHERE m.repository_id = :repository_id AND m.digest >= :digest AND (m.digest > :digest OR coalesce(t.name, '') > :tag)"
        f" AND m.status = coalesce(:status, m.status){_SELECTED[tag_status]} ORDER BY m.digest, t.name LIMIT :limit",
        {
            "repository_id": repository_id,
            "digest": after[0],
            "tag": after[1],
            "limit": limit,
            "status": status,
        },
    ).fetchall()
    return found


def every(rows: Connection, repository_id: int) -> list[ImageRow]:
    """All manifests of a repository, the oldest first."""
    statement = f"SELECT {_COLUMNS} FROM manifests m WHERE m.repository_id = :id ORDER BY m.id"
    return [ImageRow._make(row) for row in rows.execute(statement, {"id": repository_id})]


def count(rows: Connection, repository_id: int) -> int:
    """How many manifests the repository has."""
    found = rows.execute("SELECT count(*) FROM manifests WHERE repository_id = :id", {"id": repository_id})
    return int(found.fetchone()[0])


def for_lifecycle(rows: Connection, repository_id: int) -> Iterator[tuple[Any, ...]]:
    """All manifests, as the columns of the statement."""
    yield from rows.execute(
        "SELECT id, digest, pushed_at, pulled_at, archived_at, activated_at, status, image_size, media_type, subject,"
        " artifact_type FROM manifests WHERE repository_id = :id",
        {"id": repository_id},
    )


def all_tags(rows: Connection, repository_id: int) -> Iterator[tuple[int, str, Instant]]:
    """Every tag of a repository as ``(manifest id, name, when it was put on the manifest)``, by name."""
    yield from rows.execute(
        "SELECT manifest_id, name, tagged_at FROM tags WHERE repository_id = :id ORDER BY name",
        {"id": repository_id},
    )


def all_pulls(rows: Connection, repository_id: int) -> Iterator[tuple[int, str, int, Instant | None]]:
    """Every image of a repository as ``(manifest id, digest, how many pulls, the last)``, by digest."""
    yield from rows.execute(
        "SELECT id, digest, pull_count, pulled_at FROM manifests WHERE repository_id = :id ORDER BY digest",
        {"id": repository_id},
    )


def stamped_tags(rows: Connection, manifest_id: int) -> list[tuple[str, Instant]]:
    """The tags of a manifest as ``(name, when it was put on the manifest)``, by name."""
    statement = "SELECT name, tagged_at FROM tags WHERE manifest_id = :id ORDER BY name"
    return rows.execute(statement, {"id": manifest_id}).fetchall()


def all_contents(rows: Connection, repository_id: int) -> Iterator[tuple[int, bytes]]:
    """Every ``(manifest id, bytes)`` of a repository."""
    yield from rows.execute(
        "SELECT m.id, c.content FROM manifests m JOIN manifest_contents c ON c.manifest_id = m.id"
        " WHERE m.repository_id = :id",
        {"id": repository_id},
    )


def all_children(rows: Connection, repository_id: int) -> Iterator[tuple[int, str]]:
    """Every ``(index id, digest of a manifest it lists)`` of a repository."""
    yield from rows.execute(
        "SELECT c.manifest_id, m.digest FROM manifests m JOIN manifest_children c ON c.child_id = m.id WHERE m.repository_id = :id",
        {"id": repository_id},
    )


def tags_of(rows: Connection, manifest_id: int) -> list[str]:
    """The manifest's tags, by name."""
    found = rows.execute("SELECT name FROM tags WHERE manifest_id = :id ORDER BY name", {"id": manifest_id})
    return [row[0] for row in found]


def tag_names(rows: Connection, repository_id: int, after: str, limit: int) -> list[str]:
    """Up to ``limit`` tags of active manifests that follow ``after``, in order."""
    found = rows.execute(
        "SELECT t.name FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = :id AND t.name > :after"
        " AND m.status = 'ACTIVE' ORDER BY t.name LIMIT :limit",
        {"id": repository_id, "after": after, "limit": limit},
    )
    return [row[0] for row in found]


def tagged(rows: Connection, repository_id: int, after: str, limit: int) -> list[TaggedImage]:
    """Up to ``limit`` tags of active manifests that follow ``after``, in order, with their manifests."""
    found = rows.execute(
        f"SELECT t.name, t.tagged_at, {_COLUMNS} FROM tags t JOIN manifests m ON m.id = t.manifest_id"
        " WHERE t.repository_id = :id AND t.name > :after AND m.status = 'ACTIVE' ORDER BY t.name LIMIT :limit",
        {"id": repository_id, "after": after, "limit": limit},
    )
    return [TaggedImage(name, tagged_at, ImageRow._make(row)) for name, tagged_at, *row in found]


def tagged_last(rows: Connection, repository_id: int, limit: int) -> list[TaggedImage]:
    """Up to ``limit`` tags of active manifests, those that were put last first, with their manifests."""
    found = rows.execute(
        f"SELECT t.name, t.tagged_at, {_COLUMNS} FROM tags t JOIN manifests m ON m.id = t.manifest_id"
        " WHERE t.repository_id = :id AND m.status = 'ACTIVE' ORDER BY t.tagged_at DESC, t.name LIMIT :limit",
        {"id": repository_id, "limit": limit},
    )
    return [TaggedImage(name, tagged_at, ImageRow._make(row)) for name, tagged_at, *row in found]


def put_tag(rows: Connection, repository_id: int, name: str, manifest_id: int, now: Instant) -> None:
    """Make a tag name a manifest, moving it if it named another."""
    parameters = {"repository_id": repository_id, "name": name, "manifest_id": manifest_id, "now": now}
    # Not ON CONFLICT: PostgreSQL puts a row where another transaction has just deleted one without a word, and then the event of
    # what came second may have the lower id. To update a row that is gone by now, it refuses.
    moved = rows.execute(
        "UPDATE tags SET manifest_id = :manifest_id, tagged_at = :now WHERE repository_id = :repository_id AND name = :name",
        parameters,
    )
    if moved.rowcount == 0:
        rows.execute(
            "INSERT INTO tags (repository_id, name, manifest_id, tagged_at)"
            " VALUES (:repository_id, :name, :manifest_id, :now)",
            parameters,
        )
    repositories.mark_changed(rows, repository_id)


def delete_tag(rows: Connection, repository_id: int, name: str) -> None:
    """Remove a tag."""
    statement = "DELETE FROM tags WHERE repository_id = :repository_id AND name = :name"
    rows.execute(statement, {"repository_id": repository_id, "name": name})
    repositories.mark_changed(rows, repository_id)


def refer_to_blobs(rows: Connection, manifest_id: int, repository_id: int, digests: Iterable[str]) -> None:
    """Note that a manifest needs these blobs; the foreign key insists that each is linked in the repository."""
    rows.executemany(
        "INSERT INTO manifest_blobs (manifest_id, repository_id, digest) VALUES (?, ?, ?)",
        [(manifest_id, repository_id, digest) for digest in digests],
    )


def refer_to_children(rows: Connection, manifest_id: int, children: Iterable[int]) -> None:
    """Note that an index lists these manifests; none of them can be deleted before it."""
    rows.executemany(
        "INSERT INTO manifest_children (manifest_id, child_id) VALUES (?, ?)",
        [(manifest_id, child) for child in children],
    )


def parents(rows: Connection, manifest_id: int, status: str | None = None) -> list[str]:
    """The digests of the indexes that list this manifest; None asks for those of every status."""
    found = rows.execute(
        "SELECT m.digest FROM manifest_children c JOIN manifests m ON m.id = c.manifest_id WHERE c.child_id = :id"
        " AND m.status = coalesce(:status, m.status) ORDER BY m.digest",
        {"id": manifest_id, "status": status},
    )
    return [row[0] for row in found]


def children(rows: Connection, manifest_id: int) -> list[tuple[int, str]]:
    """The ``(id, digest)`` of every manifest that an index lists."""
    found: list[tuple[int, str]] = rows.execute(
        "SELECT m.id, m.digest FROM manifest_children c JOIN manifests m ON m.id = c.child_id WHERE c.manifest_id = :id",
        {"id": manifest_id},
    ).fetchall()
    return found


def indexes(rows: Connection, manifest_id: int) -> list[tuple[int, str]]:
    """The ``(id, digest)`` of every index that lists a manifest."""
    found: list[tuple[int, str]] = rows.execute(
        "SELECT m.id, m.digest FROM manifest_children c JOIN manifests m ON m.id = c.manifest_id WHERE c.child_id = :id",
        {"id": manifest_id},
    ).fetchall()
    return found


def referrers(rows: Connection, repository_id: int, subject: str) -> list[ImageRow]:
    """The manifests whose subject has this digest, oldest first."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM manifests m WHERE m.repository_id = :repository_id AND m.subject = :subject"
        " ORDER BY m.pushed_at, m.digest",
        {"repository_id": repository_id, "subject": subject},
    )
    return [ImageRow._make(row) for row in found]


def blobs_of(rows: Connection, manifest_id: int) -> list[str]:
    """The digests of the blobs that a manifest needs."""
    return [
        row[0]
        for row in rows.execute(
            "SELECT digest FROM manifest_blobs WHERE manifest_id = :id", {"id": manifest_id}
        )
    ]


def delete(rows: Connection, manifest_id: int) -> None:
    """Delete a manifest with its tags. The foreign keys refuse it while an index lists it."""
    # The foreign key would take the tags along, but on PostgreSQL not one that another transaction has moved on: then both count,
    # and the event of what came second may have the lower id. To delete a row that is another by now, it refuses.
    rows.execute("DELETE FROM tags WHERE manifest_id = :id", {"id": manifest_id})
    row = rows.execute(
        "DELETE FROM manifests WHERE id = :id RETURNING repository_id", {"id": manifest_id}
    ).fetchone()
    if row is not None:
        repositories.mark_changed(rows, row[0])


def set_status(
    rows: Connection,
    manifest_id: int,
    status: str,
    *,
    archived_at: Instant | None = None,
    activated_at: Instant | None = None,
) -> None:
    """Move a manifest between storage classes, noting when."""
    row = rows.execute(
        "UPDATE manifests SET status = :status, archived_at = coalesce(:archived_at, archived_at),"
        " activated_at = coalesce(:activated_at, activated_at) WHERE id = :id"
        " RETURNING repository_id",
        {
            "id": manifest_id,
            "status": status,
            "archived_at": archived_at,
            "activated_at": activated_at,
        },
    ).fetchone()
    if row is not None:
        repositories.mark_changed(rows, row[0])


def activating(rows: Connection, digest: str) -> list[int]:
    """The ids of the manifests that need a blob and are on their way out of the archive."""
    found = rows.execute(
        "SELECT m.id FROM repository_blobs l JOIN manifest_blobs n ON n.repository_id = l.repository_id AND n.digest = l.digest"
        " JOIN manifests m ON m.id = n.manifest_id WHERE l.digest = :digest AND m.status = 'ACTIVATING'",
        {"digest": digest},
    )
    return [row[0] for row in found]


def record_pulls(rows: Connection, pulls: Iterable[tuple[int, Instant, int]]) -> None:
    """Add pulls, ``(manifest id, instant of the last, how many)``: counts grow, times move forward, never back."""
    rows.executemany(
        "UPDATE manifests SET pull_count = pull_count + :count,"
        " pulled_at = CASE WHEN pulled_at > :at THEN pulled_at ELSE :at END WHERE id = :id",
        [{"id": manifest_id, "at": at, "count": count} for manifest_id, at, count in pulls],
    )
