"""Images: put, get, list, describe, delete, archive; and their referrers."""

from typing import Any, NamedTuple

import msgspec

from careen.ecr import errors
from careen.ecr.pages import Listing
from careen.ecrapi import pull_through
from careen.ecrapi.call import Call
from careen.oci import digest as digests
from careen.oci import names
from careen.oci.manifest import InvalidManifest
from careen.registry import archive, images, repositories, scans
from careen.registry.deletions import Cause
from careen.registry.images import Image, ImageReferenced, ImageRow
from careen.registry.pulls import Pull
from careen.registry.registry import Transaction
from careen.registry.repositories import Repository
from careen.registry.scans import State

Parameters = dict[str, Any]
Result = dict[str, Any]

_NOT_FOUND = ("ImageNotFound", "Requested image not found")
_MISSING = ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
_BAD_DIGEST = (
    "InvalidImageDigest",
    "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
)
_BAD_TAG = (
    "InvalidImageTag",
    f"Invalid request parameters: image tag should satisfy the regex '{names.TAG.pattern}'",
)
_REFERENCED = "ImageReferencedByManifestList"
_MISMATCH = ("ImageTagDoesNotMatchDigest", "Requested image tag does not match the requested image digest")


async def put_image(call: Call, parameters: Parameters) -> Result:
    """PutImage. A put that would change nothing is refused, as on Amazon ECR."""
    name, data, tag = (
        parameters["repositoryName"],
        parameters["imageManifest"].encode(),
        parameters.get("imageTag"),
    )
    call.require_push(name)
    try:
        image = await call.registry.write(
            _put_image,
            name,
            data,
            parameters.get("imageManifestMediaType"),
            parameters.get("imageDigest"),
            tag,
        )
    except InvalidManifest as error:
        raise errors.InvalidParameter("ImageManifest", str(error)) from None
    return {"image": _image(call, name, image.row, tag, data)}


def _put_image(
    tx: Transaction, name: str, data: bytes, media_type: str | None, digest: str | None, tag: str | None
) -> Image:
    repository = repositories.require_for_push(tx, name)
    actual = digest or digests.digest_of(data)
    before = images.find(tx, repository, digest=actual, tag=tag)
    put = images.put(tx, repository, data, media_type=media_type, digest=digest, tag=tag)
    if before is not None and before.status == images.ACTIVE:
        raise errors.ImageAlreadyExists(name, tx.registry_id, actual, tag)
    return put.image


async def batch_get_image(call: Call, parameters: Parameters) -> Result:
    """BatchGetImage. Manifests are answered as they were pushed, whatever ``acceptedMediaTypes`` prefers."""
    name = parameters["repositoryName"]
    missing = await pull_through.refresh(call, name, parameters["imageIds"])
    found, failures = await call.registry.read_in_thread(_get_all, name, parameters["imageIds"])
    for failure in failures:
        if (error := missing.get(_reference(failure["imageId"]))) and (
            reason := pull_through.failure_of(error)
        ):
            failure["failureCode"], failure["failureReason"] = reason
    for row, _, _ in found:
        call.pulls.record(Pull(row.id, call.principal.identity_arn), call.circumstances.user_agent)
    return {"images": [_image(call, name, row, tag, data) for row, tag, data in found], "failures": failures}


def _get_all(
    tx: Transaction, name: str, image_ids: list[dict[str, str]]
) -> tuple[list[tuple[ImageRow, str | None, bytes]], list[Result]]:
    repository = repositories.require(tx, name)
    found, failures = [], []
    for image_id in image_ids:
        row = _resolve(tx, repository, image_id)
        if (
            isinstance(row, ImageRow)
            and row.status == images.ACTIVE
            and (data := images.content(tx, row)) is not None
        ):
            found.append((row, image_id.get("imageTag"), data))
        else:
            failures.append(_failure(image_id, _NOT_FOUND if isinstance(row, ImageRow) else row))
    return found, failures


async def batch_delete_image(call: Call, parameters: Parameters) -> Result:
    """BatchDeleteImage: one transaction. An index and what it lists may be given in any order."""
    deleted, failures = await call.registry.write(
        _delete_all,
        parameters["repositoryName"],
        parameters["imageIds"],
        Cause(call.principal.arn, "BatchDeleteImage"),
    )
    return {"imageIds": deleted, "failures": failures}


