"""The few words that a row of the list has for what the rules make of an image."""

import json

import msgspec
import pytest

from careen.clock import DAY
from careen.console.fate import fate
from careen.lifecycle import protection
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.explain import explain
from careen.lifecycle.image import Image
from careen.lifecycle.pin import Pin
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import Rule
from careen.registry.trash import RESTORED
from tests.lifecycle.build import ARCHIVE, NOW, image, rule

FORTNIGHT = rule(2, pushed=14)
NEWEST = rule(1, status="tagged", tagPatternList=["v*"], count=1)
CENTURIES = rule(2, pushed=4_000_000)
RELEASES = json.dumps({"rules": [{"name": "releases", "anyTagPattern": ["v*"]}]})


def pinned(of: Image, *pins: Pin) -> Image:
    """The same image, in use."""
    return msgspec.structs.replace(of, pins=pins)


OLD = image("a", 30, "v1")
FATES: dict[str, tuple[list[Rule], list[Image], str, str]] = {
    "due": ([FORTNIGHT], [OLD], "goes with the next run, by rule 2", "danger"),
    "due for the archive": (
        [rule(2, pushed=14, action=ARCHIVE)],
        [OLD],
        "goes to the archive with the next run, by rule 2",
        "danger",
    ),
    "on a day": ([FORTNIGHT], [image("a", 10, "v1")], "goes on 26 Nov 2026, by rule 2", "warning"),
    "kept by a count": (
        [NEWEST, FORTNIGHT],
        [OLD],
        "kept by rule 1: youngest of 1, keeps 1",
        "secondary",
    ),
    "beyond the calendar": (
        [CENTURIES],
        [OLD],
        "kept by rule 2: pushed 30.0 days ago, limit 4000000 days",
        "secondary",
    ),
    "no rule": ([NEWEST], [image("a", 30)], "kept: no rule identifies it", "secondary"),
    "part of an index that stays": (
        [rule(2, status="untagged", pushed=14)],
        [image("a", 30), image("b", 1, "v1", lists="a")],
        "stays as long as index",
        "secondary",
    ),
    "in use": (
        [FORTNIGHT],
        [pinned(OLD, Pin("web", "k8s", NOW), Pin("job", "k8s", NOW - DAY))],
        "protected: in use by web and 1 other",
        "success",
    ),
    "brought back": (
        [FORTNIGHT],
        [pinned(OLD, Pin("arn:aws:iam::1:root", RESTORED, NOW))],
        "protected: it was brought back from the trash",
        "success",
    ),
}


@pytest.mark.parametrize(("rules", "images", "text", "tone"), FATES.values(), ids=FATES)
def test_a_fate_is_a_few_words(rules: list[Rule], images: list[Image], text: str, tone: str) -> None:
    """What happens and by which rule, or what keeps it; the engine's sentences stand behind it."""
    plan = evaluate(LifecyclePolicy(tuple(rules)), images, NOW)
    found = fate(explain(plan, [images[0].digest])[0])
    assert (found.text.startswith(text), found.tone) == (True, tone), found
    assert found.why.count(";") >= 1


def test_a_protection_rule_is_named() -> None:
    """An image that is protected says by what, though it may not be due yet."""
    beyond = Beyond(protection=protection.parse(RELEASES).rules)
    plan = evaluate(LifecyclePolicy((FORTNIGHT,)), [image("a", 1, "v1")], NOW, beyond)
    found = fate(explain(plan, [plan.decisions[0].image.digest])[0])
    assert found.text == "protected: protection rule releases keeps it"
