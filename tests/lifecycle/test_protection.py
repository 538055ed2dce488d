"""Protection rules: what they keep, what they refuse to be, and that nothing they keep is ever touched."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import parse_instant
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.protection import InvalidProtectionRules, applicable, canonical, parse
from careen.lifecycle.reason import reason
from careen.lifecycle.rule import ActionType
from tests.lifecycle.build import NOW, image, rule
from tests.lifecycle.worlds import world

EVERYTHING = LifecyclePolicy((rule(pushed=1),))
"""Would expire all that the tables below have."""


def beyond(*rules: dict[str, Any]) -> Beyond:
    """Protection rules, named by their number."""
    named = [{"name": f"p{number}"} | each for number, each in enumerate(rules, start=1)]
    return Beyond(protection=parse(json.dumps({"rules": named})).rules)


def having(of: Image, **facts: Any) -> Image:
    """An image with more facts."""
    return msgspec.structs.replace(of, **facts)


SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
HEX = "c" * 64

KEPT: dict[str, tuple[dict[str, Any], list[Image], set[str]]] = {
    "a tag that meets any pattern": (
        {"anyTagPattern": ["v*", "prod"]},
        [image("a", 9, "v1"), image("b", 9, "prod", "x"), image("c", 9, "prod-1"), image("d", 9)],
        {"a", "b"},
    ),
    "a whole tag that meets any regular expression": (
        {"anyTagRegex": [r"v\d+", "main|prod"]},
        [image("a", 9, "v12"), image("b", 9, "prod"), image("c", 9, "v1-rc"), image("d", 9, "xmain")],
        {"a", "b"},
    ),
    "one tag that meets all conditions on tags": (
        {"anyTagPattern": ["v*"], "anyTagRegex": [".*-lts"]},
        [image("a", 9, "v1-lts"), image("b", 9, "v1", "2-lts")],
        {"a", "b"},
    ),
    "versions in a range": (
        {"semverRange": ">=1.4 <3"},
        [
            image("a", 9, "v1.4.0"),
            image("b", 9, "2.9.9"),
            image("c", 9, "3.0.0"),
            image("d", 9, "1.5"),
            image("e", 9, "2.0.0-rc1"),
            image("f", 9, "latest"),
        ],
        {"a", "b"},
    ),
    "pulled lately": (
        {"pulledWithinDays": 7},
        [image("a", 9, pulled=7), image("b", 9, pulled=7.01), image("c", 9)],
        {"a"},
    ),
    "pushed lately": ({"pushedWithinDays": 9}, [image("a", 9), image("b", 9.01)], {"a"}),
    "the newest of each family": (
        {"newest": 2},
        [
            *(image(f"v{n}", n, f"v{n}") for n in (5, 6, 7)),
            *(image(f"pr{n}", n, f"pr-{n}") for n in (2, 3, 4)),
            image("both", 8, "v8", "dev-1"),
            image("untagged", 2),
        ],
        {"v5", "v6", "pr2", "pr3", "both"},
    ),
    "the newest of what meets the rest": (
        {"anyTagPattern": ["v*"], "newest": 1},
        [image("a", 5, "v2", "x-1"), image("b", 6, "v1", "y-1"), image("c", 4, "x-2")],
        {"a"},
    ),
    "a referring signature": (
        {"signed": True},
        [
            image("a", 9),
            having(image("s", 9, subject="a"), artifact_type=SIGNATURE),
            image("b", 9),
            having(image("t", 9, subject="b"), artifact_type="application/spdx+json"),
        ],
        {"a"},
    ),
    "a signature tagged as cosign tags them": (
        {"signed": True},
        [image(f"sha256:{HEX}", 9), image("s", 9, f"sha256-{HEX}.sig")],
        {f"sha256:{HEX}"},
    ),
    "a label": (
        {"labels": {"keep": "*", "team": "a"}},
        [
            having(image("a", 9), labels={"keep": "yes", "team": "a"}),
            having(image("b", 9), labels={"keep": "yes", "team": "b"}),
            having(image("c", 9), annotations={"keep": "yes", "team": "a"}),
        ],
        {"a"},
    ),
    "an annotation": (
        {"annotations": {"org.opencontainers.image.version": "1.*"}},
        [
            having(image("a", 9), annotations={"org.opencontainers.image.version": "1.2"}),
            having(image("b", 9), annotations={"org.opencontainers.image.version": "2.1"}),
        ],
        {"a"},
    ),
    "in use, and something else": (
        {"inUse": True, "anyTagPattern": ["prod"]},
        [having(image("a", 9, "prod"), in_use_by=("ecs",)), image("b", 9, "prod")],
        {"a"},
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_a_rule_keeps(case: str) -> None:
    """A rule keeps what meets all of its conditions, and the plan says so instead of acting."""
    document, images, kept = KEPT[case]
    plan = evaluate(EVERYTHING, images, NOW, beyond(document))
    assert set(plan.protected) == kept
    marked = {each.image.digest for each in plan.decisions if each.action is Action.PROTECTED}
    assert marked == {each.digest for each in images if each.digest in kept and each.pushed_at < NOW}
    assert all(each.image.digest not in kept for each in plan.acted_on)


def test_an_image_in_use_needs_no_rule() -> None:
    """What runs is protected, its index with it; the index keeps its other children."""
    runs = having(image("amd", 9), in_use_by=("production",))
    plan = evaluate(EVERYTHING, [image("index", 9, "v1", lists="amd arm"), runs, image("arm", 9)], NOW)
    assert {each.image.digest: reason(each, NOW) for each in plan.decisions} == {
        "amd": "protected: rule 1 (any) would expire it, but it is in use",
        "index": "protected: rule 1 (any) would expire it, but amd is in use and needs it",
        "arm": "blocked: rule 1 (any) would expire it, but index index still lists it",
    }


def test_a_protected_artifact_keeps_its_subject() -> None:
    """A subject would take its artifacts along: one that is in use keeps it, and what lists it."""
    images = [
        image("index", 9, lists="a"),
        image("a", 9),
        having(image("s", 9, subject="a"), in_use_by=("x",)),
    ]
    plan = evaluate(EVERYTHING, images, NOW)
    assert set(plan.protected) == {"index", "a", "s"}
    assert plan.acted_on == []


def test_counting_takes_no_notice() -> None:
    """A protected image takes a place in a count like any other: protection only holds back."""
    images = [image("new", 1, "keep"), image("mid", 2, "x"), image("old", 3, "y")]
    plan = evaluate(LifecyclePolicy((rule(count=1),)), images, NOW, beyond({"anyTagPattern": ["y"]}))
    assert [each.image.digest for each in plan.acted_on] == ["mid"]
    assert [each.rank for each in plan.decisions] == [1, 2, 3]


def test_the_first_rule_gives_the_reason() -> None:
    """An image that several rules keep names the first of the document."""
    plan = evaluate(EVERYTHING, [image("a", 9, "v1")], NOW, beyond({"newest": 1}, {"anyTagPattern": ["v*"]}))
    [decision] = plan.decisions
    assert reason(decision, NOW) == "protected: rule 1 (any) would expire it, but protection rule p1 keeps it"


@pytest.mark.parametrize(
    ("patterns", "repository", "holds"),
    [
        ([], "any/thing", True),
        (["team-a/*", "base"], "team-a/web", True),
        (["team-a/*", "base"], "team-b", False),
    ],
)
def test_repositories_of_a_rule(patterns: list[str], repository: str, holds: bool) -> None:
    """A rule looks at the repositories whose names match any of its patterns, or at all."""
    rules = beyond({"anyRepository": patterns, "newest": 1}).protection
    assert bool(applicable(rules, repository)) is holds


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"name": "a"}], "rule a: it has no condition"),
        ([{"name": "a", "anyRepository": ["x"]}], "rule a: it has no condition"),
        ([{"newest": 1}], "missing required field `name`"),
        ([{"name": "a", "newest": 0}], "rule a: newest must be 1 or more"),
        ([{"name": "a", "pulledWithinDays": 0}], "rule a: pulledWithinDays must be 1 or more"),
        ([{"name": "a", "anyTagRegex": ["(?=x)"]}], "rule a: RE2 knows no such regular expression"),
        ([{"name": "a", "semverRange": "one"}], "rule a: semverRange is no range of versions: one"),
        ([{"name": "a", "tagPatternList": ["x"]}], "unknown field `tagPatternList`"),
        ([{"name": "a", "newest": 1}, {"name": "a", "newest": 2}], "more than one rule is called a"),
        ([{"name": str(n), "newest": 1} for n in range(51)], "at most 50 rules, this one has 51"),
    ],
)
def test_what_is_no_document(rules: list[dict[str, Any]], message: str) -> None:
    """A document that means nothing is refused, with the place and the reason."""
    with pytest.raises(InvalidProtectionRules, match=message.replace("(", r"\(")):
        parse(json.dumps({"rules": rules}))


@pytest.mark.parametrize("text", ["", "[]", '{"rules": 1}', "\ud800", "[" * 100_000, " " * 30_721])
def test_what_is_no_json(text: str) -> None:
    """Anything else is refused, too."""
    with pytest.raises(InvalidProtectionRules):
        parse(text)


@pytest.mark.parametrize("case", KEPT)
def test_the_canonical_text_is_the_document(case: str) -> None:
    """What is stored reads back as what was put, without the members that were not given."""
    document = {"rules": [{"name": "x"} | KEPT[case][0]]}
    text = canonical(parse(json.dumps(document)))
    assert json.loads(text) == document
    assert canonical(parse(text)) == text


RULES = [
    {"anyTagPattern": ["v*"]},
    {"anyTagRegex": ["prod-[12]"]},
    {"newest": 1},
    {"newest": 2, "anyTagPattern": ["*-*"]},
    {"pulledWithinDays": 30},
    {"pushedWithinDays": 5},
]


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(RULES), min_size=1, max_size=3))
def test_protection_only_ever_holds_back(random: Random, rules: list[dict[str, Any]]) -> None:
    """Nothing protected is acted on, nothing else is acted on because of it, and no rank changes."""
    made = world(random)
    images = [
        having(each, in_use_by=("somebody",)) if random.random() < 0.1 else each for each in made.read()
    ]
    now = parse_instant(made.now)
    without = evaluate(made.parsed(), [having(each, in_use_by=()) for each in images], now)
    plan = evaluate(made.parsed(), images, now, beyond(*rules))
    acted_on = {each.image.digest for each in plan.acted_on}
    assert acted_on.isdisjoint(plan.protected)
    assert acted_on <= {each.image.digest for each in without.acted_on}
    assert [each.rank for each in plan.decisions] == [each.rank for each in without.decisions]
    expired = {each.image.digest for each in plan.acted_on if each.effect is ActionType.EXPIRE}
    for index in images:
        assert index.digest not in plan.protected or expired.isdisjoint(index.references)
