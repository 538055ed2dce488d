"""Jobs, as the worker sees them: claim, finish, ask again."""

from collections.abc import Iterable

from careen.clock import Instant
from careen.db import jobs
from careen.db.jobs import Job as Job
from careen.registry.registry import Transaction

RECURRING = ("collect", "lifecycle-round", "pins", "scrub", "sweep")


def schedule(tx: Transaction) -> None:
    """Make sure that all recurring jobs are waiting."""
    for kind in RECURRING:
        jobs.enqueue_if_absent(tx.rows, kind, "", tx.now)


def any_due(tx: Transaction, kinds: Iterable[str]) -> bool:
    """Whether there is something to claim; asked before the claim so that an idle worker does not write."""
    return jobs.any_due(tx.rows, kinds, tx.now)


def claim(tx: Transaction, kinds: Iterable[str], worker: str) -> Job | None:
    """Take the job of these kinds that has been due longest."""
    return jobs.claim(tx.rows, kinds, worker, tx.now)


def keep(tx: Transaction, job: Job, worker: str) -> bool:
    """Say that the job is still worked on. False: another worker has it now, so stop."""
    return jobs.extend(tx.rows, job, worker, tx.now)


def finish(tx: Transaction, job: Job, worker: str) -> None:
    """The job is done, unless it was asked for again meanwhile."""
    jobs.finish(tx.rows, job, worker)


def again(tx: Transaction, job: Job, after: Instant) -> None:
    """A recurring job asks for itself again, ``after`` microseconds from now."""
    jobs.reschedule(tx.rows, job, tx.now + after)


def retry(tx: Transaction, job: Job, worker: str, error: str, after: Instant) -> None:
    """The job failed; try again ``after`` microseconds from now."""
    jobs.retry(tx.rows, job, worker, error, tx.now + after)
