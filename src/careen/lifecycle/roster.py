"""The images of one repository, sorted once and tied together: what every rule is asked about.

Images are called by their number, their position in the input: most of the work on a hundred thousand images is
then work on lists of integers.
"""

from array import array
from collections.abc import Mapping, MutableSequence, Sequence
from itertools import chain
from typing import NamedTuple

from careen.clock import Instant
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.rule import StorageClass

_ACTIVE, _STANDARD = ImageStatus.ACTIVE, StorageClass.STANDARD


class Roster(NamedTuple):
    """Images by number, and what ties them."""

    images: Sequence[Image]
    entered_at: Sequence[Instant]
    storage_class: Sequence[StorageClass | None]
    """Where rules find each image; None if they do not."""
    followers: frozenset[int]
    """Artifacts whose subject is here. Rules do not find them: they share its fate instead of meeting their own."""
    oldest_first: Sequence[int]
    """By ``entered_at``, equal ones by digest: the order of the input must never show."""
    place: Sequence[int]
    """Where each image stands in ``oldest_first``."""
    indexes: Mapping[int, Sequence[int]]
    """An image to the indexes that list it, the oldest first."""
    referrers: Mapping[int, Sequence[int]]
    """An image to the artifacts whose subject it is, the oldest first."""


def roster(images: Sequence[Image]) -> Roster:
    """Sort the images and tie them together."""
    # A property costs a call, and almost all images are where they were pushed to.
    entered_at = [
        image.pushed_at if image.status is _ACTIVE and image.activated_at is None else image.entered_at
        for image in images
    ]
    storage_class = [_STANDARD if image.status is _ACTIVE else image.storage_class for image in images]
    oldest_first = _oldest_first(images, entered_at)
    place = column(len(images))
    for position, number in enumerate(oldest_first):
        place[number] = position
    indexes, referrers = _ties(images, place)
    followers = frozenset(chain.from_iterable(referrers.values()))
    for number in followers:
        storage_class[number] = None
    return Roster(images, entered_at, storage_class, followers, oldest_first, place, indexes, referrers)


def _oldest_first(images: Sequence[Image], entered_at: Sequence[Instant]) -> Sequence[int]:
    numbers = list(range(len(images)))
    if len(set(entered_at)) < len(images):
        # Sorting is stable: what was sorted by digest stays so among equals.
        numbers.sort(key=[image.digest for image in images].__getitem__)
    numbers.sort(key=entered_at.__getitem__)
    return array("l", numbers)


def column(length: int) -> MutableSequence[int]:
    """A number for each image, 0 to begin with.

    Columns are filled in order of age and read in order of memory. A list of a hundred thousand integers would be as
    many objects all over the memory, and a miss of the cache for each.
    """
    return array("l", bytes(array("l").itemsize * length))


def _ties(
    images: Sequence[Image], place: Sequence[int]
) -> tuple[Mapping[int, Sequence[int]], Mapping[int, Sequence[int]]]:
    """What lists each image, and what has it as its subject; only images that are here count."""
    tied = [number for number, image in enumerate(images) if image.references or image.subject is not None]
    if not tied:
        return {}, {}
    tied.sort(key=place.__getitem__)
    numbers = {image.digest: number for number, image in enumerate(images)}
    indexes: dict[int, list[int]] = {}
    referrers: dict[int, list[int]] = {}
    for number in tied:
        image = images[number]
        for digest in image.references:
            if digest in numbers:
                indexes.setdefault(numbers[digest], []).append(number)
        if image.subject in numbers:
            referrers.setdefault(numbers[image.subject], []).append(number)
    return indexes, referrers
