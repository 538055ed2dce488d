"""OpenID Connect providers: whose tokens may assume roles, if the roles' trust policies say so."""

import json
import re
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.db import oidc_providers
from careen.db.oidc_providers import ProviderRow
from careen.ecr.arn import provider_arn
from careen.iam.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity
from careen.registry.registry import Transaction

MAX_PROVIDERS = 100
"""In one account (IAM user guide, "IAM and AWS STS quotas")."""

MAX_AUDIENCES = 100
"""Client ids of one provider (the same)."""

_URL = re.compile(r"https://(?P<issuer>[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!-~]*)?)", re.ASCII)
_NOT_IN_URLS = set('?#@\\"<>{}|^` ')


class Provider(NamedTuple):
    """A provider."""

    issuer: str
    """Its URL without ``https://``."""
    audiences: tuple[str, ...]
    """The client ids that its tokens may be for."""
    thumbprints: tuple[str, ...]
    """Of certificates, kept for those who ask: we trust the authorities that the system trusts."""
    created_at: Instant
    keys: dict[str, Any] | None
    """A JSON Web Key Set, if it need not be asked for it."""


def create(
    tx: Transaction,
    url: str,
    audiences: tuple[str, ...],
    thumbprints: tuple[str, ...] = (),
    keys: dict[str, Any] | None = None,
) -> Provider:
    """Register a provider.

    Args:
        tx: the transaction.
        url: ``https://token.actions.githubusercontent.com``, as tokens have it in ``iss``.
        audiences: the client ids that its tokens may be for.
        thumbprints: of its certificates; nothing is done with them.
        keys: its JSON Web Key Set, if it cannot be asked, as a cluster's API server from outside; else it is asked.

    Raises:
        InvalidInput: the URL is none that could be asked.
        EntityAlreadyExists: there is one of that URL.
        LimitExceeded: there are a hundred, or it has too many client ids.
    """
    match = _URL.fullmatch(url)
    if match is None or _NOT_IN_URLS & set(url):
        raise InvalidInput("Invalid Open ID Connect Provider URL")
    if oidc_providers.find(tx.rows, match["issuer"]) is not None:
        raise EntityAlreadyExists(f"Provider with url {url} already exists.")
    if len(oidc_providers.every(tx.rows)) >= MAX_PROVIDERS:
        raise LimitExceeded(f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MAX_PROVIDERS}")
    if len(audiences) > MAX_AUDIENCES:
        raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MAX_AUDIENCES}")
    row = ProviderRow(
        match["issuer"],
        json.dumps(audiences),
        json.dumps(thumbprints),
        tx.now,
        None if keys is None else json.dumps(keys),
    )
    oidc_providers.insert(tx.rows, row)
    return _provider(row)


def find(tx: Transaction, url: str) -> Provider | None:
    """The provider of that URL."""
    row = oidc_providers.find(tx.rows, url.removeprefix("https://")) if url.startswith("https://") else None
    return None if row is None else _provider(row)


def every(tx: Transaction) -> list[Provider]:
    """All of them, by URL."""
    return list(map(_provider, oidc_providers.every(tx.rows)))


def require(tx: Transaction, arn: str) -> Provider:
    """The provider of an ARN.

    Raises:
        NoSuchEntity: there is none.
    """
    row = oidc_providers.find(tx.rows, _issuer(tx, arn))
    if row is None:
        raise _not_found(arn)
    return _provider(row)


def delete(tx: Transaction, arn: str) -> None:
    """Forget a provider. Its tokens assume no role any more; sessions that they began last as long as they would have.

    Raises:
        NoSuchEntity: there is none.
    """
    if not oidc_providers.delete(tx.rows, _issuer(tx, arn)):
        raise _not_found(arn)


def _issuer(tx: Transaction, arn: str) -> str:
    return arn.removeprefix(provider_arn(tx.registry_id, ""))


def _not_found(arn: str) -> NoSuchEntity:
    return NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")


def _provider(row: ProviderRow) -> Provider:
    return Provider(
        row.issuer,
        tuple(json.loads(row.audiences)),
        tuple(json.loads(row.thumbprints)),
        row.created_at,
        None if row.keys is None else json.loads(row.keys),
    )
