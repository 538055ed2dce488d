"""Rules of the pull-through cache, and when what was cached was compared with its upstream."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Rule(NamedTuple):
    """A row of ``pull_through_cache_rules``."""

    prefix: str
    """Of repository names, without the ``/`` that ends it; or ROOT."""
    upstream_url: str
    upstream_registry: str | None
    """ECR's name for it; None: it has none."""
    upstream_prefix: str
    """What stands there for ``prefix``; ROOT: nothing."""
    credential_arn: str | None
    custom_role_arn: str | None
    created_at: Instant
    updated_at: Instant


class Followed(NamedTuple):
    """A row of ``upstream_references``, without what it is found by."""

    digest: str
    due_at: Instant


_COLUMNS = ", ".join(Rule._fields)


def insert(rows: Connection, rule: Rule) -> bool:
    """Add a rule. Returns whether its prefix had none."""
    values = ", ".join(f":{field}" for field in Rule._fields)
    done = rows.execute(
        f"INSERT INTO pull_through_cache_rules ({_COLUMNS}) VALUES ({values}) ON CONFLICT (prefix) DO NOTHING",
        rule._asdict(),
    )
    return done.rowcount > 0


def by_prefix(rows: Connection, prefix: str) -> Rule | None:
    """The rule of a prefix."""
    statement = f"SELECT {_COLUMNS} FROM pull_through_cache_rules WHERE prefix = :prefix"
    row = rows.execute(statement, {"prefix": prefix}).fetchone()
    return None if row is None else Rule._make(row)


def every(rows: Connection) -> list[Rule]:
    """All rules, by prefix."""
    found = rows.execute(f"SELECT {_COLUMNS} FROM pull_through_cache_rules ORDER BY prefix")
    return [Rule._make(row) for row in found]


def set_credentials(rows: Connection, rule: Rule) -> None:
    """Write the secret and the role that a rule has now, and when that was."""
    rows.execute(
        "UPDATE pull_through_cache_rules SET credential_arn = :credential_arn, custom_role_arn = :custom_role_arn,"
        " updated_at = :updated_at WHERE prefix = :prefix",
        rule._asdict(),
    )


def delete(rows: Connection, prefix: str) -> None:
    """Remove a rule."""
    rows.execute("DELETE FROM pull_through_cache_rules WHERE prefix = :prefix", {"prefix": prefix})


def followed(rows: Connection, repository_id: int, reference: str) -> Followed | None:
    """What a reference stood for upstream, and when to ask again; None: it never came from there."""
    row = rows.execute(
        "SELECT digest, due_at FROM upstream_references WHERE repository_id = :id AND reference = :reference",
        {"id": repository_id, "reference": reference},
    ).fetchone()
    return None if row is None else Followed._make(row)


def follow(rows: Connection, repository_id: int, reference: str, digest: str, due_at: Instant) -> None:
    """Note what a reference stands for upstream, and when to ask again."""
    rows.execute(
        "INSERT INTO upstream_references (repository_id, reference, digest, due_at) VALUES (:id, :reference, :digest, :due_at)"
        " ON CONFLICT (repository_id, reference) DO UPDATE SET digest = excluded.digest, due_at = excluded.due_at",
        {"id": repository_id, "reference": reference, "digest": digest, "due_at": due_at},
    )


def forget(rows: Connection, before: Instant) -> int:
    """Remove notes that were due before an instant, of tags and digests that are not there any more. Returns how many."""
    return rows.execute(
        "DELETE FROM upstream_references AS u WHERE due_at < :before"
        " AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = u.repository_id AND t.name = u.reference)"
        " AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = u.repository_id AND m.digest = u.reference)",
        {"before": before},
    ).rowcount
