"""Answers given again, byte for byte, to the same question from the same caller.

A thousand nodes that pull one image ask the same few questions. What the answer rests on (credential, permission, tag, bytes) is
in the rows, and :mod:`careen.registry.fresh` proves that no row has changed; so the whole response can be written again without
a task, a handler or a header being made. It lives for the second in which it was made: its Date stays right, and a token ends
when its time is over.
"""

from collections.abc import Iterable
from typing import NamedTuple

from careen import figures
from careen.clock import SECOND, Instant, system_now
from careen.counting import Series
from careen.distribution.exchange import Exchange, Header
from careen.registry.fresh import Fresh
from careen.registry.pulls import Pull, PullTimes
from careen.registry.registry import Registry
from careen.traffic import REQUEST_ID, is_request_id

CONDITIONS = frozenset({b"if-none-match", b"if-range", b"range"})
"""Headers that the answer depends on besides path, query and credential."""

_MINDED = CONDITIONS | {REQUEST_ID}


class Question(NamedTuple):
    """What an answer is remembered under."""

    method: bytes
    target: bytes
    authorization: bytes | None


class Answer(NamedTuple):
    """A response as it went to the connection."""

    response: bytes
    second: int
    """The system clock's second in which it was made."""
    pull: Pull | None
    """What giving it counts as."""
    until: Instant | None
    """The registry's instant from which it may not be given; None: only what changes ends it."""
    given: Series
    """How often such answers were given again."""


class Again:
    """The answers of one worker process. Belongs to the event loop."""

    def __init__(self, registry: Registry, fresh: Fresh, pulls: PullTimes) -> None:
        self._registry = registry
        self._fresh = fresh
        self._pulls = pulls

    def keep(
        self,
        exchange: Exchange,
        response: bytes | None,
        *,
        pull: Pull | None = None,
        until: Instant | None = None,
    ) -> None:
        """Give ``response`` again when the same is asked, unless something was committed while it was made or sent.

        Args:
            exchange: asked it, without any of :data:`CONDITIONS`, and was not judged by what the next may not be.
            response: the whole of it, as :meth:`Exchange.respond` handed it back; nothing is kept of None.
            pull: what giving it counts as.
            until: the registry's instant from which it must be made anew.
        """
        if exchange.is_judged_alone or response is None or exchange.version != self._fresh.version:
            return
        if any(name in CONDITIONS for name, _ in exchange.headers):
            return
        question = Question(exchange.method.encode(), exchange.target, exchange.credential)
        # The id is the request's that was answered, not of those that will be.
        response = response.replace(b"x-request-id: %b\r\n" % exchange.served.id.encode(), b"", 1)
        given = figures.REQUESTS.series("oci", exchange.served.operation, exchange.method, "2xx", "again")
        answer = Answer(response, system_now() // SECOND, pull, until, given)
        self._fresh.keep(question, answer, len(response))

    def answer(self, method: bytes, target: bytes, headers: Iterable[Header]) -> bytes | None:
        """The response to a request that has no body and came over a connection that stays open; None: it must be made."""
        authorization = agent = request_id = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value if authorization is None else authorization
            elif name == b"user-agent":
                agent = value if agent is None else agent
            elif name in _MINDED:
                if name != REQUEST_ID:
                    return None
                request_id = value
        try:
            self._fresh.renew()
        except Exception:  # noqa: BLE001 whoever makes the answer meets it again, and can say so
            return None
        found: Answer | None = self._fresh.find(Question(method, target, authorization))
        if found is None or found.second != system_now() // SECOND:
            return None
        if found.until is not None and self._registry.clock() >= found.until:
            return None
        if found.pull is not None:
            self._pulls.record(found.pull, None if agent is None else str(agent, "latin-1"))
        found.given.values[found.given.at] += 1
        if request_id is not None and is_request_id(request_id):
            return found.response.replace(b"\r\n", b"\r\nx-request-id: %b\r\n" % request_id, 1)
        return found.response
