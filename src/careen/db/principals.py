"""Principals: users and roles."""

from enum import StrEnum
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Kind(StrEnum):
    """What a principal is."""

    USER = "user"
    ROLE = "role"


class PrincipalRow(NamedTuple):
    """A row of ``principals``."""

    id: int
    kind: Kind
    name: str
    path: str
    unique_id: str
    """AIDA… or AROA…: another one for the next principal of the name."""
    created_at: Instant
    trust_policy: str | None
    """Of a role: who may assume it, as it was sent."""
    description: str | None
    max_session: int | None
    """Of a role: how many seconds a session may last."""


_COLUMNS = ", ".join(PrincipalRow._fields)


def insert(rows: Connection, principal: PrincipalRow) -> PrincipalRow:
    """Add a principal, whatever its ``id`` says. Returns it with the id that it has now."""
    columns = ", ".join(PrincipalRow._fields[1:])
    values = ", ".join(f":{name}" for name in PrincipalRow._fields[1:])
    row = rows.execute(
        f"INSERT INTO principals ({columns}) VALUES ({values}) RETURNING id", principal._asdict()
    ).fetchone()
    return principal._replace(id=int(row[0]))


def by_name(rows: Connection, kind: Kind, name: str) -> PrincipalRow | None:
    """The user or the role of that name."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM principals WHERE kind = :kind AND name = :name",
        {"kind": kind, "name": name},
    ).fetchone()
    return None if row is None else _principal(row)


def by_id(rows: Connection, principal_id: int) -> PrincipalRow | None:
    """The principal of a row."""
    row = rows.execute(f"SELECT {_COLUMNS} FROM principals WHERE id = :id", {"id": principal_id}).fetchone()
    return None if row is None else _principal(row)


def by_unique_id(rows: Connection, unique_id: str) -> PrincipalRow | None:
    """The principal of that unique id."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM principals WHERE unique_id = :unique_id", {"unique_id": unique_id}
    ).fetchone()
    return None if row is None else _principal(row)


def is_taken(rows: Connection, kind: Kind, name: str) -> bool:
    """Whether there is one whose name differs in the case of letters at most."""
    row = rows.execute(
        "SELECT 1 FROM principals WHERE kind = :kind AND lower(name) = lower(:name)",
        {"kind": kind, "name": name},
    ).fetchone()
    return row is not None


def page(rows: Connection, kind: Kind, prefix: str, after: str | None, limit: int) -> list[PrincipalRow]:
    """The first ``limit`` of a kind by name, those after the name ``after``, whose path begins with ``prefix``."""
    found = rows.execute(
        f"SELECT {_COLUMNS} FROM principals WHERE kind = :kind AND substr(path, 1, length(:prefix)) = :prefix"
        " AND (CAST(:after AS TEXT) IS NULL OR name > :after) ORDER BY name LIMIT :limit",
        {"kind": kind, "prefix": prefix, "after": after, "limit": limit},
    )
    return [_principal(row) for row in found]


def set_role(
    rows: Connection,
    principal_id: int,
    *,
    trust_policy: str | None,
    description: str | None,
    max_session: int | None,
) -> None:
    """Give a role what of this is not None."""
    rows.execute(
        "UPDATE principals SET trust_policy = coalesce(:trust_policy, trust_policy),"
        " description = coalesce(:description, description), max_session = coalesce(:max_session, max_session)"
        " WHERE id = :id",
        {
            "id": principal_id,
            "trust_policy": trust_policy,
            "description": description,
            "max_session": max_session,
        },
    )


def delete(rows: Connection, principal_id: int) -> None:
    """Delete a principal, and with it what only it has."""
    rows.execute("DELETE FROM principals WHERE id = :id", {"id": principal_id})


def _principal(row: tuple[Any, ...]) -> PrincipalRow:
    return PrincipalRow._make(row)._replace(kind=Kind(row[1]))
