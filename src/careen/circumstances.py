"""What an HTTP request tells beside who asks for what, for the conditions of policies.

The address is that of whoever connected. A header that says another anybody can write, so it is believed only of the web servers
that the settings name, and of these only what they add themselves: they are passed over from the right, and the first address that
is none of them is the client's.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from careen.clock import system_now
from careen.iam.patterns import Context
from careen.registry.access import Circumstances
from careen.registry.registry import Network, Registry


def circumstances_of(registry: Registry, scope: Mapping[str, Any], more: Context) -> Circumstances:
    """The circumstances of a request.

    Args:
        registry: says which web servers stand in front.
        scope: ASGI's, of the request.
        more: condition keys that its parameters answer.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    agent = next((value for name, value in headers if name == b"user-agent"), None)
    address = None if scope.get("client") is None else str(scope["client"][0])
    secure = scope["scheme"] == "https"
    if address is not None and _is_within(address, registry.proxies):
        secure = registry.public_url.startswith("https:") if registry.public_url else secure
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        address = _client(address, forwarded.decode("latin-1").split(","), registry.proxies)
    return Circumstances(
        at=system_now(),
        source_ip=address,
        secure=secure,
        user_agent=None if agent is None else agent.decode("latin-1"),
        more=more,
    )


def _client(address: str, forwarded: Iterable[str], proxies: Iterable[Network]) -> str:
    """The last that was not one of our own web servers; of those alone, the first."""
    for told in reversed([each.strip() for each in forwarded if each.strip()]):
        address = told
        if not _is_within(told, proxies):
            break
    return address


def _is_within(text: str, networks: Iterable[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # a name, or "unknown"
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
