"""Pins: which images are in use, who says so, and when they may be forgotten.

What may end a pin, and what may not:

* A *statement* (``put``) names its own time, and ends with it.
* A *feed* reports all that it sees (``report``). A pin of a feed ends when a whole report that has not got it comes, at least its
  time to live after the last that had it. So a feed that stops, or sees only a part, ends nothing: what it pinned last is kept for
  a long grace, and said to be stale.
* None of this is measured by the clock, but by a *watch* that counts the time in which the registry was there to listen: it is
  looked at every few minutes, and one look counts for an hour at most. A clock that jumps, or a registry that was off for a month
  while nobody could report, ends nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from careen.clock import HOUR, SECOND, Instant
from careen.db import images as image_rows
from careen.db import pins as pin_rows
from careen.db import repositories
from careen.db.pins import Feed as Feed
from careen.db.pins import Key as Key
from careen.db.pins import Listed as Listed
from careen.db.pins import PinRow, Watch
from careen.ecr import errors
from careen.lifecycle.pin import Pin
from careen.registry.registry import Transaction

LOOK_EVERY = 600 * SECOND
"""How often the worker looks at the watch and drops what has ended."""

LONGEST_LOOK = HOUR
"""What lies between two looks counts for no more than this."""


class InUse(NamedTuple):
    """That an image of this registry is used."""

    repository: str
    digest: str | None
    tag: str | None
    """The digest, the tag, or both: then what runs and what the tag names are both in use."""
    consumer: str


class Unresolved(NamedTuple):
    """A use of what is not here."""

    use: InUse
    code: str
    """RepositoryNotFound or ImageNotFound."""
    reason: str


class Pinned(NamedTuple):
    """What became of some uses."""

    pinned: int
    unresolved: list[Unresolved]
    ended: int = 0
    """Pins that the report ended."""
    is_whole: bool = False
    """Whether it was taken as a whole report."""


class Held(NamedTuple):
    """A pin as a list shows it."""

    repository: str
    pin: PinRow
    is_present: bool
    """Whether the image is in the repository."""
    ends_at: Instant | None
    """When it ends if nobody says anything any more; None: not as long as its feed reports it."""


class Reporter(NamedTuple):
    """A feed, and how it does."""

    feed: Feed
    pins: int
    is_stale: bool
    """Its last whole report is longer ago than its pins would live: they are kept, and nobody knows whether that is right."""
    silent: Instant
    """For how long it has made no whole report."""


class Lapsed(NamedTuple):
    """What a look at the watch found."""

    ended: int
    stale: list[Reporter]


def look(tx: Transaction) -> Instant:
    """Look at the watch. Returns where it stands."""
    passed = _passed(tx)
    pin_rows.set_watch(tx.rows, Watch(tx.now, passed))
    return passed


def _passed(tx: Transaction) -> Instant:
    last = pin_rows.watch(tx.rows)
    if last is None:
        return 0
    return last.passed + min(max(tx.now - last.looked_at, 0), LONGEST_LOOK)


def lapse(tx: Transaction) -> Lapsed:
    """Drop what has ended, and say which feeds are stale."""
    ended = pin_rows.delete_ended(tx.rows, look(tx), tx.limits.pin_grace)
    return Lapsed(ended, [each for each in feeds(tx) if each.is_stale])


def put(tx: Transaction, source: str, ttl: Instant, uses: Sequence[InUse]) -> Pinned:
    """Pin images for a time.

    Args:
        tx: the transaction.
        source: who says so.
        ttl: for how long, in microseconds.
        uses: the images.

    Raises:
        careen.ecr.errors.InvalidParameter: the source is a feed, whose pins do not end by time.
    """
    if pin_rows.feed(tx.rows, source) is not None:
        raise errors.InvalidParameter("source", f"{source} is a feed, which reports the images in use")
    return _pin(tx, source, ttl, uses, look(tx))


def report(tx: Transaction, source: str, ttl: Instant, uses: Sequence[InUse], *, is_whole: bool) -> Pinned:
    """Take in what a feed sees.

    A whole report that names nothing of this registry, while the feed has pins, is taken for a part: a feed that looks in the
    wrong place sees nothing, too.

    Args:
        tx: the transaction.
        source: the feed's name.
        ttl: how long what it does not see any more is kept, in microseconds.
        uses: the images.
        is_whole: whether this is all there is, with the parts reported within the last ``ttl``.
    """
    is_whole = is_whole and (bool(uses) or not pin_rows.count_of_source(tx.rows, source))
    now = look(tx)
    pinned = _pin(tx, source, ttl, uses, now)
    before = pin_rows.feed(tx.rows, source)
    feed = (
        Feed(source, ttl, tx.now, None, now) if before is None else before._replace(ttl=ttl, heard_at=tx.now)
    )
    ended = 0
    if is_whole:
        feed = feed._replace(reported_at=tx.now, reported_watch=now)
        ended = pin_rows.delete_contradicted(tx.rows, feed)
    pin_rows.set_feed(tx.rows, feed)
    return pinned._replace(ended=ended, is_whole=is_whole)


def _pin(tx: Transaction, source: str, ttl: Instant, uses: Sequence[InUse], now: Instant) -> Pinned:
    rows: dict[Key, PinRow] = {}
    unresolved = []
    known: dict[str, int | None] = {}
    for use in uses:
        if use.repository not in known:
            found = repositories.by_name(tx.rows, use.repository)
            known[use.repository] = None if found is None else found.id
        repository_id = known[use.repository]
        if repository_id is None:
            reason = f"there is no repository {use.repository}"
            unresolved.append(Unresolved(use, "RepositoryNotFound", reason))
            continue
        tagged = None if use.tag is None else image_rows.by_tag(tx.rows, repository_id, use.tag)
        if use.digest is None and tagged is None:
            unresolved.append(Unresolved(use, "ImageNotFound", f"no image has the tag {use.tag}"))
        digests = {} if tagged is None else {tagged.digest: use.tag}
        if use.digest is not None:
            # What runs is pinned even if it is not here: it may be pushed again, or come back from elsewhere.
            digests.setdefault(use.digest, None)
        for digest, tag in digests.items():
            rows[use.repository, digest, source, use.consumer] = PinRow(
                repository_id, digest, source, use.consumer, tag, ttl, tx.now, now
            )
    pin_rows.put(tx.rows, rows.values())
    return Pinned(len(rows), unresolved)


def remove(
    tx: Transaction,
    *,
    source: str | None = None,
    repository: str | None = None,
    digest: str | None = None,
    consumer: str | None = None,
) -> int:
    """Drop pins by any of these; by source alone the feed is forgotten with them. Returns how many.

    Raises:
        careen.ecr.errors.InvalidParameter: nothing says which; that would be all.
        careen.ecr.errors.RepositoryNotFound: there is none of that name.
    """
    if source is None and repository is None and digest is None and consumer is None:
        raise errors.InvalidParameter("source", "say which pins: by source, repository, digest or consumer")
    if repository is None and digest is None and consumer is None:
        pin_rows.forget_feed(tx.rows, source or "")
    return pin_rows.delete(tx.rows, _id_of(tx, repository), digest, source, consumer)


def page(
    tx: Transaction,
    repository: str | None,
    digest: str | None,
    source: str | None,
    after: Key,
    limit: int,
) -> list[Held]:
    """Up to ``limit`` pins that follow ``after``; None selects all.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none of that name.
    """
    reporters = {each.source: each for each, _ in pin_rows.feeds(tx.rows)}
    found = pin_rows.page(tx.rows, _id_of(tx, repository), digest, source, after, limit)
    now = _passed(tx)
    return [Held(*each, _ends_at(tx, now, each.pin, reporters.get(each.pin.source))) for each in found]


def _ends_at(tx: Transaction, now: Instant, pin: PinRow, feed: Feed | None) -> Instant | None:
    """By the registry's clock, if that goes on steadily; ``now`` is the watch's."""
    if feed is None or pin.seen_watch < feed.reported_watch:
        lives = pin.ttl
    elif now - feed.reported_watch > feed.ttl:
        lives = max(pin.ttl, tx.limits.pin_grace)
    else:
        return None
    return tx.now + pin.seen_watch + lives - now


def feeds(tx: Transaction) -> list[Reporter]:
    """Every feed, by name."""
    now = _passed(tx)
    return [
        Reporter(feed, count, now - feed.reported_watch > feed.ttl, now - feed.reported_watch)
        for feed, count in pin_rows.feeds(tx.rows)
    ]


def _id_of(tx: Transaction, repository: str | None) -> int | None:
    if repository is None:
        return None
    found = repositories.by_name(tx.rows, repository)
    if found is None:
        raise errors.RepositoryNotFound(repository, tx.registry_id)
    return found.id


def load(tx: Transaction, repository_id: int) -> dict[str, tuple[Pin, ...]]:
    """The pins of every pinned image of a repository by digest, the latest first."""
    pins: defaultdict[str, list[Pin]] = defaultdict(list)
    for digest, consumer, source, seen_at in pin_rows.in_repository(tx.rows, repository_id):
        pins[digest].append(Pin(consumer, source, seen_at))
    return {digest: tuple(found) for digest, found in pins.items()}


def holding(tx: Transaction, row: image_rows.ImageRow) -> Pin | None:
    """A pin that keeps an image as things are in this transaction: its own, or that of an image which needs it.

    The same that ``careen.lifecycle.protection`` says of a whole repository.
    """
    if not pin_rows.are_in(tx.rows, row.repository_id):
        return None
    for digest in _needing(tx, row):
        found = pin_rows.on(tx.rows, row.repository_id, digest)
        if found is not None:
            return Pin(found.consumer, found.source, found.seen_at)
    return None


def _needing(tx: Transaction, row: image_rows.ImageRow) -> Iterator[str]:
    """The digests of an image, of what goes with it or is found by it, and of the indexes it is a part of."""
    below, above = [(row.id, row.digest)], [row.id]
    seen = {row.id}
    while below:
        manifest_id, digest = below.pop()
        yield digest
        referrers = image_rows.referrers(tx.rows, row.repository_id, digest)
        for each in [
            *image_rows.children(tx.rows, manifest_id),
            *((each.id, each.digest) for each in referrers),
        ]:
            if each[0] not in seen:
                seen.add(each[0])
                below.append(each)
    seen = {row.id}
    while above:
        for manifest_id, digest in image_rows.indexes(tx.rows, above.pop()):
            if manifest_id not in seen:
                seen.add(manifest_id)
                above.append(manifest_id)
                yield digest
