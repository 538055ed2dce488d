"""What users and roles may do: documents of their own, and managed policies that are attached to them."""

from typing import NamedTuple

from careen.db.engine import Connection


class Inline(NamedTuple):
    """A document of a principal's own."""

    name: str
    document: str
    """As it was sent."""


def put(rows: Connection, principal_id: int, policy: Inline) -> None:
    """Add or replace a document."""
    rows.execute(
        "INSERT INTO identity_policies (principal_id, name, document) VALUES (:id, :name, :document)"
        " ON CONFLICT (principal_id, name) DO UPDATE SET document = excluded.document",
        {"id": principal_id, "name": policy.name, "document": policy.document},
    )


def inline(rows: Connection, principal_id: int) -> list[Inline]:
    """The documents of a principal, by name."""
    found = rows.execute(
        "SELECT name, document FROM identity_policies WHERE principal_id = :id ORDER BY name",
        {"id": principal_id},
    )
    return [Inline._make(row) for row in found]


def delete(rows: Connection, principal_id: int, name: str) -> bool:
    """Delete a document. Returns whether it was there."""
    done = rows.execute(
        "DELETE FROM identity_policies WHERE principal_id = :id AND name = :name",
        {"id": principal_id, "name": name},
    )
    return done.rowcount > 0


def attach(rows: Connection, principal_id: int, policy: str) -> None:
    """Attach a managed policy; again does nothing."""
    rows.execute(
        "INSERT INTO attached_policies (principal_id, policy) VALUES (:id, :policy) ON CONFLICT DO NOTHING",
        {"id": principal_id, "policy": policy},
    )


def attached(rows: Connection, principal_id: int) -> list[str]:
    """The names of the managed policies that are attached, sorted."""
    found = rows.execute(
        "SELECT policy FROM attached_policies WHERE principal_id = :id ORDER BY policy", {"id": principal_id}
    )
    return [str(row[0]) for row in found]


def attachments(rows: Connection) -> dict[str, int]:
    """How many principals each managed policy is attached to; those of none are left out."""
    found = rows.execute("SELECT policy, count(*) FROM attached_policies GROUP BY policy")
    return {str(policy): int(count) for policy, count in found}


def detach(rows: Connection, principal_id: int, policy: str) -> bool:
    """Detach a managed policy. Returns whether it was attached."""
    done = rows.execute(
        "DELETE FROM attached_policies WHERE principal_id = :id AND policy = :policy",
        {"id": principal_id, "policy": policy},
    )
    return done.rowcount > 0
