"""The linter: each code on a policy that deserves it, and on a near miss that does not."""

from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import parse_instant
from careen.lifecycle.image import Image
from careen.lifecycle.lint.codes import CODES
from careen.lifecycle.lint.finding import Code, Severity
from careen.lifecycle.lint.linter import lint
from careen.lifecycle.policy import LifecyclePolicy, parse
from careen.lifecycle.rule import Rule
from tests.lifecycle.build import ARCHIVE, NOW, image, rule
from tests.lifecycle.test_cases import cases
from tests.lifecycle.worlds import World, world

ROOT = Path(__file__).parents[2]


class Sample(NamedTuple):
    """A policy, and images if the code needs them."""

    rules: list[Rule]
    images: list[Image] | None = None


def tagged(priority: int, *patterns: str, **selection: Any) -> Rule:
    """A rule for a list of patterns."""
    return rule(priority, status="tagged", tagPatternList=patterns, **selection)


def prefixed(*prefixes: str) -> Rule:
    """A rule for a list of prefixes."""
    return rule(status="tagged", tagPrefixList=prefixes, count=3)


def described(text: str, **selection: Any) -> Sample:
    """A policy of one rule with a description."""
    plain = rule(status="untagged", **selection)
    return Sample([Rule(rule_priority=1, description=text, selection=plain.selection, action=plain.action)])


def archiving(*more: Rule) -> list[Rule]:
    """Archive what is not pulled."""
    return [rule(pulled=30, action=ARCHIVE), *more]


KEEP = tagged(1, "v*", count=9999)
YOUNG, OLD = image("a", 1, "v1"), image("b", 40, "dev")
NO_TAG = rule(2, status="untagged", pushed=5)
HELD = [image("i", 1, "v1", lists="c"), image("c", 9)]

SAMPLES: dict[str, tuple[Sample, Sample]] = {
    "wildcard-in-prefix": (Sample([prefixed("prod*")]), Sample([prefixed("prod")])),
    "impossible-entry": (Sample([tagged(1, "^v[0-9]+$", count=3)]), Sample([tagged(1, "*.-v", count=3)])),
    "shadowed-rule": (
        Sample([tagged(1, "v*", count=3), tagged(2, "v1*", count=1)]),
        Sample([tagged(1, "v1*", count=3), tagged(2, "v*", count=1)]),
    ),
    "list-means-all": (Sample([tagged(1, "a", "b", count=3)]), Sample([tagged(1, "a", count=3)])),
    "redundant-entry": (Sample([tagged(1, "v*", "v1*", count=3)]), Sample([tagged(1, "v*", "*1", count=3)])),
    "keeps-last": (Sample([KEEP]), Sample([KEEP, NO_TAG])),
    "counts-shielded": (
        Sample([tagged(1, "v*", count=3), rule(2, count=5)]),
        Sample([tagged(1, "v*", count=3), tagged(2, "w*", count=5)]),
    ),
    "untagged-stays-longer": (
        Sample([rule(1, status="untagged", pushed=30), rule(2, pushed=7)]),
        Sample([rule(1, status="untagged", pushed=7), rule(2, pushed=30)]),
    ),
    "description-contradicts": (
        described("Expire images older than 10 days", pushed=14),
        described("Expire images older than two weeks", pushed=14),
    ),
    "age-without-floor": (Sample([rule(pushed=14)]), Sample([rule(status="untagged", pushed=14)])),
    "pulls-unseen": (Sample(archiving()), Sample([rule(pushed=30, action=ARCHIVE)])),
    "archive-below-break-even": (Sample(archiving()), Sample([rule(pushed=30)])),
    "archive-never-emptied": (Sample(archiving()), Sample(archiving(rule(2, archived=90)))),
    "matches-nothing": (
        Sample([tagged(1, "rc*", count=3)], [YOUNG]),
        Sample([tagged(1, "v*", count=3)], [YOUNG]),
    ),
    "list-met-in-part": (
        Sample([tagged(1, "v*", "dev", count=3)], [YOUNG, OLD]),
        Sample([tagged(1, "v*", "dev", count=3)], [image("a", 1, "v1", "dev")]),
    ),
    "pattern-is-exact": (
        Sample([tagged(1, "v", count=3)], [YOUNG]),
        Sample([tagged(1, "v1", count=3)], [YOUNG]),
    ),
    "protects-nothing": (Sample([KEEP, NO_TAG], [OLD]), Sample([KEEP, NO_TAG], [YOUNG])),
    "taken-before-keep": (
        Sample([tagged(1, "dev", pushed=30), tagged(2, "v*", count=9999)], [image("a", 40, "v1", "dev")]),
        Sample([tagged(1, "dev", pushed=30), tagged(2, "v*", count=9999)], [YOUNG, OLD]),
    ),
    "count-eaten": (
        Sample([tagged(1, "v*", count=9), rule(2, count=1)], [YOUNG, OLD]),
        Sample([tagged(1, "v*", count=9), rule(2, count=2)], [YOUNG, OLD, image("c", 50)]),
    ),
    "overlapping-counts": (
        Sample([tagged(1, "v*", count=3), tagged(2, "*1", count=3)], [YOUNG]),
        Sample([tagged(1, "v*", count=3), tagged(2, "d*", count=3)], [YOUNG, OLD]),
    ),
    "reaches-children": (Sample([NO_TAG], HELD), Sample([NO_TAG], HELD[1:])),
    "no-pulls-recorded": (
        Sample(archiving(), [YOUNG]),
        Sample(archiving(), [YOUNG, image("p", 2, pulled=1)]),
    ),
    "takes-most": (
        Sample([rule(count=10)], [image(f"{n:02}", n) for n in range(20)]),
        Sample([rule(count=11)], [image(f"{n:02}", n) for n in range(20)]),
    ),
    "takes-used": (
        Sample([rule(pushed=30)], [image("a", 40, pulled=6)]),
        Sample([rule(pushed=30)], [image("a", 40, pulled=8)]),
    ),
}


