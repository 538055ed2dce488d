"""Who is calling: HTTP Basic with ECR's token (``AWS:<token>``), or with an access key and its secret; or the same as Bearer.

Without a good credential the answer is the challenge that Amazon ECR sends, to the letter; a token that was good once is
answered as ECR does, so that people see that they must log in again.
"""

import base64

import msgspec

from careen.clock import HOUR, SECOND, Instant, system_now
from careen.distribution.exchange import Exchange, json_header
from careen.ecr.common_errors import AccessDenied
from careen.iam import basic
from careen.iam.tokens import TokenExpired
from careen.oci.errors import OciError
from careen.registry import callers
from careen.registry.callers import Principal
from careen.registry.fresh import TOO_HEAVY, Fresh
from careen.registry.registry import Registry

EXPIRED = "Your authorization token has expired. Reauthenticate and try again."


TOKEN_USER = "AWS"  # noqa: S105 - a name
"""The user name that goes with a token."""

TOKEN_PATH = "/v2/token"  # noqa: S105 - a path
"""Where clients get what they send as Bearer."""

TOKEN_SECONDS = 300
"""How long they are told to use it before they ask again."""

NOBODY = base64.b64encode(b":").decode()
"""A credential with neither name nor password: what clients send that have none, and what they are given for nothing."""


class Unauthenticated(Exception):
    """No credential, or none that we know."""


def authenticate(registry: Registry, fresh: Fresh, exchange: Exchange) -> Principal:
    """The caller.

    Raises:
        Unauthenticated: no credential, or a wrong one.
        OciError: the token has expired (403 DENIED, as on Amazon ECR).
    """
    header = exchange.header(b"authorization")
    if header is None:
        raise Unauthenticated
    now = system_now()
    # Remembered for the rest of this second: a token must end when its time is over.
    principal = fresh.get(
        ("authorization", header, now // SECOND), lambda: _read(registry, header, now), _weight
    )
    if principal is None:
        raise Unauthenticated
    return principal


def _weight(principal: Principal | None) -> int:
    """A credential that is none is not remembered: a stranger could fill the memory with them."""
    return TOO_HEAVY if principal is None else 0


def may_download(registry: Registry, exchange: Exchange, name: str, digest: str) -> bool:
    """Whether the URL carries a grant for this very blob, as GetDownloadUrlForLayer hands out."""
    token = exchange.parameter("token")
    return token is not None and callers.grants_download(registry, token, name, digest, system_now())


def is_empty(exchange: Exchange) -> bool:
    """Whether the caller does not say who it is."""
    header = exchange.header(b"authorization")
    return not header or basic.parse(header) == ("", "")


def _read(registry: Registry, header: str, now: Instant) -> Principal | None:
    sent = basic.parse(header)
    if sent is None:
        return None
    try:
        return registry.read(callers.by_password, registry, sent.user, sent.password, now)
    except TokenExpired:
        raise OciError("DENIED", EXPIRED) from None


def refused_for(error: Exception) -> str:
    """What the figures say of a refusal; empty if it is for what was asked, and not for who asked or how often."""
    match error:
        case AccessDenied():
            return "denied"
        case OciError(message=message) if message == EXPIRED:
            return "expired credential"
        case OciError(code="TOOMANYREQUESTS"):
            return "too often"
        case _:
            return ""


async def challenge(registry: Registry, exchange: Exchange) -> None:
    """Answer 401 as Amazon ECR does, or as ECR Public does under the name that the settings have for it.

    The realm is a URL because some clients (oras-py) insist on one.
    """
    exchange.served.refusal = "no credential" if is_empty(exchange) else "wrong credential"
    host = exchange.header(b"host") or ""
    if registry.public_host and host.lower() == registry.public_host and exchange.path != TOKEN_PATH:
        # Behind a web server the scheme that we see is not the client's.
        scheme = (registry.public_url or exchange.base_url).partition(":")[0]
        how = f'Bearer realm="{scheme}://{registry.public_host}{TOKEN_PATH}",service="{registry.public_host}",scope="aws"'
    else:
        how = f'Basic realm="{registry.public_url or exchange.base_url}/",service="ecr.amazonaws.com"'
    await exchange.respond(
        401,
        [(b"www-authenticate", how.encode("latin-1")), (b"content-type", b"text/plain; charset=utf-8")],
        b"Not Authorized\n",
    )


async def hand_out_token(registry: Registry, fresh: Fresh, exchange: Exchange) -> None:
    """``GET /v2/token``: what a client sends as Bearer. It names a credential that we know, or none and gets one of nobody.

    An authorization token is handed back as it came. A new one in its place would live on when the first has ended, and so on.

    Raises:
        Unauthenticated: a wrong credential.
        OciError: not a GET; or an authorization token that has expired.
    """
    if exchange.method != "GET":
        raise OciError("UNSUPPORTED", "a token is asked for by GET", headers=[(b"allow", b"GET")])
    token = NOBODY
    if not is_empty(exchange):
        principal = authenticate(registry, fresh, exchange)
        sent = basic.parse(exchange.header(b"authorization") or "")
        password = (
            sent.password
            if sent is not None and sent.user == TOKEN_USER
            else callers.mint_authorization(registry, principal, system_now() + HOUR)
        )
        token = base64.b64encode(f"{TOKEN_USER}:{password}".encode()).decode()
    body = {"token": token, "access_token": token, "expires_in": TOKEN_SECONDS}
    await exchange.respond(200, [json_header(), (b"cache-control", b"no-store")], msgspec.json.encode(body))
