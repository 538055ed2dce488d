"""The jobs of replication: an image to a destination, a deletion, a slice of a backfill.

A job that fails waits before it is tried again, twice as long each time (``careen.registry.jobs.backoff``), and for a day at most;
whatever else waits for a destination that cannot be reached waits with it, so that one that is down costs one try at a time.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from careen import figures
from careen.clock import SECOND, Instant
from careen.registry import backfills, jobs, replication
from careen.registry.backfills import Backfill
from careen.registry.jobs import Job
from careen.registry.registry import Registry
from careen.registry.replication import Destination, Outcome, Outgoing
from careen.replication import targets
from careen.replication.destinations import connected
from careen.replication.transfer import (
    GONE,
    NOT_CONFIGURED,
    REMEDIABLE,
    UNAVAILABLE,
    Transfer,
    refusal,
)
from careen.upstream.errors import TooManyRequests, Unavailable, UpstreamError

BEAT_SECONDS = 60.0
"""How often a transfer that takes long says that it is worked on: a fifth of a lease."""

SLICE = 50
"""Images of a backfill that one job copies before another backfill has its turn."""

IN_A_ROW = 3
"""After so many images in a row that could not be copied for that reason, a destination counts as not to be reached."""

ROUNDS = 8
"""After a destination was not to be reached so often in a row, which is an hour, its backfill is given up."""

DELETION_TRIES = 3
"""How often an image is to be deleted that its destination refuses to: the index that lists it may be on its way out, too."""

log = structlog.get_logger()


class LeaseLost(Exception):
    """Another worker has the job now."""


class Stopped(Exception):
    """The server stops."""


@dataclass(slots=True)
class Turn:
    """A job and the worker that has it, which keeps the lease while bytes move."""

    registry: Registry
    job: Job
    worker: str
    stop: threading.Event
    _kept: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        """Keep the lease, if it is time.

        Raises:
            Stopped: the server stops; the job goes on where it is after the next start.
            LeaseLost: the lease has run out, and another worker took the job.
        """
        if self.stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now - self._kept >= BEAT_SECONDS:
            if not self.registry.write_now(jobs.keep, self.job, self.worker):
                raise LeaseLost
            self._kept = now

    def again(self, reason: str | None, wait: Instant) -> None:
        """Let the job be tried again."""
        self.registry.write_now(jobs.retry, self.job, self.worker, reason or "", wait)


Work = Callable[[Registry, Job], None]


def copies(worker: str, stop: threading.Event) -> dict[str, Work]:
    """What the threads do that bring pushes and deletions to their destinations: for ``careen.worker.run_one``."""
    return {
        replication.COPY: partial(_take, _copy, worker, stop),
        replication.DELETION: partial(_take, _delete, worker, stop),
    }


def backfilling(worker: str, stop: threading.Event) -> dict[str, Work]:
    """What the thread does that has the backfills: apart, so that a push does not wait for years of images."""
    return {backfills.JOB: partial(_take, _backfill, worker, stop)}


def _take(
    do: Callable[[Turn], None], worker: str, stop: threading.Event, registry: Registry, job: Job
) -> None:
    turn = Turn(registry, job, worker, stop)
    try:
        do(turn)
    except Stopped:
        turn.again("the server was stopped", 0)
    except LeaseLost:
        log.warning("another worker has the job", kind=job.kind, key=job.key)


def _copy(turn: Turn) -> None:
    registry, job = turn.registry, turn.job
    manifest_id, to = replication.read_key(job.key)
    asked = registry.read(replication.outgoing, manifest_id, to)
    if asked is None:
        registry.write_now(replication.withdraw, manifest_id, to)
        return
    image, asked_at = asked
    outcome, wait = _attempt(turn, to, lambda transfer: transfer.copy(image))
    is_late = registry.clock() - asked_at >= replication.RETRY_FOR
    if wait is None or is_late:
        registry.write_now(replication.landed, image, to, outcome)
        is_over = outcome.code not in REMEDIABLE or is_late
        if outcome.code is not None and (is_over or job.attempts == 1):
            _tell(
                "an image was not replicated", to, outcome, repository=image.repository, digest=image.digest
            )
        if is_over:
            return
        wait = jobs.backoff(job.attempts)
    else:
        registry.write_now(replication.note_attempt, manifest_id, to, outcome)
    turn.again(outcome.reason, wait)
    if outcome.code == UNAVAILABLE:
        registry.write_now(replication.wait_behind, to, job, wait)


def _delete(turn: Turn) -> None:
    registry, job = turn.registry, turn.job
    deletion_id, to = replication.read_key(job.key)
    found = registry.read(replication.deletion, deletion_id)
    if found is None:
        registry.write_now(replication.end_deletion, deletion_id)
        return
    removal, asked_at = found
    outcome, wait = _attempt(turn, to, lambda transfer: transfer.delete(removal))
    if outcome.code is None:
        registry.write_now(replication.end_deletion, deletion_id)
        return
    is_late = registry.clock() - asked_at >= replication.RETRY_FOR
    may_be_listed = removal.is_image and job.attempts < DELETION_TRIES
    final = is_late or (wait is None and outcome.code not in REMEDIABLE and not may_be_listed)
    registry.write_now(replication.note_deletion, deletion_id, outcome, final=final)
    if final or job.attempts == 1:
        _tell(
            "a deletion was not replicated", to, outcome, repository=removal.repository, digest=removal.digest
        )
    if final:
        return
    turn.again(outcome.reason, wait or jobs.backoff(job.attempts))
    if wait is not None:
        registry.write_now(replication.wait_behind, to, job, wait)


def _backfill(turn: Turn) -> None:
    registry, after, tried = turn.registry, ("", ""), 0
    left, away = False, 0  # images that are to be tried again; and how many of them in a row
    while (step := registry.read(backfills.next_step, turn.job.key, after)) is not None:
        backfill, place = step.backfill, step.place
        turn.beat()
        if backfill.status == backfills.PREPARING:
            registry.write_now(backfills.prepare, backfill.id)
            continue
        if backfill.status == backfills.STOPPING or (place is None and not left):
            _end(registry, backfill)
            return
        if place is None or away >= IN_A_ROW:
            _wait_for(turn, backfill)
            return
        if tried >= SLICE:
            registry.write_now(jobs.again, turn.job, 0)
            return
        tried, after = tried + 1, place
        outcome, wait = _bring(turn, backfill, step.image)
        if wait is None:
            registry.write_now(backfills.settle, backfill.id, place, outcome)
            away = 0
        else:
            left, away = True, away + 1


def _bring(turn: Turn, backfill: Backfill, image: Outgoing | None) -> tuple[Outcome, Instant | None]:
    if image is None:
        return Outcome(GONE, "it was deleted or archived since the backfill began"), None
    to = Destination(backfill.region, backfill.registry_id)
    outcome, wait = _attempt(turn, to, lambda transfer: transfer.copy(image))
    if wait is None:
        turn.registry.write_now(replication.landed, image, to, outcome)
    return outcome, wait


def _wait_for(turn: Turn, backfill: Backfill) -> None:
    """The destination was not to be reached: try again later, or give the backfill up."""
    rounds = turn.registry.write_now(backfills.note_unreachable, backfill)
    if rounds >= ROUNDS:
        _end(turn.registry, backfill, UNAVAILABLE)
    else:
        turn.again(UNAVAILABLE, jobs.backoff(rounds))


def _end(registry: Registry, backfill: Backfill, given_up: str | None = None) -> None:
    ended = registry.write_now(backfills.end, backfill.id, given_up=given_up)
    if ended is not None:
        log.info(
            "a replication backfill ended",
            backfill=ended.id,
            destination=f"{ended.region}/{ended.registry_id}",
            status=ended.status,
            code=ended.failure_code,
        )


def _attempt(
    turn: Turn, to: Destination, do: Callable[[Transfer], Outcome]
) -> tuple[Outcome, Instant | None]:
    """Try something at a destination.

    Returns:
        How it ended; and how long to wait before it is tried again, if the destination is away or busy.
    """
    outcome, wait = _tried(turn, to, do)
    said = "done" if outcome.code is None else "away" if wait is not None else "refused"
    figures.REPLICATION.add(turn.job.kind, said)
    return outcome, wait


def _tried(turn: Turn, to: Destination, do: Callable[[Transfer], Outcome]) -> tuple[Outcome, Instant | None]:
    try:
        with connected(turn.registry, to, turn.beat) as transfer:
            return do(transfer), None
    except targets.TargetsInvalid as error:
        return Outcome(NOT_CONFIGURED, str(error)), None
    except (Unavailable, TooManyRequests) as error:
        wait = max(jobs.backoff(turn.job.attempts), round((error.retry_after or 0) * SECOND))
        log.warning("a destination of replication is away or busy", destination=str(to), reason=str(error))
        return Outcome(UNAVAILABLE, str(error)), min(wait, jobs.MAX_RETRY)
    except UpstreamError as error:  # before anything was tried: there are no keys, say
        return refusal(error), None


def _tell(what: str, to: Destination, outcome: Outcome, **about: str) -> None:
    log.error(what, destination=str(to), code=outcome.code, reason=outcome.reason, **about)
