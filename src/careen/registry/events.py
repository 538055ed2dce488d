"""The log of events: what happened, written in the transaction in which it did.

So an event is there if and only if what it tells of is. What the events are, and how they look on their way out, is
``careen.ecr.events``; who is told of them, ``careen.registry.webhooks``.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from careen.clock import Instant
from careen.db import events as event_rows
from careen.db import images, repositories, webhooks
from careen.db.events import EventRow
from careen.db.images import ImageRow
from careen.ecr import events
from careen.ecr.events import DetailType, Event, Stamped
from careen.faults import Point, reach
from careen.lifecycle.selection import pattern_test
from careen.registry.registry import Registry, Transaction

BATCH = 500
"""Events per transaction of a pruning: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events somebody wants to hear of. What is empty selects all."""

    detail_types: Sequence[str] = ()
    actions: Sequence[str] = ()
    repositories: str = ""
    """A pattern of names, ``*`` for anything; events that are about no repository do not match."""

    def selects(self, event: Event) -> bool:
        """Whether an event is one of them."""
        return (
            (not self.detail_types or event.detail_type in self.detail_types)
            and (not self.actions or event.action in self.actions)
            and (
                not self.repositories
                or (event.repository is not None and _test(self.repositories)(event.repository))
            )
        )


@functools.lru_cache(256)
def _test(pattern: str) -> Callable[[str], bool]:
    return pattern_test(pattern)


def record(tx: Transaction, event: Event) -> int:
    """Tell that something happens in this transaction. Returns the event's sequence number."""
    detail = msgspec.json.encode(event.detail).decode()
    sequence = event_rows.insert(
        tx.rows,
        tx.now,
        event.detail_type.value,  # a plain str: the driver takes ten times as long for one that is more
        event.action,
        event.repository,
        detail,
    )
    reach(Point.EVENT_RECORDED)
    return sequence


def record_deletion(tx: Transaction, repository: str, digest: str, tags: Sequence[str]) -> None:
    """Tell that an image goes: an event for each of its tags, or one without a tag (as on Amazon ECR)."""
    for tag in tags or (None,):
        record(tx, events.deleted(repository, digest, tag))


def record_storage_class(tx: Transaction, row: ImageRow) -> None:
    """Tell that an image has just changed its storage class; ``row`` is the image as it is now."""
    repository = repositories.by_id(tx.rows, row.repository_id)
    if repository is None:
        return
    event = events.storage_class_updated(
        repository.name,
        row.digest,
        media_type=row.media_type,
        artifact_type=row.artifact_type,
        is_referrer=row.subject is not None,
        activated_at=row.activated_at if row.status == "ACTIVE" else None,
    )
    record(tx, event)


def record_pulls(tx: Transaction, pulls: Mapping[tuple[int, str], int]) -> None:
    """Tell of pulls, ``(manifest id, principal's ARN)`` to how many, if anybody wants to hear of them.

    One event for each image and principal. Images that have been deleted since are not told of.
    """
    if not _pulls_are_wanted(tx):
        return
    for (manifest_id, principal), count in pulls.items():
        named = images.named(tx.rows, manifest_id)
        if named is not None:
            repository, digest = named
            tags = images.tags_of(tx.rows, manifest_id)
            record(tx, events.pulled(repository, digest, tags, principal, count))


def _pulls_are_wanted(tx: Transaction) -> bool:
    """Whether the settings or an enabled webhook name pulls; one that takes all events takes what there is."""
    return tx.limits.pull_events or any(
        row.enabled and "PULL" in msgspec.json.decode(row.actions) for row in webhooks.every(tx.rows)
    )


def latest(tx: Transaction) -> int:
    """The sequence number of the last event that was ever recorded; 0: none."""
    return event_rows.latest(tx.rows)


def pruned(tx: Transaction) -> int:
    """The highest sequence number of an event that is not kept any more; 0: all are."""
    return event_rows.pruned(tx.rows)


def following(tx: Transaction, sequence: int, limit: int) -> list[Stamped]:
    """Up to ``limit`` events after a sequence number, in order."""
    return [stamped(row) for row in event_rows.after(tx.rows, sequence, limit)]


def page(
    tx: Transaction,
    before: int,
    limit: int,
    repository: str | None = None,
    detail_types: Sequence[str] = (),
    actions: Sequence[str] = (),
    start: Instant | None = None,
    end: Instant | None = None,
) -> list[Stamped]:
    """Up to ``limit`` events below a sequence number and between two instants, the latest first."""
    found = event_rows.before(tx.rows, before, limit, repository, detail_types, actions, start, end)
    return [stamped(row) for row in found]


def one(tx: Transaction, sequence: int) -> Stamped | None:
    """The event of that sequence number, if it is still kept."""
    row = event_rows.one(tx.rows, sequence)
    return None if row is None else stamped(row)


def stamped(row: EventRow) -> Stamped:
    """An event as the log has it."""
    return Stamped(
        row.id, row.recorded_at, Event(DetailType(row.detail_type), msgspec.json.decode(row.detail))
    )


def prune(registry: Registry) -> int:
    """Forget events that are older than the registry keeps them. Returns how many.

    A dead letter keeps its event; see ``careen.registry.webhooks.prune``, which comes before this.
    """
    total = 0
    while True:
        pruned = registry.write_now(_prune)
        total += pruned
        if pruned < BATCH:
            return total


def _prune(tx: Transaction) -> int:
    pruned = event_rows.prune(tx.rows, tx.now - tx.limits.events, BATCH)
    reach(Point.EVENTS_PRUNED)
    return pruned
