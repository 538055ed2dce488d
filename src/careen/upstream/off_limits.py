"""Addresses that no request of ours may reach, whoever chose the host: a cloud's metadata service gives secrets to its machine.

The address is looked at when the connection is there and nothing has been sent: a name may be resolved to another address each
time it is asked for, so what it was a moment before proves nothing.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_CONNECTED = "connection.connect_tcp.complete"
"""What HTTPX's extension ``trace`` calls the moment (HTTPX, "Extensions")."""


def kept_by(networks: Networks) -> Callable[[httpx2.Request], None]:
    """What a client does with each request, as a hook of that name: it connects to none of the networks, or raises ConnectError."""

    def trace(event: str, told: dict[str, Any]) -> None:
        reason = _refusal(event, told, networks)
        if reason:
            told["return_value"].close()
            raise httpx2.ConnectError(reason)

    def hook(request: httpx2.Request) -> None:
        request.extensions["trace"] = trace

    return hook


def kept_by_async(networks: Networks) -> Callable[[httpx2.Request], Awaitable[None]]:
    """The same for an asynchronous client."""

    async def trace(event: str, told: dict[str, Any]) -> None:
        reason = _refusal(event, told, networks)
        if reason:
            await told["return_value"].aclose()
            raise httpx2.ConnectError(reason)

    async def hook(request: httpx2.Request) -> None:
        request.extensions["trace"] = trace

    return hook


def _refusal(event: str, told: dict[str, Any], networks: Networks) -> str:
    """Why a connection may not be used; empty: it may."""
    if event != _CONNECTED:
        return ""
    address = ipaddress.ip_address(told["return_value"].get_extra_info("server_addr")[0].partition("%")[0])
    meant = getattr(address, "ipv4_mapped", None) or address
    if any(meant in network for network in networks):
        return f"the address {meant} is off limits (the setting off_limits)"
    return ""
