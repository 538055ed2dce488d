"""Pulls: how often and when, and whose do not count."""

from typing import Any

from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.registry import pulls
from careen.registry.pulls import Exclusion, Pulled

Parameters = dict[str, Any]
Result = dict[str, Any]


async def register_pull_time_update_exclusion(call: Call, parameters: Parameters) -> Result:
    """RegisterPullTimeUpdateExclusion."""
    exclusion = await call.registry.write(pulls.exclude, parameters["principalArn"])
    return {"principalArn": exclusion.principal_arn, "createdAt": exclusion.created_at}


async def deregister_pull_time_update_exclusion(call: Call, parameters: Parameters) -> Result:
    """DeregisterPullTimeUpdateExclusion."""
    await call.registry.write(pulls.include, parameters["principalArn"])
    return {"principalArn": parameters["principalArn"]}


async def list_pull_time_update_exclusions(call: Call, parameters: Parameters) -> Result:
    """ListPullTimeUpdateExclusions."""
    listing: Listing[str, Exclusion] = Listing(
        "ListPullTimeUpdateExclusions", str, lambda each: each.principal_arn
    )
    page = listing.page(
        listing.of(call.registry.read(pulls.exclusions)),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "pullTimeUpdateExclusions": [each.principal_arn for each in page.items],
        "nextToken": page.next_token,
    }


async def describe_pulls(call: Call, parameters: Parameters) -> Result:
    """DescribePulls of our own service."""
    name = parameters["repositoryName"]
    found = await call.registry.read_in_thread(pulls.describe, name)
    listing: Listing[str, Pulled] = Listing(f"DescribePulls {name}", str, lambda each: each.digest)
    page = listing.page(
        listing.of(found), next_token=parameters.get("nextToken"), max_results=parameters.get("maxResults")
    )
    return {
        "pullCount": sum(each.pulls for each in found),
        "images": [
            {
                "imageDigest": each.digest,
                "imageTags": each.tags,
                "pullCount": each.pulls,
                "lastRecordedPullTime": each.latest,
            }
            for each in page.items
        ],
        "nextToken": page.next_token,
    }
