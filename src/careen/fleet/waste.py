"""Images that nobody seems to need: without a tag, or stale. What hangs on an image counts with it."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from careen.clock import DAY, Instant
from careen.lifecycle.image import Image

STALE_DAYS = 90
"""For how long an image was neither pushed nor pulled that counts as stale, if nobody says otherwise."""


class Waste(NamedTuple):
    """Digests. What is in use is in neither, nor is what an image in use needs."""

    untagged: frozenset[str]
    """Images without a tag that no index lists, and what hangs on them alone: what their indexes list, what refers to them."""
    stale: frozenset[str]
    """The same of images with tags that were neither pushed nor pulled for long."""


def waste(
    images: Sequence[Image], in_use: Collection[str], now: Instant, stale_days: int = STALE_DAYS
) -> Waste:
    """Look for it.

    Args:
        images: of a repository.
        in_use: digests.
        now: ages are told from here.
        stale_days: see :data:`STALE_DAYS`.
    """
    by_digest = {image.digest: image for image in images}
    listed = {child for image in images for child in image.references}
    # What an index lists is pulled through it, and what refers to another image goes with that.
    roots = [each for each in images if each.digest not in listed and each.subject not in by_digest]
    referrers = _referrers(images)
    before = now - stale_days * DAY
    untagged: set[str] = set()
    stale: set[str] = set()
    kept: set[str] = set()
    for each in roots:
        all_of_it = _hanging_on(each, by_digest, referrers)
        if not all_of_it.isdisjoint(in_use):
            kept |= all_of_it
        elif not any(by_digest[digest].tags for digest in all_of_it):
            untagged |= all_of_it
        elif max(by_digest[digest].used_at for digest in all_of_it) < before:
            stale |= all_of_it
        else:
            kept |= all_of_it
    # A child of two indexes stays with the one that stays.
    return Waste(frozenset(untagged - stale - kept), frozenset(stale - kept))


def _referrers(images: Sequence[Image]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for image in images:
        if image.subject is not None:
            found.setdefault(image.subject, []).append(image.digest)
    return found


def _hanging_on(
    root: Image, by_digest: Mapping[str, Image], referrers: Mapping[str, Sequence[str]]
) -> set[str]:
    """An image, what it lists, what refers to any of that, and so on."""
    found: set[str] = set()
    waiting = [root.digest]
    while waiting:
        digest = waiting.pop()
        if digest in by_digest and digest not in found:
            found.add(digest)
            waiting += by_digest[digest].references
            waiting += referrers.get(digest, ())
    return found
