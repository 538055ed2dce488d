"""Who is told to be the client: the one that connected, unless that is a web server which is believed."""

import dataclasses
from typing import Any

import pytest

from careen.circumstances import circumstances_of
from careen.registry.registry import Registry
from careen.settings import networks

FRONT = "127.0.0.1, 10.0.0.0/24, ::1"


def scope(client: tuple[str, int] | None, *headers: tuple[str, str], scheme: str = "http") -> dict[str, Any]:
    """A request as ASGI has it."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return {"client": client, "scheme": scheme, "headers": raw}


def forwarded(*values: str) -> list[tuple[str, str]]:
    """As many headers."""
    return [("x-forwarded-for", value) for value in values]


ADDRESSES: dict[str, tuple[str, str, list[tuple[str, str]], str]] = {
    "nobody in front": ("", "192.0.2.7", [], "192.0.2.7"),
    "a forged header": ("", "192.0.2.7", forwarded("10.9.9.9"), "192.0.2.7"),
    "a forged header though somebody is in front": (FRONT, "192.0.2.7", forwarded("10.9.9.9"), "192.0.2.7"),
    "by the web server": (FRONT, "127.0.0.1", forwarded("192.0.2.7"), "192.0.2.7"),
    "by two of them": (FRONT, "127.0.0.1", forwarded("192.0.2.7, 10.0.0.3"), "192.0.2.7"),
    "by the web server, with a forged beginning": (
        FRONT, "10.0.0.2", forwarded("10.9.9.9, 192.0.2.7"), "192.0.2.7",
    ),
    "a forged header beside the web server's own": (
        FRONT, "10.0.0.2", forwarded("10.0.0.9", "192.0.2.7"), "192.0.2.7",
    ),
    "the web server asks for itself": (FRONT, "127.0.0.1", [], "127.0.0.1"),
    "a web server asks for another": (FRONT, "127.0.0.1", forwarded("10.0.0.9"), "10.0.0.9"),
    "something that is no address": (FRONT, "127.0.0.1", forwarded("10.0.0.9, unknown"), "unknown"),
    "IPv4 in IPv6's clothes": (FRONT, "::ffff:127.0.0.1", forwarded("2001:db8::7"), "2001:db8::7"),
}  # fmt: skip


@pytest.mark.parametrize(("proxies", "peer", "headers", "expected"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_the_address(
    registry: Registry, proxies: str, peer: str, headers: list[tuple[str, str]], expected: str
) -> None:
    """Only what our own web servers added counts."""
    here = dataclasses.replace(registry, proxies=networks(proxies))
    assert circumstances_of(here, scope((peer, 4711), *headers), {}).source_ip == expected


SECURE = [
    ("192.0.2.7", "http", "https://registry.example.com", False),
    ("192.0.2.7", "https", "", True),
    ("127.0.0.1", "http", "https://registry.example.com", True),
    ("127.0.0.1", "http", "http://registry.example.com", False),
    ("127.0.0.1", "http", "", False),
]


@pytest.mark.parametrize(("peer", "scheme", "public_url", "expected"), SECURE)
def test_whether_it_is_encrypted(
    registry: Registry, peer: str, scheme: str, public_url: str, expected: bool
) -> None:
    """By the connection, or by what clients call the registry if its web server has the certificate."""
    here = dataclasses.replace(registry, proxies=networks(FRONT), public_url=public_url)
    assert circumstances_of(here, scope((peer, 1), scheme=scheme), {}).secure is expected


def test_what_it_tells_conditions(registry: Registry) -> None:
    """The keys of the request, the client's word and what its parameters answer."""
    told = circumstances_of(
        registry, scope(None, ("user-agent", "crane/1")), {"ecr:accountsetting": ("BLOB_MOUNTING",)}
    ).context()
    assert told.keys() == {
        "aws:currenttime", "aws:epochtime", "aws:securetransport", "aws:useragent", "ecr:accountsetting",
    }  # fmt: skip
    assert told["aws:useragent"] == ("crane/1",)
