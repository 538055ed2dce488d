"""Replication backfills: copies of what was here before replication was configured (ECR user guide, "Replication backfill").

A backfill lists what it is to copy, one result for each image and tag, and then goes through the list; both in steps of one
transaction each, so that it goes on where it was after a crash. The copying itself is ``careen.replication``'s.
"""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from careen.clock import DAY, Instant
from careen.db import backfills, jobs
from careen.db.backfills import Backfill as Backfill
from careen.db.backfills import Counts as Counts
from careen.db.backfills import Result as Result
from careen.ecr import errors
from careen.ecr import replication as configurations
from careen.ecr.replication import Destination
from careen.faults import Point, reach
from careen.registry import replication
from careen.registry.registry import Transaction
from careen.registry.replication import IMMUTABLE_TAG, Outcome, Outgoing

JOB = "replication-backfill"
"""The kind of job that does a slice of a backfill."""

PREPARING = "PREPARING"
IN_PROGRESS = "IN_PROGRESS"
STOPPING = "STOPPING"
STOPPED = "STOPPED"
COMPLETE = "COMPLETE"
FAILED = "FAILED"

MAX_UNDER_WAY = 10
"""Amazon ECR's limit for a registry (service model, StartReplicationBackfill)."""

KEPT = 90 * DAY
"""How long a backfill is known after its end (service model, ListReplicationBackfills)."""

BATCH = 500
"""Images that are listed in one transaction: a few milliseconds, in which a push may have to wait."""

ENOUGH = 100
"""After so many replications a backfill fails if half of them have failed (ECR user guide)."""

TOO_MANY_FAILURES = "REPLICATION_FAILURE_THRESHOLD_EXCEEDED"
"""The failure code of a backfill of which half has failed. Amazon's is not known."""

SOME_FAILURES = "REPLICATION_FAILURES"
"""The failure code of one that went through its list and could not copy all of it: ``COMPLETE`` says that all is there."""


def start(tx: Transaction, to: Destination) -> Backfill:
    """Begin to copy what is here and matches the rules to a destination.

    Raises:
        careen.ecr.errors.Validation: no rule leads to the destination.
        careen.ecr.errors.ReplicationBackfillInProgress: one is under way to that Region.
        careen.ecr.errors.LimitExceeded: ten are under way.
    """
    backfills.forget(tx.rows, tx.now - KEPT)
    if to not in configurations.every_destination(replication.configuration(tx)):
        raise errors.Validation(
            f"The destination with region '{to.region}' and registryId '{to.registry_id}' is not in the replication"
            f" configuration of the registry with id '{tx.registry_id}'"
        )
    under_way = backfills.under_way(tx.rows)
    if any(each.region == to.region for each in under_way):
        raise errors.ReplicationBackfillInProgress(to.region)
    if len(under_way) >= MAX_UNDER_WAY:
        raise errors.LimitExceeded(
            f"The registry with id '{tx.registry_id}' can have at most {MAX_UNDER_WAY} replication backfills in progress"
        )
    backfill_id = str(uuid.uuid4())
    backfills.insert(tx.rows, backfill_id, to.region, to.registry_id, tx.now)
    jobs.enqueue(tx.rows, JOB, backfill_id, tx.now)
    reach(Point.BACKFILL_STARTED)
    return _require(tx, backfill_id)


def stop(tx: Transaction, backfill_id: str) -> Backfill:
    """Tell a backfill to end. What it has copied stays; what it is copying now it copies to the end.

    Raises:
        careen.ecr.errors.ReplicationBackfillNotFound: there is none of that id.
        careen.ecr.errors.ReplicationBackfillInvalidStatus: it has ended, or is told to already.
    """
    found = _require(tx, backfill_id)
    if found.status not in {PREPARING, IN_PROGRESS}:
        raise errors.ReplicationBackfillInvalidStatus(backfill_id, found.status)
    backfills.set_status(tx.rows, found.id, STOPPING)
    jobs.enqueue(tx.rows, JOB, found.id, tx.now)  # one that waits for its destination need not wait to stop
    return _require(tx, found.id)


def get(tx: Transaction, backfill_id: str) -> Backfill:
    """The backfill of that id.

    Raises:
        careen.ecr.errors.ReplicationBackfillNotFound: there is none, or it ended more than 90 days ago.
    """
    return _require(tx, backfill_id)


def _require(tx: Transaction, backfill_id: str) -> Backfill:
    found = backfills.by_id(tx.rows, backfill_id.lower())
    if found is None or _is_forgotten(tx, found):
        raise errors.ReplicationBackfillNotFound(backfill_id, tx.registry_id)
    return found


def _is_forgotten(tx: Transaction, backfill: Backfill) -> bool:
    return backfill.ended_at is not None and backfill.ended_at < tx.now - KEPT


def page(tx: Transaction, before: tuple[Instant, str], limit: int) -> list[Backfill]:
    """Up to ``limit`` backfills that were started before one, the latest first."""
    return backfills.page(tx.rows, tx.now - KEPT, before, limit)