def _delete_all(
    tx: Transaction, name: str, image_ids: list[dict[str, str]], cause: Cause
) -> tuple[list[Result], list[Result]]:
    repository = repositories.require(tx, name)
    deleted: list[Result] = []
    failures: list[Result] = []
    waiting = image_ids
    while waiting:
        blocked: list[tuple[dict[str, str], ImageReferenced]] = []
        for image_id in waiting:
            row = _resolve(tx, repository, image_id)
            if not isinstance(row, ImageRow):
                failures.append(_failure(image_id, row))
                continue
            try:
                deleted += _delete_one(tx, repository, row, image_id.get("imageTag"), cause)
            except ImageReferenced as error:
                blocked.append((image_id, error))
        if len(blocked) == len(waiting):
            failures += [_failure(image_id, (_REFERENCED, str(error))) for image_id, error in blocked]
            break
        waiting = [image_id for image_id, _ in blocked]  # the index that blocked them may be gone now
    return deleted, failures


def _delete_one(
    tx: Transaction, repository: Repository, row: ImageRow, tag: str | None, cause: Cause
) -> list[Result]:
    """One imageId per tag that is gone; the digest alone for an untagged image."""
    if tag is not None:
        images.delete_by_tag(tx, repository, tag, cause)
        return [{"imageDigest": row.digest, "imageTag": tag}]
    image = images.delete(tx, repository, row, cause)[0]
    return [{"imageDigest": row.digest, "imageTag": name} for name in image.tags] or [
        {"imageDigest": row.digest}
    ]


