"""The documented behaviour of Amazon ECR, case by case: a policy, images and a time, or a text and its verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from careen.lifecycle.policy import InvalidLifecyclePolicy, parse
from tests.lifecycle.naive import verdicts
from tests.lifecycle.worlds import World

CASES = Path(__file__).parent / "cases"


def cases(name: str) -> list[Any]:
    """The named cases of a file, as pytest parameters."""
    return [pytest.param(case, id=case["name"]) for case in json.loads((CASES / f"{name}.json").read_text())]


@pytest.mark.parametrize("case", cases("lifecycle_evaluation"))
def test_evaluation(case: dict[str, Any]) -> None:
    """Each image of a case meets the action and rule that Amazon's documentation gives it; all others are kept."""
    plan = World(case["policy"], case["images"], case["now"]).plan()
    actual = {
        decision.image.digest: [decision.action.value, decision.rule_priority]
        for decision in plan.decisions
        if decision.action != "KEEP"
    }
    assert actual == case["expected"]


@pytest.mark.parametrize("case", cases("lifecycle_evaluation"))
def test_the_naive_evaluator_passes_too(case: dict[str, Any]) -> None:
    """What the random differential test compares with is itself right about the documented cases."""
    expected = {digest: tuple(verdict) for digest, verdict in case["expected"].items()}
    assert verdicts(case["policy"], case["images"], case["now"]) == expected


@pytest.mark.parametrize("case", cases("policy_validation"))
def test_validation(case: dict[str, Any]) -> None:
    """A policy text is accepted or refused as ECR does it, with ECR's words where they are known."""
    expected = case["expected"]
    if expected["valid"]:
        assert parse(case["policy_text"]).rules
        return
    with pytest.raises(InvalidLifecyclePolicy) as refused:
        parse(case["policy_text"])
    assert expected.get("message_contains", "") in refused.value.message
