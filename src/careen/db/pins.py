"""Pins: that somebody says an image runs. One holds as long as its row is there.

When a pin ends its repository is marked as changed, so that the next round looks. Its arrival only ever holds back and is
no reason to look.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.db import repositories
from careen.db.engine import Connection


class PinRow(NamedTuple):
    """A row of ``pins``."""

    repository_id: int
    digest: str
    source: str
    consumer: str
    tag: str | None
    """The tag that led to the digest."""
    ttl: Instant
    seen_at: Instant
    """By the registry's clock."""
    seen_watch: Instant
    """By the watch."""


class Listed(NamedTuple):
    """A pin with what a list says of it."""

    repository: str
    pin: PinRow
    is_present: bool
    """Whether the image is in the repository."""


class Feed(NamedTuple):
    """A row of ``pin_feeds``."""

    source: str
    ttl: Instant
    heard_at: Instant
    reported_at: Instant | None
    """Its last whole report."""
    reported_watch: Instant
    """The same by the watch; when it was first heard, if there was none."""


class Watch(NamedTuple):
    """The row of ``pin_watch``."""

    looked_at: Instant
    passed: Instant


_COLUMNS = ", ".join(f"p.{name}" for name in PinRow._fields)


def watch(rows: Connection) -> Watch | None:
    """Where the watch stands; None if nobody has ever looked at it."""
    row = rows.execute("SELECT looked_at, passed FROM pin_watch").fetchone()
    return None if row is None else Watch._make(row)


def set_watch(rows: Connection, at: Watch) -> None:
    """Note where the watch stands."""
    rows.execute(
        "INSERT INTO pin_watch (id, looked_at, passed) VALUES (1, :looked_at, :passed)"
        " ON CONFLICT (id) DO UPDATE SET looked_at = excluded.looked_at, passed = excluded.passed",
        at._asdict(),
    )


def put(rows: Connection, pins: Iterable[PinRow]) -> None:
    """Add pins, or note that they were seen again."""
    rows.executemany(
        "INSERT INTO pins (repository_id, digest, source, consumer, tag, ttl, seen_at, seen_watch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (repository_id, digest, source, consumer) DO UPDATE SET tag = excluded.tag, ttl = excluded.ttl,"
        " seen_at = excluded.seen_at, seen_watch = excluded.seen_watch",
        list(pins),
    )


def feed(rows: Connection, source: str) -> Feed | None:
    """The feed of that name."""
    row = rows.execute(
        f"SELECT {', '.join(Feed._fields)} FROM pin_feeds WHERE source = :source", {"source": source}
    ).fetchone()
    return None if row is None else Feed._make(row)


def feeds(rows: Connection) -> list[tuple[Feed, int]]:
    """Every feed with the number of its pins, by name."""
    found = rows.execute(
        f"SELECT {', '.join(Feed._fields)}, (SELECT count(*) FROM pins p WHERE p.source = f.source)"
        " FROM pin_feeds f ORDER BY source"
    )
    return [(Feed._make(row[:-1]), row[-1]) for row in found]


def set_feed(rows: Connection, of: Feed) -> None:
    """Note a report."""
    rows.execute(
        "INSERT INTO pin_feeds (source, ttl, heard_at, reported_at, reported_watch)"
        " VALUES (:source, :ttl, :heard_at, :reported_at, :reported_watch)"
        " ON CONFLICT (source) DO UPDATE SET ttl = excluded.ttl, heard_at = excluded.heard_at,"
        " reported_at = excluded.reported_at, reported_watch = excluded.reported_watch",
        of._asdict(),
    )


def forget_feed(rows: Connection, source: str) -> None:
    """Take a feed off the list; what it pinned is another matter."""
    rows.execute("DELETE FROM pin_feeds WHERE source = :source", {"source": source})


def count_of_source(rows: Connection, source: str) -> int:
    """How many pins somebody holds."""
    found = rows.execute("SELECT count(*) FROM pins WHERE source = :source", {"source": source})
    return int(found.fetchone()[0])


def pinned_repositories(rows: Connection) -> set[int]:
    """The ids of the repositories with images in use."""
    return {row[0] for row in rows.execute("SELECT DISTINCT repository_id FROM pins")}


