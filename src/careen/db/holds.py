"""Holds: while one is there, the collector deletes no file. A backup has one while it copies.

A hold ends by itself, so that a backup that died holds nothing for long. Its end is by the system's clock: it is about processes
that run now, not about what the registry takes for the time.
"""

from careen.clock import Instant
from careen.db.engine import Connection


def hold(rows: Connection, name: str, until: Instant) -> None:
    """Begin a hold."""
    rows.execute("INSERT INTO holds (name, until) VALUES (:name, :until)", {"name": name, "until": until})


def renew(rows: Connection, name: str, now: Instant, until: Instant) -> bool:
    """Keep a hold. False: it has ended, so files may be gone."""
    statement = "UPDATE holds SET until = :until WHERE name = :name AND until > :now"
    return rows.execute(statement, {"name": name, "now": now, "until": until}).rowcount > 0


def release(rows: Connection, name: str, now: Instant) -> None:
    """End a hold, and forget those whose time is over."""
    rows.execute("DELETE FROM holds WHERE name = :name OR until <= :now", {"name": name, "now": now})


def any_held(rows: Connection, now: Instant) -> bool:
    """Whether anything is held."""
    statement = "SELECT 1 FROM holds WHERE until > :now LIMIT 1"
    return rows.execute(statement, {"now": now}).fetchone() is not None
