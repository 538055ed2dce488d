"""Jobs, as the worker sees them: claim, finish, ask again."""

from collections.abc import Iterable

from careen.clock import HOUR, SECOND, Instant
from careen.db import jobs
from careen.db.jobs import Job as Job
from careen.faults import Point, reach
from careen.registry.registry import Transaction

RETRY = 30 * SECOND
"""The first wait after a failure."""

MAX_RETRY = HOUR
"""The longest wait after a failure."""

RECURRING = ("collect", "events", "lifecycle-round", "measure", "pins", "scrub", "summarize", "sweep")


def backoff(failures: int) -> Instant:
    """How long to wait after so many failures in a row: each time twice as long, up to :data:`MAX_RETRY`."""
    return min(RETRY << min(failures - 1, 10), MAX_RETRY)


def schedule(tx: Transaction) -> None:
    """Make sure that all recurring jobs are waiting."""
    for kind in RECURRING:
        jobs.enqueue_if_absent(tx.rows, kind, "", tx.now)


def astray(tx: Transaction) -> bool:
    """Whether a job waits for longer than any job may: a clock was ahead when it was asked for, and is no more."""
    return any(run_at > tx.now + _longest(tx, kind) for kind, run_at in jobs.latest(tx.rows))


def recall(tx: Transaction) -> None:
    """Let the jobs that went astray be due now. Each finds out by itself what there is to do."""
    for kind, run_at in jobs.latest(tx.rows):
        if run_at > tx.now + _longest(tx, kind):
            jobs.bring_forward(tx.rows, kind, tx.now + _longest(tx, kind), tx.now)


def _longest(tx: Transaction, kind: str) -> Instant:
    """How long a job of that kind may have to wait for its turn, or for another try."""
    every = {
        "collect": tx.limits.collect_every,
        "lifecycle-round": tx.limits.lifecycle_every,
        "measure": tx.limits.measure_every,
        "scrub": tx.limits.scrub_every,
        "sweep": tx.limits.sweep_every,
    }
    return max(every.get(kind, 0), MAX_RETRY)


def any_due(tx: Transaction, kinds: Iterable[str]) -> bool:
    """Whether there is something to claim; asked before the claim so that an idle worker does not write."""
    return jobs.any_due(tx.rows, kinds, tx.now)


def claim(tx: Transaction, kinds: Iterable[str], worker: str) -> Job | None:
    """Take the job of these kinds that has been due longest."""
    job = jobs.claim(tx.rows, kinds, worker, tx.now)
    reach(Point.JOB_CLAIMED)
    return job


def keep(tx: Transaction, job: Job, worker: str) -> bool:
    """Say that the job is still worked on. False: another worker has it now, so stop."""
    return jobs.extend(tx.rows, job, worker, tx.now)


def finish(tx: Transaction, job: Job, worker: str) -> None:
    """The job is done, unless it was asked for again meanwhile."""
    jobs.finish(tx.rows, job, worker)
    reach(Point.JOB_DONE)


def again(tx: Transaction, job: Job, after: Instant) -> None:
    """A recurring job asks for itself again, ``after`` microseconds from now. If another worker has it by now, that one will."""
    jobs.reschedule(tx.rows, job, tx.now + after)
    reach(Point.JOB_AGAIN)


def release(tx: Transaction, worker: str) -> None:
    """Give back what a worker has claimed and does not work on, as it could neither do it nor say so."""
    jobs.release(tx.rows, worker, tx.now)


def retry(tx: Transaction, job: Job, worker: str, error: str, after: Instant) -> None:
    """The job failed; try again ``after`` microseconds from now."""
    jobs.retry(tx.rows, job, worker, error, tx.now + after)
