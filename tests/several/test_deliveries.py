"""Webhooks of a registry of several nodes: one of them delivers, and when it stops the next."""

import threading
import time
from collections.abc import Callable

import pytest

from careen import deliveries
from careen.clock import HOUR, system_now
from careen.ecr.events import deleted
from careen.registry import events, webhooks
from careen.registry.events import Filter
from careen.registry.nodes import Company
from careen.registry.registry import Registry, Transaction
from tests.images import image
from tests.postgres import needs_postgres
from tests.receiver import Receiver
from tests.registry.steps import noted, push, put

pytestmark = needs_postgres

ONE = image("one")


def test_what_a_webhook_does_not_ask_for_is_written_down_now_and_then(
    opened: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in events: their ids are far apart."""
    registry = opened("one", create_on_push=True)
    company = noted(registry)
    seen, skipped = set[int](), list[int]()
    due, skip = webhooks.due, webhooks.skip

    def looked(tx: Transaction, webhook_id: int, position: int) -> webhooks.Due | None:
        found = due(tx, webhook_id, position)
        assert found is not None
        seen.add(found.position)
        return found

    def noting(tx: Transaction, found: webhooks.Due) -> None:
        skip(tx, found)
        skipped.append(found.position)

    monkeypatch.setattr(webhooks, "due", looked)
    monkeypatch.setattr(webhooks, "skip", noting)
    monkeypatch.setattr(deliveries, "SKIPPED", 3)
    stop = threading.Event()
    with Receiver().running() as receiver:
        registry.write_now(webhooks.put, "hook", receiver.url, Filter(actions=["PUSH"]))
        working = threading.Thread(target=deliveries.run, args=(registry, company, stop))
        working.start()
        try:
            for number in range(7):
                while len(seen) < number + 1:  # where it began, and every event since
                    assert working.is_alive()
                    time.sleep(0.01)
                registry.write_now(events.record, deleted("team/app", ONE.digest, str(number)))
            while len(seen) < 8:
                assert working.is_alive()
                time.sleep(0.01)
            push(registry, "team/app", ONE, "1")
            receiver.wait_for(1)
        finally:
            stop.set()
            working.join()
    assert sorted(set(skipped)) == [sorted(seen)[3], sorted(seen)[6]]


def test_the_oldest_node_delivers_and_then_the_next(opened: Callable[..., Registry]) -> None:
    """Each event comes once, though both look for it; the one that waits goes on where the other was.

    An older one whose clock is wrong has no turn, until that is mended.
    """
    leap = [HOUR]
    zero = Company(opened("zero"), lambda: system_now() + leap[0])
    zero.note()
    registries = [opened(name, create_on_push=True) for name in ("one", "two")]
    one, two = companies = [Company(registry) for registry in registries]
    for company in companies:
        company.note()
    stop = threading.Event()
    with Receiver().running() as receiver:
        registries[0].write_now(webhooks.put, "hook", receiver.url, Filter(actions=["PUSH"]))
        threads = [
            threading.Thread(target=deliveries.run, args=(registry, company, stop))
            for registry, company in zip(registries, companies, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            push(registries[1], "team/app", ONE, "1")
            receiver.wait_for(1)
            while registries[1].read(webhooks.states)[0].pending:
                assert threads[0].is_alive()
            assert (zero.is_first, one.is_first) == (False, True)
            one.leave()
            two.note()
            one.look()
            put(registries[0], "team/app", ONE, "2")
            receiver.wait_for(2)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    leap[0] = 0
    zero.note()
    two.note()
    assert (zero.is_first, one.is_first, two.is_first) == (True, False, False)
    assert [each.action for each in receiver.deliveries] == [("PUSH", "1"), ("PUSH", "2")]
