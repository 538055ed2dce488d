"""Callers without a credential: they read public repositories, as often as their address may, and nothing else.

``GET /v2/`` challenges them all the same, as on Amazon ECR. Most clients then go on without a credential, or with an empty one;
the Docker Engine with its own image store does not. It needs a challenge that it can meet: under the name ``public_host`` that is a
token, which it may have for nothing, as on ECR Public (docs/adr/0027).
"""

import ipaddress
import math

from careen.circumstances import circumstances_of
from careen.distribution import auth
from careen.distribution.allowance import Allowance
from careen.distribution.exchange import Exchange
from careen.distribution.surface import Surface, in_a_file
from careen.oci.errors import OciError
from careen.registry import public
from careen.registry.callers import ANONYMOUS, Principal

READABLE = frozenset({"blobs", "manifests", "referrers", "tags"})
"""The kinds of paths of a public repository that anybody may GET and HEAD."""

READING = ("GET", "HEAD")

NETWORK_BITS = 64
"""What an IPv6 host is given at least (RFC 6177)."""


def admit(surface: Surface, exchange: Exchange, kind: str, name: str) -> Principal:
    """Let a caller in who is nobody, to what is public.

    Args:
        surface: the surface.
        exchange: what is asked; no credential of it is one that we know.
        kind: the kind of its path; empty for those that are of no repository.
        name: the repository.

    Raises:
        Unauthenticated: it brings a credential, if a wrong one; or this is not public, or not there, or no reading.
        OciError: the address has asked too often (429, with Retry-After).
    """
    if (
        kind not in READABLE
        or exchange.method not in READING
        or not auth.is_empty(exchange)
        or not surface.is_public(name)
    ):
        raise auth.Unauthenticated
    count(surface, exchange)
    return ANONYMOUS


def count(surface: Surface, exchange: Exchange) -> None:
    """Count a request that anybody may make; it is to be counted the next time, too.

    Raises:
        OciError: the address has asked too often (429, with Retry-After).
    """
    exchange.is_judged_alone = True
    wait = wait_of(surface.allowance, circumstances_of(surface.registry, exchange.scope, {}).source_ip)
    if wait:
        headers = [(b"retry-after", b"%d" % math.ceil(wait))]
        raise OciError("TOOMANYREQUESTS", "Rate exceeded", headers=headers)


def wait_of(allowance: Allowance, address: str | None) -> float:
    """Take a token for a stranger at an address. Returns 0 if there was one; else in how many seconds there will be."""
    return allowance.take(_network(address or ""))


def _network(address: str) -> str:
    """What is counted as one: an address, or of IPv6 a network, which one host has all of."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a socket without addresses; or a web server that says "unknown"
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, NETWORK_BITS), strict=False))


async def send_logo(surface: Surface, exchange: Exchange) -> None:
    """``GET /v2/_logos/<name>``: the logo of a public repository, for whoever sees its page."""
    if exchange.method not in READING:
        raise OciError(
            "UNSUPPORTED", f"{exchange.method} is not supported here", headers=[(b"allow", b"GET, HEAD")]
        )
    count(surface, exchange)
    name = exchange.path.removeprefix(public.LOGOS)
    found = surface.registry.read(public.logo, name) if surface.is_public(name) else None
    if found is None:
        raise OciError("NAME_UNKNOWN", "there is no such logo")
    kind, data = found
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", b"%d" % len(data)),
        (b"cache-control", b"max-age=300"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),  # whatever it is, it runs nothing
    ]
    if exchange.method == "HEAD":
        await exchange.respond_exactly(200, headers)
        return
    with in_a_file(surface, data) as file:  # up to half a megabyte, for as long as a slow client likes
        await exchange.respond_file(200, headers, file.fileno(), 0, len(data))
