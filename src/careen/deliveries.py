"""Deliveries: events on their way to webhooks, in an event loop on a thread of the worker's.

A task for each webhook takes its events in order and one at a time, so that a receiver that is slow or gone holds up itself alone.
What was taken is taken at least once: after a crash an event goes out again, with the same ``webhook-id``. Of several nodes the
oldest whose clock is right delivers, and when it stops or is not seen any more the next.
"""

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

import msgspec
import structlog

from careen import figures
from careen.clock import SECOND, system_now
from careen.ecr import events as ecr_events
from careen.ecr.events import Stamped
from careen.iam import standard_webhooks
from careen.registry import webhooks
from careen.registry.fresh import Version
from careen.registry.nodes import Company
from careen.registry.registry import Registry
from careen.registry.trouble import tell
from careen.registry.webhooks import Due, WebhookRow

if TYPE_CHECKING:
    import httpx2

LOOK_SECONDS = 0.1
"""How often it is looked whether something was committed (5 µs)."""

FIRST_WAIT = 1.0
"""Seconds after a first failure; every further one doubles them."""

LONGEST_WAIT = 3600.0

TROUBLE_SECONDS = 5.0
"""How long a webhook rests when the database refuses what has to be written down."""

SKIPPED = 1000
"""So many events that a webhook does not ask for are passed over before that is written down: a restart looks at them again."""

ANSWER_BYTES = 64 * 1024
"""How much of an answer is read, so that the connection can be used again."""

log = structlog.get_logger()


def run(registry: Registry, company: Company, stop: threading.Event, first_wait: float = FIRST_WAIT) -> None:
    """Deliver until ``stop`` is set, while it is this node's turn and its clock is right: receivers refuse what is signed too late.

    An attempt that is under way at the end is given up, and made again after the next start, or by the node whose turn it is then.
    """
    asyncio.run(_Deliveries(registry, company, first_wait).run(stop))


class _Deliveries:
    """All webhooks of a registry."""

    def __init__(self, registry: Registry, company: Company, first_wait: float) -> None:
        self._registry = registry
        self._company = company
        self._first_wait = first_wait
        self._news = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._client: httpx2.AsyncClient | None = None

    async def run(self, stop: threading.Event) -> None:
        version: Version = -1
        while not stop.is_set():
            try:
                is_ours = self._company.is_first and not self._company.is_clock_astray
                version = self._look(version) if is_ours else self._rest()
            except Exception as error:  # noqa: BLE001 they are looked at again
                tell(error, "webhooks could not be read; trying again")
                await asyncio.sleep(TROUBLE_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def _look(self, version: Version) -> Version:
        """If something was committed, wake every webhook's task, and begin those that are new."""
        now = self._registry.database.version()
        if now != version:
            self._tasks = {key: task for key, task in self._tasks.items() if not task.done()}
            for webhook_id in self._registry.read(webhooks.ids):
                if webhook_id not in self._tasks:
                    self._tasks[webhook_id] = asyncio.create_task(self._serve(webhook_id))
            self._news.set()
            self._news = asyncio.Event()
        return now

    def _rest(self) -> Version:
        """It is another node's turn. What is known now will be old when it is ours again."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        return -1

    async def _serve(self, webhook_id: int) -> None:
        """Go on with one webhook until it is gone."""
        position, is_there = 0, True
        cursor, passed = 0, 0  # as it was read last, and how many were passed over since it moved
        while is_there:
            news = self._news  # before the rows are read: what is committed after that is not missed
            try:
                due = self._registry.read(webhooks.due, webhook_id, position)
                is_there = due is not None
                if due is not None:
                    passed = due.passed + (passed if due.webhook.cursor == cursor else 0)
                    cursor = due.webhook.cursor
                    await self._step(due, position, passed, news)
                    position = due.position
            except Exception as error:  # noqa: BLE001 the disk is full, say: the others go on, and so will this one
                tell(error, "a webhook rests", webhook=webhook_id, seconds=TROUBLE_SECONDS)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _step(self, due: Due, position: int, passed: int, news: asyncio.Event) -> None:
        """Send what is due, or wait for news; or write down that so many events were passed over."""
        if due.event is not None:
            await self._deliver(due, due.event)
        elif due.position > position:
            if passed >= SKIPPED:
                await self._registry.write(webhooks.skip, due)
        else:
            await news.wait()

    async def _deliver(self, due: Due, event: Stamped) -> None:
        error = await self._attempt(due.webhook, event)
        figures.DELIVERIES.add("delivered" if error is None else "failed")
        if error is None:
            await self._registry.write(webhooks.delivered, due)
            return
        attempts = await self._registry.write(webhooks.failed, due, error)
        if attempts:
            log.info("a webhook failed", webhook=due.webhook.name, attempts=attempts, error=error)
            await self._pause(due.webhook.id, attempts)
        else:
            log.error("an event became a dead letter", webhook=due.webhook.name, error=error)

    async def _pause(self, webhook_id: int, attempts: int) -> None:
        """Wait before the next attempt, unless somebody changes the webhook, which begins anew then."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(self._first_wait * 2 ** (attempts - 1), LONGEST_WAIT)
        while loop.time() < until:
            news = self._news
            if self._registry.read(webhooks.attempts, webhook_id) != attempts:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), until - loop.time())

    async def _attempt(self, webhook: WebhookRow, event: Stamped) -> str | None:
        """Send an event. Returns what went wrong; None: the receiver took it."""
        import httpx2  # noqa: PLC0415 most registries have no webhook: they are spared the 9 MB that it takes

        from careen.upstream.off_limits import kept_by_async  # noqa: PLC0415

        registry = self._registry
        if self._client is None:
            # The system's authorities, as any other program here; no proxy, no netrc: what the settings do not say is not done.
            self._client = httpx2.AsyncClient(
                verify=ssl.create_default_context(),
                timeout=None,
                trust_env=False,
                follow_redirects=False,
                event_hooks={"request": [kept_by_async(registry.limits.off_limits)]},
            )
        body = msgspec.json.encode(ecr_events.envelope(event, account=registry.id, region=registry.region))
        headers = standard_webhooks.headers(
            webhooks.secrets(registry, webhook),
            ecr_events.event_id(event, registry.id),
            system_now() // SECOND,
            body,
        )
        try:
            async with (
                asyncio.timeout(registry.limits.webhook_timeout),
                self._client.stream(
                    "POST",
                    webhook.url,
                    content=body,
                    headers={"content-type": "application/json", "user-agent": "careen", **headers},
                ) as response,
            ):
                size = 0
                async for piece in response.aiter_raw():
                    size += len(piece)
                    if size > ANSWER_BYTES:
                        break
        except TimeoutError:
            return f"no answer within {registry.limits.webhook_timeout:g} seconds"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as failure:
            return f"{type(failure).__name__}: {failure}"[:500]
        return None if response.is_success else f"the receiver answered {response.status_code}"
