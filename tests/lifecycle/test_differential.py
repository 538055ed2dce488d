"""Two evaluators that share no code agree, on every world that chance can think of."""

from random import Random

import pytest

from tests.lifecycle.naive import verdicts
from tests.lifecycle.worlds import World, world

ROUND = 500


def seeded(seed: int) -> World:
    """The world of a seed."""
    return world(Random(seed))  # noqa: S311 - chance that can be repeated, no secret


def disagreements(seeds: range) -> list[int]:
    """The seeds of worlds about which the product and the naive evaluator differ."""
    found = []
    for seed in seeds:
        made = seeded(seed)
        actual = {
            decision.image.digest: (decision.action.value, decision.rule_priority)
            for decision in made.plan().decisions
            if decision.action != "KEEP"
        }
        if actual != verdicts(made.policy, made.images, made.now):
            found.append(seed)
    return found


@pytest.mark.parametrize("first", range(0, 3000, ROUND))
def test_the_naive_evaluator_agrees(first: int) -> None:
    """On every one of 3,000 random worlds both evaluators say the same of every image."""
    assert disagreements(range(first, first + ROUND)) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100_000, 140_000, 5000))
def test_the_naive_evaluator_agrees_at_length(first: int) -> None:
    """And on every one of 40,000 others."""
    assert disagreements(range(first, first + 5000)) == []


def test_the_worlds_are_worth_comparing() -> None:
    """Among the worlds every action occurs often: agreement on nothing would prove nothing."""
    counts = dict.fromkeys(["EXPIRE", "TRANSITION", "BLOCKED", "CASCADE", "KEEP"], 0)
    for seed in range(300):
        for decision in seeded(seed).plan().decisions:
            counts[decision.action.value] += 1
    assert min(counts.values()) >= 20, counts
