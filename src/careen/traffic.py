"""Every request as operators see it: what was asked, by whom, how it ended and how long it took. For figures and for the log.

A request has one :class:`Served`, in its scope. The surface that answers says what it learns (operation, principal, why it
refuses); :class:`Traffic` counts at the end. Its id is the client's ``X-Request-Id``, or made here; it is in the answer, in every
line that the log has about the request, and in the audit log.

Time is taken from the head of the request to the head of the answer, and what we waited for the client's body is left out: a slow
link is not a slow registry.
"""

import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from careen import figures, tracing
from careen.circumstances import circumstances_of
from careen.counting import Bars, Series
from careen.direct import EXTENSION, Direct
from careen.registry.callers import Principal
from careen.registry.registry import Registry

if TYPE_CHECKING:
    from opentelemetry.trace import Span

KEY = "careen.served"
"""Where a scope has its :class:`Served`."""

REQUEST_ID = b"x-request-id"
"""What nginx, Envoy and Kubernetes' ingresses send, each with its own idea of a value."""

_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

PATHS = {
    "/": "welcome",
    "/healthz": "healthz",
    "/readyz": "readyz",
    "/metrics": "metrics",
    "/events": "events",
}
"""Paths that are one operation each."""

UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What machines ask for every few seconds: its spans would hide the others."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})

_ATTRIBUTES = {
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "address": "client.address",
    "user_agent": "user_agent.original",
    "principal": "enduser.id",
}
"""What OpenTelemetry's semantic conventions call it."""

_NONE: Mapping[str, Any] = {}

_numbers = itertools.count(1)
_process = ""

log = structlog.get_logger()


def _new_id() -> str:
    """An id that no other request has, in the shape of the service's (a UUID); random is only its part for the process."""
    global _process  # noqa: PLW0603 made once in every process, after the fork
    if not _process:
        drawn = secrets.token_hex(10)
        _process = f"{drawn[:8]}-{drawn[8:12]}-4{drawn[12:15]}-a{drawn[15:18]}-"
    return f"{_process}{next(_numbers):012x}"


class Served:
    """One request. What is empty is not known, or was not needed."""

    operation = ""
    """An operation of an API, or the kind of a path; never a name."""
    principal: Principal | None = None
    refusal = ""
    """Why it was refused, if for who asked or how often: a value of the label ``reason``."""
    status = 0
    answered = 0.0
    """When the head of the answer was sent, by ``time.perf_counter``."""

    _id = ""

    def __init__(self, surface: str, scope: Any, send: Any) -> None:
        self.surface = surface
        self.began = time.perf_counter()
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._send = send
        self.direct: Direct | None = scope.get("extensions", _NONE).get(EXTENSION)
        """The connection; None: it is ASGI's alone."""
        self._is_head = scope["method"] == "HEAD"
        self._head: Any = None
        self._length: int | None = None

    @property
    def id(self) -> str:
        """The client's, if it is one that a log can take; else a new one."""
        if not self._id:
            sent = [value for name, value in self._headers if name == REQUEST_ID]
            self._id = str(sent[0], "ascii") if sent and is_request_id(sent[0]) else _new_id()
        return self._id

    async def send(self, message: Any) -> None:
        """ASGI's. A head that tells its length waits for the body, and if that comes whole, both go out in one write.

        uvicorn writes the two apart. A process that dies between them would leave a head without its body, and botocore
        takes what there is for the answer: a refusal without a code, or a success that says nothing.

        Raises:
            ValueError: the body has another length than its head says, and somebody waits for it; nothing is written then.
        """
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (REQUEST_ID, self.id.encode())]}
            self._length = _length(message["headers"])
            if self.direct is not None and self._length is not None:
                self._head = message
            else:
                await self._send_head(message)
            return
        head, self._head = self._head, None
        if head is not None:
            if self.direct is not None and not message.get("more_body", False):
                await self._send_whole(self.direct, head, message.get("body", b""))
                return
            await self._send_head(head)
        figures.SENT.series().add(len(message.get("body", b"")))
        await self._send(message)

    async def _send_head(self, head: Any) -> None:
        self.status, self.answered = head["status"], time.perf_counter()
        await self._send(head)

    async def _send_whole(self, direct: Direct, head: Any, body: bytes) -> None:
        if self._is_head:
            body = b""
        elif len(body) != self._length and not direct.is_gone:  # for nobody any body will do
            raise ValueError(f"a body of {len(body)} bytes for a head that says {self._length}")
        await direct.respond(head["status"], head["headers"], bytes(body))

    @property
    def is_held(self) -> bool:
        """Whether the head of an answer waits for a body. In the end that is one that never came, and nothing was sent."""
        return self._head is not None


