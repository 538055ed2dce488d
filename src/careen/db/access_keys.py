"""Access keys and who holds them."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class KeyHolder(NamedTuple):
    """An access key with the user that holds it."""

    access_key_id: str
    generation: int
    active: bool
    created_at: Instant
    principal_id: int
    name: str
    path: str
    unique_id: str


_SELECT = (
    "SELECT k.id, k.generation, k.active, k.created_at, p.id, p.name, p.path, p.unique_id"
    " FROM access_keys k JOIN principals p ON p.id = k.principal_id"
)


def insert(rows: Connection, key: KeyHolder) -> None:
    """Add an access key."""
    rows.execute(
        "INSERT INTO access_keys (id, principal_id, generation, created_at, active)"
        " VALUES (:access_key_id, :principal_id, :generation, :created_at, :active)",
        key._asdict(),
    )


def holder(rows: Connection, access_key_id: str) -> KeyHolder | None:
    """The holder of an access key, switched on or off."""
    row = rows.execute(f"{_SELECT} WHERE k.id = :id", {"id": access_key_id}).fetchone()
    return None if row is None else _holder(row)


def every(rows: Connection) -> list[KeyHolder]:
    """Every access key, the oldest first."""
    return [_holder(row) for row in rows.execute(f"{_SELECT} ORDER BY k.created_at, k.id")]


def of(rows: Connection, principal_id: int) -> list[KeyHolder]:
    """The access keys of a user, by id."""
    found = rows.execute(f"{_SELECT} WHERE k.principal_id = :id ORDER BY k.id", {"id": principal_id})
    return [_holder(row) for row in found]


def set_active(rows: Connection, access_key_id: str, *, active: bool) -> bool:
    """Switch an access key on or off. Returns whether it is there."""
    done = rows.execute(
        "UPDATE access_keys SET active = :active WHERE id = :id", {"active": active, "id": access_key_id}
    )
    return done.rowcount > 0


def delete(rows: Connection, access_key_id: str) -> bool:
    """Delete an access key. Returns whether it was there."""
    return rows.execute("DELETE FROM access_keys WHERE id = :id", {"id": access_key_id}).rowcount > 0


def _holder(row: tuple[str, int, int, Instant, int, str, str, str]) -> KeyHolder:
    return KeyHolder._make(row)._replace(active=bool(row[2]))
