"""Passwords of users, as hashes."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class LoginProfileRow(NamedTuple):
    """A user with a password."""

    principal_id: int
    name: str
    password: str
    """Its hash (``careen.iam.passwords``)."""
    created_at: Instant
    reset_required: bool
    """Whether the next sign-in asks for another."""


def of(rows: Connection, principal_id: int) -> LoginProfileRow | None:
    """The login profile of a user."""
    row = rows.execute(
        "SELECT l.principal_id, p.name, l.password, l.created_at, l.reset_required"
        " FROM login_profiles l JOIN principals p ON p.id = l.principal_id WHERE l.principal_id = :id",
        {"id": principal_id},
    ).fetchone()
    return None if row is None else LoginProfileRow._make(row)._replace(reset_required=bool(row[4]))


def insert(rows: Connection, profile: LoginProfileRow) -> None:
    """Give a user a password."""
    rows.execute(
        "INSERT INTO login_profiles (principal_id, password, created_at, reset_required)"
        " VALUES (:principal_id, :password, :created_at, :reset_required)",
        profile._asdict(),
    )


def update(rows: Connection, profile: LoginProfileRow) -> None:
    """Give it another, or ask for one."""
    rows.execute(
        "UPDATE login_profiles SET password = :password, reset_required = :reset_required"
        " WHERE principal_id = :principal_id",
        profile._asdict(),
    )


def delete(rows: Connection, principal_id: int) -> None:
    """Take it away."""
    rows.execute("DELETE FROM login_profiles WHERE principal_id = :id", {"id": principal_id})
