"""How often somebody has been wrong in a row, and when the next attempt is looked at."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class AttemptRow(NamedTuple):
    """A row of ``sign_in_attempts``."""

    subject: str
    """Whose attempts: an address, or what stands for a name."""
    wrong: int
    next_at: Instant
    """No attempt is looked at before."""
    forget_at: Instant
    """From when on it is as if there had been none."""


def of(rows: Connection, subject: str, now: Instant) -> AttemptRow | None:
    """The attempts of somebody, unless they are forgotten."""
    row = rows.execute(
        "SELECT subject, wrong, next_at, forget_at FROM sign_in_attempts WHERE subject = :subject AND forget_at > :now",
        {"subject": subject, "now": now},
    ).fetchone()
    return None if row is None else AttemptRow._make(row)


def put(rows: Connection, attempt: AttemptRow) -> None:
    """Note them."""
    rows.execute(
        "INSERT INTO sign_in_attempts (subject, wrong, next_at, forget_at) VALUES (:subject, :wrong, :next_at, :forget_at)"
        " ON CONFLICT (subject) DO UPDATE SET wrong = excluded.wrong, next_at = excluded.next_at,"
        " forget_at = excluded.forget_at",
        attempt._asdict(),
    )


def clear(rows: Connection, subject: str) -> None:
    """Forget them."""
    rows.execute("DELETE FROM sign_in_attempts WHERE subject = ?", (subject,))


def forget(rows: Connection, now: Instant) -> int:
    """Delete the rows of those whose time is over. Returns how many."""
    return rows.execute("DELETE FROM sign_in_attempts WHERE forget_at <= ?", (now,)).rowcount