def progress(tx: Transaction, backfill: Backfill) -> tuple[Counts, list[str]] | None:
    """How far a backfill is, and the codes of its failures; None until everything is listed."""
    if not backfill.is_prepared:
        return None
    return backfills.counts(tx.rows, backfill.id), backfills.failure_codes(tx.rows, backfill.id)


def results(
    tx: Transaction, backfill: Backfill, status: str | None, after: tuple[str, str, str], limit: int
) -> list[Result]:
    """Up to ``limit`` results of a backfill that has ended; of one that has not, none (service model)."""
    if backfill.ended_at is None:
        return []
    return backfills.results(tx.rows, backfill.id, status, after, limit)


class Step(NamedTuple):
    """Where a backfill stands."""

    backfill: Backfill
    place: tuple[str, str] | None = None
    """Repository and digest of the image that is next; None: nothing is left to be tried, or it is not copying."""
    image: Outgoing | None = None
    """That image; None if it has been deleted or archived since it was listed."""


def next_step(tx: Transaction, backfill_id: str, after: tuple[str, str]) -> Step | None:
    """What a backfill's job is to do next; None: nothing, it has ended.

    Args:
        tx: the transaction.
        backfill_id: which.
        after: repository and digest of the last image that this slice of the job has tried.
    """
    found = backfills.by_id(tx.rows, backfill_id)
    if found is None or found.ended_at is not None:
        return None
    place = backfills.next_image(tx.rows, found.id, after) if found.status == IN_PROGRESS else None
    return Step(found, place, place and replication.find(tx, *place))


def prepare(tx: Transaction, backfill_id: str) -> None:
    """List some more images."""
    found = backfills.by_id(tx.rows, backfill_id)
    if found is None or found.status != PREPARING:
        return
    to = Destination(found.region, found.registry_id)
    configuration = replication.configuration(tx)
    batch = backfills.images_after(tx.rows, found.prepared_to, BATCH)
    leads = {
        name: any(route.destination == to for route in configurations.routes(configuration, name))
        for name in {each.repository for each in batch}
    }
    backfills.add(tx.rows, found.id, [each for each in batch if leads[each.repository]])
    done = len(batch) < BATCH
    backfills.set_prepared(
        tx.rows, found.id, batch[-1].manifest_id if batch else found.prepared_to, done=done
    )
    if done:
        backfills.set_status(tx.rows, found.id, IN_PROGRESS)
    reach(Point.BACKFILL_PREPARED)


def settle(tx: Transaction, backfill_id: str, place: tuple[str, str], outcome: Outcome) -> None:
    """Note what became of an image, ``(repository, digest)``, and fail the backfill if half of it has failed."""
    for tag in outcome.refused_tags:
        backfills.settle_tag(tx.rows, backfill_id, *place, tag, IMMUTABLE_TAG)
    codes = outcome.sub_image_codes
    backfills.settle_image(
        tx.rows,
        backfill_id,
        *place,
        status=COMPLETE if outcome.code is None else FAILED,
        code=outcome.code,
        sub_codes=None if codes is None else msgspec.json.encode(sorted(set(codes))).decode(),
    )
    backfills.set_rounds(tx.rows, backfill_id, 0)
    if outcome.code is not None or outcome.refused_tags:
        counts = backfills.counts(tx.rows, backfill_id)
        if counts.complete + counts.failed >= ENOUGH and counts.failed >= counts.complete:
            backfills.set_status(tx.rows, backfill_id, FAILED, tx.now, TOO_MANY_FAILURES)
    reach(Point.BACKFILL_SETTLED)


def note_unreachable(tx: Transaction, backfill: Backfill) -> int:
    """The destination was not to be reached. Returns how often in a row that was so."""
    backfills.set_rounds(tx.rows, backfill.id, backfill.rounds + 1)
    return backfill.rounds + 1


def end(tx: Transaction, backfill_id: str, *, given_up: str | None = None) -> Backfill | None:
    """End a backfill that has nothing left to do or was told to stop; with a failure code, also one that has.

    Returns:
        It, as it ended; None if it had ended already.
    """
    found = backfills.by_id(tx.rows, backfill_id)
    if found is None or found.ended_at is not None:
        return None
    if given_up is not None:
        backfills.fail_rest(tx.rows, found.id, given_up)
    if found.status == STOPPING:
        backfills.set_status(tx.rows, found.id, STOPPED, tx.now)
    elif backfills.counts(tx.rows, found.id).failed:
        backfills.set_status(tx.rows, found.id, FAILED, tx.now, SOME_FAILURES)
    else:
        backfills.set_status(tx.rows, found.id, COMPLETE, tx.now)
    reach(Point.BACKFILL_ENDED)
    return backfills.by_id(tx.rows, found.id)


def sub_image_codes(of: Result) -> Sequence[str] | None:
    """The failure codes of the images that an index lists; None: it is no index."""
    return of.sub_image_failure_codes and msgspec.json.decode(of.sub_image_failure_codes, type=list[str])
