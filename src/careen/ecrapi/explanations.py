"""Our own service: why an image stays or goes, and what is wrong with a policy."""

from typing import Any

import msgspec

from careen.ecr import errors
from careen.ecrapi.call import Call
from careen.ecrapi.lifecycle import refused
from careen.lifecycle import documents
from careen.lifecycle.explain import Explanation, explain
from careen.lifecycle.lint.finding import Finding
from careen.lifecycle.lint.linter import lint
from careen.lifecycle.plan import Plan
from careen.lifecycle.policy import InvalidLifecyclePolicy, parse
from careen.registry import inventory, lifecycle, repositories, rules
from careen.registry.registry import Transaction

Parameters = dict[str, Any]
Result = dict[str, Any]


async def explain_image(call: Call, parameters: Parameters) -> Result:
    """ExplainImage."""
    try:
        plan, explanations, failures = await call.registry.read_in_thread(
            _explain,
            parameters["repositoryName"],
            parameters.get("lifecyclePolicyText"),
            parameters["imageIds"],
        )
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    found = documents.explanations(plan.now, explanations, documents.on_the_calendar)
    return found | {"failures": failures}


def _explain(
    tx: Transaction, name: str, text: str | None, image_ids: list[dict[str, str]]
) -> tuple[Plan, list[Explanation], list[Result]]:
    plan = lifecycle.simulate(tx, name, text)
    by_tag = {tag: decision.image.digest for decision in plan.decisions for tag in decision.image.tags}
    digests = {decision.image.digest for decision in plan.decisions}
    found, failures = [], []
    for image_id in image_ids:
        digest = image_id.get("imageDigest", by_tag.get(image_id.get("imageTag", "")))
        tagged = image_id.get("imageTag")
        if digest in digests and (tagged is None or by_tag.get(tagged) == digest):
            found.append(digest)
        else:
            reason = "Requested image not found"
            failures.append({"imageId": image_id, "failureCode": "ImageNotFound", "failureReason": reason})
    return plan, explain(plan, list(dict.fromkeys(found))), failures


async def lint_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """LintLifecyclePolicy."""
    name, text = parameters.get("repositoryName"), parameters.get("lifecyclePolicyText")
    if name is None and text is None:
        raise errors.InvalidParameter("repositoryName", "give a repository, a policy, or both")
    try:
        findings = await call.registry.read_in_thread(_lint, name, text)
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return {"findings": msgspec.to_builtins(findings)}


def _lint(tx: Transaction, name: str | None, text: str | None) -> tuple[Finding, ...]:
    if name is None:
        return lint(parse(text or ""), None, tx.now)
    repository = repositories.require(tx, name)
    holds = rules.effective_for(tx, repository, text)
    if holds.text is None:
        raise errors.LifecyclePolicyNotFound(name, tx.registry_id)
    return lint(holds.policy, inventory.load(tx, repository.id), tx.now)
