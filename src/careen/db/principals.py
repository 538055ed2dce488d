"""Principals and their access keys."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class KeyHolder(NamedTuple):
    """An access key with the principal that holds it."""

    access_key_id: str
    generation: int
    principal_id: int
    name: str
    policy: str
    """The managed policy that says what the principal may do."""


_SELECT = "SELECT k.id, k.generation, p.id, p.name, p.policy FROM access_keys k JOIN principals p ON p.id = k.principal_id"


def insert(rows: Connection, name: str, policy: str, now: Instant) -> int:
    """Add a principal. Returns its id."""
    row = rows.execute(
        "INSERT INTO principals (name, policy, created_at) VALUES (:name, :policy, :now) RETURNING id",
        {"name": name, "policy": policy, "now": now},
    ).fetchone()
    return int(row[0])


def by_name(rows: Connection, name: str) -> tuple[int, str] | None:
    """``(id, policy)`` of the principal of that name."""
    row = rows.execute("SELECT id, policy FROM principals WHERE name = :name", {"name": name}).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def insert_key(
    rows: Connection, access_key_id: str, principal_id: int, generation: int, now: Instant
) -> None:
    """Add an access key."""
    rows.execute(
        "INSERT INTO access_keys (id, principal_id, generation, created_at) VALUES (:id, :principal_id, :generation, :now)",
        {"id": access_key_id, "principal_id": principal_id, "generation": generation, "now": now},
    )


def by_key(rows: Connection, access_key_id: str) -> KeyHolder | None:
    """The holder of an access key."""
    row = rows.execute(f"{_SELECT} WHERE k.id = :id", {"id": access_key_id}).fetchone()
    return None if row is None else KeyHolder._make(row)


def keys(rows: Connection) -> list[KeyHolder]:
    """Every access key, the oldest first."""
    return [KeyHolder._make(row) for row in rows.execute(f"{_SELECT} ORDER BY k.created_at, k.id")]


def delete_key(rows: Connection, access_key_id: str) -> bool:
    """Delete an access key. Returns whether it was there."""
    return rows.execute("DELETE FROM access_keys WHERE id = :id", {"id": access_key_id}).rowcount > 0