def _length(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """What a head says of its body's bytes."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


def served(scope: Any) -> Served:
    """What is noted of the request that has this scope; also of one that nobody counts."""
    found = scope.get(KEY)
    if found is None:
        found = scope[KEY] = Served("other", scope, None)
    noted: Served = found
    return noted


class Traffic:
    """What is told of the requests of one process. Belongs to the event loop.

    Args:
        registry: says which web servers are believed about addresses.
        slow: seconds from which on a request is told of as slow; 0: none is.
        has_access_log: whether each is a line of the log.
    """

    def __init__(self, registry: Registry, *, slow: float, has_access_log: bool) -> None:
        self._registry = registry
        self._slow = slow or float("inf")
        self.has_access_log = has_access_log
        self._series: dict[tuple[str, str, str, int], tuple[Series, Bars]] = {}
        """The figures of requests that are alike, to be found in one step: this is done for each."""

    async def serve(
        self,
        surface: str,
        answer: Callable[[Any, Any, Any], Awaitable[None]],
        scope: Any,
        receive: Any,
        send: Any,
    ) -> None:
        """Let a request be answered, and count it.

        Args:
            surface: whose it is, as far as its path tells.
            answer: answers it.
            scope: ASGI's.
            receive: ASGI's.
            send: ASGI's.
        """
        found = scope[KEY] = Served(surface, scope, send)
        is_traced = scope["path"] not in UNTRACED
        span = tracing.begin_request(scope["method"], scope["headers"]) if is_traced else None
        try:
            await answer(scope, receive, found.send)
            if found.is_held:
                found.status = 500  # as for an exception
        except Exception:
            found.status = found.status or 500  # uvicorn says so
            raise
        finally:
            self._end(found, scope)
            # One that was not drawn has nobody who would read what we know.
            if span is not None and span.is_recording():
                self._tell(span, found, scope)
            # What leads from the scope to the request and back again: else all of it waits for the garbage collector.
            del scope[KEY]
            scope.pop("extensions", None)

    def _end(self, found: Served, scope: Any) -> None:
        """It was answered, or its client went away before (status 0)."""
        answered, waited = found.answered, 0.0
        if (direct := found.direct) is not None:
            waited = direct.waited
            if direct.status:
                found.status, answered = direct.status, direct.answered
        key = found.surface, found.operation, scope["method"], found.status
        series = self._series.get(key) or self._series_of(key, scope["path"])
        seconds = max((answered or time.perf_counter()) - found.began - waited, 0.0)
        series[0].add()
        series[1].observe(seconds)
        if found.refusal:
            figures.REFUSALS.add(found.surface, found.refusal)
        if self.has_access_log:
            whole = time.perf_counter() - found.began
            log.info("request", seconds=round(whole, 6), **self._told(found, scope))
        if seconds >= self._slow:
            log.warning("slow request", seconds=round(seconds, 3), **self._told(found, scope))

    def _tell(self, span: "Span", found: Served, scope: Any) -> None:
        """End the span of a request, with what a line of the log would have."""
        told = self._told(found, scope)
        attributes = {_ATTRIBUTES.get(name, f"careen.{name}"): value for name, value in told.items()}
        tracing.end_request(span, f"{told['method']} {told['operation']}", attributes, found.status)

    def _series_of(self, key: tuple[str, str, str, int], path: str) -> tuple[Series, Bars]:
        surface, operation, method, status = key
        known = operation or PATHS.get(path, "other")
        group = f"{status // 100}xx" if status else "gone"
        word = method if method in METHODS else "other"
        series = (
            figures.REQUESTS.series(surface, known, word, group, "made"),
            figures.REQUEST_SECONDS.series(surface, known),
        )
        if operation and word != "other":  # else clients could make up as many keys as they like
            self._series[key] = series
        return series

    def _told(self, found: Served, scope: Any) -> dict[str, object]:
        """What a line of the log has. No query: it may have secrets, such as the link that signs somebody in."""
        asked = circumstances_of(self._registry, scope, {})
        return {
            "method": scope["method"],
            "path": scope["path"],
            "status": found.status,
            "surface": found.surface,
            "operation": found.operation or PATHS.get(scope["path"], "other"),
            "principal": None if found.principal is None else found.principal.arn,
            "address": asked.source_ip,
            "user_agent": asked.user_agent,
            "request_id": found.id,
        }


def is_request_id(value: bytes) -> bool:
    """Whether a client's id is one that a header and a log can take."""
    return _ID.fullmatch(value) is not None
