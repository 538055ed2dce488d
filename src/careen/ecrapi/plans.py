"""Our own service: what a policy would do, what it would change, and doing just that."""

from functools import partial
from typing import Any

from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.ecrapi.lifecycle import refused
from careen.lifecycle import documents
from careen.lifecycle.blast import DEFAULT_LIMITS, Limits
from careen.lifecycle.forecast import DAYS
from careen.lifecycle.plan import Decision, Plan
from careen.lifecycle.plan_hash import plan_hash
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.registry import forecasts, lifecycle
from careen.registry.lifecycle import Applied

Parameters = dict[str, Any]
Result = dict[str, Any]

LISTED = 100
"""How many images a list of a diff has, if nobody says otherwise."""


async def simulate_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """SimulateLifecyclePolicy."""
    name, text = parameters["repositoryName"], parameters.get("lifecyclePolicyText")
    try:
        plan: Plan = await call.registry.read_in_thread(lifecycle.simulate, name, text)
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    actions = parameters.get("filter", {}).get("actions")
    chosen = sorted((each for each in plan.decisions if not actions or each.action in actions), key=_digest)
    listing: Listing[str, Decision] = Listing(
        f"SimulateLifecyclePolicy {name} {text} {actions}", str, _digest
    )
    page = listing.page(
        listing.of(chosen),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "now": plan.now,
        "planHash": plan_hash(plan),
        "summary": documents.summary(plan),
        "deciders": documents.deciders(plan),
        "decisions": documents.decisions(plan, page.items),
        "nextToken": page.next_token,
    }


def _digest(decision: Decision) -> str:
    return decision.image.digest


async def diff_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """DiffLifecyclePolicy."""
    name, text = parameters["repositoryName"], parameters["lifecyclePolicyText"]
    try:
        found = await call.registry.read_in_thread(lifecycle.compare, name, text)
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    listed = parameters.get("maxResults", LISTED)
    return documents.difference(found, documents.on_the_calendar, limits=_limits(parameters), listed=listed)


async def forecast_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """ForecastLifecyclePolicy."""
    look_ahead = partial(
        forecasts.look_ahead,
        name=parameters["repositoryName"],
        text=parameters.get("lifecyclePolicyText"),
        days=parameters.get("days", DAYS),
        replay=parameters.get("replay", False),
    )
    try:
        found, streams = await call.registry.read_in_thread(look_ahead)
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return documents.forecast(found, documents.on_the_calendar, streams, call.registry.limits.price)


async def apply_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """ApplyLifecyclePolicy."""
    name, text = parameters["repositoryName"], parameters["lifecyclePolicyText"]
    try:
        applied = await call.registry.in_thread(
            lifecycle.apply, call.registry, name, text, parameters.get("planHash"), _limits(parameters)
        )
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return _applied(name, applied) | {"lifecyclePolicyText": applied.text}


async def run_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """RunLifecyclePolicy."""
    name = parameters["repositoryName"]
    applied = await call.registry.in_thread(
        lifecycle.run_reviewed, call.registry, name, parameters.get("planHash"), _limits(parameters)
    )
    return _applied(name, applied)


def _applied(name: str, applied: Applied) -> Result:
    ran = applied.ran
    return {
        "repositoryName": name,
        "planHash": applied.plan_hash,
        "runId": ran.run_id,
        "expired": ran.expired,
        "archived": ran.archived,
        "untagged": ran.untagged,
        "blocked": ran.blocked,
        "protected": ran.protected,
        "skipped": ran.skipped,
    }


def _limits(parameters: Parameters) -> Limits:
    return Limits(max_share=parameters.get("maxShare", DEFAULT_LIMITS.max_share))
