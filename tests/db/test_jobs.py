"""Jobs: claimed once, leased, asked for again, tried again."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from careen.clock import SECOND
from careen.db import jobs
from careen.db.engine import Connection, Database
from careen.db.jobs import LEASE, Job

NOW = 1_000_000 * SECOND

KINDS = ("lifecycle", "collect")
"""What the workers of these tests can do."""


def claim(database: Database, now: int = NOW, worker: str = "one") -> Job | None:
    """Take a job."""
    return database.write(lambda rows: jobs.claim(rows, KINDS, worker, now)).result()


def claimed(database: Database, now: int = NOW, worker: str = "one") -> Job:
    """Take a job that must be there."""
    job = claim(database, now, worker)
    assert job is not None
    return job


def ask(database: Database, key: str = "1", run_at: int = NOW, kind: str = "lifecycle") -> None:
    """Ask for a job."""
    database.write(lambda rows: jobs.enqueue(rows, kind, key, run_at)).result()


def do(database: Database, what: object, job: Job, *arguments: object) -> None:
    """One of the functions that end a claim."""
    assert callable(what)
    database.write(lambda rows: what(rows, job, *arguments)).result()


def test_the_job_that_has_been_due_longest_comes_first(database: Database) -> None:
    """What is not due yet is not claimed at all."""
    for key, run_at in (("late", NOW), ("early", NOW - 2), ("future", NOW + 1), ("middle", NOW - 1)):
        ask(database, key, run_at)
    assert [claimed(database).key for _ in range(3)] == ["early", "middle", "late"]
    assert claim(database) is None
    with database.read() as rows:
        assert not jobs.any_due(rows, KINDS, NOW)
        assert jobs.any_due(rows, KINDS, NOW + 1)


def test_a_job_is_one_workers(open_database: Callable[[], Database]) -> None:
    """Many processes look at the same time; each job is claimed once."""
    workers = [open_database() for _ in range(4)]
    for number in range(40):
        ask(workers[0], str(number))
    together = threading.Barrier(len(workers))

    def work(database: Database) -> list[str]:
        together.wait()
        found = []
        while (job := claim(database, worker=str(id(database)))) is not None:
            found.append(job.key)
        return found

    with ThreadPoolExecutor(len(workers)) as threads:
        found = [key for keys in threads.map(work, workers) for key in keys]
    assert sorted(found) == sorted(str(number) for number in range(40))


def test_a_job_is_asked_for_once(database: Database) -> None:
    """Asking again while it waits only brings it forward."""
    ask(database, run_at=NOW + 10)
    ask(database, run_at=NOW + 20)
    assert claim(database, NOW + 9) is None
    ask(database, run_at=NOW)
    assert claimed(database).attempts == 1
    assert claim(database) is None


def test_a_recurring_job_is_not_brought_forward_by_a_start(database: Database) -> None:
    """``enqueue_if_absent`` leaves the job that waits as it is."""

    def ask_if_absent(rows: Connection, run_at: int) -> None:
        jobs.enqueue_if_absent(rows, "collect", "", run_at)

    database.write(lambda rows: ask_if_absent(rows, NOW + 5)).result()
    database.write(lambda rows: ask_if_absent(rows, NOW)).result()
    assert claim(database) is None
    assert claimed(database, NOW + 5).kind == "collect"


def test_a_finished_job_is_gone(database: Database) -> None:
    """It can be asked for again."""
    ask(database)
    do(database, jobs.finish, claimed(database), "one")
    assert claim(database, NOW + 10 * LEASE) is None
    ask(database)
    assert claimed(database).attempts == 1


def test_a_job_that_is_asked_for_while_it_runs_runs_again(database: Database) -> None:
    """What happened after it began may have been missed. It is not claimed by a second worker meanwhile."""
    ask(database)
    job = claimed(database)
    ask(database, run_at=NOW + 1)
    assert claim(database, NOW + 2, "two") is None
    do(database, jobs.finish, job, "one")
    again = claimed(database, NOW + 2, "two")
    assert (again.key, again.attempts) == (job.key, 1)


def test_a_lease_that_runs_out_is_anyones(database: Database) -> None:
    """The first worker may be dead, or only slow: then its finishing does not count any more."""
    ask(database)
    slow = claimed(database)
    assert claim(database, NOW + LEASE - 1, "two") is None
    other = claimed(database, NOW + LEASE, "two")
    assert (other.id, other.attempts) == (slow.id, 2)
    do(database, jobs.finish, slow, "one")
    do(database, jobs.retry, slow, "one", "late", NOW)
    assert claim(database, NOW + LEASE + 1, "three") is None
    do(database, jobs.finish, other, "two")
    assert claim(database, NOW + 10 * LEASE) is None


def test_a_lease_can_be_extended_by_its_holder(database: Database) -> None:
    """Long work keeps its job; who has lost it is told to stop."""
    ask(database)
    job = claimed(database)
    assert database.write(lambda rows: jobs.extend(rows, job, "one", NOW + LEASE - 1)).result()
    assert claim(database, NOW + LEASE, "two") is None
    assert claimed(database, NOW + 2 * LEASE, "two").id == job.id
    assert not database.write(lambda rows: jobs.extend(rows, job, "one", NOW + 2 * LEASE)).result()


def test_extending_does_not_forget_that_a_job_was_asked_for_again(database: Database) -> None:
    """It still runs once more when it is finished."""
    ask(database)
    job = claimed(database)
    ask(database, run_at=NOW + 1)
    assert database.write(lambda rows: jobs.extend(rows, job, "one", NOW + 2)).result()
    do(database, jobs.finish, job, "one")
    assert claimed(database, NOW + 3).id == job.id


@pytest.mark.parametrize("wait", [0, LEASE // 2, 100 * LEASE])
def test_extending_does_not_forget_when_a_job_comes_back(database: Database, wait: int) -> None:
    """The thread that keeps the lease may speak between a job's asking for itself again and its end."""
    ask(database)
    job = claimed(database)
    do(database, jobs.reschedule, job, NOW + wait)
    assert database.write(lambda rows: jobs.extend(rows, job, "one", NOW + 1)).result()
    assert claim(database, NOW + 2, "two") is None
    do(database, jobs.finish, job, "one")
    assert claim(database, NOW + wait - 1) is None
    assert claimed(database, NOW + wait).key == "1"