def are_in(rows: Connection, repository_id: int) -> bool:
    """Whether anything of a repository is pinned."""
    found = rows.execute("SELECT 1 FROM pins WHERE repository_id = :id LIMIT 1", {"id": repository_id})
    return found.fetchone() is not None


def on(rows: Connection, repository_id: int, digest: str) -> PinRow | None:
    """The latest pin of an image."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM pins p WHERE p.repository_id = :id AND p.digest = :digest"
        " ORDER BY p.seen_at DESC, p.consumer LIMIT 1",
        {"id": repository_id, "digest": digest},
    ).fetchone()
    return None if row is None else PinRow._make(row)


def in_repository(rows: Connection, repository_id: int) -> Iterator[tuple[str, str, str, Instant]]:
    """Every ``(digest, consumer, source, seen at)`` of a repository, the latest first."""
    yield from rows.execute(
        "SELECT digest, consumer, source, seen_at FROM pins WHERE repository_id = :id ORDER BY seen_at DESC, consumer",
        {"id": repository_id},
    )


Key = tuple[str, str, str, str]
"""Repository, digest, source, consumer: what a list is sorted by."""


def page(
    rows: Connection,
    repository_id: int | None,
    digest: str | None,
    source: str | None,
    after: Key,
    limit: int,
) -> list[Listed]:
    """Up to ``limit`` pins that follow ``after``; None selects all."""
    where, values = _where(repository_id=repository_id, digest=digest, source=source)
    found = rows.execute(
        f"SELECT r.name, {_COLUMNS}, EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = p.repository_id"
        " AND m.digest = p.digest) FROM pins p JOIN repositories r ON r.id = p.repository_id"
        " WHERE r.name >= :a_name AND (r.name, p.digest, p.source, p.consumer)"
        f" > (:a_name, :a_digest, :a_source, :a_consumer){where}"
        " ORDER BY r.name, p.digest, p.source, p.consumer LIMIT :limit",
        values
        | dict(zip(("a_name", "a_digest", "a_source", "a_consumer"), after, strict=True))
        | {"limit": limit},
    )
    return [Listed(row[0], PinRow._make(row[1:-1]), bool(row[-1])) for row in found]


def delete(
    rows: Connection, repository_id: int | None, digest: str | None, source: str | None, consumer: str | None
) -> int:
    """Drop pins; None selects all. Returns how many."""
    where, values = _where(repository_id=repository_id, digest=digest, source=source, consumer=consumer)
    return _ended(rows, f"DELETE FROM pins AS p WHERE true{where} RETURNING repository_id", values)


def delete_contradicted(rows: Connection, of: Feed) -> int:
    """Drop the pins of a feed that its last whole report, so much later than they were seen, has not. Returns how many."""
    return _ended(
        rows,
        "DELETE FROM pins WHERE source = :source AND seen_watch + ttl <= :reported_watch RETURNING repository_id",
        {"source": of.source, "reported_watch": of.reported_watch},
    )


def delete_ended(rows: Connection, now: Instant, grace: Instant) -> int:
    """Drop the pins that end by time alone. Returns how many.

    Args:
        rows: the database.
        now: where the watch stands.
        grace: how long the pins of a silent feed are kept.
    """
    return _ended(
        rows,
        "DELETE FROM pins WHERE seen_watch + CASE WHEN source NOT IN (SELECT source FROM pin_feeds) OR ttl > :grace"
        " THEN ttl ELSE :grace END <= :now RETURNING repository_id",
        {"now": now, "grace": grace},
    )


def _ended(rows: Connection, statement: str, values: dict[str, Any]) -> int:
    ended = [row[0] for row in rows.execute(statement, values).fetchall()]
    for repository_id in sorted(set(ended)):
        repositories.mark_changed(rows, repository_id)
    return len(ended)


def _where(**wanted: Any) -> tuple[str, dict[str, Any]]:
    given: Sequence[str] = [name for name, value in wanted.items() if value is not None]
    return "".join(f" AND p.{name} = :{name}" for name in given), {name: wanted[name] for name in given}
