"""Pinned images: no plan touches one, nor what it needs, and every answer says who uses it."""

import json
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import DAY, Instant, parse_instant
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.documents import explanation
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.explain import explain
from careen.lifecycle.extension import parse as parse_extension
from careen.lifecycle.forecast import forecast
from careen.lifecycle.image import Image
from careen.lifecycle.narrate import narrate
from careen.lifecycle.pin import Pin
from careen.lifecycle.plan import Action
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.reason import reason
from tests.lifecycle.build import NOW, ago, image, rule
from tests.lifecycle.worlds import world

EVERYTHING = LifecyclePolicy((rule(pushed=1),))


def pinned(of: Image, *consumers: str) -> Image:
    """An image that these use; the first was seen last."""
    pins = tuple(Pin(consumer, "feed", ago(1 + place)) for place, consumer in enumerate(consumers))
    return msgspec.structs.replace(of, pins=pins)


SEEN = "seen 2026-11-21T00:00:00Z"

SENTENCES = {
    "one use": (("web",), f"it is in use by web, {SEEN}"),
    "two": (("web", "job"), f"it is in use by web, {SEEN}, and 1 other"),
    "four": (("web", "a", "b", "c"), f"it is in use by web, {SEEN}, and 3 others"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_reason_names_who_uses_it(case: str) -> None:
    """The latest, when it was seen, and how many others there are."""
    consumers, sentence = SENTENCES[case]
    plan = evaluate(EVERYTHING, [pinned(image("a", 9), *consumers)], NOW)
    assert reason(plan.decisions[0], NOW) == f"protected: rule 1 (any) would expire it, but {sentence}"


def test_what_a_pinned_image_needs_is_protected_for_it() -> None:
    """The indexes above, the children below, the subject; each names the image it is kept for."""
    images = [
        image("outer", 9, lists="index"),
        pinned(image("index", 9, lists="amd inner"), "web"),
        image("amd", 9),
        image("inner", 9, lists="arm"),
        image("arm", 9),
        image("other", 9, lists="amd"),
        image("signature", 9, subject="index"),
        image("gone", 9),
    ]
    plan = evaluate(EVERYTHING, images, NOW)
    through = {digest: protection.through for digest, protection in plan.protected.items()}
    assert through == {"outer": "index", "index": None, "amd": "index", "inner": "index", "arm": "inner"}
    actions = {each.image.digest: each.action for each in plan.decisions}
    assert (actions["signature"], actions["other"]) == (Action.KEEP, Action.EXPIRE)
    assert reason(plan.decisions[2], NOW).endswith(f"but index is in use by web, {SEEN} and needs it")


def test_an_explanation_says_it_of_an_image_that_no_rule_marks() -> None:
    """And lists everybody who uses it."""
    plan = evaluate(LifecyclePolicy((rule(count=5),)), [pinned(image("a", 9), "web", "job")], NOW)
    [found] = explain(plan, ["a"])
    assert narrate(found)[1].endswith(f"protected: it is in use by web, {SEEN}, and 1 other")
    document = explanation(found, lambda instant: instant)
    assert [use["consumer"] for use in document["protection"]["uses"]] == ["web", "job"]


def test_a_forecast_lets_what_runs_go_on_running() -> None:
    """It is nowhere among what goes, and is named as at risk on the day that only the pin keeps it."""
    found = forecast(LifecyclePolicy((rule(pushed=10),)), [pinned(image("a", 8), "web"), image("b", 8)], NOW)
    gone = [each.image.digest for day in found.days for each in day.acted_on]
    assert gone == ["b"]
    assert [(risk.decision.image.digest, risk.day) for risk in found.risks] == [("a", 3)]


EXTENSION = parse_extension(
    json.dumps(
        {
            "rules": [
                {
                    "rulePriority": 1,
                    "selection": {
                        "tagStatus": "tagged",
                        "tagPatternList": ["*"],
                        "countType": "imageCountMoreThan",
                        "countNumber": 1,
                    },
                    "action": {"type": "untag"},
                }
            ]
        }
    )
)


@given(st.randoms(use_true_random=False), st.booleans())
def test_no_plan_acts_on_a_pinned_image_nor_on_what_it_needs(random: Random, untags: bool) -> None:
    """Whatever the policy, today and on any day of a forecast: every closure of every pin is there and keeps its tags."""
    made = world(random)
    now: Instant = parse_instant(made.now)
    images = [pinned(each, "web") if random.random() < 0.3 else each for each in made.read()]
    beyond = Beyond(extension=EXTENSION) if untags else Beyond()
    needed = closure(images)
    for at in (now, now + 10 * DAY, now + 500 * DAY):
        plan = evaluate(made.parsed(), images, at, beyond)
        assert needed.isdisjoint(each.image.digest for each in plan.acted_on)
        assert needed - followers(images) <= plan.protected.keys()
    days = forecast(made.parsed(), images, now, beyond, days=5).days
    assert needed.isdisjoint(each.image.digest for day in days for each in day.acted_on)


def closure(images: list[Image]) -> set[str]:
    """What pins keep, said once more: the pinned, what they list, what lists them or has them as artifacts, their artifacts."""
    by_digest = {each.digest: each for each in images}
    start = {each.digest for each in images if each.pins}
    down, up = set(start), set(start)
    while (
        more := {child for digest in down for child in by_digest[digest].references if child in by_digest}
        - down
    ):
        down |= more
    while (
        more := {
            each.digest
            for each in images
            if up.intersection(each.references)
            or any(by_digest[digest].subject == each.digest for digest in up)
        }
        - up
    ):
        up |= more
    about = set(start)
    while more := {each.digest for each in images if each.subject in about} - about:
        about |= more
    return down | up | about


def followers(images: list[Image]) -> set[str]:
    """Artifacts that share the fate of their subject: that keeps them, and needs no protection of theirs."""
    digests = {each.digest for each in images}
    return {each.digest for each in images if each.subject in digests}
