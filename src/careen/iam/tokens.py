"""Tokens of our own: passwords of ``docker login`` and of scanners, grants in URLs of layers, sessions of temporary credentials.

A token is a claim with an expiry, sealed with HMAC-SHA256. Nobody but this registry reads one, so there is no
header, no choice of algorithm and nothing to configure::

    base64url( version, 1 byte | purpose, 1 | expiry in µs, 8 | claim, fields separated by NUL | HMAC, 32 )

The purpose is under the seal, so a token of one kind is never taken for another; the version is there so
that a later layout can be told from this one. The text holds no colon, because clients split
``AWS:<password>`` at it, and no character that a URL would escape.
"""

import binascii
import hmac
import struct
from typing import NamedTuple, TypeVar

from careen.clock import HOUR, Instant

AUTHORIZATION_LIFETIME = 12 * HOUR
"""ECR API reference, GetAuthorizationToken: "The authorization token is valid for 12 hours."."""

_VERSION = 1
_HEAD = struct.Struct(">BBq")
_SEAL_SIZE = 32

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Authorization(NamedTuple):
    """The bearer acts as the holder of a key: the password that GetAuthorizationToken hands out."""

    access_key_id: str
    session_token: str = ""
    """Of a key that is temporary; the password is good for no longer than it."""


class LayerDownload(NamedTuple):
    """The bearer may read this layer of this repository: the grant of GetDownloadUrlForLayer."""

    repository: str
    digest: str


class RepositoryPull(NamedTuple):
    """The bearer may pull from this repository and do nothing else: the password that a scanner is handed."""

    repository: str


class Session(NamedTuple):
    """Temporary credentials: who acts with them. Their secret is derived from the key's id (``careen.iam.keys``)."""

    access_key_id: str
    """The key that this goes with: ASIA…"""
    principal: str
    """The unique id of the user or role whose permissions they have, so that they are nobody's when it is gone."""
    name: str
    """Of the role's session; empty: a user's own."""
    parent: str
    """The access key that a user's own session was made with and ends with; empty: a role's."""
    issued_at: str
    """Microseconds since the epoch, in decimal."""
    policy: str = ""
    """JSON: session policies, one of which must allow too; empty: none."""


Claim = Authorization | LayerDownload | RepositoryPull | Session
C = TypeVar("C", Authorization, LayerDownload, RepositoryPull, Session)

_PURPOSES: dict[type, int] = {Authorization: 1, LayerDownload: 2, RepositoryPull: 3, Session: 4}


class TokenInvalid(Exception):
    """Not a token of this registry and this kind."""


class TokenExpired(Exception):
    """Ours, and its time is over. Raised only of a token whose seal is good."""


def mint(key: bytes, claim: Claim, expires_at: Instant) -> str:
    """Seal a claim.

    Args:
        key: the registry's token key (``careen.iam.keys.token_key``).
        claim: what the token says; no field may contain NUL.
        expires_at: the first instant at which it is no longer good.
    """
    if any("\0" in field for field in claim):
        raise ValueError("a field of a claim contains NUL")
    head = _HEAD.pack(_VERSION, _PURPOSES[type(claim)], expires_at)
    return _encode(_sealed(key, head + "\0".join(claim).encode()))


def read(key: bytes, kind: type[C], text: str, now: Instant) -> C:
    """The claim in a token.

    Args:
        key: the key it was minted with.
        kind: the claim expected.
        text: the token.
        now: the system clock's present.

    Raises:
        TokenInvalid: not sealed with this key, altered in any way, or of another kind.
        TokenExpired: good until its expiry, which has passed.
    """
    sealed = _decode(text)
    if not hmac.compare_digest(sealed, _sealed(key, sealed[:-_SEAL_SIZE])):
        raise TokenInvalid
    # From here on the bytes are our own, so of our layout, though perhaps of another version or purpose.
    version, purpose, expires_at = _HEAD.unpack_from(sealed)
    if (version, purpose) != (_VERSION, _PURPOSES[kind]):
        raise TokenInvalid
    if now >= expires_at:
        raise TokenExpired
    return kind(*sealed[_HEAD.size : -_SEAL_SIZE].decode().split("\0"))


def expires_at(text: str) -> Instant:
    """When a token that :func:`read` has accepted is no longer good."""
    expiry: Instant = _HEAD.unpack_from(_decode(text))[2]
    return expiry


def _sealed(key: bytes, payload: bytes) -> bytes:
    return payload + hmac.digest(key, payload, "sha256")


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4))
    except ValueError:
        raise TokenInvalid from None
    # base64 has many spellings of the same bytes; only the one we write is ours.
    if _encode(data) != text:
        raise TokenInvalid
    return data
