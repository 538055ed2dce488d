"""What an HTTP request tells beside who asks for what, for the conditions of policies."""

import ipaddress
from collections.abc import Iterable

from starlette.requests import Request

from careen.clock import system_now
from careen.iam.patterns import Context
from careen.registry.access import Circumstances


def source_address(peer: str | None, headers: Iterable[tuple[bytes, bytes]], *, proxies: int) -> str | None:
    """The address that a request comes from.

    Args:
        peer: who connected; None: nobody knows.
        headers: the request's, their names in small letters.
        proxies: how many web servers stand in front that each add the address of who asked them to X-Forwarded-For. What the
            header says before those was sent by the client, and may be anything; without a web server all of it.
    """
    if proxies:
        told = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        hops = told.decode("latin-1").split(",")
        if len(hops) >= proxies:
            try:
                return str(ipaddress.ip_address(hops[-proxies].strip()))
            except ValueError:  # no address: nothing that the web server was told to send
                return peer
    return peer


def circumstances_of(request: Request, more: Context, *, proxies: int) -> Circumstances:
    """The circumstances of a request.

    Args:
        request: as it came.
        more: condition keys that its parameters answer.
        proxies: as for :func:`source_address`.
    """
    return Circumstances(
        at=system_now(),
        source_ip=source_address(
            None if request.client is None else request.client.host, request.headers.raw, proxies=proxies
        ),
        secure=request.url.scheme == "https",
        user_agent=request.headers.get("user-agent"),
        more=more,
    )
