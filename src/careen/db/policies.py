"""Policies that stand on a repository and on the registry: who may do what there."""

from typing import NamedTuple

from careen.db.engine import Connection

_REGISTRY = "registry-policy"
"""Its kind in ``registry_documents``."""


class Standing(NamedTuple):
    """The texts of the policies that a request meets."""

    repository_id: int | None
    """None if there is no such repository."""
    repository: str | None
    registry: str | None


def standing(rows: Connection, repository: str) -> Standing:
    """What stands on a repository, which need not be there, and on the registry. Every request asks: one statement."""
    row = rows.execute(
        "SELECT r.id, r.access_policy, d.content FROM (SELECT 1) AS one LEFT JOIN repositories r ON r.name = :name"
        " LEFT JOIN registry_documents d ON d.kind = :kind",
        {"name": repository, "kind": _REGISTRY},
    ).fetchone()
    return Standing._make(row)


def of_repository(rows: Connection, repository_id: int) -> str | None:
    """A repository's policy."""
    row = rows.execute(
        "SELECT access_policy FROM repositories WHERE id = :id", {"id": repository_id}
    ).fetchone()
    return None if row is None else row[0]


def set_of_repository(rows: Connection, repository_id: int, text: str | None) -> None:
    """Set or remove a repository's policy."""
    rows.execute(
        "UPDATE repositories SET access_policy = :text WHERE id = :id", {"id": repository_id, "text": text}
    )


def of_registry(rows: Connection) -> str | None:
    """The registry's policy."""
    row = rows.execute(
        "SELECT content FROM registry_documents WHERE kind = :kind", {"kind": _REGISTRY}
    ).fetchone()
    return None if row is None else str(row[0])


def set_of_registry(rows: Connection, text: str | None) -> None:
    """Set or remove the registry's policy."""
    rows.execute("DELETE FROM registry_documents WHERE kind = :kind", {"kind": _REGISTRY})
    if text is not None:
        rows.execute(
            "INSERT INTO registry_documents (kind, content) VALUES (:kind, :text)",
            {"kind": _REGISTRY, "text": text},
        )
