"""Alive, and ready: what a supervisor and a load balancer are told."""

import asyncio
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from careen import health
from careen.draining import Draining
from careen.health import Health
from tests.distribution.client import Answer, Client
from tests.postgres import needs_postgres
from tests.postgres import running as run_postgres
from tests.server import Server
from tests.waiting import PATIENCE, found


def await_answer(client: Client, path: str, status: int) -> Answer:
    """Ask until the answer has that status: what was found out holds for a second."""

    def answer() -> Answer | None:
        got = client.send("GET", path)
        return got if got.status == status else None

    return found(answer, f"{path} never answers {status}")


@pytest.mark.disk
def test_a_node_is_ready_only_with_its_blobs(make_server: Callable[..., Server]) -> None:
    """Without their folder it is alive and not ready, and says what is missing; a probe needs no credential."""
    server = make_server()
    client = Client(server, "", "")
    ready = await_answer(client, "/readyz", 200)
    assert ready.json() == {"status": "ready", "database": "ok", "blobs": "ok", "clock": "ok"}
    assert ready.headers["cache-control"] == "no-store"
    aside = server.data / "aside"
    (server.data / "blobs").rename(aside)
    got = await_answer(client, "/readyz", 503)
    assert got.json() == {"status": "not ready", "database": "ok", "blobs": "no answer", "clock": "ok"}
    alive = client.send("GET", "/healthz")
    assert (alive.status, alive.json()) == (200, {"status": "ok"})
    aside.rename(server.data / "blobs")
    assert await_answer(client, "/readyz", 200).json() == ready.json()
    told = [line for line in server.log.read_text().splitlines() if "does not answer" in line]
    assert len(told) == 1  # once, however often it was asked
    assert "blobs" in told[0]


@needs_postgres
def test_a_node_is_ready_only_with_its_database(make_server: Callable[..., Server]) -> None:
    """While PostgreSQL is away the node lives, says what it lacks, and is ready again without a restart."""
    with run_postgres() as postgres:
        client = Client(make_server(database=postgres.database()), "", "")
        await_answer(client, "/readyz", 200)
        postgres.stop(signal.SIGQUIT)
        got = await_answer(client, "/readyz", 503)
        assert got.json() == {"status": "not ready", "database": "no answer", "blobs": "ok", "clock": "ok"}
        assert client.send("GET", "/healthz").status == 200
        postgres.start()
        await_answer(client, "/readyz", 200)


def ask(needs: Mapping[str, Callable[[], object]], times: int) -> list[tuple[int, Any]]:
    """Statuses and documents of so many probes at the same time."""

    async def probes() -> list[tuple[int, Any]]:
        asked = Health(needs, Draining())
        request = Request({"type": "http"})
        answers = await asyncio.gather(*(asked.ready(request) for _ in range(times)))
        asked.close()
        return [(each.status_code, msgspec.json.decode(each.body)) for each in answers]

    return asyncio.run(probes())


def test_a_storm_of_probes_asks_once() -> None:
    """A thousand probes cost the database one question."""
    asked: list[None] = []
    answers = ask({"database": lambda: asked.append(None)}, 1000)
    assert answers == [(200, {"status": "ready", "database": "ok"})] * 1000
    assert len(asked) == 1


def test_a_need_that_is_silent_is_away_and_does_not_collect_questions() -> None:
    """Nobody waits for it beyond the patience, and it is asked once; the others are told as they are."""
    silence = threading.Event()
    asked: list[None] = []

    def hang() -> None:
        asked.append(None)
        silence.wait(PATIENCE)

    try:
        answers = ask({"database": lambda: None, "blobs": hang}, 100)
    finally:
        silence.set()  # so that the thread ends
    assert answers == [(503, {"status": "not ready", "database": "ok", "blobs": "no answer"})] * 100
    assert len(asked) == 1


def test_a_need_that_was_silent_and_is_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the first questions still hang; and however long it is silent, only a few of them do."""
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)
    hanging, asked, answered, is_back = threading.Event(), 0, 0, False

    def answer() -> None:
        nonlocal asked
        asked += 1
        if not is_back:
            hanging.wait(PATIENCE)

    async def probes() -> list[int]:
        nonlocal is_back, answered
        probed, request = Health({"blobs": answer}, Draining()), Request({"type": "http"})
        statuses = [(await probed.ready(request)).status_code for _ in range(2)]
        is_back = True
        async with asyncio.timeout(PATIENCE):  # a thread may need longer than the patience to say so
            while (await probed.ready(request)).status_code != 200:
                pass
        is_back, answered = False, asked
        monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
        for _ in range(20):
            await probed.ready(request)
        hanging.set()
        probed.close()
        return statuses

    assert asyncio.run(probes()) == [503, 503]
    assert asked <= answered + health.MAX_ASKING
