"""Lifecycle policies and their previews."""

from typing import Any

import msgspec

from careen.ecr import errors
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.registry import lifecycle, previews
from careen.registry.previews import Preview, PreviewResult
from careen.registry.registry import Transaction

Parameters = dict[str, Any]
Result = dict[str, Any]


async def put_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """PutLifecyclePolicy. Answers the policy as it is kept: compact, rules by priority."""
    name = parameters["repositoryName"]
    try:
        text = await call.registry.write(lifecycle.put_policy, name, parameters["lifecyclePolicyText"])
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return _answer(call, name, lifecyclePolicyText=text)


async def get_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """GetLifecyclePolicy."""
    name = parameters["repositoryName"]
    text, evaluated_at = call.registry.read(lifecycle.get_policy, name)
    return _answer(call, name, lifecyclePolicyText=text, lastEvaluatedAt=evaluated_at)


async def delete_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """DeleteLifecyclePolicy."""
    name = parameters["repositoryName"]
    text, evaluated_at = await call.registry.write(lifecycle.delete_policy, name)
    return _answer(call, name, lifecyclePolicyText=text, lastEvaluatedAt=evaluated_at)


async def start_lifecycle_policy_preview(call: Call, parameters: Parameters) -> Result:
    """StartLifecyclePolicyPreview: a worker evaluates; ask GetLifecyclePolicyPreview."""
    name = parameters["repositoryName"]
    try:
        text = await call.registry.write(previews.start, name, parameters.get("lifecyclePolicyText"))
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return _answer(call, name, lifecyclePolicyText=text, status=previews.IN_PROGRESS)


async def get_lifecycle_policy_preview(call: Call, parameters: Parameters) -> Result:
    """GetLifecyclePolicyPreview: only images that the policy would act on, in the order it would."""
    name = parameters["repositoryName"]
    preview, counts, found = await call.registry.read_in_thread(_read_preview, name)
    listing: Listing[int, PreviewResult] = Listing(
        f"GetLifecyclePolicyPreview {name} {preview.started_at}", int, lambda result: result.position
    )
    if "imageIds" in parameters:
        if "nextToken" in parameters or "maxResults" in parameters:
            raise errors.InvalidParameter("imageIds", "cannot be used with nextToken or maxResults")
        wanted = parameters["imageIds"]
        results = [result for result in found if any(_is(result, image_id) for image_id in wanted)]
        page_items, next_token = results, None
    else:
        tag_status = parameters.get("filter", {}).get("tagStatus", "ANY")
        page = listing.page(
            listing.of([result for result in found if _has_tag_status(result, tag_status)]),
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
        page_items, next_token = list(page.items), page.next_token
    return _answer(
        call,
        name,
        lifecyclePolicyText=preview.policy,
        status=preview.status,
        nextToken=next_token,
        previewResults=[_result(result) for result in page_items],
        summary=_summary(counts),
    )


def _read_preview(tx: Transaction, name: str) -> tuple[Preview, dict[str, int], list[PreviewResult]]:
    """Status, counts and results of one and the same preview."""
    repository, preview, counts = previews.get(tx, name)
    return preview, counts, previews.results(tx, repository)


def refused(error: InvalidLifecyclePolicy) -> errors.InvalidParameter:
    """ECR's answer to a text that is no lifecycle policy."""
    return errors.InvalidParameter(
        "LifecyclePolicyText", f"Lifecycle policy validation failure: {error.reason}"
    )


def _answer(call: Call, name: str, **members: Any) -> Result:
    return {"registryId": call.registry.id, "repositoryName": name, **members}


def _tags(result: PreviewResult) -> list[str]:
    return msgspec.json.decode(result.tags, type=list[str])


def _has_tag_status(result: PreviewResult, wanted: str) -> bool:
    return wanted == "ANY" or (wanted == "TAGGED") == bool(_tags(result))


def _is(result: PreviewResult, image_id: dict[str, str]) -> bool:
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    return digest in {None, result.digest} and (tag is None or tag in _tags(result))


def _result(result: PreviewResult) -> Result:
    action = {"type": result.action}
    if result.action == "TRANSITION":
        action["targetStorageClass"] = "ARCHIVE"
    return {
        "imageTags": _tags(result),
        "imageDigest": result.digest,
        "imagePushedAt": result.pushed_at,
        "action": action,
        "appliedRulePriority": result.rule_priority,
        "storageClass": "ARCHIVE" if result.status == "ARCHIVED" else "STANDARD",
    }


def _summary(counts: dict[str, int]) -> Result:
    moving = counts.get("TRANSITION", 0)
    return {
        "expiringImageTotalCount": counts.get("EXPIRE", 0),
        "transitioningImageTotalCounts": [{"targetStorageClass": "ARCHIVE", "imageTotalCount": moving}]
        if moving
        else None,
    }
