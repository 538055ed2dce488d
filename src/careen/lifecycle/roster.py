"""The images of one repository, sorted once and tied together: what every rule is asked about.

Images are called by their number, their position in the input: most of the work on a hundred thousand images is
then work on lists of integers.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from careen.clock import Instant
from careen.lifecycle.image import Image
from careen.lifecycle.rule import StorageClass


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
    indexes: Mapping[int, Sequence[int]]
    """An image to the indexes that list it, the oldest first."""
    referrers: Mapping[int, Sequence[int]]
    """An image to the artifacts whose subject it is, the oldest first."""


def roster(images: Sequence[Image]) -> Roster:
    """Sort the images and tie them together."""
    entered_at = [image.entered_at for image in images]
    storage_class = [image.storage_class for image in images]
    listed = [(digest, n) for n, image in enumerate(images) for digest in image.references]
    subjects = [(image.subject, n) for n, image in enumerate(images) if image.subject is not None]
    indexes = _tied(images, entered_at, listed)
    referrers = _tied(images, entered_at, subjects)
    followers = frozenset(chain.from_iterable(referrers.values()))
    for number in followers:
        storage_class[number] = None
    oldest_first = _oldest_first(images, entered_at)
    return Roster(images, entered_at, storage_class, followers, oldest_first, indexes, referrers)


def _oldest_first(images: Sequence[Image], entered_at: Sequence[Instant]) -> Sequence[int]:
    numbers = list(range(len(images)))
    if len(set(entered_at)) < len(images):
        # Sorting is stable: what was sorted by digest stays so among equals.
        numbers.sort(key=[image.digest for image in images].__getitem__)
    numbers.sort(key=entered_at.__getitem__)
    return array("l", numbers)


def _tied(
    images: Sequence[Image], entered_at: Sequence[Instant], ties: Iterable[tuple[str, int]]
) -> Mapping[int, Sequence[int]]:
    """From digests and the numbers of those that name them, what names each image that is here."""
    by_digest: dict[str, list[int]] = {}
    for digest, number in ties:
        by_digest.setdefault(digest, []).append(number)
    for numbers in by_digest.values():
        if len(numbers) > 1:
            numbers.sort(key=lambda number: (entered_at[number], images[number].digest))
    if not by_digest:
        return {}
    return {n: by_digest[image.digest] for n, image in enumerate(images) if image.digest in by_digest}
