"""A repository on paper: its images and bytes, as plans and pushes that have not happened yet would leave them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Plan, Tally
from careen.lifecycle.rule import ActionType

Blobs = Mapping[str, Mapping[str, int]]
"""By the digest of an image: the layers and the configuration it needs, by digest, with their sizes in bytes."""


class Arrival(NamedTuple):
    """An image that is pushed."""

    image: Image
    """Its tags move to it from whoever has them."""
    blobs: Mapping[str, int]
    """What it needs; of no account where nobody knows what the others need."""


class Projection:
    """Images with what they need, so that freed bytes are those that nothing needs any more."""

    def __init__(self, images: Sequence[Image], blobs: Blobs | None = None) -> None:
        """Begin with what is there.

        Args:
            images: everything in the repository.
            blobs: what they need. None if nobody knows: each image then needs its own size, and shared layers count for each
                of them. An index needs what its children need, and nothing besides.
        """
        self._blobs = None if blobs is None else dict(blobs)
        self._images: dict[str, Image] = {}
        self._holders: dict[str, str] = {}
        self._needed: dict[str, int] = {}
        self._size = 0
        for image in images:
            self._add(image)

    @property
    def images(self) -> Sequence[Image]:
        """What is there."""
        return list(self._images.values())

    @property
    def stored(self) -> Tally:
        """How much that is."""
        return Tally(len(self._images), self._size)

    def receive(self, arrivals: Iterable[Arrival]) -> int:
        """Let images come, one after the other. Returns how many."""
        number = 0
        for number, (image, blobs) in enumerate(arrivals, start=1):  # noqa: B007 - the last is the sum
            for tag in image.tags:
                self._untag(self._holders.get(tag), {tag})
            if self._blobs is not None:
                self._blobs[image.digest] = blobs
            self._add(image)
        return number

    def carry_out(self, plan: Plan) -> int:
        """Do what a plan says. Returns the bytes that nothing needs any more."""
        before = self._size
        for decision in plan.acted_on:
            digest = decision.image.digest
            match decision.effect:
                case ActionType.EXPIRE:
                    self._remove(digest)
                case ActionType.TRANSITION:
                    self._images[digest] = msgspec.structs.replace(
                        self._images[digest], status=ImageStatus.ARCHIVED, archived_at=plan.now
                    )
                case ActionType.UNTAG:
                    self._untag(digest, decision.untagged)
        return before - self._size

    def _add(self, image: Image) -> None:
        self._images[image.digest] = image
        self._holders |= dict.fromkeys(image.tags, image.digest)
        needed = self._needed
        for blob, size in self._needs(image).items():
            number = needed.get(blob, 0)
            needed[blob] = number + 1
            if not number:
                self._size += size

    def _remove(self, digest: str) -> None:
        image = self._images.pop(digest)
        for tag in image.tags:
            self._holders.pop(tag, None)
        for blob, size in self._needs(image).items():
            self._needed[blob] -= 1
            self._size -= 0 if self._needed[blob] else size

    def _needs(self, image: Image) -> Mapping[str, int]:
        if self._blobs is not None:
            return self._blobs.get(image.digest, {})
        return {} if image.references else {image.digest: image.size}

    def _untag(self, digest: str | None, tags: Collection[str]) -> None:
        if digest is None:
            return
        image = self._images[digest]
        kept = [place for place, tag in enumerate(image.tags) if tag not in tags]
        self._images[digest] = msgspec.structs.replace(
            image,
            tags=tuple(image.tags[place] for place in kept),
            tagged_at=tuple(image.tagged_at[place] for place in kept) if image.tagged_at else (),
        )
        for tag in tags:
            self._holders.pop(tag, None)
