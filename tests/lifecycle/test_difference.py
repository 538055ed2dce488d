"""Two plans side by side: what a change of policy dooms and saves; what may not be done unseen; what a plan is called."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import DAY, parse_instant
from careen.lifecycle import extension, protection
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.blast import BreachCode, Limits, breaches, lost_families
from careen.lifecycle.difference import difference, tally
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.plan import ACTED_ON, Plan
from careen.lifecycle.plan_hash import plan_hash
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import Rule
from tests.lifecycle.build import ARCHIVE, NOW, image, plan, rule
from tests.lifecycle.worlds import policy, world

IMAGES = [
    image("a", 50, "v1", size=1),
    image("b", 40, "v2", size=10),
    image("c", 30, size=100),
    image("d", 1, size=1000),
]


def compared(old: list[Rule], new: list[Rule]) -> dict[str, Any]:
    """Digests by what becomes of them."""
    found = difference(plan(old, IMAGES), plan(new, IMAGES))
    return {
        "doomed": [each.image.digest for each in found.doomed],
        "saved": [each.image.digest for each in found.saved],
        "changed": [each.new.image.digest for each in found.changed],
        "share": found.share,
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([], [rule(pushed=35)], {"doomed": ["a", "b"], "saved": [], "changed": [], "share": 0.5}),
        ([rule(pushed=35)], [], {"doomed": [], "saved": ["a", "b"], "changed": [], "share": 0}),
        (
            [rule(pushed=45)],
            [rule(pushed=20)],
            {"doomed": ["b", "c"], "saved": [], "changed": ["a"], "share": 0.5},
        ),
        (
            [rule(pushed=45)],
            [rule(status="untagged", pushed=20)],
            {"doomed": ["c"], "saved": ["a"], "changed": [], "share": 0.25},
        ),
        (
            [rule(pushed=45)],
            [rule(pushed=45, action=ARCHIVE)],
            {"doomed": [], "saved": [], "changed": ["a"], "share": 0},
        ),
        ([rule(3, pushed=45)], [rule(7, pushed=45)], {"doomed": [], "saved": [], "changed": [], "share": 0}),
    ],
    ids=[
        "a first policy",
        "no policy any more",
        "tighter",
        "another rule",
        "archive instead",
        "a new number",
    ],
)
def test_what_a_change_changes(old: list[Rule], new: list[Rule], expected: dict[str, Any]) -> None:
    """Newly doomed, newly saved, and gone under both but otherwise."""
    assert compared(old, new) == expected


def test_tallies() -> None:
    """Images and bytes of a list."""
    found = difference(plan([], IMAGES), plan([rule(pushed=35)], IMAGES))
    assert tally(found.doomed) == (2, 11)


def test_plans_for_different_images_are_not_compared() -> None:
    """It would tell nonsense."""
    with pytest.raises(ValueError, match="different images"):
        difference(plan([], IMAGES), plan([], IMAGES[1:]))


@given(st.randoms(use_true_random=False))
def test_doomed_and_saved_are_the_difference(random: Random) -> None:
    """No image is in both lists; with those that go under both they are all that either plan acts on."""
    made = world(random)
    old = made.plan()
    new = made._replace(policy=policy(random), images=random.sample(made.images, len(made.images))).plan()
    found = difference(old, new)
    doomed, saved = ({each.image.digest for each in part} for part in (found.doomed, found.saved))
    before, after = ({each.image.digest for each in one.acted_on} for one in (old, new))
    assert (doomed, saved) == (after - before, before - after)
    assert {change.new.image.digest for change in found.changed} <= before & after
    assert all(each.action not in ACTED_ON for each in found.saved)
    same = difference(new, new)
    assert (same.doomed, same.saved, same.changed) == ([], [], [])


PR = [image(f"pr{number}", number, f"pr-{number}") for number in range(1, 9)]
PROD = image("prod", 40, "prod-1")


@pytest.mark.parametrize(
    ("rules", "images", "limits", "expected"),
    [
        ([rule(count=9)], [*PR, PROD], Limits(), []),
        ([rule(count=8)], [*PR, PROD], Limits(), ["LAST_OF_FAMILY the last image tagged prod-* would go"]),
        ([rule(count=8)], [*PR, PROD], Limits(last_of_family=True), []),
        (
            [rule(status="tagged", count=2, tagPatternList=("pr-*",))],
            [*PR, PROD],
            Limits(),
            ["SHARE 6 of 9 images would be deleted, 67%; unseen at most 25%"],
        ),
        ([rule(status="tagged", count=2, tagPatternList=("pr-*",))], [*PR, PROD], Limits(max_share=0.7), []),
        ([rule(status="tagged", count=3, tagPatternList=("pr-*",))], [*PR, PROD], Limits(), []),
        ([rule(pushed=1)], [image("a", 9), image("b", 9)], Limits(), []),
        (
            [rule(pushed=1, action=ARCHIVE)],
            [image("a", 9, "x"), image("b", 9, "x")],
            Limits(),
            ["LAST_OF_FAMILY all 2 images tagged x would go"],
        ),
        ([rule(count=1)], [], Limits(), []),
    ],
    ids=[
        "nothing goes",
        "production goes (single-cell-data-portal#5885)",
        "that is allowed",
        "most go",
        "most may go",
        "five are few",
        "untagged images are no family",
        "archived images cannot be pulled",
        "an empty repository",
    ],
)
def test_breaches(rules: list[Rule], images: list[Image], limits: Limits, expected: list[str]) -> None:
    """A plan that takes too much, or the last of a kind, is not applied unseen."""
    found = breaches(plan(rules, images), limits)
    assert [f"{each.code} {each.sentence}" for each in found] == expected
    assert {each.code for each in found} <= set(BreachCode)


def untagging(*patterns: str) -> Beyond:
    """An extension that takes tags off after a day."""
    selection = {"tagStatus": "tagged", "countType": "sinceTagged", "countUnit": "days", "countNumber": 1}
    rules = [
        {
            "rulePriority": number,
            "selection": selection | {"tagPatternList": [each]},
            "action": {"type": "untag"},
        }
        for number, each in enumerate(patterns, start=1)
    ]
    return Beyond(extension.parse(json.dumps({"rules": rules})))


def test_a_family_can_lose_its_last_tag() -> None:
    """Taking tags off ends a family as deleting does; a tag that stays keeps it."""
    images = [image("a", 9, "rc-1", "v1"), image("b", 9, "rc-2")]
    assert lost_families(evaluate(LifecyclePolicy(()), images, NOW, untagging("rc-*"))) == {"rc-*": 2}
    assert lost_families(evaluate(LifecyclePolicy(()), images, NOW, untagging("rc-1"))) == {}


def hashed(rules: list[Rule], images: list[Image], now: int = NOW, beyond: Beyond = NOTHING) -> str:
    """The name of a plan."""
    return plan_hash(evaluate(LifecyclePolicy(tuple(rules)), images, now, beyond))


KEEP_TWO = [rule(count=2)]


def test_the_hash_is_that_of_what_is_done() -> None:
    """Later, or with the images in another order, a plan that does the same has the same name."""
    first = hashed(KEEP_TWO, IMAGES)
    assert first.startswith("sha256:")
    assert len(first) == len("sha256:") + 64
    assert hashed(KEEP_TWO, list(reversed(IMAGES)), NOW + DAY) == first


@pytest.mark.parametrize(
    "other",
    [
        hashed(KEEP_TWO, IMAGES[1:]),
        hashed(KEEP_TWO, [*IMAGES, image("e", 0)]),
        hashed([rule(count=3)], IMAGES),
        hashed([rule(2, count=2)], IMAGES),
        hashed([rule(count=2, action=ARCHIVE)], IMAGES),
        hashed(KEEP_TWO, IMAGES, beyond=untagging("x")),
        hashed(
            KEEP_TWO,
            IMAGES,
            beyond=Beyond(protection=protection.parse('{"rules":[{"name":"x","newest":1}]}').rules),
        ),
    ],
    ids=[
        "one image fewer",
        "one more",
        "another count",
        "another number",
        "archive",
        "extension",
        "protection",
    ],
)
def test_anything_else_has_another_hash(other: str) -> None:
    """What holds or what is done is not what was reviewed."""
    assert other != hashed(KEEP_TWO, IMAGES)


@given(st.randoms(use_true_random=False))
def test_the_order_of_images_does_not_show(random: Random) -> None:
    """Whoever lists the images in whatever order computes the same hash."""
    made = world(random)
    images, now = made.read(), parse_instant(made.now)
    shuffled = random.sample(images, len(images))
    assert hashed(list(made.parsed().rules), images, now) == hashed(list(made.parsed().rules), shuffled, now)


def test_the_hash_is_as_documented() -> None:
    """SHA-256 over compact JSON that anybody can write."""
    import hashlib

    found: Plan = plan(KEEP_TWO, IMAGES)
    text = json.dumps(
        [
            json.dumps({"rules": msgspec.to_builtins(KEEP_TWO)}, separators=(",", ":")),
            '{"rules":[]}',
            '{"rules":[]}',
            [["a", "expire", []], ["b", "expire", []]],
        ],
        separators=(",", ":"),
    )
    assert plan_hash(found) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
