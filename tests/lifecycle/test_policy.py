"""Reading and writing policy texts."""

import json
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy, canonical, parse
from tests.lifecycle.build import rule
from tests.lifecycle.worlds import World, policy

COUNT: dict[str, Any] = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}
AGE: dict[str, Any] = {
    "tagStatus": "any",
    "countType": "sinceImagePushed",
    "countUnit": "days",
    "countNumber": 5,
}
TAGGED = {"tagStatus": "tagged"}
ARCHIVED = AGE | {"storageClass": "archive", "countType": "sinceImageTransitioned", "countNumber": 90}
EXPIRE = {"type": "expire"}
TRANSITION = {"type": "transition", "targetStorageClass": "archive"}

ONE_OF = "instance failed to match exactly one schema (matched 0 out of 2)"


def text(*rules: Any) -> str:
    """A policy text of these rules, long enough for ECR."""
    return json.dumps({"rules": rules}).ljust(100)


def one(selection: Any = COUNT, action: Any = EXPIRE, priority: Any = 1, **more: Any) -> dict[str, Any]:
    """A rule."""
    return {"rulePriority": priority, "selection": selection, "action": action, **more}


def refusal(policy_text: str) -> InvalidLifecyclePolicy:
    """Why a text is refused."""
    with pytest.raises(InvalidLifecyclePolicy) as refused:
        parse(policy_text)
    return refused.value


SHAPES = {
    "not json": ("[" * 100, "Could not map policyString into LifecyclePolicy."),
    "nested beyond reason": ("[" * 30_000, "Could not map policyString into LifecyclePolicy."),
    "a lone surrogate": ("\ud800" * 100, "Could not map policyString into LifecyclePolicy."),
    "a number out of range": (
        '{"rules": 1e999}'.ljust(100),
        "Could not map policyString into LifecyclePolicy.",
    ),
    "not an object": ("[]".ljust(100), "Could not map policyString into LifecyclePolicy."),
    "rules no array": (
        '{"rules": {}}'.ljust(100),
        'instance type (object) does not match any allowed primitive type (allowed: ["array"])',
    ),
    "rule no object": (
        text(True),
        'instance type (boolean) does not match any allowed primitive type (allowed: ["object"])',
    ),
    "nothing in a rule": (
        text({}),
        'object has missing required properties (["action","rulePriority","selection"])',
    ),
    "nothing in a selection": (
        text(one(selection={})),
        'object has missing required properties (["countNumber","countType","tagStatus"])',
    ),
    "unknown properties": (
        text(one(name="x", id=1)),
        'object instance has properties which are not allowed by the schema: ["id","name"]',
    ),
    "priority a text": (
        text(one(priority="1")),
        'instance type (string) does not match any allowed primitive type (allowed: ["integer"])',
    ),
    "priority a truth value": (
        text(one(priority=True)),
        'instance type (boolean) does not match any allowed primitive type (allowed: ["integer"])',
    ),
    "priority beyond 32 bits": (
        text(one(priority=2**31)),
        "numeric instance is greater than the required maximum (maximum: 2147483647, found: 2147483648)",
    ),
    "description null": (
        text(one(description=None)),
        'instance type (null) does not match any allowed primitive type (allowed: ["string"])',
    ),
    "tag status": (
        text(one(COUNT | {"tagStatus": "all"})),
        'instance value ("all") not found in enum (possible values: ["tagged","untagged","any"])',
    ),
    "storage class": (
        text(one(COUNT | {"storageClass": None})),
        'instance value (null) not found in enum (possible values: ["standard","archive"])',
    ),
    "list null": (
        text(one(COUNT | TAGGED | {"tagPatternList": None})),
        'instance type (null) does not match any allowed primitive type (allowed: ["array"])',
    ),
    "list of numbers": (
        text(one(COUNT | TAGGED | {"tagPrefixList": ["v", 1]})),
        'instance type (integer) does not match any allowed primitive type (allowed: ["string"])',
    ),
    "count type": (text(one(COUNT | {"countType": "imageCount"})), ONE_OF),
    "count type a list": (text(one(COUNT | {"countType": ["imageCountMoreThan"]})), ONE_OF),
    "unit null": (text(one(COUNT | {"countUnit": None})), ONE_OF),
    "unit missing": (
        text(one({"tagStatus": "any", "countType": "sinceImagePulled", "countNumber": 1})),
        ONE_OF,
    ),
    "action type": (text(one(action={"type": "delete"})), ONE_OF),
    "target standard": (text(one(action=TRANSITION | {"targetStorageClass": "standard"})), ONE_OF),
    "several faults": (
        text(one(COUNT | {"countUnit": None}), one(action={}, priority=0)),
        (
            f"{ONE_OF}\nnumeric instance is lower than the required minimum (minimum: 1, found: 0)\n"
            'object has missing required properties (["type"])'
        ),
    ),
}


@pytest.mark.parametrize(("policy_text", "reason"), SHAPES.values(), ids=SHAPES)
def test_shape(policy_text: str, reason: str) -> None:
    """A text of the wrong shape is refused with the schema validator's words, one line a fault."""
    assert refusal(policy_text).reason == reason


