"""The images of a repository, read as quickly as they come.

DescribeImages answers a thousand images at a time. botocore's parser makes dictionaries and datetimes of them shape by shape, 27 ms
for a thousand; into values they are read in less than one. So they are read here, through the event that botocore has for answers
of one's own kind; errors, pages and retries stay botocore's.
"""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
from botocore.parsers import ResponseParserError

from careen.clock import Instant, parse_instant
from careen.fleet import clients
from careen.fleet.manifests import Content, content_of
from careen.fleet.scanned import Blob, Image
from careen.lifecycle.image import ImageStatus
from careen.oci import media_types

PAGE = 1000
"""Images in one answer of DescribeImages, at most."""
AT_ONCE = 100
"""Manifests in one answer of BatchGetImage."""

_ACCEPTED = sorted(media_types.MANIFESTS)

Time = str | float


class _Detail(msgspec.Struct, rename="camel", gc=False):
    """ECR's ImageDetail."""

    image_digest: str
    image_pushed_at: Time
    image_tags: tuple[str, ...] = ()
    image_size_in_bytes: int = 0
    image_manifest_media_type: str | None = None
    artifact_media_type: str | None = None
    last_recorded_pull_time: Time | None = None
    subject_manifest_digest: str | None = None
    image_status: ImageStatus = ImageStatus.ACTIVE
    last_archived_at: Time | None = None
    last_activated_at: Time | None = None


class _Page(msgspec.Struct, rename="camel"):
    image_details: list[_Detail] = []
    next_token: str | None = None


_decoder = msgspec.json.Decoder(_Page)

_registering = threading.Lock()
"""Registered twice, the second would find the answer read, and no image in it."""


def read_quickly(ecr: Any) -> None:
    """Let a client of ECR answer DescribeImages with :class:`Image` in ``imageDetails``; any thread may say so, and again."""
    with _registering:
        ecr.meta.events.register("before-parse.ecr.DescribeImages", _read, unique_id="careen-fleet-images")


def _read(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] != 200:
        return
    try:
        page = _decoder.decode(response_dict["body"])
        found = [_image(each) for each in page.image_details]
    except ValueError as error:  # msgspec's among them
        raise ResponseParserError(
            f"DescribeImages is answered with what is no list of images: {error}"
        ) from None
    customized_response_dict["imageDetails"] = found
    response_dict["body"] = msgspec.json.encode({"nextToken": page.next_token} if page.next_token else {})


def _image(detail: _Detail) -> Image:
    return Image(
        detail.image_digest,
        detail.image_tags,
        parse_instant(detail.image_pushed_at),
        detail.image_size_in_bytes,
        _instant(detail.last_recorded_pull_time),
        detail.image_manifest_media_type,
        detail.artifact_media_type,
        detail.subject_manifest_digest,
        detail.image_status,
        _instant(detail.last_archived_at),
        _instant(detail.last_activated_at),
    )


def _instant(time: Time | None) -> Instant | None:
    return None if time is None else parse_instant(time)


def describe(ecr: Any, repository: str) -> Iterator[Image]:
    """All images of a repository, archived ones too. Raises as :func:`careen.fleet.clients.call` does.

    Args:
        ecr: a client after :func:`read_quickly`.
        repository: its name.
    """
    asked = {"repositoryName": repository, "filter": {"imageStatus": "ANY"}, "maxResults": PAGE}
    for page in clients.pages(ecr, "describe_images", **asked):
        yield from page["imageDetails"]


def contents(ecr: Any, repository: str, digests: list[str]) -> dict[str, Content]:
    """What manifests say, by digest; those that are gone by now are left out. Raises as :func:`careen.fleet.clients.call` does."""
    found: dict[str, Content] = {}
    known: dict[Blob, Blob] = {}
    for start in range(0, len(digests), AT_ONCE):
        answer = clients.call(
            ecr,
            "batch_get_image",
            repositoryName=repository,
            imageIds=[{"imageDigest": each} for each in digests[start : start + AT_ONCE]],
            acceptedMediaTypes=_ACCEPTED,
        )
        for each in answer.get("images", ()):
            content = content_of(each["imageManifest"])
            if content is not None:
                # Images of a repository have most of their layers in common, and need them in memory once.
                found[each["imageId"]["imageDigest"]] = Content(
                    _shared(content.children, known), _shared(content.blobs, known)
                )
    return found


def _shared(blobs: tuple[Blob, ...] | None, known: dict[Blob, Blob]) -> tuple[Blob, ...] | None:
    return None if blobs is None else tuple([known.setdefault(each, each) for each in blobs])
