"""Our own service: the trash, what comes back from it, and the ledger of deletions."""

from typing import Any

from careen.ecr import errors
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.registry import storage, trash
from careen.registry.trash import Deletion, Restored

Parameters = dict[str, Any]
Result = dict[str, Any]

_LAST = 2**63 - 1
"""Above every id: where a listing that begins with the latest begins."""


async def list_trash(call: Call, parameters: Parameters) -> Result:
    """ListTrash."""
    name, run_id = parameters.get("repositoryName"), parameters.get("runId")
    scope = f"ListTrash {name} {run_id}"
    listing: Listing[int, tuple[Deletion, int]] = Listing(scope, int, lambda each: each[0].id)
    page = listing.page(
        lambda after, limit: call.registry.read(
            trash.page, name, run_id, _LAST if after is None else after, limit
        ),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    images, size = await call.registry.read_in_thread(storage.in_trash)
    return {
        "imageCount": images,
        "trashBytes": size,
        "deletions": [_deletion(each) | {"purgeAt": purge_at} for each, purge_at in page.items],
        "nextToken": page.next_token,
    }


async def describe_deletions(call: Call, parameters: Parameters) -> Result:
    """DescribeDeletions."""
    name, digest, tag = (parameters.get(each) for each in ("repositoryName", "imageDigest", "imageTag"))
    scope = f"DescribeDeletions {name} {digest} {tag}"
    listing: Listing[int, Deletion] = Listing(scope, int, lambda each: each.id)
    page = await call.registry.in_thread(
        lambda: listing.page(
            lambda after, limit: call.registry.read(
                trash.history, name, digest, tag, _LAST if after is None else after, limit
            ),
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {"deletions": [_deletion(each) for each in page.items], "nextToken": page.next_token}


async def restore_images(call: Call, parameters: Parameters) -> Result:
    """RestoreImages. A run may have deleted from any repository, so no right to one is enough: it is asked for without a name."""
    name, run_id = parameters.get("repositoryName"), parameters.get("runId")
    image_ids, move_tags = parameters.get("imageIds"), parameters.get("moveTags", False)
    by = call.principal.arn
    if run_id is not None and name is None and not image_ids:
        run = call.registry.in_thread
        found = await run(lambda: [*trash.restore_run(call.registry, run_id, by, move_tags=move_tags)])
    elif name is not None and image_ids and run_id is None:
        references = [each.get("imageDigest") or each.get("imageTag", "") for each in image_ids]
        found = await call.registry.write(trash.restore_all, name, references, by, move_tags=move_tags)
    else:
        raise errors.InvalidParameter("imageIds", "give a repository and images, or a run")
    return {"images": [_restored(each) for each in found]}


async def empty_trash(call: Call, parameters: Parameters) -> Result:
    """EmptyTrash."""
    emptied = await call.registry.in_thread(
        lambda: trash.purge(
            call.registry,
            by=call.principal.arn,
            repository=parameters.get("repositoryName"),
            all_of_it=True,
        )
    )
    return {"imageCount": emptied.images, "freedBytes": emptied.freed}


def _deletion(deletion: Deletion) -> Result:
    return {
        "deletionId": deletion.id,
        "repositoryName": deletion.repository,
        "imageDigest": deletion.digest,
        "imageTags": trash.tags_of(deletion),
        "imageManifestMediaType": deletion.media_type,
        "imageSizeInBytes": deletion.image_size,
        "deletedAt": deletion.deleted_at,
        "deletedBy": deletion.deleted_by,
        "operation": deletion.operation,
        "batchId": deletion.batch,
        "runId": deletion.run_id,
        "rulePriority": deletion.rule_priority,
        "reason": deletion.reason or None,
        "planHash": deletion.plan_hash,
        "outcome": deletion.ended or "IN_TRASH",
        "endedAt": deletion.ended_at,
        "endedBy": deletion.ended_by,
        "freedBytes": deletion.freed,
        "missedPulls": deletion.missed_pulls,
        "lastMissedPullTime": deletion.missed_at,
    }


def _restored(restored: Restored) -> Result:
    return {
        "repositoryName": restored.repository,
        "imageDigest": restored.digest,
        "imageTags": restored.tags,
        "takenTags": restored.taken_tags,
    }
