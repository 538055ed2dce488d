"""The instant before which nothing has to be evaluated: random repositories and rules, and time that passes."""

import json
from random import Random

import msgspec
import pytest

from careen.clock import DAY, Instant, parse_instant
from careen.lifecycle import extension, protection
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.due import next_due
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Plan
from careen.lifecycle.policy import LifecyclePolicy
from tests.lifecycle.build import NOW, ago, image, plan, rule
from tests.lifecycle.worlds import policy, world

ROUND = 250

PROTECTIONS = [
    {"name": "pulled", "pulledWithinDays": 30},
    {"name": "pushed", "pushedWithinDays": 40},
    {"name": "versions", "anyTagPattern": ["v*"], "pulledWithinDays": 90},
    {"name": "newest", "newest": 1},
]
UNTAG = {
    "rulePriority": 1,
    "selection": {
        "tagStatus": "tagged",
        "tagPatternList": ["*-1"],
        "countType": "sinceTagged",
        "countUnit": "days",
        "countNumber": 35,
    },
    "action": {"type": "untag"},
}


def beyond(random: Random) -> Beyond:
    """Random documents beside the policy, or none."""
    kept = random.sample(PROTECTIONS, random.choice([0, 0, 1, 2]))
    rules = random.choice([[], [UNTAG], policy(random)["rules"]])
    return Beyond(
        extension.parse(json.dumps({"rules": rules})), protection.parse(json.dumps({"rules": kept})).rules
    )


def quiet(policy: LifecyclePolicy, images: list[Image], now: Instant, beyond: Beyond) -> Plan:
    """The plan when nothing is left to do: what is acted on is taken away until it is so."""
    while (found := evaluate(policy, images, now, beyond)).acted_on:
        gone = {decision.image.digest for decision in found.acted_on}
        images = [image for image in images if image.digest not in gone]
    return found


@pytest.mark.parametrize("first", range(0, 2000, ROUND))
def test_nothing_is_done_before(first: int) -> None:
    """Up to that instant no evaluation acts, whatever the policy, the documents beside it and the images are."""
    waited = 0
    for seed in range(first, first + ROUND):
        random = Random(seed)  # noqa: S311 - chance that can be repeated, no secret
        made = world(random)
        tagged = [
            msgspec.structs.replace(each, tagged_at=tuple(ago(random.randrange(60)) for _ in each.tags))
            for each in made.read()
        ]
        found = quiet(made.parsed(), tagged, parse_instant(made.now), beyond(random))
        instant = next_due(found)
        assert instant is None or instant > found.now
        images = [decision.image for decision in found.decisions]
        last = found.now + 2000 * DAY if instant is None else instant - 1
        steps = [random.randrange(found.now, last + 1) for _ in range(3)] if last > found.now else []
        for then in [last, *steps]:
            assert evaluate(found.policy, images, then, found.beyond).acted_on == []
        waited += bool(images) and last > found.now
    assert waited >= ROUND // 2


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (plan([rule(pushed=30)], [image("a", 10), image("b", 5)]), ago(10) + 30 * DAY + 1),
        (plan([rule(count=2)], [image("a", 10), image("b", 5)]), None),
        (
            plan([rule(1, status="untagged", pushed=90), rule(2, pushed=30)], [image("a", 40)]),
            ago(40) + 90 * DAY + 1,
        ),
        (plan([rule(pushed=30)], [image("a", 40), image("i", 5, lists="a")]), ago(5) + 30 * DAY + 1),
        (plan([rule(pushed=30)], [image("a", 5), image("s", 9, subject="a")]), ago(5) + 30 * DAY + 1),
        (plan([rule(pushed=30)], []), None),
    ],
    ids=[
        "an age",
        "a count",
        "a shield",
        "an index in the way",
        "an artifact follows",
        "an empty repository",
    ],
)
def test_the_instant_is_exact_where_one_rule_decides(plan: Plan, expected: Instant | None) -> None:
    """Ages say when, counts never do, and what is held back waits for what holds it."""
    assert next_due(plan) == expected


def test_protection_that_ends() -> None:
    """An image that only a recent pull keeps is looked at again when the pull is no longer recent."""
    kept = Beyond(protection=protection.parse(json.dumps({"rules": PROTECTIONS[:1]})).rules)
    found = evaluate(LifecyclePolicy((rule(pushed=30),)), [image("a", 40, pulled=10)], NOW, kept)
    assert found.acted_on == []
    assert next_due(found) == ago(10) + 30 * DAY + 1


def test_the_rules_of_both_documents_are_asked() -> None:
    """The policy keeps an image by a count; the extension takes it by age."""
    beside = Beyond(extension.parse(json.dumps({"rules": msgspec.to_builtins([rule(pushed=30)])})))
    found = evaluate(LifecyclePolicy((rule(count=5),)), [image("a", 10)], NOW, beside)
    assert next_due(found) == ago(10) + 30 * DAY + 1
