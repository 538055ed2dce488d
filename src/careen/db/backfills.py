"""Replication backfills: what they are to copy, image by image and tag by tag, and how far they are."""

from collections.abc import Iterable
from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Backfill(NamedTuple):
    """A row of ``replication_backfills``."""

    id: str
    """A UUID."""
    region: str
    registry_id: str
    status: str
    failure_code: str | None
    started_at: Instant
    ended_at: Instant | None
    prepared_to: int
    """Images up to this manifest's id are listed; meaningful while it is ``PREPARING``."""
    is_prepared: int
    """Whether everything is listed."""
    rounds: int
    """How often the destination has been found unreachable since something succeeded."""


class Listed(NamedTuple):
    """An image that is here when a backfill is prepared."""

    manifest_id: int
    repository: str
    digest: str


class Counts(NamedTuple):
    """How many replications a backfill has, by what became of them."""

    total: int
    complete: int
    failed: int


class Result(NamedTuple):
    """A row of ``replication_backfill_results``: an image and one tag of it."""

    repository: str
    digest: str
    tag: str
    """Empty: the image has none."""
    status: str | None
    """None: not yet."""
    failure_code: str | None
    sub_image_failure_codes: str | None
    """JSON list; only of an index."""


_COLUMNS = ", ".join(Backfill._fields)
_RESULT = ", ".join(Result._fields)

_TERMINAL = "('COMPLETE', 'FAILED', 'STOPPED')"


def insert(rows: Connection, backfill_id: str, region: str, registry_id: str, now: Instant) -> None:
    """Add a backfill, which begins by preparing."""
    rows.execute(
        "INSERT INTO replication_backfills (id, region, registry_id, status, started_at, prepared_to, is_prepared, rounds)"
        " VALUES (:id, :region, :registry_id, 'PREPARING', :now, 0, 0, 0)",
        {"id": backfill_id, "region": region, "registry_id": registry_id, "now": now},
    )


def by_id(rows: Connection, backfill_id: str) -> Backfill | None:
    """The backfill of that id."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM replication_backfills WHERE id = :id", {"id": backfill_id}
    ).fetchone()
    return None if row is None else Backfill._make(row)


def under_way(rows: Connection) -> list[Backfill]:
    """The backfills that have not ended, the oldest first."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM replication_backfills WHERE status NOT IN {_TERMINAL} ORDER BY started_at, id"
    )
    return [Backfill._make(row) for row in found]


