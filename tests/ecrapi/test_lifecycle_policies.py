"""Lifecycle policies: put, get, delete, and what is refused."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from careen.lifecycle import policy
from tests.ecrapi.client import refusal
from tests.ecrapi.samples import KEEP_ONE
from tests.server import REGISTRY_ID

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.json"))

PREFIX = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: "

NEVER = dt.datetime.fromtimestamp(0, dt.UTC)


def rule(priority: int, **selection: Any) -> dict[str, Any]:
    """A rule that expires, by default all images but one."""
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1} | selection
    return {"rulePriority": priority, "selection": chosen, "action": {"type": "expire"}}


def text(*rules: dict[str, Any]) -> str:
    """A policy, spread out so that it is never too short."""
    return json.dumps({"rules": rules}, indent=4)


def test_a_policy_is_put_got_and_deleted(ecr: Any, repository: str) -> None:
    """Every answer has the policy in its canonical text: compact, rules by priority, nothing added."""
    sent = text(
        rule(20, tagStatus="any") | {"description": "second"},
        rule(5, tagStatus="tagged", tagPatternList=["a*", "b"]) | {"description": "first"},
    )
    canonical = (
        '{"rules":[{"rulePriority":5,"description":"first","selection":{"tagStatus":"tagged","tagPatternList":["a*","b"],'
        '"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}},'
        '{"rulePriority":20,"description":"second","selection":{"tagStatus":"any",'
        '"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}'
    )
    named = {"registryId": REGISTRY_ID, "repositoryName": repository, "lifecyclePolicyText": canonical}
    answers = [
        ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=sent),
        ecr.get_lifecycle_policy(repositoryName=repository),
        ecr.delete_lifecycle_policy(repositoryName=repository),
    ]
    for answer in answers:
        del answer["ResponseMetadata"]
    assert answers == [named, named | {"lastEvaluatedAt": NEVER}, named | {"lastEvaluatedAt": NEVER}]
    missing = (
        "LifecyclePolicyNotFoundException",
        f"Lifecycle policy does not exist for the repository with name '{repository}' in the registry with id '{REGISTRY_ID}'",
    )
    for call in (ecr.get_lifecycle_policy, ecr.delete_lifecycle_policy):
        assert refusal(call, repositoryName=repository)[:2] == missing


def test_canonical_text_stays_as_it_is(ecr: Any, repository: str) -> None:
    """What was got can be put, and is got again."""
    put = {"repositoryName": repository, "lifecyclePolicyText": text(rule(1))}
    first = ecr.put_lifecycle_policy(**put)["lifecyclePolicyText"]
    second = ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=first)[
        "lifecyclePolicyText"
    ]
    assert second == first == ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_policies(ecr: Any, repository: str, example: Path) -> None:
    """Each of them is taken as it is, and says the same in canonical text."""
    sent = example.read_text()
    put = ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=sent)
    assert json.loads(put["lifecyclePolicyText"]) == json.loads(sent)
    assert policy.MIN_LENGTH <= len(sent) <= policy.MAX_LENGTH


@pytest.mark.parametrize(
    ("invalid", "reason"),
    [
        pytest.param("no JSON" + " " * 100, "Could not map policyString into LifecyclePolicy.", id="no JSON"),
        pytest.param(
            text(rule(1, tagStatus="tagged")),
            "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
            id="tagged without a list",
        ),
        pytest.param(
            text(rule(1, tagStatus="untagged"), rule(2, tagStatus="untagged")),
            "Only one rule can select Untagged images per storage class.",
            id="two untagged rules",
        ),
        pytest.param(
            text(rule(1), rule(2, tagStatus="untagged")),
            "Rule for tagStatus=ANY must have the lowest priority per storage class",
            id="any before another",
        ),
        pytest.param(
            json.dumps({"rule": [rule(1)]}),
            'object has missing required properties (["rules"])',
            id="no rules",
        ),
        pytest.param(
            text(rule(1, countNumber=0)),
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)",
            id="count of none",
        ),
        pytest.param(
            text(rule(1, countUnit="days")),
            "instance failed to match exactly one schema (matched 0 out of 2)",
            id="a unit with a count",
        ),
    ],
)
def test_an_invalid_policy_is_refused_with_the_reason(
    ecr: Any, repository: str, invalid: str, reason: str
) -> None:
    """PutLifecyclePolicy and StartLifecyclePolicyPreview say the same, in ECR's sentence; the old policy stays."""
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=KEEP_ONE)
    for call in (ecr.put_lifecycle_policy, ecr.start_lifecycle_policy_preview):
        refused = refusal(call, repositoryName=repository, lifecyclePolicyText=invalid)
        assert (refused.code, refused.message) == ("InvalidParameterException", f"{PREFIX}{reason}'")
    assert ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"] == KEEP_ONE
    assert refusal(ecr.get_lifecycle_policy_preview, repositoryName=repository).code == (
        "LifecyclePolicyPreviewNotFoundException"
    )


def test_a_policy_that_is_too_long_is_refused(ecr: Any, repository: str) -> None:
    """30720 characters, white space included."""
    too_long = KEEP_ONE + " " * (policy.MAX_LENGTH + 1 - len(KEEP_ONE))
    refused = refusal(ecr.put_lifecycle_policy, repositoryName=repository, lifecyclePolicyText=too_long)
    assert (refused.code, refused.message) == (
        "InvalidParameterException",
        (
            "Invalid parameter at 'lifecyclePolicyText' failed to satisfy constraint:"
            " 'Member must have length less than or equal to 30720'"
        ),
    )
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=too_long[:-1])
