"""Decisions in words."""

import pytest

from careen.lifecycle.image import Image
from careen.lifecycle.reason import label, reason
from careen.lifecycle.rule import Rule
from tests.lifecycle.build import ARCHIVE, NOW, image, plan, rule

V = rule(1, status="tagged", tagPatternList=["v*"], count=1)
FORTNIGHT = rule(2, pushed=14)
UNUSED = rule(2, pulled=30, action=ARCHIVE)
SECOND = 1 / 86_400

REASONS: dict[str, tuple[list[Rule], list[Image], str]] = {
    "expired by age": (
        [FORTNIGHT],
        [image("a", 15.29)],
        "expires: rule 2 (any), pushed 15.2 days ago, limit 14 days",
    ),
    "kept by age": (
        [FORTNIGHT],
        [image("a", 13.99)],
        "kept: rule 2 (any), pushed 13.9 days ago, limit 14 days",
    ),
    "just over an age": (
        [FORTNIGHT],
        [image("a", 14 + SECOND)],
        "expires: rule 2 (any), pushed just over 14 days ago, limit 14 days",
    ),
    "exactly an age": (
        [FORTNIGHT],
        [image("a", 14)],
        "kept: rule 2 (any), pushed exactly 14 days ago, limit 14 days",
    ),
    "one day": ([rule(pushed=1)], [image("a", 2)], "expires: rule 1 (any), pushed 2.0 days ago, limit 1 day"),
    "pushed by a clock ahead of ours": (
        [FORTNIGHT],
        [image("a", -1)],
        "kept: rule 2 (any), pushed 0.0 days ago, limit 14 days",
    ),
    "restored": (
        [FORTNIGHT],
        [image("a", 99, archived=50, restored=20)],
        "expires: rule 2 (any), restored 20.0 days ago, limit 14 days",
    ),
    "expired by count": (
        [V],
        [image("a", 3, "v1"), image("b", 2, "v2"), image("c", 1, "v3")],
        "expires: rule 1 (tagged v*), 3rd youngest of 3, keeps 1",
    ),
    "kept by count": ([V], [image("a", 3, "v1")], "kept: rule 1 (tagged v*), youngest of 1, keeps 1"),
    "shielded": (
        [V, FORTNIGHT],
        [image("a", 30, "v1")],
        "kept: rule 1 (tagged v*), youngest of 1, keeps 1; so rule 2 (any) may not expire it",
    ),
    "shielded from several": (
        [V, rule(3, pushed=1), rule(2, status="tagged", tagPatternList=["*1"], pushed=1)],
        [image("a", 30, "v1")],
        "kept: rule 1 (tagged v*), youngest of 1, keeps 1; so rule 2 (tagged *1) may not expire it",
    ),
    "shielded from the archive": (
        [V, UNUSED],
        [image("a", 99, "v1")],
        "kept: rule 1 (tagged v*), youngest of 1, keeps 1; so rule 2 (any) may not archive it",
    ),
    "not pulled": (
        [UNUSED],
        [image("a", 99)],
        "goes to the archive: rule 2 (any), not pulled since it was pushed 99.0 days ago, limit 30 days",
    ),
    "not pulled since restored": (
        [UNUSED],
        [image("a", 99, pulled=98, archived=70, restored=40)],
        "goes to the archive: rule 2 (any), not pulled since it was restored 40.0 days ago, limit 30 days",
    ),
    "pulled": (
        [UNUSED],
        [image("a", 99, pulled=98)],
        "goes to the archive: rule 2 (any), last pulled 98.0 days ago, limit 30 days",
    ),
    "archived": (
        [rule(archived=90)],
        [image("a", 300, archived=100)],
        "expires: rule 1 (any, archived), archived 100.0 days ago, limit 90 days",
    ),
    "blocked": (
        [rule(status="untagged", pushed=1)],
        [image("a", 9), image("sha256:0123456789abcdef", 9, "v1", lists="a")],
        "blocked: rule 1 (untagged) would expire it, but index sha256:0123456789ab still lists it",
    ),
    "blocked from the archive": (
        [rule(status="untagged", pushed=1, action=ARCHIVE)],
        [image("a", 9), image("index", 9, "v1", lists="a")],
        "blocked: rule 1 (untagged) would archive it, but index index still lists it",
    ),
    "follows": (
        [FORTNIGHT],
        [image("a", 1, subject="b"), image("b", 20)],
        "follows: b, to which it refers, expires",
    ),
    "follows into the archive": (
        [UNUSED],
        [image("a", 1, subject="b"), image("b", 40)],
        "follows: b, to which it refers, goes to the archive",
    ),
    "cannot follow": (
        [FORTNIGHT],
        [image("a", 1, subject="b"), image("b", 20), image("index", 1, lists="a")],
        "blocked: b, to which it refers, expires, but index index still lists it",
    ),
    "stays with its subject": (
        [FORTNIGHT],
        [image("a", 20, subject="b"), image("b", 1)],
        "kept: it stays with b, to which it refers",
    ),
    "unidentified": ([V], [image("a", 99)], "kept: no rule identifies it"),
    "unidentified orphan": ([V], [image("a", 99, subject="gone")], "kept: no rule identifies it"),
    "being restored": (
        [FORTNIGHT],
        [image("a", 99, archived=9, status="ACTIVATING")],
        "kept: it is on its way out of the archive, no rule identifies it until it is active",
    ),
    "archived at an unknown time": (
        [rule(archived=90)],
        [image("a", 999, status="ARCHIVED")],
        "kept: nobody knows since when it is archived, so no rule identifies it",
    ),
}


@pytest.mark.parametrize(("rules", "images", "expected"), REASONS.values(), ids=REASONS)
def test_reason(rules: list[Rule], images: list[Image], expected: str) -> None:
    """The first image's decision reads as expected."""
    assert reason(plan(rules, images).decisions[0], NOW) == expected


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        (rule(1, status="tagged", tagPatternList=["a*", "*b"], count=1), "rule 1 (tagged a* and *b)"),
        (rule(2, status="tagged", tagPrefixList=["a", "b"], count=1), "rule 2 (tagged, prefix a and b)"),
        (rule(3, status="untagged", archived=90), "rule 3 (untagged, archived)"),
        (rule(4, count=1), "rule 4 (any)"),
    ],
)
def test_label(labelled: Rule, expected: str) -> None:
    """A rule is named by its priority and what it looks at."""
    assert label(labelled) == expected


@pytest.mark.parametrize(
    ("rank", "place"),
    [
        (1, "youngest"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
    ],
)
def test_place(rank: int, place: str) -> None:
    """Ranks are counted as people count."""
    images = [image(f"{number:02}", number, "v") for number in range(1, rank + 1)]
    assert f", {place} " in reason(plan([V], images).decisions[-1], NOW)


def test_large_numbers_are_grouped() -> None:
    """A rank of thousands is written with separators."""
    images = [image(f"{number:04}", number, "v") for number in range(1234)]
    assert reason(plan([V], images).decisions[-1], NOW).endswith("1,234th youngest of 1,234, keeps 1")
