"""The keys of providers: asked for where they are published, seldom, and believed for a while."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from careen.issuers import KEPT, PAUSE, Issuers, KeySet, Unreachable, fetch
from careen.settings import networks
from tests.iamapi import issuer as issuers
from tests.iamapi.issuer import Issuer
from tests.tls import needs_openssl

OLD: KeySet = {"keys": [{"kid": "old"}]}
NEW: KeySet = {"keys": [{"kid": "new"}]}


class Provider:
    """What is asked, and the clock."""

    def __init__(self) -> None:
        self.answer: KeySet | None = OLD
        self.asked = 0
        self.time = 0.0

    def ask(self, issuer: str) -> KeySet:
        """As ``fetch``."""
        self.asked += 1
        if self.answer is None:
            raise Unreachable(f"{issuer} is silent")
        return self.answer


@pytest.fixture
def provider() -> Provider:
    """One provider."""
    return Provider()


def test_keys_are_asked_for_once(provider: Provider) -> None:
    """By all who want them at once, and for an hour; then anew, since one may have been withdrawn."""

    async def run() -> None:
        memory = Issuers(provider.ask, lambda: provider.time)
        assert await asyncio.gather(*(memory.keys("a") for _ in range(5))) == [OLD] * 5
        provider.time, provider.answer = KEPT - 1, NEW
        assert await memory.keys("a") == OLD
        assert provider.asked == 1
        provider.time = KEPT
        assert await memory.keys("a") == NEW
        assert provider.asked == 2
        await memory.keys("b")
        assert provider.asked == 3

    asyncio.run(run())


def test_an_unknown_key_has_the_provider_asked_again_but_not_by_everybody(provider: Provider) -> None:
    """Once a minute: who asks us has proved nothing. A provider that is silent then has not taken its keys back."""

    async def run() -> None:
        memory = Issuers(provider.ask, lambda: provider.time)
        await memory.keys("a")
        provider.answer = NEW
        assert await memory.keys("a", anew=True) == OLD
        provider.time = PAUSE
        assert await memory.keys("a", anew=True) == NEW
        provider.time, provider.answer = 2 * PAUSE, None
        assert await memory.keys("a", anew=True) == NEW
        assert await memory.keys("a") == NEW
        assert provider.asked == 3

    asyncio.run(run())


def test_a_silent_provider_is_not_asked_by_everybody_either(provider: Provider) -> None:
    """Whoever comes within the minute is told at once why there are no keys."""

    async def run() -> None:
        provider.answer = None
        memory = Issuers(provider.ask, lambda: provider.time)
        for _ in range(3):
            with pytest.raises(Unreachable, match="a is silent"):
                await memory.keys("a")
        assert provider.asked == 1
        provider.time, provider.answer = PAUSE, NEW
        assert await memory.keys("a") == NEW

    asyncio.run(run())


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """A real provider whose certificate is trusted."""
    with issuers.running(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.crt"))
        yield running


@needs_openssl
def test_a_provider_says_where_its_keys_are(issuer: Issuer) -> None:
    """In the document that has its place in the specification."""
    assert fetch(issuer.name) == issuer.documents["/keys"]
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def _configure(**changed: Any) -> Callable[[dict[str, Any]], object]:
    return lambda documents: documents["/.well-known/openid-configuration"].update(changed)


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no configuration": lambda documents: documents.pop("/.well-known/openid-configuration"),
    "the configuration of another": _configure(issuer="https://issuer.example.com"),
    "keys without TLS": _configure(jwks_uri="http://127.0.0.1:1/keys"),
    "keys in a file": _configure(jwks_uri="file:///etc/passwd"),
    "no place of keys": _configure(jwks_uri=None),
    "keys that are not there": _configure(jwks_uri="https://127.0.0.1:1/keys"),
    "no keys": lambda documents: documents.update({"/keys": {"keys": "none"}}),
    "keys somewhere else": lambda documents: documents.update({"/keys": "/elsewhere", "/elsewhere": OLD}),
    "what is compressed though nobody asked": lambda documents: documents.update(
        {"/keys": gzip.compress(json.dumps(documents["/keys"]).encode())}
    ),
    "no object": lambda documents: documents.update({"/keys": []}),
    "too much": lambda documents: documents.update({"/keys": {"keys": [], "more": "x" * 2_000_000}}),
}


@needs_openssl
@pytest.mark.parametrize("how", BROKEN)
def test_what_a_provider_should_not_say_is_refused(issuer: Issuer, how: str) -> None:
    """And told to the log of whoever runs the registry."""
    BROKEN[how](issuer.documents)
    with pytest.raises(Unreachable):
        fetch(issuer.name)


@needs_openssl
def test_an_address_that_is_off_limits_is_not_asked(issuer: Issuer) -> None:
    """It may be a service that gives secrets to its machine."""
    with pytest.raises(Unreachable, match="off limits"):
        fetch(issuer.name, networks("127.0.0.0/8"))
    assert issuer.asked == []


@needs_openssl
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """Keys come from the provider or not at all."""
    with issuers.running(tmp_path) as running, pytest.raises(Unreachable, match="certificate"):
        fetch(running.name)
