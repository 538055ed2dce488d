"""Killed at random moments under load, again and again on the same data folder: the same must hold after every kill."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from careen import startup
from careen.faults import Point
from tests.distribution.client import Client
from tests.faults import hands, programs
from tests.faults.doors import Http
from tests.faults.model import (
    MOMENT,
    Journal,
    State,
    assert_tidy,
    assert_whole,
    end_leases,
    reopened,
    seen,
    settings_of,
)
from tests.faults.programs import ForkedServer, Kill
from tests.waiting import PATIENCE, until

OTHERS = {"master-key", "founding", "migration", "key", "copy"}
"""What no client reaches."""

POINTS = [point for point in Point if point.value.partition(".")[0] not in OTHERS]


@pytest.fixture
def folder(quick_path: Path) -> Path:
    """A data folder with a repository for each hand."""
    folder = quick_path / "data"
    startup.prepare(settings_of(folder))
    registry = startup.open_registry(settings_of(folder))
    hands.furnish(registry)
    registry.close()
    return folder


def look(folder: Path, before: State, journal: Path, *, tidy: bool) -> State:
    """Start anew after a kill, and check everything. Returns what is there."""
    notes = Journal(journal)
    registry = reopened(folder)
    try:
        assert_whole(registry)
        now = seen(registry)
        hands.assert_accounted(before, notes.read(), now)
        if tidy:  # not always: the next life may begin with what this one left
            assert_tidy(registry)
        return seen(registry)
    finally:
        registry.close()
        notes.close()
        journal.unlink()
        end_leases(folder)


def die_somehow(life: programs.Life, seconds: float) -> None:
    """At a fault point if it is reached, or else now."""
    life.process.join(seconds)
    life.kill()
    assert life.was_killed()


def kill_programs(folder: Path, seed: str, rounds: int) -> None:
    """Three pushers and a worker, each a process, without HTTP: most kills at a random point, some at a random time."""
    dice, before = random.Random(seed), State()  # noqa: S311
    for number in range(rounds):
        journal = folder.with_name(f"journal-{number}")
        kill = None
        if dice.random() < 0.7:
            kill = Kill((dice.choice(POINTS),), dice.randint(1, 12), whole=dice.random() < 0.8)
        life = programs.start(hands.labour, folder, journal, f"{seed} {number}", kill=kill)
        die_somehow(life, dice.uniform(0.05, 0.5))
        before = look(folder, before, journal, tidy=dice.random() < 0.5)
    assert before.images


def test_programs_are_killed(folder: Path) -> None:
    """A dozen kills of processes that have the registry open."""
    kill_programs(folder, "quick", 12)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(9))
def test_programs_are_killed_again_and_again(folder: Path, seed: int) -> None:
    """A hundred kills each."""
    kill_programs(folder, f"seed {seed}", 100)


@pytest.fixture
def forked(folder: Path) -> Iterator[ForkedServer]:
    """A server with two HTTP processes whose collector does not wait."""
    forked = ForkedServer(
        folder,
        archive_blobs=str(folder / "archive"),
        workers=2,
        blob_grace=0,
        reserve=0,
        trash_days=MOMENT,
        collect_interval=0.05,
        lifecycle_interval=0.1,
        sweep_interval=0.2,
    )
    yield forked
    forked.crash()


def has_another(forked: ForkedServer, killed: int) -> bool:
    """Whether another process is in the place of a killed one."""
    children = forked.children()
    return killed not in children and len(children) == 3


def kill_servers(forked: ForkedServer, seed: str, rounds: int) -> None:
    """Clients over HTTP. Once in a while a single process dies first, and the parent starts it again."""
    dice, before, client = random.Random(seed), State(), Client(forked)  # noqa: S311
    ecr = forked.boto()
    for number in range(rounds):
        path = forked.data.with_name(f"journal-{number}")
        journal, stop = Journal(path), threading.Event()
        forked.start()
        working = hands.labour_over_http(
            lambda: Http(client, ecr, None, None), journal, f"{seed} {number}", stop
        )
        time.sleep(dice.uniform(0.05, 0.4))
        if dice.random() < 0.3:
            doomed = dice.choice(forked.children())
            os.kill(doomed, signal.SIGKILL)
            until(partial(has_another, forked, doomed), "no other takes its place")
            assert client.send("GET", "/v2/").status == 200
        forked.crash()
        stop.set()
        for thread in working:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        journal.close()
        before = look(forked.data, before, path, tidy=dice.random() < 0.5)
    assert before.images
    assert "request failed" not in forked.log.read_text()


def test_servers_are_killed(forked: ForkedServer) -> None:
    """A few kills of a whole server with its clients."""
    kill_servers(forked, "quick", 4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(5))
def test_servers_are_killed_again_and_again(forked: ForkedServer, seed: int) -> None:
    """Forty kills each."""
    kill_servers(forked, f"seed {seed}", 40)
