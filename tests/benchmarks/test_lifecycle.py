"""The lifecycle benchmark: those it compares answer alike, and a day of its registry does what it is said to do."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import lifecycle, lifecycle_images, lifecycle_round, lifecycle_sql
from benchmarks.lifecycle_images import NOW
from careen.clock import DAY
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import ActionType


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [0, 1, 40, 300])
def test_everybody_takes_the_same_images(size: int, seed: int) -> None:
    """The evaluator, both SQL statements and, where it is installed, the dataframe agree on any repository."""
    images = lifecycle_images.images(size, seed)
    assert 0 <= lifecycle.agree(images) <= size


def test_everybody_counts_images_of_one_instant_alike() -> None:
    """Where ages are equal, digests decide which of them are the newest."""
    instants = [NOW - days * DAY for days in (0, 14, 30, 90, 91)]
    images = [
        Image(f"sha256:{number:064x}", (f"v{number}",), instants[number * 7 % 5]) for number in range(60)
    ]
    assert lifecycle.agree(images) == 60 - lifecycle_images.KEPT


def test_disagreement_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that finds other images must not look fast."""
    monkeypatch.setattr(lifecycle_sql, "INDEXED", "SELECT digest FROM images LIMIT 1")
    with pytest.raises(RuntimeError, match="SQL by index takes 1 images"):
        lifecycle.agree(lifecycle_images.images(100))


@pytest.mark.parametrize("policy", [lifecycle_images.three_rules(), lifecycle_images.ten_rules()])
def test_policies_act_on_much_and_keep_something(policy: LifecyclePolicy) -> None:
    """The case is the hard one: most images go, by several rules, and none of them is a special case for the evaluator."""
    plan = evaluate(policy, lifecycle_images.images(3_000), NOW)
    assert 1_500 < len(plan.acted_on) < 3_000
    assert len({decision.rule_priority for decision in plan.acted_on}) >= 3
    assert {decision.effect for decision in plan.acted_on} == {ActionType.EXPIRE}


def test_day_of_the_registry_takes_what_comes_to_age_on_it(tmp_path: Path) -> None:
    """One image of every hundredth repository goes, nothing else; and the same again on the same day once more."""
    with lifecycle_round.registry(200, tmp_path) as (registry, clock):
        whole = 200 * lifecycle_round.IMAGES
        for _ in range(2):
            lifecycle_round.rewind(registry, clock, 200)
            assert lifecycle_round.images_left(registry) == whole
            assert lifecycle_round.day(registry, clock) > 0
            assert lifecycle_round.images_left(registry) == whole - 2
    assert not list(tmp_path.iterdir())


def figures(*seconds: float) -> Sequence[lifecycle.Figure]:
    """A case with a bar of one second."""
    return [lifecycle.Figure("case", 1_000, seconds, bar=1.0)]


@pytest.mark.parametrize(("seconds", "missed"), [((3.0, 1.0), []), ((1.1, 1.2), ["case"])])
def test_bar_is_judged_by_the_best_round(seconds: tuple[float, ...], missed: list[str]) -> None:
    """Other people's work makes rounds slower, never faster."""
    document = json.loads(json.dumps(lifecycle.document(figures(*seconds), 1, {"python": "3"})))
    assert document["missed"] == missed
    assert document["figures"][0]["best"] == min(seconds)


def test_memory_is_that_of_the_answer() -> None:
    """A plan holds a decision for each image, and no evaluation needs ten times as much."""
    images = lifecycle_images.images(2_000)
    assert 2_000 * 100 < lifecycle.memory(lifecycle_images.three_rules(), images) < 2_000 * 2_000
