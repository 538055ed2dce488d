"""Tokens of OpenID Connect providers: which are believed. The others, and what roles make of them: tests/iamapi."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import SECOND, parse_instant
from careen.iam import oidc
from careen.iam.errors import ExpiredWebIdentity, InvalidIdentityToken
from tests.iamapi.issuer import Key, new_key, public

ISSUER = "issuer.example.com"
NOW = parse_instant("2026-11-26T12:00:00Z")
EPOCH = NOW // SECOND
EC, RSA = new_key(), new_key("RS256")
KEYS = {"keys": [public(EC, "ec"), public(RSA, "rsa")]}
GOOD = {"iss": f"https://{ISSUER}", "aud": "sts", "sub": "somebody", "exp": EPOCH + 60}


def signed(claims: dict[str, Any], key: Any = EC, kid: str = "ec", algorithm: str = "ES256") -> str:
    """A token."""
    return jwt.encode(claims, key, algorithm, headers={"kid": kid})


def verify(token: str, keys: dict[str, Any] | None = None, now: int = NOW) -> oidc.Identity:
    """Verify it as of a provider that is registered for two audiences."""
    audiences = ("other", "sts")
    return oidc.verify(token, KEYS if keys is None else keys, issuer=ISSUER, audiences=audiences, now=now)


@pytest.mark.parametrize(
    ("key", "kid", "algorithm"), [(EC, "ec", "ES256"), (RSA, "rsa", "RS256"), (RSA, "rsa", "RS512")]
)
def test_what_a_provider_signed_is_believed(key: Key, kid: str, algorithm: str) -> None:
    """With an algorithm of public keys; what it says becomes condition keys."""
    claims = {
        **GOOD,
        "aud": ["sts", "elsewhere"],
        "ref": "main",
        "Actor": "me",
        "n": 7,
        "on": True,
        "deep": {"x": 1},
    }
    found = verify(signed(claims, key, kid, algorithm))
    assert (found.issuer, found.subject, found.audiences) == (ISSUER, "somebody", ("sts",))
    assert {name.removeprefix(f"{ISSUER}:"): values for name, values in found.context.items()} == {
        "iss": (f"https://{ISSUER}",), "aud": ("sts",), "sub": ("somebody",), "exp": (str(EPOCH + 60),),
        "ref": ("main",), "actor": ("me",), "n": ("7",), "on": ("true",),
    }  # fmt: skip


def test_a_token_has_its_time() -> None:
    """Good up to the second before it expires, and some before it begins: clocks differ."""
    token = signed({**GOOD, "nbf": EPOCH})
    for now in (NOW - 60 * SECOND, NOW, NOW + 60 * SECOND - 1):
        verify(token, now=now)
    with pytest.raises(
        ExpiredWebIdentity, match=f"{EPOCH + 60} must be before the expiration date/time {EPOCH + 60}"
    ):
        verify(token, now=NOW + 60 * SECOND)
    with pytest.raises(InvalidIdentityToken, match="not yet valid"):
        verify(token, now=NOW - 60 * SECOND - 1)


@pytest.mark.parametrize("expiry", [True, "1", None, float("inf"), float("nan"), [], -1])
def test_a_time_that_is_none_is_over(expiry: Any) -> None:
    """Nothing that is no number lasts for ever."""
    claims = {**GOOD, "exp": expiry}
    with pytest.raises((InvalidIdentityToken, ExpiredWebIdentity)):
        verify(by_hand({"alg": "ES256", "kid": "ec"}, claims, _ec_signature))


def by_hand(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would write."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    text = b".".join(parts)
    return b".".join([text, base64.urlsafe_b64encode(sign(text)).rstrip(b"=")]).decode()


def _ec_signature(text: bytes) -> bytes:
    return jwt.get_algorithm_by_name("ES256").sign(text, EC)


def _hmac(text: bytes) -> bytes:
    """With the public key as the secret, which everybody knows."""
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac.digest(pem, text, "sha256")


FORGED: dict[str, str] = {
    "with nothing": by_hand({"alg": "none", "kid": "ec"}, GOOD, lambda _: b""),
    "with the public key": by_hand({"alg": "HS256", "kid": "rsa"}, GOOD, _hmac),
    "with another key": signed(GOOD, new_key()),
    "with a key of another kind": signed(GOOD, EC, "rsa"),
    "with an algorithm of another kind": signed(GOOD, RSA, "ec", "RS256"),
    "with what we do not take": signed(GOOD, RSA, "rsa", "PS256"),
    "for another issuer": signed({**GOOD, "iss": "https://issuer.example.com/"}),
    "for an issuer without a scheme": signed({**GOOD, "iss": ISSUER}),
}


@pytest.mark.parametrize("how", FORGED)
def test_what_nobody_signed_for_us_is_refused(how: str) -> None:
    """Whatever the header claims, the key decides."""
    with pytest.raises(InvalidIdentityToken):
        verify(FORGED[how])


@pytest.mark.parametrize(
    "keys",
    [
        {"keys": []},
        {"keys": [public(EC, "another")]},
        {"keys": [public(EC, "ec") | {"use": "enc"}]},
        {"keys": [public(EC, "ec"), public(EC, "ec")]},
        {"keys": [{"kid": "ec"}]},
        {"keys": [{"kid": "ec", "kty": "oct", "k": "AAAA"}]},
    ],
    ids=["none", "another", "for encryption", "two of a name", "broken", "a secret"],
)
def test_a_key_that_is_not_there_is_told_apart(keys: dict[str, Any]) -> None:
    """So that the provider can be asked again: it may have turned its keys over. A shared secret is no key."""
    with pytest.raises((oidc.UnknownKey, InvalidIdentityToken)):
        verify(signed(GOOD), keys)


def test_a_key_says_what_it_is_for() -> None:
    """One that is for ES256 verifies nothing else; one that says nothing, what fits it."""
    declared = {"keys": [public(RSA, "rsa", alg="RS256")]}
    verify(signed(GOOD, RSA, "rsa", "RS256"), declared)
    with pytest.raises(InvalidIdentityToken):
        verify(signed(GOOD, RSA, "rsa", "RS512"), declared)


@given(st.text(max_size=30) | st.lists(st.binary(max_size=12), max_size=4).map(
    lambda parts: b".".join(map(base64.urlsafe_b64encode, parts)).decode()
))  # fmt: skip
def test_whatever_is_no_token_is_refused(text: str) -> None:
    """Any bytes get a refusal, and nothing else happens."""
    with pytest.raises(InvalidIdentityToken):
        oidc.issuer_of(text)
    with pytest.raises((InvalidIdentityToken, oidc.UnknownKey)):
        verify(text)


@pytest.mark.parametrize("issuer", [None, 7, ["x"], "https://\ud800"])
def test_a_token_without_an_issuer_is_of_nobody(issuer: Any) -> None:
    """Nor one whose issuer is no text, or none that could be looked up: nothing of it was signed by anybody yet."""
    token = by_hand({"alg": "ES256"}, {**GOOD, "iss": issuer}, _ec_signature)
    with pytest.raises(InvalidIdentityToken):
        oidc.issuer_of(token)
