"""Verify AWS Signature Version 4, the ``Authorization`` header of every AWS API request.

The client names the headers it signed; we put the request into the same canonical form, sign that with the key's
secret and compare. What the algorithm leaves to a client, a server has to insist on:

- ``host`` and every ``x-amz-*`` header must be signed: ``x-amz-target`` names the operation.
- The headers signed are those the client says, not botocore's own choice, which leaves out a few.
- The body is hashed here; a client's ``x-amz-content-sha256`` must agree with it and is never believed.
- The scope must be this service, this region and the day of the timestamp, which is at most 15 minutes off.
- An unknown key costs what a wrong secret costs: the signature is computed and compared all the same.
- Whatever the bytes, the answer is a verdict: one of AWS's authentication errors, with AWS's sentences where
  they are known.

Sources: AWS IAM user guide, "Create a signed AWS API request"; AWS general reference, "Troubleshoot Signature
Version 4". Query-string signatures (presigned URLs) are not accepted.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

from careen.clock import SECOND, Instant, parse_instant, to_datetime
from careen.ecr.common_errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)

SKEW_MINUTES = 15
_SKEW = SKEW_MINUTES * 60 * SECOND

_ALGORITHM = "AWS4-HMAC-SHA256"
_SESSION_TOKEN = "x-amz-security-token"  # noqa: S105 - the name of a header
_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_STAMP = "%Y%m%dT%H%M%SZ"
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_ACCESS_KEY_ID = re.compile(r"\w{1,128}", re.ASCII)
"""IAM API reference, AccessKey, less its lower limit: no odd character reaches a database."""
_TARGET = re.compile(r"/[!\"$-~]*")
"""A request target: visible ASCII, and no fragment, which clients leave out of what they sign."""
_NO_SECRET = "0" * 40

Headers = Iterable[tuple[bytes, bytes]]


class Request(NamedTuple):
    """The parts of an HTTP request that a signature covers, as they were on the wire."""

    method: str
    target: str
    """Path and query, percent-encoded as received: ``/?a=b``."""
    headers: Headers
    """Names in any case; repeated ones repeated."""
    body: bytes


class Claimant(NamedTuple):
    """Whom a request says it is from."""

    access_key_id: str
    session_token: str = ""
    """Of temporary credentials; empty: none."""


class Signer(NamedTuple):
    """Who signed a request, and for what."""

    claimant: Claimant
    region: str
    service: str
    signed_at: Instant


class _Authorization(NamedTuple):
    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def verify(
    request: Request,
    *,
    service: str,
    region: str,
    secret_for: Callable[[Claimant], str | None],
    now: Instant,
    global_region: str = "",
) -> Signer:
    """Establish who signed a request.

    Args:
        request: the request as received.
        service: the signing name it must be for: ``ecr``, ``sts``.
        region: the region it must be for.
        secret_for: the secret of an access key id, with its session token if it is temporary, or None if there is no such key.
        now: the system clock's present.
        global_region: another region that it may be for: services without regions are signed for one by convention.

    Raises:
        MissingAuthenticationToken: there is no Authorization header.
        IncompleteSignature: the header lacks a part, or the request a header that goes with it.
        InvalidSignature: the signature is not of this request, this time, this service or with this secret.
        UnrecognizedClient: there is no such access key, or no such session of it.
    """
    headers = _decoded(request.headers)
    authorization, stamp, signed_at = _claim(headers, service, {region, global_region}, now)
    canonical = _canonical(request, authorization, headers)

    claimant = Claimant(authorization.access_key_id, _joined(headers, _SESSION_TOKEN))
    secret = secret_for(claimant) if _ACCESS_KEY_ID.fullmatch(claimant.access_key_id) else None
    expected = _signature(canonical, authorization, stamp, secret or _NO_SECRET)
    # As bytes: compare_digest refuses text that is not ASCII, and the header's text is the client's.
    matches = hmac.compare_digest(expected.encode(), authorization.signature.encode())
    if secret is None:
        raise UnrecognizedClient
    if not matches:
        raise InvalidSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details."
        )
    return Signer(claimant, authorization.region, service, signed_at)


def claimed(
    headers: Headers, *, service: str, region: str, now: Instant, global_region: str = ""
) -> Claimant:
    """Whom a request says it is from, so that a large body need not be taken in from anybody.

    What :func:`verify` checks without the body and the secret is checked here too.

    Args:
        headers: the request's, as received.
        service, region, now, global_region: as for :func:`verify`.

    Returns:
        The access key. Nothing proves yet that its holder sent the request.

    Raises:
        MissingAuthenticationToken, IncompleteSignature, InvalidSignature, UnrecognizedClient: as :func:`verify` does.
    """
    decoded = _decoded(headers)
    authorization, _, _ = _claim(decoded, service, {region, global_region}, now)
    if _ACCESS_KEY_ID.fullmatch(authorization.access_key_id) is None:
        raise UnrecognizedClient
    return Claimant(authorization.access_key_id, _joined(decoded, _SESSION_TOKEN))


def _claim(
    headers: list[tuple[str, str]], service: str, regions: Collection[str], now: Instant
) -> tuple[_Authorization, str, Instant]:
    """The Authorization header, the timestamp as text and as a time, checked as far as they go by themselves."""
    authorization = _authorization(_joined(headers, "authorization"))
    stamp = _joined(headers, "x-amz-date")
    signed_at = _signed_at(stamp)
    _check_time(stamp, signed_at, now)
    _check_scope(authorization, stamp, service, regions)
    _check_signed_headers(authorization, headers)
    return authorization, stamp, signed_at


def _decoded(headers: Headers) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), _text(value)) for name, value in headers]


def _text(value: bytes) -> str:
    """A header's value as the client signed it: most sign UTF-8, Python's http.client sends Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _joined(headers: list[tuple[str, str]], name: str) -> str:
    """A header's value, repetitions joined: a second Authorization or X-Amz-Date makes it malformed."""
    return ",".join(value for key, value in headers if key == name).strip()