def page(rows: Connection, since: Instant, before: tuple[Instant, str], limit: int) -> list[Backfill]:
    """Up to ``limit`` backfills that have not ended before ``since`` and were started before one, the latest first."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM replication_backfills WHERE (started_at, id) < (:started_at, :id)"
        " AND (ended_at IS NULL OR ended_at >= :since) ORDER BY started_at DESC, id DESC LIMIT :limit",
        {"since": since, "started_at": before[0], "id": before[1], "limit": limit},
    )
    return [Backfill._make(row) for row in found]


def set_status(
    rows: Connection, backfill_id: str, status: str, ended_at: Instant | None = None, code: str | None = None
) -> None:
    """Move a backfill on."""
    rows.execute(
        "UPDATE replication_backfills SET status = :status, ended_at = :ended_at, failure_code = :code WHERE id = :id",
        {"id": backfill_id, "status": status, "ended_at": ended_at, "code": code},
    )


def set_prepared(rows: Connection, backfill_id: str, manifest_id: int, *, done: bool) -> None:
    """Everything up to that manifest is listed; when it is ``done``, everything there is."""
    rows.execute(
        "UPDATE replication_backfills SET prepared_to = :manifest_id, is_prepared = :done WHERE id = :id",
        {"id": backfill_id, "manifest_id": manifest_id, "done": int(done)},
    )


def set_rounds(rows: Connection, backfill_id: str, rounds: int) -> None:
    """Note how often the destination was found unreachable."""
    rows.execute(
        "UPDATE replication_backfills SET rounds = :rounds WHERE id = :id AND rounds <> :rounds",
        {"id": backfill_id, "rounds": rounds},
    )


def images_after(rows: Connection, manifest_id: int, limit: int) -> list[Listed]:
    """Up to ``limit`` active images of all repositories whose ids follow one."""
    found = rows.execute(
        "SELECT m.id, r.name, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id"
        " WHERE m.id > :id AND m.status = 'ACTIVE' ORDER BY m.id LIMIT :limit",
        {"id": manifest_id, "limit": limit},
    )
    return [Listed._make(row) for row in found]


def add(rows: Connection, backfill_id: str, listed: Iterable[Listed]) -> None:
    """List images: once for each tag, an untagged one once."""
    rows.executemany(
        "INSERT INTO replication_backfill_results (backfill_id, repository, digest, tag)"
        " SELECT :backfill_id, :repository, m.digest, coalesce(t.name, '') FROM manifests m"
        " LEFT JOIN tags t ON t.manifest_id = m.id WHERE m.id = :manifest_id"
        " ON CONFLICT (backfill_id, repository, digest, tag) DO NOTHING",
        [{"backfill_id": backfill_id, **each._asdict()} for each in listed],
    )


def next_image(rows: Connection, backfill_id: str, after: tuple[str, str]) -> tuple[str, str] | None:
    """The next image as ``(repository, digest)`` that is to be copied."""
    found: tuple[str, str] | None = rows.execute(
        "SELECT repository, digest FROM replication_backfill_results WHERE backfill_id = :id AND status IS NULL"
        " AND (repository, digest) > (:repository, :digest) ORDER BY repository, digest LIMIT 1",
        {"id": backfill_id, "repository": after[0], "digest": after[1]},
    ).fetchone()
    return found


def settle_image(
    rows: Connection,
    backfill_id: str,
    repository: str,
    digest: str,
    *,
    status: str,
    code: str | None,
    sub_codes: str | None,
) -> None:
    """Say what became of an image, for all of its tags that have no result yet."""
    rows.execute(
        "UPDATE replication_backfill_results SET status = :status, failure_code = :code, sub_image_failure_codes = :sub_codes"
        " WHERE backfill_id = :id AND repository = :repository AND digest = :digest AND status IS NULL",
        {
            "id": backfill_id,
            "repository": repository,
            "digest": digest,
            "status": status,
            "code": code,
            "sub_codes": sub_codes,
        },
    )


def settle_tag(rows: Connection, backfill_id: str, repository: str, digest: str, tag: str, code: str) -> None:
    """Say that a tag failed, though its image is there."""
    rows.execute(
        "UPDATE replication_backfill_results SET status = 'FAILED', failure_code = :code"
        " WHERE backfill_id = :id AND repository = :repository AND digest = :digest AND tag = :tag",
        {"id": backfill_id, "repository": repository, "digest": digest, "tag": tag, "code": code},
    )


def fail_rest(rows: Connection, backfill_id: str, code: str) -> None:
    """Give up everything that has no result yet."""
    rows.execute(
        "UPDATE replication_backfill_results SET status = 'FAILED', failure_code = :code"
        " WHERE backfill_id = :id AND status IS NULL",
        {"id": backfill_id, "code": code},
    )


def counts(rows: Connection, backfill_id: str) -> Counts:
    """How many replications there are, by what became of them."""
    row = rows.execute(
        "SELECT count(*), count(*) FILTER (WHERE status = 'COMPLETE'), count(*) FILTER (WHERE status = 'FAILED')"
        " FROM replication_backfill_results WHERE backfill_id = :id",
        {"id": backfill_id},
    ).fetchone()
    return Counts._make(row)


def failure_codes(rows: Connection, backfill_id: str) -> list[str]:
    """The codes of all failures, each once, sorted."""
    found = rows.execute(
        "SELECT DISTINCT failure_code FROM replication_backfill_results WHERE backfill_id = :id AND status = 'FAILED'"
        " ORDER BY failure_code",
        {"id": backfill_id},
    )
    return [row[0] for row in found]


def results(
    rows: Connection, backfill_id: str, status: str | None, after: tuple[str, str, str], limit: int
) -> list[Result]:
    """Up to ``limit`` results that follow one, in order; None selects both statuses. What has none yet is left out."""
    found = rows.execute(
        f"SELECT {_RESULT} FROM replication_backfill_results WHERE backfill_id = :id AND status IS NOT NULL"
        " AND status = coalesce(:status, status) AND (repository, digest, tag) > (:repository, :digest, :tag)"
        " ORDER BY repository, digest, tag LIMIT :limit",
        {
            "id": backfill_id,
            "status": status,
            "repository": after[0],
            "digest": after[1],
            "tag": after[2],
            "limit": limit,
        },
    )
    return [Result._make(row) for row in found]


def forget(rows: Connection, before: Instant) -> None:
    """Forget the backfills that ended before an instant."""
    rows.execute("DELETE FROM replication_backfills WHERE ended_at < :before", {"before": before})