def names(sample: Sample) -> set[str]:
    """The codes of what is found."""
    return {finding.code for finding in lint(LifecyclePolicy(tuple(sample.rules)), sample.images, NOW)}


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_each_code(code: Code) -> None:
    """A code is found where it is deserved, and not in a near miss."""
    deserved, near_miss = SAMPLES[code.name]
    assert code.needs_images == (deserved.images is not None)
    assert code.name in names(deserved)
    assert code.name not in names(near_miss)


@pytest.mark.parametrize(
    ("text", "selection", "contradicts"),
    [
        ("keep the ten newest", {"count": 10}, False),
        ("keep last 5", {"count": 10}, True),
        ("images older than 10 days", {"count": 14}, True),
        ("keep last 10 images", {"pushed": 14}, True),
        ("archived images stay a year", {"pushed": 365}, False),
        ("after 2 months", {"pushed": 60}, False),
        ("keep 9,999 of them", {"count": 9999}, False),
        ("say nothing of numbers", {"count": 1}, False),
    ],
)
def test_descriptions(text: str, selection: dict[str, int], contradicts: bool) -> None:
    """Durations and counts in a description are compared with the rule; other words are not read."""
    assert ("description-contradicts" in names(described(text, **selection))) == contradicts


@pytest.mark.parametrize("case", cases("lifecycle_evaluation"))
def test_documented_policies_have_no_errors(case: dict[str, Any]) -> None:
    """Amazon's own policies are not called wrong."""
    if case["kind"] == "documented":
        tried = World(case["policy"], case["images"], case["now"])
        found = lint(tried.parsed(), tried.read(), parse_instant(tried.now))
        assert [finding for finding in found if finding.severity is Severity.ERROR] == []


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.json")), ids=lambda file: file.name)
def test_examples_have_notes_at_most(file: Path) -> None:
    """Our own examples contradict nothing."""
    found = lint(parse(file.read_text()), None, NOW)
    assert {finding.severity for finding in found} <= {Severity.NOTE}


@given(st.randoms(use_true_random=False))
def test_a_shadowed_rule_never_acts(random: Random) -> None:
    """Whatever policy and images there are: the linter answers, and what it calls dead marks no image."""
    tried = world(random)
    found = lint(tried.parsed(), tried.read(), parse_instant(tried.now))
    dead = {finding.rule_priority for finding in found if finding.severity is Severity.ERROR}
    assert dead.isdisjoint(
        decision.rule_priority for decision in tried.plan().decisions if decision.rule_priority
    )
