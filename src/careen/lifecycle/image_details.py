"""Images as ``aws ecr describe-images`` prints them, read into values.

The document is the command's output, an object with ``imageDetails``, or that list alone; members we have no use
for are ignored. Times are epoch seconds or ISO 8601, as the AWS CLI writes either. Some members are ours, as
DescribeImages does not tell: ``imageReferences``, the digests an index lists, without which nothing is known to hold
the children of indexes back; and what protection rules may ask for, ``imageLabels``, ``imageAnnotations`` and
``imageInUseBy``.
"""

from collections.abc import Sequence

import msgspec

from careen.clock import Instant, parse_instant, to_datetime
from careen.lifecycle.image import NO_MEMBERS, Image, ImageStatus

Time = str | float


class InvalidImageDetails(ValueError):
    """A document that does not describe images; the text says where and what."""


class _Detail(msgspec.Struct, rename="camel", gc=False):
    """The members of ECR's ImageDetail that lifecycle rules depend on."""

    image_digest: str
    image_pushed_at: Time
    image_tags: tuple[str, ...] | None = None
    image_status: ImageStatus | None = None
    image_size_in_bytes: int | None = None
    image_manifest_media_type: str | None = None
    last_recorded_pull_time: Time | None = None
    last_archived_at: Time | None = None
    last_activated_at: Time | None = None
    subject_manifest_digest: str | None = None
    artifact_media_type: str | None = None
    image_references: tuple[str, ...] | None = None
    image_labels: dict[str, str] | None = None
    image_annotations: dict[str, str] | None = None
    image_in_use_by: tuple[str, ...] | None = None


class _Output(msgspec.Struct, rename="camel"):
    image_details: list[_Detail]


def read(document: bytes) -> list[Image]:
    """Read images in the order of the document.

    Raises:
        InvalidImageDetails: it is not JSON, or not of the form above, or names a digest twice.
    """
    form: type[_Output | list[_Detail]] = _Output
    if document.lstrip()[:1] == b"[":
        form = list[_Detail]
    try:
        decoded = msgspec.json.decode(document, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise InvalidImageDetails(str(wrong)) from None
    details = decoded.image_details if isinstance(decoded, _Output) else decoded
    images = [_image(detail) for detail in details]
    _refuse_twins(images)
    return images


def _image(detail: _Detail) -> Image:
    try:
        return Image(
            digest=detail.image_digest,
            tags=detail.image_tags or (),
            pushed_at=_instant(detail.image_pushed_at),
            pulled_at=_optional_instant(detail.last_recorded_pull_time),
            archived_at=_optional_instant(detail.last_archived_at),
            activated_at=_optional_instant(detail.last_activated_at),
            status=detail.image_status or ImageStatus.ACTIVE,
            size=detail.image_size_in_bytes or 0,
            media_type=detail.image_manifest_media_type,
            references=detail.image_references or (),
            subject=detail.subject_manifest_digest,
            artifact_type=detail.artifact_media_type,
            labels=detail.image_labels or NO_MEMBERS,
            annotations=detail.image_annotations or NO_MEMBERS,
            in_use_by=detail.image_in_use_by or (),
        )
    except (ValueError, OverflowError) as wrong:
        raise InvalidImageDetails(f"image {detail.image_digest}: {wrong}") from None


def _instant(time: Time) -> Instant:
    instant = parse_instant(time)
    to_datetime(instant)  # What has no date cannot be shown, and is a mistake.
    return instant


def _optional_instant(time: Time | None) -> Instant | None:
    return None if time is None else _instant(time)


def _refuse_twins(images: Sequence[Image]) -> None:
    seen: set[str] = set()
    for image in images:
        if image.digest in seen:
            raise InvalidImageDetails(f"image {image.digest} is described twice")
        seen.add(image.digest)