def test_a_failed_job_waits_for_its_next_try(database: Database) -> None:
    """With the error noted, cut to a size; attempts are counted until it is finished."""
    ask(database)
    for attempt in (1, 2, 3):
        job = claimed(database, NOW + attempt)
        assert job.attempts == attempt
        do(database, jobs.retry, job, "one", "x" * 10_000, NOW + attempt + 1)
        assert claim(database, NOW + attempt) is None
    with database.read() as rows:
        assert rows.execute("SELECT length(error) FROM jobs").fetchone() == (2000,)


def test_a_job_that_is_anothers_by_now_stays_theirs(database: Database) -> None:
    """Whatever the worker that lost it asks for, and says."""
    ask(database)
    lost = claimed(database)
    taken = claimed(database, NOW + LEASE, "two")
    do(database, jobs.reschedule, lost, NOW)
    do(database, jobs.finish, lost, "one")
    assert claim(database, NOW + LEASE + 1, "three") is None
    do(database, jobs.finish, taken, "two")
    assert claim(database, NOW + 2 * LEASE) is None


def test_a_recurring_job_comes_back(database: Database) -> None:
    """It asked for itself before it was finished; its attempts begin anew."""
    ask(database)
    job = claimed(database)
    do(database, jobs.reschedule, job, NOW + 60)
    do(database, jobs.finish, job, "one")
    assert claim(database, NOW + 59) is None
    assert claimed(database, NOW + 60).attempts == 1


def test_a_recurring_job_comes_back_even_if_its_worker_dies_at_the_end(database: Database) -> None:
    """Between asking for itself and finishing."""
    ask(database)
    do(database, jobs.reschedule, claimed(database), NOW + 60)
    assert claim(database, NOW + 59) is None
    assert claim(database, NOW + 61, "two") is not None
