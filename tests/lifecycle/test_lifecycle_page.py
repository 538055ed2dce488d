"""The examples of docs/lifecycle.md are true."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.policy import parse
from careen.lifecycle.reason import reason

DRAWN = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "pictures.py"))
EXAMPLES = list(DRAWN["examples"]())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_example(example: Any) -> None:
    """The policy is valid, and each image of the table meets the decision in its last column."""
    assert example.images
    now = DRAWN["NOW"]
    plan = evaluate(parse(example.policy), example.images, now)
    assert [reason(decision, now) for decision in plan.decisions] == example.decisions


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_every_example_has_its_picture(example: Any) -> None:
    """In its own section."""
    section = DRAWN["PAGE"].read_text().partition(f"## {example.title}\n")[2].partition("\n## ")[0]
    assert f"]({example.name})" in section


def test_the_page_has_examples() -> None:
    """The page is read as it is meant to be."""
    assert len(EXAMPLES) == 7
