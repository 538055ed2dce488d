"""OpenID Connect providers whose tokens may assume roles."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class ProviderRow(NamedTuple):
    """A row of ``oidc_providers``."""

    issuer: str
    """Its URL without ``https://``."""
    audiences: str
    """JSON list."""
    thumbprints: str
    """JSON list."""
    created_at: Instant
    keys: str | None
    """A JSON Web Key Set, if the provider need not be asked for it."""


_COLUMNS = ", ".join(ProviderRow._fields)


def insert(rows: Connection, provider: ProviderRow) -> None:
    """Add a provider."""
    values = ", ".join(f":{name}" for name in ProviderRow._fields)
    rows.execute(f"INSERT INTO oidc_providers ({_COLUMNS}) VALUES ({values})", provider._asdict())


def find(rows: Connection, issuer: str) -> ProviderRow | None:
    """The provider of that issuer."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM oidc_providers WHERE issuer = :issuer", {"issuer": issuer}
    ).fetchone()
    return None if row is None else ProviderRow._make(row)


def every(rows: Connection) -> list[ProviderRow]:
    """All of them, by issuer."""
    return [
        ProviderRow._make(row)
        for row in rows.execute(f"SELECT {_COLUMNS} FROM oidc_providers ORDER BY issuer")
    ]


def delete(rows: Connection, issuer: str) -> bool:
    """Delete a provider. Returns whether it was there."""
    return rows.execute("DELETE FROM oidc_providers WHERE issuer = :issuer", {"issuer": issuer}).rowcount > 0
