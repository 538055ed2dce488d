"""Web identities: the tokens of OpenID Connect providers, verified with keys that are handed in.

A token (JSON Web Token) says who its bearer is: ``iss`` the provider, ``sub`` the workflow, service account or person, ``aud``
whom it is meant for. It is believed if a key of the provider's signed it with an algorithm of public keys, if it is meant for one
of the client ids that the provider is registered with, and if its time is now. What a token says becomes condition keys of the
role's trust policy: ``token.actions.githubusercontent.com:sub`` (IAM user guide, "Available keys for AWS OIDC federation").

This needs PyJWT (the extra ``oidc``), so importing it may fail. Sources: OpenID Connect Core 1.0, section 3.1.3.7; RFC 7517, 7519;
sentences are STS's, seen in public issues (aws-actions/configure-aws-credentials).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from careen.clock import SECOND, Instant
from careen.iam.errors import ExpiredWebIdentity, InvalidIdentityToken

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""What tokens may be signed with (IAM user guide, "Create an OIDC identity provider"): never a shared secret, never nothing."""

_EARLY = 60 * SECOND
"""How far a provider's clock may be ahead of ours."""

_ONLY_THE_SIGNATURE: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""The times are compared with the instant that we are handed, and the rest in STS's words."""


class UnknownKey(Exception):
    """The provider's keys do not include the one that signed the token: they may have been turned over."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a verified token says its bearer is."""

    issuer: str
    """The provider's URL without ``https://``."""
    subject: str
    audiences: tuple[str, ...]
    """Of those that the token is for, the ones that the provider is registered with."""
    context: Mapping[str, tuple[str, ...]]
    """Condition keys, in small letters, with their values."""


def issuer_of(token: str) -> str:
    """The URL of the provider that a token says it is from. Nothing proves it yet.

    Raises:
        InvalidIdentityToken: it is no token.
    """
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.PyJWTError:
        issuer = None
    # Anybody may send anything: one that is no URL, a lone surrogate say, could not even be looked up.
    if not isinstance(issuer, str) or not issuer.isascii():
        raise InvalidIdentityToken(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        )
    return issuer


def verify(
    token: str, keys: Mapping[str, Any], *, issuer: str, audiences: Sequence[str], now: Instant
) -> Identity:
    """Establish whom a token identifies.

    Args:
        token: as the provider issued it.
        keys: the provider's JSON Web Key Set.
        issuer: the provider's URL without ``https://``.
        audiences: the client ids that it is registered with.
        now: the system clock's present.

    Raises:
        UnknownKey: none of the keys is the one that signed.
        InvalidIdentityToken: it is not signed by that key, not the provider's, or for somebody else.
        ExpiredWebIdentity: its time is over.
    """
    claims = _signed(token, keys)
    _check_times(claims, now)
    if claims.get("iss") != f"https://{issuer}":
        raise InvalidIdentityToken("The token's issuer is not the provider's URL.")
    meant_for = claims.get("aud")
    wanted = [meant_for] if isinstance(meant_for, str) else meant_for
    found = tuple(each for each in audiences if each in wanted) if isinstance(wanted, list) else ()
    if not found:
        raise InvalidIdentityToken("Incorrect token audience")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise InvalidIdentityToken("The token has no subject")
    context = {
        f"{issuer}:{name}".lower(): values for name, value in claims.items() if (values := _values(value))
    }
    return Identity(issuer, subject, found, {**context, f"{issuer}:aud".lower(): found})


def _signed(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a token, signed by one of the keys."""
    try:
        header = jwt.get_unverified_header(token)
        usable = jwt.PyJWKSet.from_dict(dict(keys)).keys
    except (jwt.PyJWKSetError, jwt.PyJWKError):
        raise UnknownKey from None
    except jwt.PyJWTError:
        raise InvalidIdentityToken("The ID Token provided is not a valid JWT.") from None
    kid = header.get("kid")
    signing = [key for key in usable if key.public_key_use in {None, "sig"} and kid in {None, key.key_id}]
    if len(signing) != 1:
        raise UnknownKey
    [key] = signing
    declared = _declared_algorithm(keys, key.key_id)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[each for each in ALGORITHMS if declared in {None, each}],
            options=_ONLY_THE_SIGNATURE,
        )
    except (
        jwt.PyJWTError,
        TypeError,
        ValueError,
    ):  # a key of another kind than the algorithm's is a TypeError
        raise InvalidIdentityToken("The ID Token provided could not be validated.") from None
    return claims


def _declared_algorithm(keys: Mapping[str, Any], key_id: str | None) -> str | None:
    """What a key says that it is for. PyJWT guesses one where the key says nothing."""
    return next((key.get("alg") for key in keys["keys"] if key.get("kid") == key_id), None)


def _check_times(claims: Mapping[str, Any], now: Instant) -> None:
    expires = _instant(claims.get("exp"))
    if expires is None:
        raise InvalidIdentityToken("Missing a required claim: exp")
    if now >= expires:
        raise ExpiredWebIdentity(now // SECOND, expires // SECOND)
    begins = _instant(claims.get("nbf", 0))
    if begins is None or begins > now + _EARLY:
        raise InvalidIdentityToken("The token is not yet valid")


def _instant(value: Any) -> Instant | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return int(value * SECOND) if is_number else None


def _values(claim: Any) -> tuple[str, ...]:
    """What a claim says as a condition key's values; nothing for what is no text, number or list of texts."""
    match claim:
        case bool():
            return ("true" if claim else "false",)
        case str():
            return (claim,)
        case int():
            return (str(claim),)
        case list() if all(isinstance(each, str) for each in claim):
            return tuple(claim)
    return ()
