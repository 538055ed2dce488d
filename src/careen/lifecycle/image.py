"""An image as lifecycle rules see it: its tags, where it is, and the instants its age is told by."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from careen.clock import Instant
from careen.lifecycle.pin import Pin
from careen.lifecycle.rule import StorageClass


class ImageStatus(StrEnum):
    """ECR's ``imageStatus``."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"
    ACTIVATING = "ACTIVATING"
    """On its way out of the archive: not pullable yet, and in neither storage class."""


# Reading a member off its class costs ten times what reading a global does, and the properties below are asked a
# hundred thousand times for one plan.
_ACTIVE, _ARCHIVED = ImageStatus.ACTIVE, ImageStatus.ARCHIVED
_STANDARD, _ARCHIVE = StorageClass.STANDARD, StorageClass.ARCHIVE

NO_MEMBERS: Mapping[str, str] = MappingProxyType({})
"""The labels or annotations of images that have none: one value for all of them."""


# No image can be part of a reference cycle: the garbage collector need not visit a hundred thousand of them.
class Image(msgspec.Struct, frozen=True, gc=False):
    """One manifest of a repository, of whatever kind: image, index, or artifact with a subject."""

    digest: str
    """Unique in its repository."""
    tags: tuple[str, ...]
    pushed_at: Instant
    """When the digest first came; tagging it later does not move this."""
    pulled_at: Instant | None = None
    archived_at: Instant | None = None
    activated_at: Instant | None = None
    """When it was last restored from the archive."""
    status: ImageStatus = ImageStatus.ACTIVE
    size: int = 0
    """Bytes, ``imageSizeInBytes``."""
    media_type: str | None = None
    references: tuple[str, ...] = ()
    """The digests an index lists."""
    subject: str | None = None
    """The digest this artifact refers to."""
    artifact_type: str | None = None
    tagged_at: tuple[Instant, ...] = ()
    """When each of ``tags`` was put on this image; empty if nobody knows."""
    labels: Mapping[str, str] | None = NO_MEMBERS
    """Of the image's configuration; None if nobody could read it. Only protection rules ask for them."""
    annotations: Mapping[str, str] = NO_MEMBERS
    """Of the manifest. Only protection rules that ask for annotations need them."""
    in_use_by: tuple[str, ...] = ()
    """Who says that it runs, in a file: an image in use is protected."""
    pins: tuple[Pin, ...] = ()
    """Who said so to the registry, the latest first: a pinned image is protected, and so is what it needs."""

    @property
    def storage_class(self) -> StorageClass | None:
        """Where rules find it: nowhere on its way out of the archive, nor if its time there is unknown."""
        if self.status == _ACTIVE:
            return _STANDARD
        return _ARCHIVE if self.status == _ARCHIVED and self.archived_at is not None else None

    @property
    def entered_at(self) -> Instant:
        """Since when it is where it is: archived at, else restored at, else pushed at.

        ECR orders images by this, and treats restored images as newly pushed (user guide, archive_restore_image).
        """
        if self.archived_at is not None and self.status == _ARCHIVED:
            return self.archived_at
        return self.pushed_at if self.activated_at is None else self.activated_at

    @property
    def used_at(self) -> Instant:
        """Its last pull, if there was one since it was last restored; else since when it is where it is."""
        if self.pulled_at is None or (self.activated_at is not None and self.pulled_at < self.activated_at):
            return self.entered_at
        return self.pulled_at
