"""``GET /healthz`` and ``GET /readyz``: whether this process is alive, and whether requests should be sent to it.

They are for two who ask. A supervisor asks whether the process answers at all, and starts it anew if not: nothing that a restart
would not mend may count there. A load balancer asks whether the node can serve now, and sends requests elsewhere if not.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from careen.draining import Draining

FRESH_SECONDS = 1.0
"""How long an answer holds: however many probes ask, each need is asked once in that time."""

PATIENCE_SECONDS = 3.0
"""What has not answered after so long is taken for away. The probes' own time-outs should be longer."""

MAX_ASKING = 4
"""How many questions of a kind may be open: a server that hung is asked anew, or its first question would hide that it is back."""

_HEADERS = {"cache-control": "no-store"}

log = structlog.get_logger()


class Health:
    """The two endpoints of one HTTP process. Belongs to the event loop.

    Args:
        needs: what must answer before the node can serve, by name. To ask blocks, and raises whatever is wrong.
        draining: whether the node is about to stop.
    """

    def __init__(self, needs: Mapping[str, Callable[[], object]], draining: Draining) -> None:
        self._threads = ThreadPoolExecutor(len(needs) * MAX_ASKING, "careen-health")
        self._needs = {name: _Need(name, ask, self._threads) for name, ask in needs.items()}
        self._draining = draining

    async def alive(self, _: Request) -> Response:
        """200 as long as this process answers, whatever else is wrong."""
        return JSONResponse({"status": "ok"}, headers=_HEADERS)

    async def ready(self, _: Request) -> Response:
        """200 if the node can serve; 503 with what does not answer, or because the node is about to stop."""
        if self._draining:
            return JSONResponse({"status": "draining"}, 503, _HEADERS)
        answers = await asyncio.gather(*(need.answers() for need in self._needs.values()))
        parts = {name: "ok" if each else "no answer" for name, each in zip(self._needs, answers, strict=True)}
        if all(answers):
            return JSONResponse({"status": "ready", **parts}, headers=_HEADERS)
        return JSONResponse({"status": "not ready", **parts}, 503, _HEADERS)

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Need:
    """One thing that must answer. What it answered holds for a second, and while it is silent it is asked now and then."""

    def __init__(self, name: str, ask: Callable[[], object], threads: ThreadPoolExecutor) -> None:
        self._name = name
        self._ask = ask
        self._threads = threads
        self._asking: asyncio.Future[Exception | None] | None = None
        """The last question, and since when by the monotonic clock."""
        self._began = 0.0
        self._open = 0
        """Questions without an answer."""
        self._answered = True
        """As the log has it."""

    async def answers(self) -> bool:
        """Whether it does, or did within the last second."""
        asking = self._question()
        await asyncio.wait([asking], timeout=max(0.0, self._began + PATIENCE_SECONDS - time.monotonic()))
        failure = asking.result() if asking.done() else TimeoutError(f"silent for {PATIENCE_SECONDS:.0f} s")
        answered = failure is None
        if answered != self._answered:
            self._answered = answered
            if answered:
                log.info("answers again; this node is ready as far as that goes", need=self._name)
            else:
                log.warning("does not answer; this node is not ready", need=self._name, error=str(failure))
        return answered

    def _question(self) -> "asyncio.Future[Exception | None]":
        """The last one while it is good for something, else another."""
        now, last = time.monotonic(), self._asking
        if last is not None:
            age = now - self._began
            if age < (FRESH_SECONDS if last.done() else PATIENCE_SECONDS) or self._open >= MAX_ASKING:
                return last
        self._open += 1
        self._began = now
        self._asking = asyncio.get_running_loop().run_in_executor(self._threads, self._failure)
        self._asking.add_done_callback(self._close)
        return self._asking

    def _close(self, _: object) -> None:
        self._open -= 1

    def _failure(self) -> Exception | None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 whatever it is, it is why the node cannot serve
            return error
        return None
