"""Our own service: what runs of lifecycle policies did."""

from functools import partial
from typing import Any

import msgspec

from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.registry import lifecycle
from careen.registry.lifecycle import Recorded, RunAction

Parameters = dict[str, Any]
Result = dict[str, Any]

_LAST = 2**63 - 1
"""Above every id: where a listing that begins with the latest begins."""


async def list_lifecycle_runs(call: Call, parameters: Parameters) -> Result:
    """ListLifecycleRuns."""
    name = parameters.get("repositoryName")
    listing: Listing[int, Recorded] = Listing(f"ListLifecycleRuns {name}", int, lambda each: each.run.id)

    def fetch(after: int | None, limit: int) -> list[Recorded]:
        return call.registry.read(lifecycle.runs, name, _LAST if after is None else after, limit)

    page = await call.registry.in_thread(
        partial(
            listing.page,
            fetch,
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {"runs": [_run(each) for each in page.items], "nextToken": page.next_token}


async def describe_lifecycle_run(call: Call, parameters: Parameters) -> Result:
    """DescribeLifecycleRun."""
    name, run_id = parameters["repositoryName"], parameters["runId"]
    found = await call.registry.read_in_thread(lifecycle.recorded, name, run_id)
    listing: Listing[int, RunAction] = Listing(
        f"DescribeLifecycleRun {run_id}", int, lambda each: each.position
    )

    def fetch(after: int | None, limit: int) -> list[RunAction]:
        return call.registry.read(lifecycle.run_actions, run_id, after or 0, limit)

    page = await call.registry.in_thread(
        partial(
            listing.page,
            fetch,
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {
        "run": _run(found),
        "actions": [_action(each) for each in page.items],
        "nextToken": page.next_token,
    }


def _run(recorded: Recorded) -> Result:
    run = recorded.run
    return {
        "runId": run.id,
        "repositoryName": recorded.repository,
        "lifecyclePolicyText": run.policy or None,
        "evaluatedAt": run.evaluated_at,
        "finishedAt": run.finished_at,
        "images": run.images,
        "outcomes": {
            outcome: {"images": tally.images, "imageSizeInBytes": tally.size}
            for outcome, tally in recorded.outcomes.items()
        },
    }


def _action(action: RunAction) -> Result:
    return {
        "imageDigest": action.digest,
        "imageTags": msgspec.json.decode(action.tags, type=list[str]),
        "imageSizeInBytes": action.size,
        "action": action.action,
        "appliedRulePriority": action.rule_priority,
        "reason": action.reason,
        "outcome": action.outcome,
    }
