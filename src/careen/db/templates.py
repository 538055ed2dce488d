"""Repository creation templates."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Template(NamedTuple):
    """A row of ``repository_creation_templates``."""

    prefix: str
    """As it was sent, with or without a slash at its end."""
    description: str | None
    encryption: str
    """JSON ``encryptionConfiguration``."""
    resource_tags: str
    """JSON object."""
    tag_mutability: str
    tag_mutability_filters: str
    """JSON list of wildcard filters."""
    repository_policy: str | None
    lifecycle_policy: str | None
    """Canonical JSON."""
    applied_for: str
    """JSON list."""
    custom_role_arn: str | None
    created_at: Instant
    updated_at: Instant


_COLUMNS = ", ".join(Template._fields)
_VALUES = ", ".join(f":{name}" for name in Template._fields)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in Template._fields if name != "prefix")


def find(rows: Connection, prefix: str) -> Template | None:
    """The template of a prefix. ``prod`` and ``prod/`` are the same one."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM repository_creation_templates WHERE prefix IN (:bare, :bare || '/')",
        {"bare": prefix.rstrip("/")},
    ).fetchone()
    return None if row is None else Template._make(row)


def every(rows: Connection) -> list[Template]:
    """All templates, by prefix."""
    found = rows.execute(f"SELECT {_COLUMNS} FROM repository_creation_templates ORDER BY prefix")
    return [Template._make(row) for row in found]


def put(rows: Connection, template: Template) -> None:
    """Add a template, or replace the one with its prefix."""
    rows.execute(
        f"INSERT INTO repository_creation_templates ({_COLUMNS}) VALUES ({_VALUES})"
        f" ON CONFLICT (prefix) DO UPDATE SET {_CHANGES}",
        template._asdict(),
    )


def delete(rows: Connection, prefix: str) -> None:
    """Remove the template with exactly this prefix."""
    rows.execute("DELETE FROM repository_creation_templates WHERE prefix = :prefix", {"prefix": prefix})
