"""Layers, as the AWS CLI and SDKs push and pull them: in parts inside JSON, and by a signed URL."""

from typing import Any

from careen.clock import HOUR, system_now
from careen.ecr import errors
from careen.ecrapi.call import Call
from careen.oci import digest as digests
from careen.registry import callers, layers, repositories
from careen.registry.layers import UploadBusy, UploadUnknown

Parameters = dict[str, Any]
Result = dict[str, Any]

PART_BYTES = 10 * 1024 * 1024
"""The part size we propose; Amazon ECR proposes the same."""

_BAD_DIGEST = ("InvalidLayerDigest", "Invalid layer digest")
_NO_DIGEST = ("MissingLayerDigest", "Missing layer digest")


async def batch_check_layer_availability(call: Call, parameters: Parameters) -> Result:
    """BatchCheckLayerAvailability. A layer that is reported as available stays so for the grace period."""
    name = parameters["repositoryName"]
    call.registry.read(repositories.require, name)
    found, failures = [], []
    for digest in parameters["layerDigests"]:
        if not digests.is_digest(digest):
            failures.append(_failure(digest, *(_BAD_DIGEST if digest else _NO_DIGEST)))
            continue
        blob = call.registry.read(layers.find, name, digest)
        if blob is None or not await layers.lease(call.registry, blob):
            found.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            continue
        availability = call.registry.read(layers.availability, name, digest)
        found.append({"layerDigest": digest, "layerAvailability": availability, "layerSize": blob.size})
    return {"layers": found, "failures": failures}


def _failure(digest: str, code: str, reason: str) -> Result:
    return {"layerDigest": digest, "failureCode": code, "failureReason": reason}


async def initiate_layer_upload(call: Call, parameters: Parameters) -> Result:
    """InitiateLayerUpload."""
    call.require_push(parameters["repositoryName"])
    repository = await call.registry.write(repositories.require_for_push, parameters["repositoryName"])
    return {"uploadId": await layers.begin(call.registry, repository), "partSize": PART_BYTES}


async def upload_layer_part(call: Call, parameters: Parameters) -> Result:
    """UploadLayerPart. Parts of any size are taken; each must follow on from the last."""
    name, upload_id, data = parameters["repositoryName"], parameters["uploadId"], parameters["layerPartBlob"]
    first, last = parameters["partFirstByte"], parameters["partLastByte"]
    repository = call.registry.read(repositories.require, name)
    try:
        async with layers.held(call.registry, repository, upload_id) as upload:
            if not upload.told <= first <= upload.offset or last - first + 1 != len(data):
                reason = f"bytes {first} to {last} do not follow on from byte {upload.offset - 1}, or are not what was sent"
                raise errors.InvalidLayerPart(
                    name, call.registry.id, upload_id, last_valid_byte=upload.offset - 1, reason=reason
                )
            if last >= call.registry.limits.max_blob_bytes:
                raise errors.LimitExceeded(
                    f"A layer can have at most {call.registry.limits.max_blob_bytes} bytes"
                )
            await call.registry.in_bytes_thread(upload.write, [data[upload.offset - first :]])
    except (UploadUnknown, UploadBusy):
        raise errors.UploadNotFound(name, call.registry.id, upload_id) from None
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "uploadId": upload_id,
        "lastByteReceived": last,
    }


async def complete_layer_upload(call: Call, parameters: Parameters) -> Result:
    """CompleteLayerUpload. One of the given digests must be that of the bytes."""
    name, upload_id, given = parameters["repositoryName"], parameters["uploadId"], parameters["layerDigests"]
    repository = call.registry.read(repositories.require, name)
    try:
        async with layers.held(call.registry, repository, upload_id) as upload:
            if upload.offset == 0:
                raise errors.EmptyUpload(upload_id)
            digest = await _matching_digest(call, upload, given)
            there = call.registry.read(layers.find, name, digest)
            # Who is told "you have it" relies on it, as after BatchCheckLayerAvailability.
            if there is not None and await layers.lease(call.registry, there):
                await layers.abort(call.registry, upload)
                raise errors.LayerAlreadyExists(name, call.registry.id, digest)
            await layers.complete(call.registry, repository, upload, digest)
    except (UploadUnknown, UploadBusy):
        raise errors.UploadNotFound(name, call.registry.id, upload_id) from None
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "uploadId": upload_id,
        "layerDigest": digest,
    }


async def _matching_digest(call: Call, upload: layers.Upload, given: list[str]) -> str:
    actual = ""
    for name in sorted({digests.algorithm(text) for text in given if digests.is_digest(text)}):
        actual = await call.registry.in_bytes_thread(upload.digest, name)
        if actual in given:
            return actual
    raise errors.InvalidLayer(
        ", ".join(given), actual or await call.registry.in_bytes_thread(upload.digest, "sha256")
    )


async def get_download_url_for_layer(call: Call, parameters: Parameters) -> Result:
    """GetDownloadUrlForLayer: a URL that is good for an hour and for this layer only."""
    name, digest = parameters["repositoryName"], parameters["layerDigest"]
    availability = call.registry.read(layers.availability, name, digest)
    if availability is None:
        raise errors.LayerNotFound(name, call.registry.id, digest)
    if not call.registry.read(layers.is_needed, name, digest):
        raise errors.LayerInaccessible(name, call.registry.id, digest)
    token = callers.mint_download(call.registry, name, digest, system_now() + HOUR)
    return {"downloadUrl": f"{call.base_url}/v2/{name}/blobs/{digest}?token={token}", "layerDigest": digest}
