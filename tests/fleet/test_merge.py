"""Two policies as one."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.clock import parse_instant
from careen.fleet import wording
from careen.fleet.merge import merge
from careen.lifecycle import policy as policies
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.lint.covering import within
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import TagStatus
from careen.lifecycle.selection import Selector
from tests.fleet.small import policy, rule
from tests.lifecycle import worlds

CASES: dict[str, tuple[list[dict[str, object]], list[dict[str, object]], list[str]]] = {
    "what is added comes behind": (
        [rule(1, pattern="v*", count=10)],
        [rule(1, status="untagged", pushed=7)],
        ["1 v*: 10", "2 untagged: 7"],
    ),
    "a rule for the same images takes the place": (
        [rule(5, status="untagged", pushed=30), rule(9, pattern="v*", count=10)],
        [rule(1, status="untagged", pushed=7)],
        ["1 untagged: 7", "2 v*: 10"],
    ),
    "any stays last": (
        [rule(1, pattern="v*", count=10), rule(2, count=100)],
        [rule(1, status="untagged", pushed=7), rule(2, pattern="pr-*", pushed=14)],
        ["1 v*: 10", "2 untagged: 7", "3 pr-*: 14", "4 any: 100"],
    ),
    "of two for any the wish's stays": (
        [rule(1, pattern="v*", count=10), rule(2, count=100)],
        [rule(1, pushed=90)],
        ["1 v*: 10", "2 any: 90"],
    ),
    "what is there already keeps its numbers": (
        [rule(10, pattern="v*", count=10), rule(20, status="untagged", pushed=7)],
        [rule(3, status="untagged", pushed=7)],
        ["10 v*: 10", "20 untagged: 7"],
    ),
}


def read(*rules: dict[str, object]) -> LifecyclePolicy:
    """A policy of such rules."""
    return policies.parse(policy(*rules))


def shown(of: LifecyclePolicy) -> list[str]:
    """Rules, briefly."""
    return [
        f"{each.rule_priority} {(each.selection.tag_pattern_list or (each.selection.tag_status.value,))[0]}:"
        f" {each.selection.count_number}"
        for each in of.rules
    ]


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    """Rules stand where docs/fleet.md says."""
    own, wish, expected = CASES[name]
    merged = merge(read(*own), read(*wish))
    assert shown(merged) == expected
    assert policies.parse(policies.canonical(merged)) == merged


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_any_two_policies(random: Random) -> None:
    """Merge into what ECR accepts, and merging once more changes nothing."""
    own, wish = worlds.world(random).parsed(), worlds.world(random).parsed()
    merged = merge(own, wish)
    assert policies.parse(policies.canonical(merged).ljust(100)) == merged
    assert merge(merged, wish) == merged


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_what_only_one_of_two_policies_speaks_of(random: Random) -> None:
    """Has the fate that this policy gives it: neither is bent where the other says nothing."""
    world = worlds.world(random)
    # Ties between images let one go because of another, whoever's rule takes that.
    images = [image for image in world.read() if not image.references and image.subject is None]
    own, wish = world.parsed(), worlds.world(random).parsed()
    now = parse_instant(world.now)
    together = evaluate(merge(own, wish), images, now)
    for one, other in ((own, wish), (wish, own)):
        alone = evaluate(one, images, now)
        for before, after in zip(alone.decisions, together.decisions, strict=True):
            if not _speaks_of(other, before.image):
                assert after.effect == before.effect, policies.canonical(merge(own, wish))


def _speaks_of(policy: LifecyclePolicy, image: Image) -> bool:
    """Whether a rule identifies an image."""
    identifying = Selector(policy.rules).identifying(image.tags)
    return any(policy.rules[place].storage_class is image.storage_class for place in identifying)


def test_a_rule_of_the_repository_keeps_what_it_identifies() -> None:
    """An added rule for more images does not get them: only a rule for any gives way, which ECR wants last."""
    own = read(rule(1, pattern="v*", count=10), rule(2, count=50))
    merged = merge(own, read(rule(1, pattern="*", pushed=7)))
    assert shown(merged) == ["1 v*: 10", "2 *: 7", "3 any: 50"]
    assert within(merged.rules[0], merged.rules[1])
    assert merged.rules[-1].selection.tag_status is TagStatus.ANY


def test_in_words() -> None:
    """A rule is a sentence, and what changes is a line."""
    own = read(rule(1, pattern="v*", count=10))
    assert wording.changed(own, merge(own, read(rule(1, status="untagged", pushed=1)))) == [
        "  rule 1: deletes all but the newest 10 images tagged v*",
        "+ rule 2: deletes untagged images that were pushed more than 1 day ago",
    ]
