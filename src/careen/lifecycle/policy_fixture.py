"""Images as people write them down for tests of policies, and as an inventory is saved.

Members are those of DescribeImages, shorter: ``{tags: [v1.0], pushed: 40 days, pulled: 3 days}``. A time is an age or
ISO 8601. An image is named by its tags, and by its digest, its name, or else its number: ``image-3``.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from careen.clock import DAY, Instant, isoformat, parse_instant
from careen.lifecycle import image_details
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.selection import pattern_test

_AGE = re.compile(r"(\d+(?:\.\d+)?) *(h|hours?|d|days?|w|weeks?)(?: ago)?")
_UNITS = {"h": DAY // 24, "d": DAY, "w": 7 * DAY}
_SHORTEST = 12
"""Characters of a digest that may stand for it."""


class InvalidPolicyTest(ValueError):
    """A document that is no policy test; the text says where and why."""


class ImageFixture(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An image on paper."""

    pushed: str
    tags: tuple[str, ...] = ()
    name: str | None = None
    digest: str | None = None
    pulled: str | None = None
    archived: str | None = None
    restored: str | None = None
    status: ImageStatus | None = None
    """If it is another than the times say."""
    size: int = 0
    media_type: str | None = None
    references: tuple[str, ...] = ()
    subject: str | None = None
    artifact_type: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    in_use_by: tuple[str, ...] = ()


class World:
    """Images, and what they are called."""

    def __init__(self, inventory: bytes | None, fixtures: Sequence[ImageFixture], now: Instant) -> None:
        """Read them.

        Args:
            inventory: what ``aws ecr describe-images`` printed.
            fixtures: further images.
            now: what their ages are told from.

        Raises:
            InvalidPolicyTest: they cannot be read, or cannot be told apart.
        """
        found = [] if inventory is None else _details(inventory)
        written = {_called(image, number): image for number, image in enumerate(fixtures, start=1)}
        if len(written) < len(fixtures):
            raise InvalidPolicyTest("images: two have the same name, tag or digest; give them names")
        self._tags = {tag: name for name, image in written.items() for tag in image.tags}
        described = [self._described(name, image, now) for name, image in written.items()]
        self.images = found + _details(msgspec.json.encode(described))
        for image in self.images:
            for tag in image.tags:
                if self._tags.setdefault(tag, image.digest) != image.digest:
                    raise InvalidPolicyTest(f"images: two have the tag {tag}")
        self._digests = {image.digest for image in self.images}
        for name in self._digests & self._tags.keys():
            if self._tags[name] != name:
                raise InvalidPolicyTest(f"images: {name} is the name of one and a tag of another")

    def _described(self, name: str, image: ImageFixture, now: Instant) -> dict[str, Any]:
        """An image as ``image_details`` reads it."""
        times = {
            "imagePushedAt": image.pushed,
            "lastRecordedPullTime": image.pulled,
            "lastArchivedAt": image.archived,
            "lastActivatedAt": image.restored,
        }
        return {
            "imageDigest": name,
            "imageTags": image.tags,
            "imageStatus": image.status or _likely(image.archived, image.restored),
            "imageSizeInBytes": image.size,
            "imageManifestMediaType": image.media_type,
            "imageReferences": [self._tags.get(other, other) for other in image.references],
            "subjectManifestDigest": image.subject and self._tags.get(image.subject, image.subject),
            "artifactMediaType": image.artifact_type,
            "imageLabels": image.labels,
            "imageAnnotations": image.annotations,
            "imageInUseBy": image.in_use_by,
        } | {member: isoformat(instant(time, now)) for member, time in times.items() if time is not None}

    def meant(self, name: str) -> list[str]:
        """The digests that a name stands for: a tag, a digest or its beginning, a pattern of tags.

        Raises:
            InvalidPolicyTest: it stands for none.
        """
        if "*" in name:
            matches = pattern_test(name)
            found = list(dict.fromkeys(digest for tag, digest in self._tags.items() if matches(tag)))
        elif name in self._tags:
            found = [self._tags[name]]
        else:
            begins = (name, f"sha256:{name}")
            long = len(name.removeprefix("sha256:")) >= _SHORTEST
            found = [
                digest for digest in self._digests if digest == name or (long and digest.startswith(begins))
            ]
        if not found:
            raise InvalidPolicyTest(f"no image is called {name}")
        return found


def _called(image: ImageFixture, number: int) -> str:
    return image.digest or image.name or (image.tags[0] if image.tags else f"image-{number}")


def _likely(archived: object, restored: object) -> ImageStatus:
    """What the times say, unless somebody knows better."""
    return ImageStatus.ARCHIVED if archived and not restored else ImageStatus.ACTIVE


def _details(document: bytes) -> list[Image]:
    try:
        return image_details.read(document)
    except image_details.InvalidImageDetails as error:
        raise InvalidPolicyTest(f"images: {error}") from None


def instant(text: str, now: Instant) -> Instant:
    """A time: so long before now, or ISO 8601.

    Raises:
        InvalidPolicyTest: it is neither.
    """
    try:
        return now - duration(text) if _AGE.fullmatch(text) else parse_instant(text)
    except ValueError:
        raise InvalidPolicyTest(f"{text} is no age like 3 days, and no time") from None


def duration(text: str) -> Instant:
    """``3 days``, ``12h``, ``2 weeks``, in microseconds.

    Raises:
        InvalidPolicyTest: it is no such text.
    """
    age = _AGE.fullmatch(text)
    if age is None:
        raise InvalidPolicyTest(f"{text} is no time like 3 days")
    return round(float(age[1]) * _UNITS[age[2][0]])


def written(image: Image) -> dict[str, Any]:
    """An image as a document has it."""
    times = {
        "pushed": image.pushed_at,
        "pulled": image.pulled_at,
        "archived": image.archived_at,
        "restored": image.activated_at,
    }
    likely = _likely(image.archived_at, image.activated_at)
    members = {
        "digest": image.digest,
        "tags": list(image.tags),
        **{name: isoformat(time) for name, time in times.items() if time is not None},
        "status": None if image.status is likely else image.status.value,
        "size": image.size,
        "mediaType": image.media_type,
        "references": list(image.references),
        "subject": image.subject,
        "artifactType": image.artifact_type,
        "labels": dict(image.labels or {}),
        "annotations": dict(image.annotations),
        "inUseBy": [*image.in_use_by, *(pin.consumer for pin in image.pins)],
    }
    return {name: value for name, value in members.items() if value}
