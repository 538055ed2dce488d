"""The examples of docs/lifecycle.md are true."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careen.clock import DAY
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.policy import parse
from careen.lifecycle.reason import reason
from tests.lifecycle.build import NOW

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


def examples() -> Iterator[Any]:
    """Each section with a policy and a table of images, as pytest parameters."""
    for section in PAGE.read_text().split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        policy = re.search(r"```json\n(.*?)```", rest, re.DOTALL)
        if policy:
            yield pytest.param(policy[1], rest[policy.end() :], id=title)


def rows(table: str) -> list[dict[str, str]]:
    """A Markdown table, a dictionary for each row."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line[:1] == "|"
    ]
    head, _, *body = lines
    return [dict(zip(head, cells, strict=True)) for cells in body]


def image(row: dict[str, str]) -> Image:
    """The image of a row."""

    def instant(cell: str | None) -> int | None:
        return NOW - int(cell.split()[0]) * DAY if cell else None

    pushed_at = instant(row["pushed"])
    assert pushed_at is not None
    return Image(
        digest=row["image"],
        tags=tuple(filter(None, row["tags"].split(", "))),
        pushed_at=pushed_at,
        pulled_at=instant(row.get("pulled")),
        archived_at=instant(row.get("archived")),
        status=ImageStatus.ARCHIVED if row.get("archived") else ImageStatus.ACTIVE,
        references=tuple(filter(None, row.get("lists", "").split(", "))),
        subject=row.get("refers to") or None,
    )


@pytest.mark.parametrize(("policy", "table"), list(examples()))
def test_example(policy: str, table: str) -> None:
    """The policy is valid, and each image of the table meets the decision in its last column."""
    described = rows(table)
    assert described
    plan = evaluate(parse(policy), [image(row) for row in described], NOW)
    assert [reason(decision, NOW) for decision in plan.decisions] == [row["decision"] for row in described]


def test_the_page_has_examples() -> None:
    """The page is read as it is meant to be."""
    assert len(list(examples())) == 7
