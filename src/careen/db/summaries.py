"""What people ask of a repository at a glance: how much is in it, and when it was last used.

Added up for one repository it takes a moment, for all of them a second. So the figures of all are kept, as they were when they
were last added up, to search and sort by.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection
from careen.db.repositories import LOOSE


class Figures(NamedTuple):
    """Of one repository."""

    images: int
    untagged: int
    """Without a tag, not listed by an index, and no referrer of another image."""
    size: int
    """Bytes of the blobs that its images need, each once."""
    pushed_at: Instant | None
    """Of the latest image that is there."""
    pulled_at: Instant | None
    pulls: int


NOTHING = Figures(0, 0, 0, None, None, 0)
"""Of an empty repository."""


class Column(StrEnum):
    """What the list can be sorted by."""

    NAME = "NAME"
    CREATED = "CREATED"
    IMAGES = "IMAGES"
    UNTAGGED = "UNTAGGED"
    SIZE = "SIZE"
    PUSHED = "PUSHED"
    PULLED = "PULLED"
    PULLS = "PULLS"


_SORTED_BY = {
    Column.NAME: "r.name",
    Column.CREATED: "r.created_at",
    Column.IMAGES: "coalesce(s.images, 0)",
    Column.UNTAGGED: "coalesce(s.untagged, 0)",
    Column.SIZE: "coalesce(s.size, 0)",
    Column.PUSHED: "coalesce(s.pushed_at, 0)",
    Column.PULLED: "coalesce(s.pulled_at, 0)",
    Column.PULLS: "coalesce(s.pulls, 0)",
}

Place = tuple[int | str, str]
"""Where a repository stands in a list: by the column, then by name."""


class Listed(NamedTuple):
    """A repository in the list."""

    id: int
    name: str
    created_at: Instant
    lifecycle_policy: str | None
    is_public: bool
    figures: Figures
    """As they were last added up."""
    sorted_by: int | str


_FIGURES = ", ".join(Figures._fields)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in Figures._fields)
_COUNTED = f"count(*), count(*) FILTER (WHERE {LOOSE}), max(m.pushed_at), max(m.pulled_at), coalesce(sum(m.pull_count), 0)"
_FROM = (
    "FROM repositories r LEFT JOIN repository_summaries s ON s.repository_id = r.id"
    " LEFT JOIN public_repositories p ON p.repository_id = r.id"
    " WHERE instr(r.name, :part) > 0 AND coalesce(:is_public, CASE WHEN p.repository_id IS NULL THEN 0 ELSE 1 END)"
    " = CASE WHEN p.repository_id IS NULL THEN 0 ELSE 1 END"
)


def of(rows: Connection, repository_id: int) -> Figures:
    """Add a repository up, now."""
    key = {"id": repository_id}
    images, untagged, *times = rows.execute(
        f"SELECT {_COUNTED} FROM manifests m WHERE m.repository_id = :id", key
    ).fetchone()
    size = rows.execute(
        "SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN"
        " (SELECT digest FROM manifest_blobs WHERE repository_id = :id)",
        key,
    ).fetchone()[0]
    return Figures(images, untagged, size, *times)


def of_all(rows: Connection) -> dict[int, Figures]:
    """Add all repositories up, now; those without images are left out."""
    sizes = dict(
        rows.execute(
            "SELECT n.repository_id, sum(b.size) FROM (SELECT DISTINCT repository_id, digest FROM manifest_blobs) n"
            " JOIN blobs b ON b.digest = n.digest GROUP BY n.repository_id"
        ).fetchall()
    )
    counted = rows.execute(f"SELECT m.repository_id, {_COUNTED} FROM manifests m GROUP BY m.repository_id")
    return {
        repository_id: Figures(images, untagged, sizes.get(repository_id, 0), *times)
        for repository_id, images, untagged, *times in counted
    }


def kept(rows: Connection) -> dict[int, Figures]:
    """The figures that are kept, by the repository's id."""
    found = rows.execute(f"SELECT repository_id, {_FIGURES} FROM repository_summaries")
    return {repository_id: Figures(*figures) for repository_id, *figures in found}


def keep(rows: Connection, figures: Iterable[tuple[int, Figures]]) -> None:
    """Keep the figures of repositories, as far as those are still there."""
    rows.executemany(
        f"INSERT INTO repository_summaries (repository_id, {_FIGURES})"
        " SELECT id, ?, ?, ?, CAST(? AS BIGINT), CAST(? AS BIGINT), ? FROM repositories WHERE id = ?"
        f" ON CONFLICT (repository_id) DO UPDATE SET {_CHANGES}",
        [(*each, repository_id) for repository_id, each in figures],
    )


def count(rows: Connection, part: str, *, is_public: bool | None) -> int:
    """How many repositories :func:`page` would go through."""
    found = rows.execute(f"SELECT count(*) {_FROM}", {"part": part, "is_public": is_public})
    return int(found.fetchone()[0])


def page(
    rows: Connection,
    part: str,
    column: Column,
    after: Place | None,
    limit: int,
    *,
    is_public: bool | None,
    descending: bool,
) -> list[Listed]:
    """Up to ``limit`` repositories, in the order of a column and then of their names.

    Args:
        rows: the connection.
        part: of their names; empty: all.
        column: what they are sorted by, as it was last added up.
        after: the place of the last one of the page before.
        limit: how many at most.
        is_public: only public ones, only private ones, or (None) both.
        descending: the largest first; of equals the names still ascend.
    """
    key, beyond = _SORTED_BY[column], "<" if descending else ">"
    going_on = "" if after is None else f" AND ({key} {beyond} :key OR ({key} = :key AND r.name > :name))"
    found = rows.execute(
        f"SELECT r.id, r.name, r.created_at, r.lifecycle_policy, p.repository_id IS NOT NULL, {key},"
        " coalesce(s.images, 0), coalesce(s.untagged, 0), coalesce(s.size, 0), s.pushed_at, s.pulled_at, coalesce(s.pulls, 0)"
        f" {_FROM}{going_on} ORDER BY {key} {'DESC' if descending else 'ASC'}, r.name LIMIT :limit",
        {"part": part, "is_public": is_public, "limit": limit}
        | ({} if after is None else {"key": after[0], "name": after[1]}),
    )
    return [
        Listed(repository_id, name, created_at, policy, bool(public), Figures(*figures), sorted_by)
        for repository_id, name, created_at, policy, public, sorted_by, *figures in found
    ]
