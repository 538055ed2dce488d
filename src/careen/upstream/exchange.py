"""One request and its answer: authorized, redirected, tried again, and its failure said in our five words."""

import contextlib
import functools
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import httpx2
import msgspec

from careen.upstream import challenge
from careen.upstream.address import Address
from careen.upstream.authorization import Authorization
from careen.upstream.credentials import Source
from careen.upstream.errors import Denied, Invalid, NotFound, TooManyRequests, Unavailable, UpstreamError
from careen.upstream.off_limits import Networks, kept_by, unreachable
from careen.upstream.patience import Patience, retry_after

ERROR_BYTES = 64 * 1024
"""How much of an error's body is read."""

MAX_REDIRECTS = 5

Body = bytes | Callable[[], Iterable[bytes]]
"""What is sent; a function is called whenever it is sent."""


@functools.cache
def _trust() -> ssl.SSLContext:
    """Whom to trust: what the system does, or the file that ``SSL_CERT_FILE`` names. To read it takes tens of milliseconds."""
    return httpx2.create_ssl_context()


_KINDS = {401: Denied, 403: Denied, 404: NotFound, 429: TooManyRequests}


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


class Exchange:
    """Sends requests to one registry. Threads may share it.

    Args:
        at: the registry.
        source: who we are there.
        patience: how long it is waited for.
        headers: sent with every request.
        off_limits: addresses that are not connected to, wherever it sends us.
    """

    def __init__(
        self,
        at: Address,
        source: Source,
        patience: Patience,
        headers: Mapping[str, str] | None = None,
        off_limits: Networks = (),
    ) -> None:
        timeout = httpx2.Timeout(patience.silence_timeout, connect=patience.connect_timeout)
        constant = {"User-Agent": "careen", "Accept-Encoding": "identity", **(headers or {})}
        self._http = httpx2.Client(
            base_url=at.url,
            timeout=timeout,
            headers=constant,
            verify=_trust(),
            event_hooks={"request": [kept_by(off_limits)]} if off_limits else None,
        )
        self._authorization = Authorization(self._http, source)
        self._patience = patience
        self._name = at.host

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(
        self,
        method: str,
        url: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        follow: bool = True,
    ) -> httpx2.Response:
        """:meth:`answered` for an answer whose head is enough; tried again while the registry is away or busy."""

        def asked() -> httpx2.Response:
            with self.answered(method, url, scope, headers=headers, body=body, follow=follow) as response:
                return response

        return self._patience.tried(asked)

    def read(
        self, url: str, scope: str, limit: int, *, headers: Mapping[str, str] | None = None
    ) -> tuple[httpx2.Response, bytes]:
        """GET something of at most ``limit`` bytes; tried again while the registry is away or busy.

        Raises:
            Invalid: there are more.
            UpstreamError: any other of its kinds.
        """

        def asked() -> tuple[httpx2.Response, bytes]:
            data = bytearray()
            with self.answered("GET", url, scope, headers=headers) as response:
                for piece in self.pieces(response):
                    data += piece
                    if len(data) > limit:
                        raise Invalid(f"{self._name} sends more than {limit} bytes for {response.url.path}")
            return response, bytes(data)

        return self._patience.tried(asked)

    @contextlib.contextmanager
    def answered(
        self,
        method: str,
        url: str,
        scope: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        follow: bool = True,
    ) -> Iterator[httpx2.Response]:
        """Send a request, once; the body of the answer is read within the ``with`` block.

        Args:
            method: GET, HEAD, …
            url: a path of the registry, or what it gave as a Location.
            scope: what the request does, for a token server.
            headers: more than who we are.
            body: what to send.
            follow: whether GET and HEAD go on where a redirect leads. A credential goes to the registry alone.

        Raises:
            UpstreamError: one of its five kinds; a status of 400 and more is one of them.
        """
        try:
            response = self._authorized(method, url, scope, dict(headers or {}), body, follow)
        except httpx2.HTTPError as error:
            raise unreachable(self._name, error) from None
        try:
            if response.status_code >= 400:
                raise self._refusal(response)
            yield response
        except httpx2.HTTPError as error:
            raise unreachable(self._name, error) from None
        finally:
            response.close()

    def pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        """The body of an answer as it comes, as long as it comes fast enough.

        Raises:
            Unavailable: it breaks off, or brings too little for too long.
        """
        waited, brought = 0.0, 0
        body = response.iter_raw()
        try:
            while True:
                # What the caller does between two pieces is not the registry's slowness.
                since = time.monotonic()
                piece = next(body, None)
                waited += time.monotonic() - since
                if piece is None:
                    return
                brought += len(piece)
                if waited >= self._patience.silence_timeout:
                    if brought < self._patience.slowest * waited:
                        raise Unavailable(f"{self._name} sent {brought} bytes in {waited:.0f} seconds")
                    waited, brought = 0.0, 0
                yield piece
        except httpx2.HTTPError as error:
            raise unreachable(self._name, error) from None

    def onward(self, response: httpx2.Response, location: str) -> str:
        """The address that a response leads to.

        Raises:
            Invalid: it is none.
        """
        try:
            return str(response.url.join(location))
        except httpx2.InvalidURL as error:
            raise Invalid(f"{self._name} leads to no address: {error}") from None

    def _authorized(
        self, method: str, url: str, scope: str, headers: dict[str, str], body: Body | None, follow: bool
    ) -> httpx2.Response:
        target = self._http.base_url.join(url)
        # A Location may lead elsewhere (uploads may go to another host): our credential does not go there.
        ours = target.origin == self._http.base_url.origin
        self._check_guarded(target)
        known = self._authorization.header(scope) if ours else None
        response = self._sent(method, url, headers, known, body, follow)
        if response.status_code != 401 or response.request.url.origin != self._http.base_url.origin:
            return response
        response.close()
        challenges = challenge.parse(response.headers.get_list("WWW-Authenticate"))
        answer = self._authorization.answer(challenges, scope)
        if answer == known:  # the same password again would only be counted against us
            raise Denied(f"{self._name} refused the credential", status=401)
        return self._sent(method, url, headers, answer, body, follow)

    def _sent(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        authorization: str | None,
        body: Body | None,
        follow: bool,
    ) -> httpx2.Response:
        sent = headers if authorization is None else {**headers, "Authorization": authorization}
        content = body() if callable(body) else body
        request = self._http.build_request(method, url, headers=sent, content=content)
        response = self._http.send(request, stream=True)
        hops = 0
        while follow and method in {"GET", "HEAD"} and (onward := response.next_request) is not None:
            response.close()
            hops += 1
            if hops > MAX_REDIRECTS:
                raise Invalid(f"{self._name} redirects without an end", status=response.status_code)
            self._check_guarded(onward.url)
            # httpx leaves the credential out where the next host is another.
            response = self._http.send(onward, stream=True)
        return response

    def _check_guarded(self, url: httpx2.URL) -> None:
        if self._http.base_url.scheme == "https" and url.scheme != "https":
            raise Invalid(f"{self._name} leads to {url.host} unencrypted")

    def _refusal(self, response: httpx2.Response) -> UpstreamError:
        """What a status of 400 and more means. The response is read and closed."""
        status, told = response.status_code, _told(response)
        kind = _KINDS.get(status, Unavailable if status >= 500 else Invalid)
        says = f"{self._name} answered {status}" + (f": {told.message}" if told.message else "")
        asked = retry_after(response.headers.get("Retry-After"))
        return kind(says, status=status, code=told.code, retry_after=asked)


def _told(response: httpx2.Response) -> _Error:
    """The first error of the specification's envelope, or an empty one."""
    data = b""
    try:
        for piece in response.iter_raw():
            data += piece
            if len(data) > ERROR_BYTES:
                break
        errors = msgspec.json.decode(data, type=_Errors).errors
    except (httpx2.HTTPError, msgspec.DecodeError, UnicodeDecodeError):
        errors = []
    finally:
        response.close()
    return errors[0] if errors else _Error()
