"""The HTTP side of one process: every surface of a registry as one ASGI application. Read this first.

What is done before is in ``careen.startup``; what runs it, in which processes, in ``careen.processes``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from careen import tracing
from careen.distribution.again import Again
from careen.distribution.allowance import Allowance
from careen.distribution.app import DistributionApp
from careen.distribution.surface import Surface
from careen.draining import Draining
from careen.ecrapi.app import EcrApiApp
from careen.feed import Feed
from careen.health import Health
from careen.issuers import Issuers, fetch
from careen.metrics import MetricsApp
from careen.protocol import no_answer_again
from careen.pull_through.importer import Importer
from careen.pull_through.secrets import Secrets
from careen.registry import readiness
from careen.registry.fresh import Fresh
from careen.registry.nodes import NOTE_SECONDS, Company
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry
from careen.registry.trouble import tell
from careen.settings import Settings
from careen.startup import Start, open_registry
from careen.traffic import Traffic

_PROBES = frozenset({"/healthz", "/readyz"})
"""Whoever asks for these wants to know how it is now."""


class Application:
    """The ASGI application: ``/v2``, ``/events`` and ``/console`` have their own, everything else goes to the small router."""

    def __init__(
        self,
        registry: Registry,
        upstream_secrets: Secrets,
        draining: Draining,
        traffic: Traffic,
        *,
        metrics_open: bool = False,
    ) -> None:
        self._registry = registry
        self._traffic = traffic
        self._company = Company(registry)
        self._health = Health(readiness.needs(registry, self._company), draining)
        self._pulls = PullTimes(registry)
        fresh = Fresh(registry.database)
        again = Again(registry, fresh, self._pulls)
        self._importer = Importer(registry, upstream_secrets)
        self.answer_again = no_answer_again if traffic.has_access_log or tracing.is_on() else again.answer
        """For a protocol that can write a whole response at once; see ``careen.protocol``. None is logged or traced."""
        self._allowance = Allowance(registry.limits.anonymous_rate, registry.limits.anonymous_burst)
        surface = Surface(registry, fresh, self._pulls, again, self._importer, self._allowance)
        self._distribution = DistributionApp(surface)
        self.feed = Feed(registry, fresh)
        issuers = Issuers(partial(fetch, off_limits=registry.limits.off_limits))
        ecr_api = EcrApiApp(registry, self._pulls, self._importer, issuers)
        self._issuers = issuers
        self._console: Starlette | None = None
        self._router = Starlette(
            lifespan=self._lifespan,
            routes=[
                Route("/", ecr_api.answer, methods=["POST"]),
                Route("/", _welcome, methods=["GET"]),
                Route("/healthz", self._health.alive, methods=["GET"]),
                Route("/readyz", self._health.ready, methods=["GET"]),
                Route("/metrics", MetricsApp(registry, is_open=metrics_open).answer, methods=["GET"]),
            ],
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in _PROBES and self._registry.database.is_away():
            await self._registry.reachable()
        if scope["type"] != "http":
            await self._router(scope, receive, send)
        elif scope["path"].startswith("/v2"):
            await self._traffic.serve("oci", self._distribution, scope, receive, send)
        elif scope["path"] == "/events":
            await self._traffic.serve("events", self.feed, scope, receive, send)
        elif scope["path"].startswith("/console"):
            await self._traffic.serve("console", self._opened_console(), scope, receive, send)
        else:
            await self._traffic.serve("other", self._router, scope, receive, send)

    def _opened_console(self) -> Starlette:
        """The console. Most processes are never asked for it, and templates take ten megabytes."""
        if self._console is None:
            from careen.console.app import Console  # noqa: PLC0415
            from careen.console.visit import House  # noqa: PLC0415

            house = House(self._registry, self._pulls, self._importer, self._issuers, self._allowance)
            self._console = Starlette(routes=Console(house).routes())
        return self._console

    def break_off(self) -> None:
        """End what waits for other registries: the time that requests have at the end is over."""
        self._importer.break_off()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        flushing = asyncio.create_task(self._pulls.run())
        looking = asyncio.create_task(self._look_around())
        yield
        looking.cancel()
        await self._importer.close()
        self._health.close()
        flushing.cancel()
        await flushing
        self._registry.close()
        await asyncio.to_thread(tracing.end)

    async def _look_around(self) -> None:
        """See again and again how many processes there are to share what an address may ask, and what our clock is worth."""
        while True:
            try:
                await self._registry.in_thread(self._company.look)
            except Exception as error:  # noqa: BLE001 it is told
                tell(error, "the other nodes could not be looked at; trying again")
            self._allowance.share(self._company.processes)
            await asyncio.sleep(NOTE_SECONDS)


async def _welcome(request: Request) -> Response:
    """What somebody finds who asks for the address itself: in a browser the console, else what is where."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/console/")
    return JSONResponse(
        {
            "name": "careen",
            "registry": f"{request.url.netloc}",
            "health": "/healthz",
            "ready": "/readyz",
            "metrics": "/metrics",
            "api": "/v2/",
            "console": "/console/",
        }
    )


def application(settings: Settings, start: Start, draining: Draining) -> Application:
    """One HTTP worker process's application.

    Args:
        settings: how.
        start: what it has in common with the other processes of the node.
        draining: whether the node is about to stop.
    """
    secrets_of_upstreams = _upstream_secrets(settings)
    registry = open_registry(settings, start=start)
    return Application(
        registry,
        secrets_of_upstreams,
        draining,
        Traffic(registry, slow=settings.slow_request, has_access_log=settings.access_log),
        metrics_open=settings.metrics_open,
    )


def _upstream_secrets(settings: Settings) -> Secrets:
    folder = Path(settings.secrets) if settings.secrets else Path(settings.data) / "secrets"
    return Secrets(folder, settings.upstream_credentials)
