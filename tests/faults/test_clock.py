"""Clocks that leap ahead and back: nothing is deleted for it, and nothing waits for ever."""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest

from careen import worker
from careen.blobs.disk import DiskBlobStore
from careen.clock import DAY, HOUR, PATIENCE, SECOND, Cautious, Instant
from careen.registry import gc, jobs, lifecycle, previews, repositories
from careen.registry.registry import Registry
from tests.distribution.client import Client
from tests.images import image
from tests.registry import steps
from tests.registry.steps import START
from tests.server import FreshServer
from tests.waiting import until

APP = "team/app"
YEAR = 365 * DAY
LARGE = b"L" * 70_000
POLICY = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"sinceImagePushed",'
    '"countUnit":"days","countNumber":14},"action":{"type":"expire"}}]}'
)


class Clocks:
    """The system's clock, which can be set, and one that counts."""

    def __init__(self) -> None:
        self.set_to: Instant = START
        self.elapsed: Instant = 7

    def system(self) -> Instant:
        """What the system's clock says."""
        return self.set_to + self.elapsed

    def count(self) -> Instant:
        """Since boot."""
        return self.elapsed


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def judging(clocks: Clocks) -> Cautious:
    return Cautious(clocks.system, clocks.count)


LEAPS = {"a year ahead": YEAR, "two minutes ahead": 120 * SECOND, "a year back": -YEAR, "an hour back": -HOUR}


@pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS.keys())
def test_a_leap_for_a_moment(clocks: Clocks, judging: Cautious, leap: Instant) -> None:
    """Time goes on as if it had not been; of two times it is the earlier."""
    judging()
    clocks.set_to += leap
    for minutes in range(5):
        clocks.elapsed += 60 * SECOND
        expected = START + clocks.elapsed + min(leap, 0)
        assert judging() == expected, minutes
        assert judging.leap == leap
    clocks.set_to -= leap
    assert judging() == clocks.system()
    assert judging.leap == 0


@pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS.keys())
def test_a_leap_that_lasts_is_believed(clocks: Clocks, judging: Cautious, leap: Instant) -> None:
    """After a day, in which it must not have leapt again."""
    clocks.set_to += leap
    judging()
    clocks.elapsed += PATIENCE - 1
    assert judging() == START + clocks.elapsed + min(leap, 0)
    clocks.elapsed += 1
    assert judging() == clocks.system()
    assert judging.leap == 0


@pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS.keys())
def test_a_leap_that_somebody_confirms_is_believed(clocks: Clocks, judging: Cautious, leap: Instant) -> None:
    """At once; the next one is a leap again."""
    clocks.set_to += leap
    judging()
    judging.believe(clocks.system())
    assert (judging(), judging.leap) == (clocks.system(), 0)
    clocks.set_to += YEAR
    assert judging() == clocks.system() - YEAR
    assert judging.leap == YEAR


def test_two_leaps_are_two(clocks: Clocks, judging: Cautious) -> None:
    """The day begins anew."""
    for _ in range(3):
        clocks.set_to += YEAR
        judging()
        clocks.elapsed += PATIENCE - SECOND
        assert judging() == START + clocks.elapsed


def test_corrections_are_followed_at_once(clocks: Clocks, judging: Cautious) -> None:
    """A clock that time servers correct by seconds is right, however far it has come in the end."""
    for _ in range(100):
        clocks.set_to += 50 * SECOND
        clocks.elapsed += HOUR
        assert judging() == clocks.system()


@pytest.fixture
def registry(registry: Registry, clocks: Clocks) -> Registry:
    """As an HTTP process has it: stamped by the system's clock, with a day of grace."""
    limits = dataclasses.replace(registry.limits, grace=DAY)
    return dataclasses.replace(registry, clock=clocks.system, limits=limits)


@pytest.fixture
def working(registry: Registry, judging: Cautious) -> Registry:
    """As the worker has it."""
    store = DiskBlobStore(registry.scratch_folder, judging)
    return dataclasses.replace(registry, clock=judging, blobs=store)


def work(working: Registry) -> None:
    """What the worker finds to do."""
    working.write_now(jobs.schedule)
    if working.read(jobs.astray):
        working.write_now(jobs.recall)
    while worker.run_one(working, "worker"):
        pass


def waits(registry: Registry) -> dict[str, Instant]:
    """How long each job still waits by the system's clock."""
    return {
        kind: run_at - registry.clock()
        for kind, run_at in registry.read(
            lambda tx: tx.rows.execute("SELECT kind, run_at FROM jobs").fetchall()
        )
    }


def test_a_year_ahead_for_a_moment_deletes_nothing(
    registry: Registry, working: Registry, clocks: Clocks
) -> None:
    """No image by its age, no layer that waits for its manifest, no upload, no file whose row is on its way."""
    built = image("app", size=70_000)
    steps.push(registry, APP, built, "1")
    registry.write_now(lifecycle.put_policy, APP, POLICY)
    alone = steps.upload(registry, APP, LARGE)
    work(working)
    for path in (registry.scratch_folder / "blobs").rglob("*.*"):
        os.utime(path, (clocks.system() / SECOND, clocks.system() / SECOND))
    clocks.set_to += YEAR
    clocks.elapsed += HOUR
    lifecycle.enqueue_runs(working)
    work(working)
    assert gc.collect(working).blobs == 0
    assert gc.sweep(working) == gc.Collected()
    clocks.set_to -= YEAR
    work(working)
    assert steps.is_whole(registry, APP, built)
    assert steps.blob(registry, APP, alone) == LARGE