CONSTRAINTS = {
    "any before another rule": (
        [one(COUNT, priority=1), one(AGE | {"tagStatus": "untagged"}, priority=2)],
        "Rule for tagStatus=ANY must have the lowest priority per storage class",
    ),
    "two untagged rules": (
        [one(COUNT | {"tagStatus": "untagged"}), one(AGE | {"tagStatus": "untagged"}, priority=2)],
        "Only one rule can select Untagged images per storage class.",
    ),
    "tagged without a list": (
        [one(COUNT | TAGGED)],
        "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
    ),
    "the same prefixes in another order": (
        [
            one(COUNT | TAGGED | {"tagPrefixList": ["a", "b"]}),
            one(AGE | TAGGED | {"tagPrefixList": ["b", "a", "b"]}, priority=2),
        ],
        "Each rule must have a unique set of prefixes or patterns per storage class.",
    ),
    "archived images counted": (
        [one(COUNT | {"storageClass": "archive"})],
        "storageClass must be standard with countType=imageCountMoreThan.",
    ),
    "archived images archived": (
        [one(ARCHIVED, TRANSITION)],
        "Action must be expire with countType=sinceImageTransitioned.",
    ),
    "archived for too short": (
        [one(ARCHIVED | {"countNumber": 89})],
        "countNumber must be at least 90 with countType=sinceImageTransitioned.",
    ),
    "pulled and expired": (
        [one(AGE | {"countType": "sinceImagePulled"})],
        "Action must be transition with countType=sinceImagePulled.",
    ),
}


@pytest.mark.parametrize(("rules", "reason"), CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_constraint(rules: list[dict[str, Any]], reason: str) -> None:
    """Rules that do not go together are refused, in ECR's words where they are public, and with advice."""
    refused = refusal(text(*rules))
    assert refused.reason == reason
    assert refused.advice


ACCEPTED = {
    "the same text as prefix and as pattern": [
        one(COUNT | TAGGED | {"tagPrefixList": ["a"]}),
        one(AGE | TAGGED | {"tagPatternList": ["a"]}, priority=2),
    ],
    "any and untagged for each storage class": [
        one(COUNT | {"tagStatus": "untagged"}),
        one(COUNT, priority=2),
        one(ARCHIVED | {"tagStatus": "untagged"}, priority=3),
        one(ARCHIVED, priority=4),
    ],
    "an archive rule after the any rule of the standard class": [one(COUNT), one(ARCHIVED, priority=7)],
    "empty lists are no lists": [one(COUNT | {"tagPrefixList": [], "tagPatternList": []})],
    "archive what nobody pulls": [one(AGE | {"countType": "sinceImagePulled"}, TRANSITION)],
    "the largest numbers": [one(COUNT | {"countNumber": 2**31 - 1}, priority=2**31 - 1)],
}


@pytest.mark.parametrize("rules", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(rules: list[dict[str, Any]]) -> None:
    """Unusual policies that ECR's rules allow are read, and written as they came."""
    assert json.loads(canonical(parse(text(*rules)))) == {"rules": rules}


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (99, "The text must have 100 to 30720 characters, it has 99."),
        (30_721, "The text must have 100 to 30720 characters, it has 30721."),
    ],
)
def test_length(length: int, reason: str) -> None:
    """A text shorter or longer than the API model allows is refused before it is read."""
    assert refusal("x" * length).reason == reason


def test_lengths_at_the_limits_are_read() -> None:
    """100 and 30,720 characters are within the limits."""
    shortest = json.dumps({"rules": [one()]}).ljust(100)
    assert parse(shortest) == parse(shortest.ljust(30_720))


def test_message_is_ecrs_whole_sentence() -> None:
    """The message wraps the reason as InvalidParameterException does."""
    assert refusal(text(one(action={}))).message == (
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation "
        'failure: object has missing required properties (["type"])\''
    )


def test_advice_says_where() -> None:
    """Advice names the place of each fault and what to change there."""
    refused = refusal(
        text(one(COUNT | {"countUnit": "days"}), one(COUNT | {"foo": 1}, {"type": "expire"}, 2))
    )
    assert refused.advice is not None
    first, second = refused.advice.split("; ", 1)
    assert first == "rules[0].selection.countUnit: remove it: imageCountMoreThan takes no unit"
    assert second.startswith("rules[1].selection: remove foo; known here: tagStatus, ")


def test_canonical_text() -> None:
    """ECR answers compact JSON: rules by priority, properties in its order, and only those that were sent."""
    sent = text(
        one(
            {"countNumber": 3, "countUnit": "days", "countType": "sinceImagePushed", "tagStatus": "any"},
            priority=20,
        ),
        one(
            COUNT | TAGGED | {"tagPatternList": ["ü*"], "storageClass": "standard"},
            TRANSITION,
            priority=10,
            description="",
        ),
    )
    assert canonical(parse(sent)) == (
        '{"rules":[{"rulePriority":10,"description":"","selection":{"tagStatus":"tagged","tagPatternList":["ü*"],'
        '"storageClass":"standard","countType":"imageCountMoreThan","countNumber":5},'
        '"action":{"type":"transition","targetStorageClass":"archive"}},'
        '{"rulePriority":20,"selection":{"tagStatus":"any","countType":"sinceImagePushed","countUnit":"days",'
        '"countNumber":3},"action":{"type":"expire"}}]}'
    )


@given(st.randoms(use_true_random=False))
def test_canonical_text_means_the_same(random: Random) -> None:
    """Reading what was written gives the same policy, and writing that the same text."""
    parsed = World(policy(random), []).parsed()
    again = parse(canonical(parsed).ljust(100))
    assert again == parsed
    assert canonical(again) == canonical(parsed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["rules", "rulePriority", "selection", "action", "type", "tagStatus", "countType", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_json_breaks_the_reader(document: Any) -> None:
    """Whatever JSON comes is read or refused; nothing else happens."""
    with suppress(InvalidLifecyclePolicy):
        parse(json.dumps(document).ljust(100))


def test_rules_are_sorted_however_they_are_given() -> None:
    """A policy made of values has its rules by priority too."""
    last, first = rule(9, count=1), rule(2, status="untagged", count=1)
    assert LifecyclePolicy((last, first)).rules == (first, last)
