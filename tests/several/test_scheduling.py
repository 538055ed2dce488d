"""Jobs of several nodes, which nobody leads: each is one worker's, once in its interval, and another's if that one dies."""

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from careen import worker
from careen.clock import DAY, HOUR, SECOND
from careen.db.jobs import LEASE
from careen.registry import jobs, nodes
from careen.registry.jobs import RECURRING, Job
from careen.registry.registry import Registry, Transaction
from tests.postgres import needs_postgres
from tests.registry.steps import Hands, noted

pytestmark = needs_postgres

ROUNDS = 3


@pytest.fixture
def clock() -> Hands:
    """One clock for all nodes."""
    return Hands()


@pytest.fixture
def three(opened: Callable[..., Registry], clock: Hands) -> list[Registry]:
    """Three nodes."""
    return [dataclasses.replace(opened(f"node-{number}"), clock=clock) for number in range(3)]


class Done:
    """What was done by whom, and whether two were ever at the same thing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self.kinds: Counter[str] = Counter()
        self.workers: Counter[str] = Counter()
        self.twice: list[Job] = []

    def work(self, name: str, every: int) -> dict[str, worker.Work]:
        """For :func:`careen.worker.run_one`: each job notes that it was done, and asks for itself again."""

        def do(registry: Registry, job: Job) -> None:
            with self._lock:
                if job.id in self._under_way:
                    self.twice.append(job)
                self._under_way.add(job.id)
                self.kinds[job.kind] += 1
                self.workers[name] += 1
            registry.write_now(jobs.again, job, every)
            with self._lock:
                self._under_way.remove(job.id)

        return dict.fromkeys(RECURRING, do)


def test_each_recurring_job_is_done_once_in_its_interval(three: list[Registry], clock: Hands) -> None:
    """However many workers ask for it, at the same moment, and look for it."""
    done = Done()
    start = threading.Barrier(len(three))

    def work(registry: Registry) -> None:
        registry.write_now(jobs.schedule)
        for _ in range(ROUNDS):
            start.wait()
            name = registry.node.bears("worker")
            while worker.run_one(registry, name, done.work(name, HOUR)):
                pass
            if start.wait() == 0:
                clock.forward(HOUR)

    threads = [threading.Thread(target=work, args=(registry,)) for registry in three]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done.kinds == dict.fromkeys(RECURRING, ROUNDS)
    assert done.twice == []


def test_a_dead_workers_job_is_anothers_when_its_lease_ends(three: list[Registry], clock: Hands) -> None:
    """Not before; and what the dead one says, should it live after all, changes nothing."""
    one, two, _ = three
    one.write_now(jobs.schedule)
    kinds = ("collect",)
    dead = one.write_now(jobs.claim, kinds, one.node.bears("worker"))
    assert dead is not None
    assert two.write_now(jobs.claim, kinds, two.node.bears("worker")) is None
    clock.forward(LEASE)
    taken = two.write_now(jobs.claim, kinds, two.node.bears("worker"))
    assert taken is not None
    assert (taken.id, taken.attempts) == (dead.id, 2)
    assert not one.write_now(jobs.keep, dead, one.node.bears("worker"))
    one.write_now(jobs.again, dead, 0)
    one.write_now(jobs.finish, dead, one.node.bears("worker"))
    assert one.write_now(jobs.claim, kinds, one.node.bears("worker")) is None
    assert two.write_now(jobs.keep, taken, two.node.bears("worker"))


def test_a_job_that_takes_longer_than_a_lease_stays_its_workers(
    three: list[Registry], clock: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker says meanwhile that it is at it."""
    monkeypatch.setattr(worker, "KEEP_SECONDS", 0.01)
    one, two, _ = three
    one.write_now(jobs.schedule)
    tries = []

    def long(registry: Registry, job: Job) -> None:
        for _ in range(3):
            clock.forward(LEASE - SECOND)
            end = clock.now + LEASE
            while registry.read(lease_of, job) < end:  # until the worker's other thread has said so
                pass
            tries.append(two.write_now(jobs.claim, ("collect",), two.node.bears("worker")))

    assert worker.run_one(one, one.node.bears("worker"), {"collect": long})
    assert tries == [None, None, None]


def test_a_job_that_is_worked_on_does_not_go_astray(three: list[Registry], clock: Hands) -> None:
    """Whoever's clock is behind leaves it alone, as long as the node is there whose it is; a dead one's is anyone's."""
    one, two, _ = three
    company = noted(one)
    one.write_now(jobs.schedule)
    taken = one.write_now(jobs.claim, ("collect",), one.node.bears("worker"))
    assert taken is not None
    clock.forward(-DAY)
    two.write_now(jobs.recall)
    assert not two.read(jobs.astray)
    assert one.write_now(jobs.keep, taken, one.node.bears("worker"))
    clock.forward(DAY)
    assert one.write_now(jobs.keep, taken, one.node.bears("worker"))
    clock.forward(-DAY)
    company.leave()
    assert two.read(jobs.astray)
    two.write_now(jobs.recall)
    assert two.write_now(jobs.claim, ("collect",), two.node.bears("worker")) is not None
    assert not one.write_now(jobs.keep, taken, one.node.bears("worker"))


def lease_of(tx: Transaction, job: Job) -> int:
    """Until when a job is leased."""
    found = tx.rows.execute("SELECT leased_until FROM jobs WHERE id = :id", {"id": job.id})
    return int(found.fetchall()[0][0])


def attempts(registry: Registry) -> int:
    """How often jobs were claimed that are not done."""
    found = registry.read(
        lambda tx: tx.rows.execute("SELECT coalesce(sum(attempts), 0) FROM jobs").fetchall()
    )
    return int(found[0][0])


def test_a_node_whose_clock_is_wrong_does_no_jobs_until_it_is_right(
    opened: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole worker, to whom no clock is right enough at first: it notes itself, and leaves what is due to others."""
    registry = opened("ahead")
    registry.write_now(jobs.schedule)
    due = registry.read(jobs.any_due, RECURRING)
    monkeypatch.setattr(nodes, "ASTRAY", -1)
    monkeypatch.setattr(worker, "NOTE_SECONDS", 0.02)
    monkeypatch.setattr(worker, "TROUBLE_SECONDS", 0.02)
    stop, seen = threading.Event(), set[int]()
    working = threading.Thread(target=worker.run, args=(registry, stop))
    working.start()
    try:
        while len(seen) < 20:  # each thread has looked for jobs meanwhile
            seen |= {node.seen_at for node in registry.read(nodes.every)}
            assert working.is_alive()
        assert (due, attempts(registry)) == (True, 0)
        monkeypatch.setattr(nodes, "ASTRAY", 60 * SECOND)
        while registry.read(jobs.any_due, RECURRING):
            assert working.is_alive()
    finally:
        stop.set()
        working.join()
    assert registry.read(nodes.every) == []