def test_without_caution_all_of_it_would_be_gone(registry: Registry, clocks: Clocks) -> None:
    """So the test above can fail."""
    built = image("app", size=70_000)
    steps.push(registry, APP, built, "1")
    registry.write_now(lifecycle.put_policy, APP, POLICY)
    clocks.set_to += YEAR
    lifecycle.enqueue_runs(registry)
    work(registry)
    assert not steps.is_whole(registry, APP, built)


def test_no_job_waits_for_a_year(registry: Registry, working: Registry, clocks: Clocks) -> None:
    """What was asked for while the clock was ahead is done at once, then and after it was set back."""
    steps.push(registry, APP, image("app"), "1")
    registry.write_now(lifecycle.put_policy, APP, POLICY)
    work(working)
    clocks.set_to += YEAR
    registry.write_now(previews.start, APP, None)
    assert waits(registry)["preview"] <= 0
    work(working)
    assert registry.read(previews.get, APP)[1].status == previews.COMPLETE
    registry.write_now(previews.start, APP, None)
    work(registry)  # a worker that was started under the wrong clock
    registry.write_now(previews.start, APP, None)
    clocks.set_to -= YEAR
    assert waits(registry)["collect"] > 300 * DAY
    work(working)
    assert registry.read(previews.get, APP)[1].status == previews.COMPLETE
    assert max(waits(registry).values()) <= DAY


def test_no_lease_lasts_for_a_year(registry: Registry, working: Registry, clocks: Clocks) -> None:
    """A layer pushed while the clock was ahead is kept for one grace period more, and then it goes."""
    clocks.set_to += YEAR
    alone = steps.upload(registry, APP, LARGE)
    clocks.set_to -= YEAR
    assert gc.collect(working) == gc.Collected()
    clocks.elapsed += DAY + SECOND
    assert gc.collect(working) == gc.Collected(reviewed=1, waiting=1)
    assert steps.blob(registry, APP, alone) == LARGE
    clocks.elapsed += DAY + SECOND
    assert gc.collect(working).blobs == 1


def test_repositories_made_in_the_future_can_be_used(registry: Registry, clocks: Clocks) -> None:
    """Whatever stamps they carry."""
    clocks.set_to += YEAR
    registry.write_now(repositories.create, APP)
    clocks.set_to -= YEAR
    built = image("app")
    steps.push(registry, APP, built, "1")
    assert steps.is_whole(registry, APP, built)


FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


class Timeless(FreshServer):
    """A server that takes what a file says for the system's time."""

    def __init__(self, data: Path, **settings: Any) -> None:
        super().__init__(data, **settings)
        self.time_file = data.parent / "faketime"

    def environment(self) -> dict[str, str]:
        """With the library between it and the kernel's clock."""
        return super().environment() | {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self.time_file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_ahead(self, days: int) -> None:
        """Set its clock; of HTTP processes and worker alike."""
        self.time_file.with_suffix(".new").write_text(f"{days:+d}d")
        self.time_file.with_suffix(".new").replace(self.time_file)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_a_server_whose_clock_leaps(tmp_path: Path) -> None:
    """Ahead by a year while its worker collects five times a second and runs policies: nothing goes; and back: it goes on."""
    server = Timeless(tmp_path / "data", collect_interval=0.2, lifecycle_interval=0.2, sweep_interval=0.2)
    server.set_ahead(0)
    server.start()
    try:
        client, built = Client(server), image("app", size=70_000)
        digest = client.push(APP, built, "1")
        server.boto().put_lifecycle_policy(repositoryName=APP, lifecyclePolicyText=POLICY)
        alone = client.push_blob(APP, LARGE)
        location = client.begin(APP)
        client.send("PATCH", location, LARGE)
        server.set_ahead(365)
        until(lambda: "the clock leapt" in server.log.read_text(), "the leap is not noticed")
        time.sleep(1)  # in which it would go on to collect
        assert client.send("PATCH", location, LARGE).status == 202
        server.set_ahead(0)
        until(lambda: "the clock is believed again" in server.log.read_text(), "it is not believed again")
        assert client.send("GET", f"/v2/{APP}/manifests/1").headers["docker-content-digest"] == digest
        assert client.send("GET", f"/v2/{APP}/blobs/{alone}").body == LARGE
        client.send("DELETE", f"/v2/{APP}/manifests/{digest}")
        assert "Traceback" not in server.log.read_text()
    finally:
        server.stop()
        for name in (
            f"faketime_shm_{server.pid}",
            f"sem.faketime_sem_{server.pid}",
        ):  # the library leaves them
            (Path("/dev/shm") / name).unlink(missing_ok=True)  # noqa: S108
