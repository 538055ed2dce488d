"""Pushes of the same layers from many sides at once, while the collector deletes whatever it may, without any grace."""

import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from careen.ecr import errors
from careen.registry import gc
from careen.registry.registry import Registry
from tests.images import Built, image
from tests.registry.steps import delete, is_whole, push, reopen, stored_bytes

APP = "team/app"


class Told(NamedTuple):
    """What one client was told."""

    acknowledged: list[Built]
    refused: int
    """Manifests that were refused because a layer had been collected; the client pushed again."""


def client(registry: Registry, number: int, until: float, has_collected: threading.Event) -> Told:
    """Push images that share a base with everybody's, in a process of one's own as it were; delete every other one."""
    mine = reopen(registry)
    acknowledged: list[Built] = []
    refused = 0
    try:
        for turn in itertools.count():
            # One stays, one is deleted, and something is collected meanwhile, however slow it is.
            if turn >= 2 and time.monotonic() >= until and has_collected.is_set():
                break
            built = image("base", "small", f"{number}.{turn}", size=70_000 if turn % 2 else 64)
            while True:
                with contextlib.suppress(errors.LayersNotFound):
                    push(mine, APP, built, f"v{number}")
                    break
                refused += 1
            assert is_whole(mine, APP, built)
            if turn % 2:
                delete(mine, APP, built)
            else:
                acknowledged.append(built)
    finally:
        mine.close()
    return Told(acknowledged, refused)


def collector(registry: Registry, stop: threading.Event, has_collected: threading.Event) -> gc.Collected:
    """Collect without a pause."""
    mine = reopen(registry)
    total = gc.Collected()
    try:
        while not stop.is_set():
            total = total.plus(gc.collect(mine, grace=0))
            if total.blobs:
                has_collected.set()
    finally:
        mine.close()
    return total


@pytest.mark.parametrize("seconds", [2.0, pytest.param(30.0, marks=pytest.mark.slow)])
def test_no_acknowledged_push_loses_a_layer(registry: Registry, seconds: float) -> None:
    """The collector never waits and never breaks a push: what was acknowledged is whole, at once and in the end."""
    push(registry, APP, image("first"))
    stop, has_collected = threading.Event(), threading.Event()
    with ThreadPoolExecutor(5) as threads:
        collecting = threads.submit(collector, registry, stop, has_collected)
        until = time.monotonic() + seconds
        pushing = [threads.submit(client, registry, number, until, has_collected) for number in range(4)]
        try:
            told = [one.result() for one in pushing]
        finally:
            stop.set()
        collected = collecting.result()
    kept = [built for one in told for built in one.acknowledged]
    assert kept
    assert collected.blobs
    assert all(is_whole(registry, APP, built) for built in kept)
    gc.collect(registry, grace=0)
    distinct = {data for built in (*kept, image("first")) for data in built.blobs}
    assert stored_bytes(registry) == sum(map(len, distinct))
