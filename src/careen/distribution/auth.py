"""Who is calling: HTTP Basic with ECR's token (``AWS:<token>``), or with an access key and its secret.

Without a good credential the answer is the challenge that Amazon ECR sends, to the letter; a token that was good once is
answered as ECR does, so that people see that they must log in again.
"""

from careen.clock import SECOND, Instant, system_now
from careen.distribution.exchange import Exchange
from careen.iam import basic
from careen.iam.tokens import TokenExpired
from careen.oci.errors import OciError
from careen.registry import access
from careen.registry.access import Principal
from careen.registry.fresh import TOO_HEAVY, Fresh
from careen.registry.registry import Registry

EXPIRED = "Your authorization token has expired. Reauthenticate and try again."


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
    return token is not None and access.grants_download(registry, token, name, digest, system_now())


def _read(registry: Registry, header: str, now: Instant) -> Principal | None:
    sent = basic.parse(header)
    if sent is None:
        return None
    try:
        return registry.read(access.by_password, registry, sent.user, sent.password, now)
    except TokenExpired:
        raise OciError("DENIED", EXPIRED) from None


async def challenge(registry: Registry, exchange: Exchange) -> None:
    """Answer 401 as Amazon ECR does. The realm is a URL because some clients (oras-py) insist on one."""
    realm = f'Basic realm="{registry.public_url or exchange.base_url}/",service="ecr.amazonaws.com"'
    await exchange.respond(
        401,
        [(b"www-authenticate", realm.encode("latin-1")), (b"content-type", b"text/plain; charset=utf-8")],
        b"Not Authorized\n",
    )
