"""Our own service: what is stored, over time and repository by repository."""

from functools import partial
from typing import Any

from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.lifecycle.cost import monthly_dollars
from careen.registry import measurements, summaries
from careen.registry.measurements import Sample
from careen.registry.summaries import Column, Place, Summary

Parameters = dict[str, Any]
Result = dict[str, Any]

_LAST = 2**63 - 1
"""Later than every measurement."""


async def list_storage_samples(call: Call, parameters: Parameters) -> Result:
    """ListStorageSamples."""
    start, end = parameters.get("startTime", 0), parameters.get("endTime", _LAST)
    listing: Listing[int, Sample] = Listing(
        f"ListStorageSamples {start} {end}", int, lambda each: each.sampled_at
    )

    def fetch(before: int | None, limit: int) -> list[Sample]:
        return call.registry.read(measurements.page, start, end, _LAST if before is None else before, limit)

    page = listing.page(
        fetch, next_token=parameters.get("nextToken"), max_results=parameters.get("maxResults")
    )
    return {"samples": [_sample(call, each) for each in page.items], "nextToken": page.next_token}


async def list_repository_summaries(call: Call, parameters: Parameters) -> Result:
    """ListRepositorySummaries."""
    part, is_public = parameters.get("nameContains", ""), parameters.get("publicRepositories")
    column = Column(parameters.get("sortBy", Column.NAME))
    descending = parameters.get("descending", False)
    scope = f"ListRepositorySummaries {part} {is_public} {column} {descending}"
    listing: Listing[Place, Summary] = Listing(scope, tuple[int | str, str], lambda each: each.place)
    total = 0

    def fetch(after: Place | None, limit: int) -> list[Summary]:
        nonlocal total
        found = call.registry.read(
            summaries.find, part, column, after, limit, is_public=is_public, descending=descending
        )
        total = found.total
        return found.listed

    page = await call.registry.in_thread(
        partial(
            listing.page,
            fetch,
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {
        "repositoryCount": total,
        "repositories": [_summary(call, each) for each in page.items],
        "nextToken": page.next_token,
    }


def _sample(call: Call, sample: Sample) -> Result:
    return {
        "sampledAt": sample.sampled_at,
        "liveBytes": sample.live_bytes,
        "sharedBytes": sample.shared_bytes,
        "archiveBytes": sample.archive_bytes,
        "trashBytes": sample.trash_bytes,
        "unneededBytes": sample.unneeded_bytes,
        "takenBytes": sample.taken_bytes,
        "monthlyCost": measurements.dollars(sample, call.registry.limits),
        "repositoryCount": sample.repositories,
        "imageCount": sample.images,
        "trashImageCount": sample.trash_images,
        "repositoriesWithoutRules": sample.unruled,
        "staleImageCount": sample.stale_images,
        "staleBytes": sample.stale_bytes,
        "sparedImageCount": sample.spared_images,
    }


def _summary(call: Call, summary: Summary) -> Result:
    figures = summary.figures
    return {
        "repositoryName": summary.name,
        "createdAt": summary.created_at,
        "publicRepository": summary.is_public,
        "policyOrigin": summary.origin.value,
        "imageCount": figures.images,
        "untaggedImageCount": figures.untagged,
        "sizeInBytes": figures.size,
        "monthlyCost": monthly_dollars(figures.size, call.registry.limits.price),
        "lastPushedAt": figures.pushed_at,
        "lastPulledAt": figures.pulled_at,
        "pullCount": figures.pulls,
    }
