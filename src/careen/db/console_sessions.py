"""Who is signed in to the console, and the links that sign somebody in once."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class SessionRow(NamedTuple):
    """A row of ``console_sessions``."""

    secret_hash: str
    principal_id: int | None
    """None: the account itself."""
    access_key_id: str | None
    """The user's key that it was begun with."""
    root_key: str | None
    """What stands for the settings' key and its secret, of the account's own sessions."""
    method: str
    """``Password``, ``AccessKey`` or ``Link``."""
    began_at: Instant
    used_at: Instant
    """Its last use, or one some minutes before it."""
    expires_at: Instant
    """When it ends however much it is used."""
    address: str | None
    user_agent: str | None


_COLUMNS = ", ".join(SessionRow._fields)


def insert(rows: Connection, session: SessionRow) -> None:
    """Begin a session."""
    values = ", ".join(f":{name}" for name in SessionRow._fields)
    rows.execute(f"INSERT INTO console_sessions ({_COLUMNS}) VALUES ({values})", session._asdict())


def by_hash(rows: Connection, secret_hash: str, now: Instant, idle_since: Instant) -> SessionRow | None:
    """The session that a cookie stands for, unless its time is over or nobody has used it since ``idle_since``."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM console_sessions"
        " WHERE secret_hash = :hash AND expires_at > :now AND used_at > :idle_since",
        {"hash": secret_hash, "now": now, "idle_since": idle_since},
    ).fetchone()
    return None if row is None else SessionRow._make(row)


def of(rows: Connection, principal_id: int | None, now: Instant, idle_since: Instant) -> list[SessionRow]:
    """The sessions of a user that have not ended, the latest first; None: the account's own."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM console_sessions WHERE principal_id IS NOT DISTINCT FROM :id AND expires_at > :now"
        " AND used_at > :idle_since ORDER BY began_at DESC, secret_hash",
        {"id": principal_id, "now": now, "idle_since": idle_since},
    )
    return [SessionRow._make(row) for row in found]


def touch(rows: Connection, secret_hash: str, now: Instant) -> None:
    """Note that a session is in use."""
    rows.execute(
        "UPDATE console_sessions SET used_at = :now WHERE secret_hash = :hash AND used_at < :now",
        {"hash": secret_hash, "now": now},
    )


def end(rows: Connection, secret_hash: str) -> bool:
    """End a session. Returns whether it was there."""
    return rows.execute("DELETE FROM console_sessions WHERE secret_hash = ?", (secret_hash,)).rowcount > 0


def end_all(rows: Connection, principal_id: int | None) -> None:
    """End every session of a user, and the links that would begin one; None: the account's own."""
    rows.execute("DELETE FROM console_sessions WHERE principal_id IS NOT DISTINCT FROM ?", (principal_id,))
    rows.execute("DELETE FROM sign_in_links WHERE principal_id IS NOT DISTINCT FROM ?", (principal_id,))


def end_of_key(rows: Connection, access_key_id: str) -> None:
    """End the sessions that were begun with a key."""
    rows.execute("DELETE FROM console_sessions WHERE access_key_id = ?", (access_key_id,))


def insert_link(rows: Connection, secret_hash: str, principal_id: int | None, expires_at: Instant) -> None:
    """Add a link for a user, or for the account itself."""
    rows.execute(
        "INSERT INTO sign_in_links (secret_hash, principal_id, expires_at) VALUES (:hash, :id, :expires_at)",
        {"hash": secret_hash, "id": principal_id, "expires_at": expires_at},
    )


def link_holder(rows: Connection, secret_hash: str, now: Instant) -> tuple[int | None] | None:
    """For whom a link is (None in it: the account itself); None if there is none, or none any more."""
    row: tuple[int | None] | None = rows.execute(
        "SELECT principal_id FROM sign_in_links WHERE secret_hash = :hash AND expires_at > :now",
        {"hash": secret_hash, "now": now},
    ).fetchone()
    return row


def delete_link(rows: Connection, secret_hash: str) -> None:
    """A link was used."""
    rows.execute("DELETE FROM sign_in_links WHERE secret_hash = ?", (secret_hash,))


def forget(rows: Connection, now: Instant, idle_since: Instant) -> int:
    """Delete the rows of sessions and links whose time is over. Returns how many."""
    sessions = rows.execute(
        "DELETE FROM console_sessions WHERE expires_at <= :now OR used_at <= :idle_since",
        {"now": now, "idle_since": idle_since},
    )
    links = rows.execute("DELETE FROM sign_in_links WHERE expires_at <= :now", {"now": now})
    return sessions.rowcount + links.rowcount
