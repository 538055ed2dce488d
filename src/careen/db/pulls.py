"""Principals whose pulls are not recorded."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Exclusion(NamedTuple):
    """A row of ``pull_time_exclusions``."""

    principal_arn: str
    created_at: Instant


def insert(rows: Connection, exclusion: Exclusion) -> bool:
    """Add an exclusion. Returns whether it is new."""
    done = rows.execute(
        "INSERT INTO pull_time_exclusions (principal_arn, created_at) VALUES (:principal_arn, :created_at)"
        " ON CONFLICT (principal_arn) DO NOTHING",
        exclusion._asdict(),
    )
    return done.rowcount > 0


def delete(rows: Connection, principal_arn: str) -> bool:
    """Remove an exclusion. Returns whether it was there."""
    done = rows.execute(
        "DELETE FROM pull_time_exclusions WHERE principal_arn = :principal_arn",
        {"principal_arn": principal_arn},
    )
    return done.rowcount > 0


def exclusions(rows: Connection) -> list[Exclusion]:
    """All of them, by ARN."""
    found = rows.execute("SELECT principal_arn, created_at FROM pull_time_exclusions ORDER BY principal_arn")
    return [Exclusion._make(row) for row in found]
