"""``GET /events``: the log of events as it grows, as server-sent events (WHATWG HTML, section 9.2).

==================  ==========================================================================================
request             meaning
==================  ==========================================================================================
``Last-Event-ID``   go on behind this event; browsers' EventSource sends it by itself
``after=NUMBER``    the same, for the first request; without either the feed begins with what happens next
``repository=…``    only events of repositories whose names match; ``*`` for anything
``detail-type=…``   only these kinds; may be given several times
``action=…``        only these actions; may be given several times
==================  ==========================================================================================

A process reads the rows only when something was committed, and writes none. A feed whose reader's key or permission is gone ends.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import structlog

from careen.circumstances import circumstances_of
from careen.distribution import auth
from careen.distribution.exchange import ClientGone, Exchange, json_header
from careen.distribution.trail import Trail
from careen.ecr import events as ecr_events
from careen.ecr.arn import RepositoryArn
from careen.ecr.errors import EcrError
from careen.ecr.events import Stamped
from careen.iam.actions import Action
from careen.oci.errors import OciError
from careen.registry import access, events
from careen.registry.events import Filter
from careen.registry.fresh import Fresh, Version
from careen.registry.registry import Registry

MAX_FEEDS = 100
"""Of one process; one more is answered 503."""

LOOK_SECONDS = 0.2
"""How often it is looked whether something was committed (5 µs)."""

HEARTBEAT_SECONDS = 15.0
"""After so much silence a comment tells the reader, and whatever is in between, that the feed is alive."""

AT_ONCE = 100
"""Events that are read and written at once."""

log = structlog.get_logger()


class Feed:
    """The feeds of one HTTP process. Belongs to the event loop."""

    def __init__(self, registry: Registry, fresh: Fresh) -> None:
        self._registry = registry
        self._fresh = fresh
        self._is_ending = False
        self.open = 0
        """How many are being read."""

    def end(self) -> None:
        """Let every feed come to its end: the process stops."""
        self._is_ending = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        trail = Trail(self._registry, exchange, "careen", "events")
        try:
            await self._answer(exchange, trail)
        except ClientGone:
            pass
        except auth.Unauthenticated:
            await auth.challenge(self._registry, exchange)
        except (OciError, EcrError) as error:
            exchange.served.refusal = auth.refused_for(error)
            refusal = error if isinstance(error, OciError) else OciError("DENIED", error.message)
            await _refuse(exchange, refusal, trail)

    async def _answer(self, exchange: Exchange, trail: Trail) -> None:
        if exchange.method != "GET":
            raise OciError("UNSUPPORTED", "events are to be read by GET", status=405)
        wanted = Filter(
            exchange.query.get("detail-type", []),
            exchange.query.get("action", []),
            exchange.parameter("repository") or "",
        )
        after = _number(exchange.header(b"last-event-id") or exchange.parameter("after"))
        self._authorize(exchange, wanted, trail)
        if self.open >= MAX_FEEDS or self._is_ending:
            message = "this registry has as many feeds as it takes; try again"
            raise OciError("UNSUPPORTED", message, status=503, headers=[(b"retry-after", b"1")])
        self.open += 1
        try:
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),  # an nginx in front hands on what it gets
            ]
            await exchange.respond_stream(200, headers, self._read(exchange, wanted, trail, after))
        finally:
            self.open -= 1

    def _authorize(self, exchange: Exchange, wanted: Filter, trail: Trail) -> None:
        """Let the reader read, or raise; the trail hears who it is. Asked again after every change, and at every heartbeat."""
        self._fresh.renew()
        principal = auth.authenticate(self._registry, self._fresh, exchange)
        trail.principal = exchange.served.principal = principal
        name, registry = wanted.repositories, self._registry
        is_one = name and "*" not in name
        registry.read(
            access.require,
            principal,
            Action.LIST_EVENTS,
            str(RepositoryArn(registry.region, registry.id, name)) if is_one else "*",
            circumstances_of(registry, exchange.scope, {}),
        )

    async def _read(
        self, exchange: Exchange, wanted: Filter, trail: Trail, after: int | None
    ) -> AsyncGenerator[bytes, None]:
        """What the reader is sent, piece by piece; an empty piece: nothing for now."""
        registry, loop = self._registry, asyncio.get_running_loop()
        latest, pruned = registry.read(events.latest), registry.read(events.pruned)
        position = latest if after is None else min(after, latest)
        yield b"retry: 1000\n\n"
        if after is not None and after < pruned:
            yield b": some events after %d are not kept any more\n\n" % after
        version: Version = -1
        told, is_behind = loop.time(), False
        while not self._is_ending:
            now = registry.database.version()
            is_silent = loop.time() - told >= HEARTBEAT_SECONDS
            if now != version or is_silent:
                if not self._may_go_on(exchange, wanted, trail):
                    return
                found = registry.read(events.following, position, AT_ONCE)
                is_behind = len(found) == AT_ONCE
                version = -1 if is_behind else now
                position = found[-1].sequence if found else position
                text = b"".join(self._text(each) for each in found if wanted.selects(each.event))
                if text or is_silent:
                    told = loop.time()
                    yield text or b":\n\n"
                    continue
            yield b""
            await asyncio.sleep(0 if is_behind else LOOK_SECONDS)

    def _may_go_on(self, exchange: Exchange, wanted: Filter, trail: Trail) -> bool:
        try:
            self._authorize(exchange, wanted, trail)
        except (auth.Unauthenticated, OciError, EcrError):
            return False
        return True

    def _text(self, stamped: Stamped) -> bytes:
        envelope = ecr_events.envelope(stamped, account=self._registry.id, region=self._registry.region)
        return b"id: %d\ndata: %b\n\n" % (stamped.sequence, msgspec.json.encode(envelope))


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise OciError("UNSUPPORTED", f"'{text}' is not the id of an event", status=400)
    return int(text)


async def _refuse(exchange: Exchange, refusal: OciError, trail: Trail) -> None:
    trail.refusal = refusal
    text = msgspec.json.encode({"message": refusal.message})
    await exchange.respond(refusal.status, [json_header(), *refusal.headers], text)
