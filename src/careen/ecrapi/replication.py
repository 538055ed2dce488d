"""Replication: its configuration, its status per image, backfills."""

from typing import Any

import msgspec

from careen.clock import Instant
from careen.ecr import errors
from careen.ecr import replication as configurations
from careen.ecr.pages import Listing
from careen.ecr.replication import Configuration, Destination
from careen.ecrapi.call import Call
from careen.registry import backfills, images, replication, repositories
from careen.registry.backfills import Backfill, Result
from careen.registry.registry import Transaction
from careen.registry.replication import Replication
from careen.registry.repositories import Repository

Parameters = dict[str, Any]
Answer = dict[str, Any]

DEFAULT_BACKFILLS = 25
"""The page of ListReplicationBackfills when the client names none (service model)."""

_LATEST = (2**62, "")
"""Before this come all backfills, the latest first."""


async def put_replication_configuration(call: Call, parameters: Parameters) -> Answer:
    """PutReplicationConfiguration."""
    registry = call.registry
    wanted = configurations.checked(parameters["replicationConfiguration"], registry.region, registry.id)
    await registry.write(replication.put_configuration, wanted)
    return {"replicationConfiguration": _configuration(wanted)}


async def describe_registry(call: Call, _: Parameters) -> Answer:
    """DescribeRegistry."""
    found = call.registry.read(replication.configuration)
    return {"registryId": call.registry.id, "replicationConfiguration": _configuration(found)}


async def describe_image_replication_status(call: Call, parameters: Parameters) -> Answer:
    """DescribeImageReplicationStatus. Of an image with a tag that a destination did not take, that tag has failed there."""
    name, image_id = parameters["repositoryName"], parameters["imageId"]
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        raise errors.InvalidParameter("imageId", "both tag and digest cannot be null")
    found = call.registry.read(_statuses, call.registry.read(repositories.require, name), digest, tag)
    return {
        "repositoryName": name,
        "imageId": image_id,
        "replicationStatuses": [_status(each, tag) for each in found],
    }


def _statuses(
    tx: Transaction, repository: Repository, digest: str | None, tag: str | None
) -> list[Replication]:
    row = images.find(tx, repository, digest=digest, tag=tag)
    if row is None:
        raise errors.ImageNotFound(repository.name, tx.registry_id, digest=digest, tag=tag)
    return replication.statuses(tx, row)


async def start_replication_backfill(call: Call, parameters: Parameters) -> Answer:
    """StartReplicationBackfill."""
    wanted = msgspec.convert(parameters["destination"], Destination)
    return _started(call, await call.registry.write(backfills.start, wanted))


async def stop_replication_backfill(call: Call, parameters: Parameters) -> Answer:
    """StopReplicationBackfill."""
    return _started(call, await call.registry.write(backfills.stop, parameters["replicationBackfillId"]))


async def list_replication_backfills(call: Call, parameters: Parameters) -> Answer:
    """ListReplicationBackfills: the latest first."""
    listing: Listing[tuple[Instant, str], Backfill] = Listing(
        "ListReplicationBackfills", tuple[Instant, str], lambda each: (each.started_at, each.id)
    )
    page = listing.page(
        lambda before, limit: call.registry.read(backfills.page, before or _LATEST, limit),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults", DEFAULT_BACKFILLS),
    )
    return {
        "registryId": call.registry.id,
        "backfills": [_backfill(call, each) for each in page.items],
        "nextToken": page.next_token,
    }


async def describe_replication_backfill_results(call: Call, parameters: Parameters) -> Answer:
    """DescribeReplicationBackfillResults. Results are there when it has ended."""
    found = call.registry.read(backfills.get, parameters["replicationBackfillId"])
    status = parameters.get("resultStatusFilter")
    listing: Listing[tuple[str, str, str], Result] = Listing(
        f"DescribeReplicationBackfillResults {found.id} {status}",
        tuple[str, str, str],
        lambda each: (each.repository, each.digest, each.tag),
    )
    page = listing.page(
        lambda after, limit: call.registry.read(
            backfills.results, found, status, after or ("", "", ""), limit
        ),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "registryId": call.registry.id,
        **_backfill(call, found),
        "results": [_result(each) for each in page.items],
        "nextToken": page.next_token,
    }


def _configuration(of: Configuration) -> Answer:
    document: Answer = msgspec.to_builtins(of)
    return document


def _status(of: Replication, tag: str | None) -> Answer:
    status, code = of.status, of.failure_code if of.status == replication.FAILED else None
    if tag is not None and tag in replication.refused_tags(of):
        status, code = replication.FAILED, replication.IMMUTABLE_TAG
    return {"region": of.region, "registryId": of.registry_id, "status": status, "failureCode": code}


def _destination(of: Backfill) -> Answer:
    return {"region": of.region, "registryId": of.registry_id}


def _started(call: Call, of: Backfill) -> Answer:
    return {
        "registryId": call.registry.id,
        "replicationBackfillId": of.id,
        "destination": _destination(of),
        "status": of.status,
        "startedAt": of.started_at,
    }


def _backfill(call: Call, of: Backfill) -> Answer:
    progress = call.registry.read(backfills.progress, of)
    counts, codes = progress or (None, [])
    return {
        "replicationBackfillId": of.id,
        "destination": _destination(of),
        "status": of.status,
        "failureCode": of.failure_code,
        "progress": counts
        and {
            "totalReplicationCount": counts.total,
            "completedReplicationCount": counts.complete,
            "failedReplicationCount": counts.failed,
            "failureCodes": codes,
        },
        "startedAt": of.started_at,
        "endedAt": of.ended_at,
    }


def _result(of: Result) -> Answer:
    return {
        "repositoryName": of.repository,
        "imageId": {"imageDigest": of.digest, "imageTag": of.tag or None},
        "status": of.status,
        "failureCode": of.failure_code,
        "subImageFailureCodes": backfills.sub_image_codes(of),
    }
