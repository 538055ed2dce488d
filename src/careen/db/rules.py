"""The documents that stand beside lifecycle policies: of a repository, of the registry, and policies by default.

Whatever changes here may give an evaluation something to do, so the repositories concerned are marked as changed.
"""

from collections.abc import Iterator
from typing import NamedTuple

from careen.db import repositories
from careen.db.engine import Connection


class Documents(NamedTuple):
    """The repository's own documents, as canonical JSON."""

    extension: str | None
    protection: str | None


class Default(NamedTuple):
    """A row of ``default_lifecycle_policies``."""

    pattern: str
    policy: str


def documents(rows: Connection, repository_id: int) -> Documents:
    """What a repository has of its own."""
    row = rows.execute(
        "SELECT extension_rules, protection_rules FROM repositories WHERE id = :id", {"id": repository_id}
    ).fetchone()
    return Documents._make(row)


def set_extension(rows: Connection, repository_id: int, text: str | None) -> None:
    """Set or remove a repository's extension document."""
    rows.execute(
        "UPDATE repositories SET extension_rules = :text WHERE id = :id", {"id": repository_id, "text": text}
    )
    repositories.mark_changed(rows, repository_id)


def set_protection(rows: Connection, repository_id: int, text: str | None) -> None:
    """Set or remove a repository's protection document."""
    rows.execute(
        "UPDATE repositories SET protection_rules = :text WHERE id = :id", {"id": repository_id, "text": text}
    )
    repositories.mark_changed(rows, repository_id)


def registry_document(rows: Connection, kind: str) -> str | None:
    """A document that holds for all repositories."""
    row = rows.execute("SELECT content FROM registry_documents WHERE kind = :kind", {"kind": kind}).fetchone()
    return None if row is None else str(row[0])


def set_registry_document(rows: Connection, kind: str, text: str | None) -> None:
    """Set or remove a document that holds for all repositories, and that evaluations go by."""
    put_registry_document(rows, kind, text)
    repositories.mark_all_changed(rows)


def put_registry_document(rows: Connection, kind: str, text: str | None) -> None:
    """Set or remove a document that holds for all repositories."""
    rows.execute("DELETE FROM registry_documents WHERE kind = :kind", {"kind": kind})
    if text is not None:
        rows.execute(
            "INSERT INTO registry_documents (kind, content) VALUES (:kind, :text)",
            {"kind": kind, "text": text},
        )


def defaults(rows: Connection) -> list[Default]:
    """All default policies, by pattern."""
    found = rows.execute("SELECT pattern, policy FROM default_lifecycle_policies ORDER BY pattern")
    return [Default._make(row) for row in found]


def without_policy(rows: Connection, after: str = "") -> Iterator[str]:
    """The names of the repositories that have no lifecycle policy and follow ``after``, in order."""
    found = rows.execute(
        "SELECT name FROM repositories WHERE lifecycle_policy IS NULL AND name > :after ORDER BY name",
        {"after": after},
    )
    return (name for (name,) in found)


def put_default(rows: Connection, pattern: str, policy: str) -> None:
    """Set the default policy of a pattern."""
    rows.execute(
        "INSERT INTO default_lifecycle_policies (pattern, policy) VALUES (:pattern, :policy)"
        " ON CONFLICT (pattern) DO UPDATE SET policy = excluded.policy",
        {"pattern": pattern, "policy": policy},
    )
    repositories.mark_all_changed(rows)


def delete_default(rows: Connection, pattern: str) -> str | None:
    """Remove the default policy of a pattern. Returns it, or None if there was none."""
    row = rows.execute(
        "DELETE FROM default_lifecycle_policies WHERE pattern = :pattern RETURNING policy",
        {"pattern": pattern},
    ).fetchone()
    repositories.mark_all_changed(rows)
    return None if row is None else str(row[0])
