"""Where another registry is: a scheme, a host and a port."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")


class InvalidAddress(ValueError):
    """Not the address of a registry. The message says what is wrong."""


class Address(NamedTuple):
    """A registry's address."""

    scheme: str
    host: str
    """In small letters, without the port; an IPv6 address without its brackets."""
    port: int | None
    """None: the scheme's own."""

    @property
    def is_guarded(self) -> bool:
        """Whether nobody on the way can read and change what is sent: HTTPS, or this machine alone."""
        return self.scheme == "https" or is_loopback(self.host)

    @property
    def url(self) -> str:
        """``https://host:port``, as short as it can be said."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}")


def parse(text: str) -> Address:
    """Read an address: a host, perhaps with a port, perhaps with ``https://`` or ``http://`` before it; HTTPS if neither is.

    Raises:
        InvalidAddress: it is none.
    """
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError as error:
        raise InvalidAddress(f"'{text}' is not the address of a registry: {error}") from None
    if parts.username is not None:  # which is not repeated
        raise InvalidAddress("an address has no user name and no password in it")
    host = (parts.hostname or "").lower()
    written = f"[{host}]" if ":" in host else host
    if parts.scheme not in {"https", "http"} or _HOST.fullmatch(written) is None:
        raise InvalidAddress(
            f"'{text}' is not the address of a registry, such as https://registry.example.com"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidAddress(f"'{text}' is more than a scheme, a host and a port")
    default = 443 if parts.scheme == "https" else 80
    return Address(parts.scheme, host, None if port == default else port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