async def list_images(call: Call, parameters: Parameters) -> Result:
    """ListImages: one entry per tag, and one per untagged image; only active images unless the filter says otherwise."""
    name, filters = parameters["repositoryName"], parameters.get("filter", {})
    repository = call.registry.read(repositories.require, name)
    status, tag_status = _wanted(filters)
    listing: Listing[tuple[str, str], tuple[str, str]] = Listing(
        f"ListImages {name} {status} {tag_status}", tuple[str, str], lambda pair: pair
    )
    page = await call.registry.in_thread(
        lambda: listing.page(
            lambda after, limit: call.registry.read(
                images.ids, repository, after or ("", ""), limit, status, tag_status
            ),
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    image_ids = [{"imageDigest": digest, "imageTag": tag or None} for digest, tag in page.items]
    return {"imageIds": image_ids, "nextToken": page.next_token}


async def describe_images(call: Call, parameters: Parameters) -> Result:
    """DescribeImages. Images that are asked for by id are described whatever their storage class."""
    name, filters = parameters["repositoryName"], parameters.get("filter", {})
    repository = call.registry.read(repositories.require, name)
    if "imageIds" in parameters:
        if "nextToken" in parameters or "maxResults" in parameters:
            raise errors.InvalidParameter("imageIds", "cannot be used with nextToken or maxResults")
        described = call.registry.read(_describe_ids, repository, parameters["imageIds"])
        return {"imageDetails": [_detail(call, name, image, state) for image, state in described]}
    status, tag_status = _wanted(filters)
    listing: Listing[str, Described] = Listing(
        f"DescribeImages {name} {status} {tag_status}", str, lambda described: described.image.row.digest
    )
    page = await call.registry.in_thread(
        lambda: listing.page(
            lambda after, limit: call.registry.read(
                _describe_page, repository, after or "", limit, status, tag_status
            ),
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {
        "imageDetails": [_detail(call, name, image, state) for image, state in page.items],
        "nextToken": page.next_token,
    }


class Described(NamedTuple):
    """An image, and what is known to be wrong with it."""

    image: Image
    state: State | None


def _describe_page(
    tx: Transaction,
    repository: Repository,
    after: str,
    limit: int,
    status: str | None,
    tag_status: str | None,
) -> list[Described]:
    found = images.page(tx, repository, after, limit, status, tag_status)
    return [Described(image, scans.state(tx, image.row)) for image in found]


def _describe_ids(
    tx: Transaction, repository: Repository, image_ids: list[dict[str, str]]
) -> list[Described]:
    described = {}
    for image_id in image_ids:
        row = require_image(tx, repository, image_id)
        described[row.digest] = Described(images.with_tags(tx, row), scans.state(tx, row))
    return list(described.values())


async def list_image_referrers(call: Call, parameters: Parameters) -> Result:
    """ListImageReferrers: manifests whose subject is the given digest; only active ones unless the filter says otherwise."""
    name, filters = parameters["repositoryName"], parameters.get("filter", {})
    subject, status = parameters["subjectId"]["imageDigest"], filters.get("artifactStatus", images.ACTIVE)
    types = filters.get("artifactTypes") or None
    repository = call.registry.read(repositories.require, name)
    failure = await pull_through.refresh_referrers(call, name, subject)
    found = [
        row
        for row in call.registry.read(images.referrers, repository, subject)
        if status in {"ANY", row.status} and (types is None or row.artifact_type in types)
    ]
    if failure is not None and not found:
        raise failure
    listing: Listing[str, ImageRow] = Listing(
        f"ListImageReferrers {name} {subject} {status} {types}", str, _digest
    )
    page = listing.page(
        listing.of(sorted(found, key=_digest)),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults", 20),
    )
    return {"referrers": [_referrer(row) for row in page.items], "nextToken": page.next_token}


async def update_image_storage_class(call: Call, parameters: Parameters) -> Result:
    """UpdateImageStorageClass: to the archive at once; back in a moment, in which the image is ACTIVATING."""
    name = parameters["repositoryName"]
    row = await call.registry.write(
        _update_storage_class, name, parameters["imageId"], parameters["targetStorageClass"]
    )
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "imageId": {"imageDigest": row.digest, "imageTag": parameters["imageId"].get("imageTag")},
        "imageStatus": row.status,
    }


def _update_storage_class(tx: Transaction, name: str, image_id: dict[str, str], target: str) -> ImageRow:
    repository = repositories.require(tx, name)
    row = require_image(tx, repository, image_id)
    try:
        return (
            archive.archive_with_referrers(tx, row) if target == "ARCHIVE" else archive.begin_restore(tx, row)
        )
    except (ImageReferenced, archive.WrongStatus) as error:
        raise errors.ImageStorageClassUpdateNotSupported(str(error)) from None


def require_image(tx: Transaction, repository: Repository, image_id: dict[str, str]) -> ImageRow:
    """The image that an imageId names.

    Raises:
        careen.ecr.errors.ImageNotFound: there is none, or the imageId names nothing.
    """
    row = _resolve(tx, repository, image_id)
    if not isinstance(row, ImageRow):
        digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
        raise errors.ImageNotFound(repository.name, tx.registry_id, digest=digest, tag=tag)
    return row


def _resolve(tx: Transaction, repository: Repository, image_id: dict[str, str]) -> ImageRow | tuple[str, str]:
    """The image that an imageId names, or the failure that says why not."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        return _MISSING
    if digest is not None and not digests.is_digest(digest):
        return _BAD_DIGEST
    if tag is not None and not names.is_tag(tag):
        return _BAD_TAG
    row = images.find(tx, repository, digest=digest, tag=tag)
    if row is None:
        both = digest is not None and tag is not None
        return _MISMATCH if both and images.find(tx, repository, digest=digest) else _NOT_FOUND
    return row


def _reference(image_id: dict[str, str]) -> str:
    return image_id.get("imageDigest") or image_id.get("imageTag", "")


def _failure(image_id: dict[str, str], reason: tuple[str, str]) -> Result:
    code, text = reason
    return {"imageId": image_id, "failureCode": code, "failureReason": text}


def _wanted(filters: dict[str, str]) -> tuple[str | None, str | None]:
    """Image status and tag status to select; None selects all."""
    status, tag_status = filters.get("imageStatus", images.ACTIVE), filters.get("tagStatus", "ANY")
    return None if status == "ANY" else status, None if tag_status == "ANY" else tag_status


def _digest(row: ImageRow) -> str:
    return row.digest


def _image(call: Call, name: str, row: ImageRow, tag: str | None, data: bytes) -> Result:
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "imageId": {"imageDigest": row.digest, "imageTag": tag},
        "imageManifest": data.decode(),
        "imageManifestMediaType": row.media_type,
    }


def _detail(call: Call, name: str, image: Image, state: State | None) -> Result:
    row = image.row
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "imageDigest": row.digest,
        "imageTags": image.tags or None,
        "imageSizeInBytes": row.image_size,
        "imagePushedAt": row.pushed_at,
        "imageScanStatus": None if state is None else scan_status(state),
        "imageScanFindingsSummary": None
        if state is None or state.completed_at is None
        else scan_summary(state),
        "imageManifestMediaType": row.media_type,
        "artifactMediaType": row.artifact_type,
        "lastRecordedPullTime": row.pulled_at,
        "subjectManifestDigest": row.subject,
        "imageStatus": row.status,
        "lastArchivedAt": row.archived_at,
        "lastActivatedAt": row.activated_at,
    }


def scan_status(state: State) -> Result:
    """An ImageScanStatus."""
    return {"status": state.status, "description": state.description}


def scan_summary(state: State) -> Result:
    """An ImageScanFindingsSummary."""
    return {
        "imageScanCompletedAt": state.completed_at,
        "vulnerabilitySourceUpdatedAt": state.source_updated_at,
        "findingSeverityCounts": state.counts,
    }


def _referrer(row: ImageRow) -> Result:
    return {
        "digest": row.digest,
        "mediaType": row.media_type,
        "artifactType": row.artifact_type,
        "size": row.size,
        "annotations": msgspec.json.decode(row.annotations) if row.annotations else None,
        "artifactStatus": row.status,
    }
