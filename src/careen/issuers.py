"""The public keys of OpenID Connect providers, asked for where providers publish them, and remembered for a while.

``https://<issuer>/.well-known/openid-configuration`` names the address of the keys (OpenID Connect Discovery 1.0, section 4).
Who asks us has proved nothing yet, so no provider is asked more than once a minute: a token with a key that nobody knows
costs a look at what is remembered.
"""

import asyncio
import json
import math
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

    from careen.upstream.off_limits import Networks

TIMEOUT = 5.0
"""Seconds that a provider may be silent."""

MAX_BYTES = 1024 * 1024
"""The most that an answer may have."""

KEPT = 3600.0
"""Seconds for which keys are believed: then the provider may have withdrawn one."""

PAUSE = 60.0
"""Seconds between two questions, whether the first was answered or not."""

KeySet = dict[str, Any]
"""A JSON Web Key Set (RFC 7517, section 5), not looked into."""


class Unreachable(Exception):
    """The provider's keys could not be had. The message says why."""


def fetch(issuer: str, off_limits: "Networks" = ()) -> KeySet:
    """Ask a provider for its keys. Blocks for some seconds at most as long as the provider says something.

    Args:
        issuer: its URL without ``https://``.
        off_limits: addresses that are not connected to, wherever the provider says that its keys are.

    Raises:
        Unreachable: it does not answer, or not with keys.
    """
    import httpx2  # noqa: PLC0415 most registries have no provider: they are spared the 9 MB that it takes

    from careen.upstream.off_limits import kept_by  # noqa: PLC0415

    # Redirects are not followed: keys are where the provider says, and come from there.
    with httpx2.Client(
        timeout=TIMEOUT,
        verify=ssl.create_default_context(),
        headers={"Accept-Encoding": "identity"},
        event_hooks={"request": [kept_by(off_limits)]},
    ) as client:
        configuration = _get(client, f"https://{issuer.rstrip('/')}/.well-known/openid-configuration")
        if configuration.get("issuer") != f"https://{issuer}":
            raise Unreachable(f"https://{issuer} says that it is {configuration.get('issuer')}")
        keys = _get(client, str(configuration.get("jwks_uri")))
    if not is_key_set(keys):
        raise Unreachable(f"{configuration['jwks_uri']} has no keys")
    return keys


def is_key_set(value: Any) -> bool:
    """Whether JSON has the form of a key set."""
    keys = value.get("keys") if isinstance(value, dict) else None
    return isinstance(keys, list) and all(isinstance(key, dict) for key in keys)


def _get(client: "httpx2.Client", url: str) -> dict[str, Any]:
    import httpx2  # noqa: PLC0415 as above

    if not url.startswith("https://"):
        raise Unreachable(f"{url} is not https")
    text = bytearray()
    try:
        with client.stream("GET", url) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise Unreachable(f"{url} answers {answer.status_code}")
            for part in answer.iter_raw():  # what is compressed all the same may be of any size
                text += part
                if len(text) > MAX_BYTES:
                    raise Unreachable(f"{url} has more than {MAX_BYTES} bytes")
        found = json.loads(text)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as error:
        raise Unreachable(f"{url}: {str(error) or type(error).__name__}") from None
    if not isinstance(found, dict):
        raise Unreachable(f"{url} is no JSON object")
    return found


@dataclass(slots=True)
class _Remembered:
    keys: KeySet | None = None
    had_at: float = 0.0
    asked_at: float = -math.inf
    why_not: str = ""
    """What went wrong when it was asked last."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Issuers:
    """A memory of keys; belongs to the event loop.

    Args:
        ask: asks a provider, and may block.
        clock: seconds that only grow.
    """

    def __init__(
        self, ask: Callable[[str], KeySet] = fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._remembered: dict[str, _Remembered] = {}

    async def keys(self, issuer: str, *, anew: bool = False) -> KeySet:
        """A provider's keys.

        Args:
            issuer: its URL without ``https://``; of one that is registered, so that strangers fill no memory.
            anew: ask again, unless that was a moment ago: the keys remembered are not enough.

        Raises:
            Unreachable: they could not be had, now or a moment ago.
        """
        known = self._remembered.setdefault(issuer, _Remembered())
        async with known.asking:
            now = self._clock()
            if (anew or not self._believes(known)) and now - known.asked_at >= PAUSE:
                known.asked_at, known.why_not = now, ""
                try:
                    known.keys = await asyncio.to_thread(self._ask, issuer)
                    known.had_at = now
                except Unreachable as error:
                    known.why_not = str(error)
            if known.keys is None or not self._believes(known):
                raise Unreachable(known.why_not)
            return known.keys

    def _believes(self, known: _Remembered) -> bool:
        return known.keys is not None and self._clock() - known.had_at < KEPT