def _authorization(header: str) -> _Authorization:
    if not header:
        raise MissingAuthenticationToken
    algorithm, _, rest = header.partition(" ")
    if algorithm != _ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields = dict(_fields(rest))
    if missing := [name for name in _PARAMETERS if not fields.get(name)]:
        raise IncompleteSignature(
            " ".join(f"Authorization header requires '{it}' parameter." for it in missing)
        )
    if len(fields) > len(_PARAMETERS):
        raise IncompleteSignature(f"Authorization header takes only the parameters {', '.join(_PARAMETERS)}.")
    try:
        key_id, date, region, service, terminator = fields["Credential"].split("/")
    except ValueError:
        terminator = ""
    if terminator != "aws4_request":
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, "
            "e.g. keyid/date/region/service/aws4_request."
        )
    signed_headers = tuple(fields["SignedHeaders"].split(";"))
    return _Authorization(key_id, date, region, service, signed_headers, fields["Signature"])


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        yield name, value


def _signed_at(stamp: str) -> Instant:
    if not stamp:
        raise IncompleteSignature("Authorization header requires existence of a 'X-Amz-Date' header.")
    if _TIMESTAMP.fullmatch(stamp):
        with suppress(ValueError):  # the 31st of June
            return parse_instant(stamp)
    raise IncompleteSignature(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.")


def _check_time(stamp: str, signed_at: Instant, now: Instant) -> None:
    if signed_at < now - _SKEW:
        raise InvalidSignature(
            f"Signature expired: {stamp} is now earlier than {_stamp(now - _SKEW)} "
            f"({_stamp(now)} - {SKEW_MINUTES} min.)"
        )
    if signed_at > now + _SKEW:
        raise InvalidSignature(
            f"Signature not yet current: {stamp} is still later than {_stamp(now + _SKEW)} "
            f"({_stamp(now)} + {SKEW_MINUTES} min.)"
        )


def _check_scope(authorization: _Authorization, stamp: str, service: str, regions: Collection[str]) -> None:
    if authorization.date != stamp[:8]:
        raise InvalidSignature(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{authorization.date}' != '{stamp[:8]}', from '{stamp}'."
        )
    if authorization.region not in regions or not authorization.region:
        raise InvalidSignature(
            f"Credential should be scoped to a valid region, not '{authorization.region}'. "
        )
    if authorization.service != service:
        raise InvalidSignature(f"Credential should be scoped to correct service: '{service}'. ")


def _check_signed_headers(authorization: _Authorization, headers: list[tuple[str, str]]) -> None:
    needed = {"host"} | {name for name, _ in headers if name.startswith("x-amz-")}
    unsigned = sorted(needed.difference(authorization.signed_headers))
    if unsigned:
        raise InvalidSignature(f"'{unsigned[0]}' must be a 'SignedHeader' in the AWS Authorization.")


def _canonical(request: Request, authorization: _Authorization, headers: list[tuple[str, str]]) -> str:
    """The canonical request, of the headers that the client says it signed."""
    if not _TARGET.fullmatch(request.target):
        raise InvalidSignature("The request target is not a path and query.")
    body_sha256 = hashlib.sha256(request.body).hexdigest()
    claimed = _joined(headers, "x-amz-content-sha256")
    if claimed and claimed != body_sha256:
        raise InvalidSignature(
            "The value of 'X-Amz-Content-Sha256' is not the SHA-256 of the request's body."
        )
    path, _, query = request.target.partition("?")
    signed: dict[str, list[str]] = {}
    for name, value in headers:
        if name in authorization.signed_headers:
            signed.setdefault(name, []).append(" ".join(value.split()))
    names = sorted(signed)
    return "\n".join(
        (
            request.method.upper(),
            _canonical_path(path),
            "&".join("=".join(pair) for pair in sorted(_pairs(query))),
            *(f"{name}:{','.join(signed[name])}" for name in names),
            "",
            ";".join(names),
            body_sha256,
        )
    )


def _canonical_path(path: str) -> str:
    """Dot segments resolved, empty ones left out, and encoded once more: as for every service but S3."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    closed = "/" if segments and path.endswith("/") else ""
    return quote(f"/{'/'.join(segments)}{closed}", safe="/~")


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    """Names and values, encoded as they came; a name alone has an empty value."""
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        yield name, value


def _signature(canonical: str, authorization: _Authorization, stamp: str, secret: str) -> str:
    scope = (authorization.date, authorization.region, authorization.service, "aws4_request")
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    to_sign = (_ALGORITHM, stamp, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest())
    return hmac.digest(key, "\n".join(to_sign).encode(), hashlib.sha256).hex()


def _stamp(instant: Instant) -> str:
    return to_datetime(instant).strftime(_STAMP)
