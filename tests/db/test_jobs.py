"""Jobs are done once, by one worker, whatever crashes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest

from careen.clock import SECOND, Instant
from careen.db import jobs
from careen.db.engine import Connection
from careen.registry.registry import Registry

P = ParamSpec("P")
T = TypeVar("T")
NOW: Instant = 1_800_000_000 * SECOND

Write = Callable[..., Any]


@pytest.fixture
def write(registry: Registry) -> Write:
    """Run a function of ``careen.db.jobs`` in a transaction of its own."""

    def run(function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return registry.database.write(lambda rows: function(rows, *args, **kwargs)).result()

    return run


def test_a_job_is_asked_for_once_and_brought_forward(write: Write) -> None:
    """While a job waits, asking again only moves it to the earlier time."""
    write(jobs.enqueue, "lifecycle", "1", NOW + 10)
    write(jobs.enqueue, "lifecycle", "1", NOW)
    write(jobs.enqueue, "lifecycle", "1", NOW + 20)
    assert write(jobs.claim, "a", NOW) == jobs.Job(1, "lifecycle", "1", 1)
    assert write(jobs.claim, "b", NOW) is None


def test_many_workers_take_every_job_exactly_once(write: Write) -> None:
    """Nothing is done twice and nothing is left."""
    for number in range(60):
        write(jobs.enqueue, "lifecycle", str(number), NOW)

    def work(name: str) -> list[str]:
        done = []
        while (job := write(jobs.claim, name, NOW)) is not None:
            done.append(job.key)
            write(jobs.finish, job, name)
        return done

    with ThreadPoolExecutor(4) as pool:
        taken = [key for keys in pool.map(work, ["a", "b", "c", "d"]) for key in keys]
    assert sorted(taken, key=int) == [str(number) for number in range(60)]


def test_a_lease_that_ran_out_is_anyone_s_and_the_first_worker_learns_it(write: Write) -> None:
    """A worker that stood still for too long cannot keep or finish what another has taken over."""
    write(jobs.enqueue, "collect", "", NOW)
    first = write(jobs.claim, "slow", NOW)
    assert write(jobs.claim, "quick", NOW + jobs.LEASE - 1) is None
    second = write(jobs.claim, "quick", NOW + jobs.LEASE)
    assert (second.id, second.attempts) == (first.id, 2)
    assert write(jobs.extend, first, "slow", NOW + jobs.LEASE) is False
    write(jobs.finish, first, "slow")
    assert write(jobs.extend, second, "quick", NOW + jobs.LEASE) is True


def test_an_extended_lease_holds(write: Write) -> None:
    """A heartbeat keeps the job, and does not count as asking for it again."""
    write(jobs.enqueue, "collect", "", NOW)
    job = write(jobs.claim, "a", NOW)
    assert write(jobs.extend, job, "a", NOW + jobs.LEASE - 1)
    assert write(jobs.claim, "b", NOW + jobs.LEASE) is None
    write(jobs.finish, job, "a")
    assert write(jobs.claim, "b", NOW + 3 * jobs.LEASE) is None


def test_a_job_asked_for_while_it_runs_runs_again(write: Write) -> None:
    """A policy that changes during its run is evaluated once more."""
    write(jobs.enqueue, "lifecycle", "1", NOW)
    job = write(jobs.claim, "a", NOW)
    write(jobs.enqueue, "lifecycle", "1", NOW + 5)
    assert write(jobs.claim, "b", NOW + 5) is None
    write(jobs.finish, job, "a")
    again = write(jobs.claim, "b", NOW + 5)
    assert (again.key, again.attempts) == ("1", 1)


def test_a_recurring_job_waits_for_its_next_time(write: Write) -> None:
    """What asked for itself again is there after it was finished, and not before its time."""
    write(jobs.enqueue_if_absent, "sweep", "", NOW)
    job = write(jobs.claim, "a", NOW)
    write(jobs.reschedule, job, NOW + 100)
    write(jobs.finish, job, "a")
    assert write(jobs.claim, "a", NOW + 99) is None
    write(jobs.enqueue_if_absent, "sweep", "", NOW)
    assert write(jobs.claim, "a", NOW + 99) is None
    assert write(jobs.claim, "a", NOW + 100) is not None


def test_a_failed_job_is_tried_again_later(write: Write, registry: Registry) -> None:
    """A failure keeps its message and its count of attempts."""
    write(jobs.enqueue, "preview", "1", NOW)
    job = write(jobs.claim, "a", NOW)
    write(jobs.retry, job, "a", "ValueError('no')", NOW + 30)
    assert write(jobs.claim, "a", NOW + 29) is None
    assert write(jobs.claim, "b", NOW + 30).attempts == 2
    with registry.database.read() as rows:
        assert rows.execute("SELECT error FROM jobs").fetchone()[0] == "ValueError('no')"
