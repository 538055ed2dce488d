"""Public repositories: which ones are, and what their catalogue says."""

from collections.abc import Sequence
from typing import NamedTuple

from careen.db import rules
from careen.db.engine import Connection
from careen.db.repositories import Repository


class Described(NamedTuple):
    """What a repository's catalogue has."""

    catalogue: str | None
    """JSON; None: nobody described the repository."""
    has_logo: bool


class Found(NamedTuple):
    """A public repository, as a list for people has it."""

    name: str
    catalogue: str | None
    """JSON; None: nobody described the repository."""
    has_logo: bool


_DISPLAY_NAME = "public-display-name"
"""The kind of the registry's document that has it."""

_FROM = "FROM public_repositories p JOIN repositories r ON r.id = p.repository_id"
_COLUMNS = ", ".join(f"r.{field}" for field in Repository._fields)


def insert(rows: Connection, repository_id: int) -> None:
    """Make a repository public."""
    rows.execute("INSERT INTO public_repositories (repository_id) VALUES (:id)", {"id": repository_id})


def is_public(rows: Connection, name: str) -> bool:
    """Whether the repository of that name is there, and public."""
    return rows.execute(f"SELECT 1 {_FROM} WHERE r.name = :name", {"name": name}).fetchone() is not None


def by_name(rows: Connection, name: str) -> Repository | None:
    """The public repository of that name."""
    row = rows.execute(f"SELECT {_COLUMNS} {_FROM} WHERE r.name = :name", {"name": name}).fetchone()
    return None if row is None else Repository._make(row)


def page(rows: Connection, prefix: str, after: str, limit: int) -> list[Repository]:
    """Up to ``limit`` public repositories whose names begin with ``prefix`` and follow ``after``, by name."""
    found = rows.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE r.name > :after AND substr(r.name, 1, length(:prefix)) = :prefix"
        " ORDER BY r.name LIMIT :limit",
        {"prefix": prefix, "after": after, "limit": limit},
    )
    return [Repository._make(row) for row in found]


def search(rows: Connection, prefix: str, words: Sequence[str], after: str, limit: int) -> list[Found]:
    """Public repositories in whose name, without the prefix, or description all the words are, whatever their case.

    Args:
        rows: the connection.
        prefix: names begin with it.
        words: in lower case. None: every repository is found.
        after: names follow it.
        limit: how many are answered.
    """
    text = "lower(substr(r.name, length(:prefix) + 1) || ' ' || coalesce(json_extract(p.catalogue, '$.description'), ''))"
    conditions = "".join(f" AND instr({text}, :word{number}) > 0" for number in range(len(words)))
    found = rows.execute(
        f"SELECT r.name, p.catalogue, p.logo IS NOT NULL {_FROM}"
        f" WHERE r.name > :after AND substr(r.name, 1, length(:prefix)) = :prefix{conditions}"
        " ORDER BY r.name LIMIT :limit",
        {"prefix": prefix, "after": after, "limit": limit}
        | {f"word{number}": word for number, word in enumerate(words)},
    )
    return [Found(name, catalogue, bool(has_logo)) for name, catalogue, has_logo in found]


def described(rows: Connection, repository_id: int) -> Described:
    """What is known of a public repository besides its bytes."""
    row = rows.execute(
        "SELECT catalogue, logo IS NOT NULL FROM public_repositories WHERE repository_id = :id",
        {"id": repository_id},
    ).fetchone()
    return Described(row[0], bool(row[1]))


def describe(rows: Connection, repository_id: int, catalogue: str, logo: bytes | None) -> None:
    """Set a public repository's catalogue (JSON) and its logo, in place of what was there."""
    rows.execute(
        "UPDATE public_repositories SET catalogue = :catalogue, logo = :logo WHERE repository_id = :id",
        {"id": repository_id, "catalogue": catalogue, "logo": logo},
    )


def logo(rows: Connection, name: str) -> bytes | None:
    """The logo of a public repository, if it has one."""
    row = rows.execute(f"SELECT p.logo {_FROM} WHERE r.name = :name", {"name": name}).fetchone()
    return None if row is None or row[0] is None else bytes(row[0])


def display_name(rows: Connection) -> str | None:
    """What the registry calls itself in public."""
    return rules.registry_document(rows, _DISPLAY_NAME)


def set_display_name(rows: Connection, name: str | None) -> None:
    """Set or remove it. No lifecycle evaluation depends on it, so unlike the other documents it makes none due."""
    rows.execute("DELETE FROM registry_documents WHERE kind = :kind", {"kind": _DISPLAY_NAME})
    if name is not None:
        rows.execute(
            "INSERT INTO registry_documents (kind, content) VALUES (:kind, :name)",
            {"kind": _DISPLAY_NAME, "name": name},
        )
