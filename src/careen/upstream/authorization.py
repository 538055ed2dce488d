"""Answers to challenges: the password itself, or a token that a server of tokens gives for it.

Sources: RFC 9110, section 11; the CNCF distribution documentation, "Token Authentication Specification".
"""

import base64
import threading
import time
from collections.abc import Sequence

import httpx2
import msgspec

from careen.upstream import address
from careen.upstream.challenge import Challenge
from careen.upstream.credentials import Basic, Source
from careen.upstream.errors import Denied, Invalid, TooManyRequests, Unavailable
from careen.upstream.off_limits import unreachable
from careen.upstream.patience import retry_after

EARLY = 10.0
"""Seconds before its end that a token is no longer used."""

TOKEN_BYTES = 64 * 1024
"""The largest answer of a token server that is read."""


class _Answer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    """What OAuth 2 calls it; either may be given."""
    expires_in: float = 60
    """Seconds; the specification's own default."""


class Authorization:
    """What to send as ``Authorization``, by scope: nothing until the registry has asked. Threads may share it.

    Args:
        http: sends the requests for tokens, to the token server as to the registry.
        source: who we are.
    """

    def __init__(self, http: httpx2.Client, source: Source) -> None:
        self._http = http
        self._source = source
        self._lock = threading.Lock()
        self._takes_passwords = False
        self._tokens: dict[str, tuple[str, float]] = {}
        """Of a scope: the token, and the end of its use on the monotonic clock."""

    def header(self, scope: str) -> str | None:
        """What is known to be taken for a scope, or None: then ask without."""
        if self._takes_passwords:
            credential = self._source()
            return credential and _basic(credential)
        with self._lock:
            token, until = self._tokens.get(scope, ("", 0.0))
        return f"Bearer {token}" if time.monotonic() < until else None

    def answer(self, challenges: Sequence[Challenge], scope: str) -> str:
        """Answer the challenges of a 401.

        Args:
            challenges: what the registry takes; a token is preferred, as it is worth less to who steals it.
            scope: what is to be done, as ``repository:team/app:pull``.

        Raises:
            Denied: there is no credential, it is refused, or the registry asks for something that we do not speak.
            Unavailable, TooManyRequests: the token server is away or busy.
            Invalid: the token server is not to be trusted with a password, or answered no token.
        """
        by_scheme = {challenge.scheme: challenge.parameters for challenge in challenges}
        credential = self._source()
        if "bearer" in by_scheme:
            token, seconds = self._token(by_scheme["bearer"], scope, credential)
            with self._lock:
                self._tokens[scope] = (token, time.monotonic() + max(seconds - EARLY, 0))
            return f"Bearer {token}"
        if "basic" in by_scheme:
            if credential is None:
                raise Denied(
                    "the registry asks for a user name and a password, and there are none", status=401
                )
            self._takes_passwords = True
            return _basic(credential)
        raise Denied("the registry refused the request and asks for no credential that we have", status=401)

    def _token(self, parameters: dict[str, str], scope: str, credential: Basic | None) -> tuple[str, float]:
        realm = parameters.get("realm", "")
        _check_realm(realm, str(self._http.base_url))
        # What the registry asks for goes first: behind some names a repository has another name than it is called by.
        query = {}
        if asked := parameters.get("scope") or scope:
            query["scope"] = asked
        if service := parameters.get("service"):
            query["service"] = service
        headers = {} if credential is None else {"Authorization": _basic(credential)}
        try:
            with self._http.stream("GET", realm, params=query, headers=headers) as response:
                return _read_token(response)
        except httpx2.HTTPError as error:
            raise unreachable(f"the token server {realm}", error) from None


def _check_realm(realm: str, registry: str) -> None:
    """A password goes to the server that the registry names, as everywhere; but not unencrypted where the registry is not."""
    try:
        parts = httpx2.URL(realm)
    except httpx2.InvalidURL:
        parts = httpx2.URL()
    if parts.scheme not in {"https", "http"} or not parts.host:
        raise Invalid(f"the registry names no token server: realm is '{realm}'", status=401)
    plain = parts.scheme == "http" and not address.is_loopback(parts.host)
    if plain and registry.startswith("https://"):
        raise Invalid(f"the registry wants the password sent to '{realm}' unencrypted", status=401)


def _read_token(response: httpx2.Response) -> tuple[str, float]:
    status = response.status_code
    if status != 200:
        kind = TooManyRequests if status == 429 else Unavailable if status >= 500 else Denied
        says = f"the token server {response.url.host} answered {status}"
        raise kind(says, status=status, retry_after=retry_after(response.headers.get("Retry-After")))
    data = b""
    for piece in response.iter_raw():
        data += piece
        if len(data) > TOKEN_BYTES:
            raise Invalid(f"the token server {response.url.host} answered more than a token")
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid(f"the token server {response.url.host} answered no token") from None
    token = answer.token or answer.access_token
    if not token or not token.isascii() or not token.isprintable():
        raise Invalid(f"the token server {response.url.host} answered no token")
    return token, answer.expires_in


def _basic(credential: Basic) -> str:
    return f"Basic {base64.b64encode(f'{credential.username}:{credential.password}'.encode()).decode()}"
