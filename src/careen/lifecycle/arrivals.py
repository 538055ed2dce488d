"""The pushes that are to be expected: those of the past, again.

Images that were pushed at the top level (no index lists them, they refer to no other) fall into streams by the families of
their counting tags: one for ``v*``, one for ``pr-*``, one for all that have fixed tags or none. What a stream pushed between
its oldest image and now is pushed again over the next stretch of that length, and again after it: at the same hours, of the
same sizes, each index with its children and each image with what refers to it. A stream of one image has no rate and brings
nothing.

The rate is that of the images that are left. A policy that deletes by count or by age leaves the latest ones, by which the
rate can be told; one that picks images out of the middle makes it look slower than it was.

A copy's tags: what counts goes on counting (``v1.4.2``, then ``v1.4.3``), a hash is another hash, and a fixed tag (``latest``)
moves to it from the image that has it. An untagged image is taken for one whose fixed tags a later push took: its copy
comes with the tags of that push. Nothing here is random: the same images give the same arrivals.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from careen.clock import DAY, Instant
from careen.lifecycle.family import counts, family, following, stem
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.projection import Arrival, Blobs

MOST = 100_000
"""More pushes than these are not foretold: no repository holds more images (ECR's quota)."""


class TooManyArrivals(ValueError):
    """The images were pushed so close upon each other that their rate is none to go on with."""


class Push(NamedTuple):
    """A push of the past."""

    image: Image
    tags: Sequence[str]
    """What it was pushed as, as far as that can be told."""


class Stream(NamedTuple):
    """Pushes of one kind."""

    families: Sequence[str]
    """Of the counting tags, sorted; empty for fixed tags and untagged images."""
    pushes: Sequence[Push]
    """Those by which the rate is told, the oldest first: all but the first."""
    span: Instant
    """How long they took, in microseconds; a day at least, as less tells no rate."""

    @property
    def per_day(self) -> float:
        """Pushes a day."""
        return len(self.pushes) * DAY / self.span


def streams(images: Sequence[Image], now: Instant) -> Sequence[Stream]:
    """The streams of a repository, by their families.

    Args:
        images: everything in the repository.
        now: when they are looked at.
    """
    listed = {digest for image in images for digest in image.references}
    found: dict[tuple[str, ...], list[Image]] = {}
    for image in sorted(images, key=_pushed):
        if image.digest not in listed and image.subject is None and image.pushed_at <= now:
            found.setdefault(_counting(image.tags), []).append(image)
    return [
        Stream(names, _pushes(found[names])[1:], max(DAY, now - found[names][0].pushed_at))
        for names in sorted(found)
    ]


def _pushed(image: Image) -> tuple[Instant, str]:
    return image.pushed_at, image.digest


def _counting(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in map(family, tags) if counts(name)}))


def _pushes(images: Sequence[Image]) -> Sequence[Push]:
    tags: tuple[str, ...] = ()
    pushes = []
    for image in reversed(images):
        tags = image.tags or tags
        pushes.append(Push(image, tags))
    return pushes[::-1]


def arrivals(images: Sequence[Image], now: Instant, days: int, blobs: Blobs | None = None) -> list[Arrival]:
    """What is pushed within so many days, in order of time.

    Args:
        images: everything in the repository.
        now: the instant from which on pushes are foretold.
        days: how far.
        blobs: what images need. A copy shares what its model shares with other images, and brings the rest anew.

    Raises:
        TooManyArrivals: they would be more than a repository may hold.
    """
    found = streams(images, now)
    expected = sum(stream.per_day for stream in found) * days
    if expected > MOST:
        raise TooManyArrivals(f"at their rate {expected:,.0f} images would be pushed in {days} days")
    due = [
        (pushed_at, number, push.image.digest, push)
        for number, stream in enumerate(found)
        for pushed_at, push in _again(stream, now + days * DAY)
    ]
    copying = _Copying(images, blobs or {})
    return [arrival for at, _, _, push in sorted(due) for arrival in copying.copies(push, at)]


def _again(stream: Stream, until: Instant) -> Iterator[tuple[Instant, Push]]:
    for push in stream.pushes:
        pushed_at = push.image.pushed_at + stream.span
        while pushed_at <= until:
            yield pushed_at, push
            pushed_at += stream.span


class _Copying:
    """Makes copies of images, with what belongs to them, under names that nothing has."""

    def __init__(self, images: Sequence[Image], blobs: Blobs) -> None:
        self._images = {image.digest: image for image in images}
        self._referrers: dict[str, list[Image]] = {}
        for image in sorted(images, key=_pushed):
            if image.subject is not None:
                self._referrers.setdefault(image.subject, []).append(image)
        self._blobs = blobs
        self._users = Counter(chain.from_iterable(blobs.values()))
        self._tags = {tag for image in images for tag in image.tags}
        self._latest: dict[str, str] = {}
        self._copies = 0

    def copies(self, push: Push, at: Instant) -> Sequence[Arrival]:
        """A copy of an image, after its children and before what refers to it."""
        return self._copy(push.image, push.tags, at, None, frozenset())[1]

    def _copy(
        self, model: Image, tags: Sequence[str], at: Instant, subject: str | None, within: frozenset[str]
    ) -> tuple[str, list[Arrival]]:
        """The copy's digest, and all that arrives with it. ``within``: whose copying this is part of, for no circle to close."""
        self._copies += 1
        digest, within = f"arrival-{self._copies}:{model.digest}", within | {model.digest}
        made: list[Arrival] = []
        references = []
        for child in self._known(model.references, within):
            reference, arrived = self._copy(child, child.tags, at, None, within)
            references.append(reference)
            made += arrived
        copy = msgspec.structs.replace(
            model,
            digest=digest,
            tags=tuple(self._next(tag) if counts(family(tag)) else tag for tag in tags),
            tagged_at=(),
            pushed_at=at,
            pulled_at=None,
            archived_at=None,
            activated_at=None,
            status=ImageStatus.ACTIVE,
            references=tuple(references),
            subject=subject,
            in_use_by=(),
            pins=(),
        )
        made.append(Arrival(copy, self._needs(model.digest, digest)))
        for referrer in self._referrers.get(model.digest, ()):
            if referrer.digest not in within:
                made += self._copy(referrer, referrer.tags, at, digest, within)[1]
        return digest, made

    def _known(self, digests: Sequence[str], within: frozenset[str]) -> Iterator[Image]:
        return (self._images[digest] for digest in digests if digest in self._images and digest not in within)

    def _needs(self, model: str, copy: str) -> Mapping[str, int]:
        needs = self._blobs.get(model, {})
        return {blob if self._users[blob] > 1 else f"{copy}/{blob}": size for blob, size in needs.items()}

    def _next(self, tag: str) -> str:
        """The next tag of its kind that nobody has had."""
        kind = stem(tag)
        found = following(self._latest.get(kind, tag))
        while found in self._tags:
            found = following(found)
        self._tags.add(found)
        self._latest[kind] = found
        return found
