"""Addresses that no request of ours may reach, whoever chose the host: a cloud's metadata service gives secrets to its machine.

The address is looked at when the connection is there and nothing has been sent: a name may be resolved to another address each
time it is asked for, so what it was a moment before proves nothing.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from careen.upstream.errors import Invalid, Unavailable, UpstreamError

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")

_CONNECTED = "connection.connect_tcp.complete"
"""What HTTPX's extension ``trace`` calls the moment (HTTPX, "Extensions")."""


class OffLimits(httpx2.ConnectError):
    """What was asked for is where nothing of ours goes. It will be no better at the next try."""


def unreachable(who: str, error: httpx2.HTTPError) -> UpstreamError:
    """What to say of somebody who gave no answer: away, and worth another try, unless that is where nothing of ours goes."""
    kind = Invalid if isinstance(error, OffLimits) else Unavailable
    return kind(f"{who}: {str(error) or type(error).__name__}")


def kept_by(networks: Networks) -> Callable[[httpx2.Request], None]:
    """What a client does with each request, as a hook of that name: it connects to none of the networks.

    Then the request raises :class:`OffLimits`, and another ``ConnectError`` if the connection is gone before it could be looked at.
    """

    def trace(event: str, told: dict[str, Any]) -> None:
        if event == _CONNECTED:
            refusal = _refusal(told["return_value"], networks)
            if refusal is not None:
                told["return_value"].close()
                raise refusal

    def hook(request: httpx2.Request) -> None:
        request.extensions["trace"] = trace

    return hook


def kept_by_async(networks: Networks) -> Callable[[httpx2.Request], Awaitable[None]]:
    """The same for an asynchronous client."""

    async def trace(event: str, told: dict[str, Any]) -> None:
        if event == _CONNECTED:
            refusal = _refusal(told["return_value"], networks)
            if refusal is not None:
                await told["return_value"].aclose()
                raise refusal

    async def hook(request: httpx2.Request) -> None:
        request.extensions["trace"] = trace

    return hook


def _refusal(connection: Any, networks: Networks) -> httpx2.ConnectError | None:
    """Why a connection may not be used; None: it may."""
    try:
        there = ipaddress.ip_address(connection.get_extra_info("server_addr")[0].partition("%")[0])
    except (OSError, TypeError):  # nobody is there any more
        return httpx2.ConnectError("the connection was closed at once")
    if any(each in network for each in _meant(there) for network in networks):
        return OffLimits(f"the address {there} is off limits (the setting off_limits)")
    return None


def _meant(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[Any]:
    """An address, and the one of IPv4 that it stands for: mapped, of 6to4, or translated (RFC 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None
    return [
        each for each in (address, address.ipv4_mapped, address.sixtofour, translated) if each is not None
    ]
