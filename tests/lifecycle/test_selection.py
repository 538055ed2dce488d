"""Which tags meet a prefix or a pattern, and which images a rule identifies."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.lifecycle.selection import Selector, pattern_test, prefix_test
from tests.lifecycle.build import rule

PATTERNS = [
    ("prod*", "prod", True),
    ("prod*", "production-team1", True),
    ("prod*", "repo-production", False),
    ("*prod*", "repo-production", True),
    ("*prod", "xprod", True),
    ("*prod", "prodx", False),
    ("latest", "latest", True),
    ("latest", "latest-1", False),
    ("v*.*.*", "v1.2.3", True),
    ("v*.*.*", "v1.2", False),
    ("a*a", "a", False),
    ("a*a", "aa", True),
    ("ab*ba", "aba", False),
    ("*ab*ba", "aba", False),
    ("ab*ba*", "aba", False),
    ("*ab*ab*", "abab", True),
    ("*ab*ab*", "aba-ba", False),
    ("a*b*c*d*", "abd", False),
    ("1.0", "1x0", False),
    ("Prod*", "prod-1", False),
    ("*", "anything", True),
    ("****", "anything", True),
    ("", "anything", False),
]


@pytest.mark.parametrize(("pattern", "tag", "expected"), PATTERNS)
def test_pattern(pattern: str, tag: str, expected: bool) -> None:
    """A star stands for any characters or none, all else for itself, and the whole tag must match."""
    assert pattern_test(pattern)(tag) is expected


@settings(max_examples=500)
@given(st.text("ab*.", max_size=8), st.text("ab.", max_size=12))
def test_pattern_is_what_a_regular_expression_would_say(pattern: str, tag: str) -> None:
    """The matcher agrees with the obvious translation into a regular expression."""
    expression = "".join(".*" if character == "*" else re.escape(character) for character in pattern)
    assert pattern_test(pattern)(tag) is (re.fullmatch(expression, tag) is not None)


def test_no_pattern_takes_long() -> None:
    """A tag is searched once, left to right: a matcher that tried every way would not come back from this one."""
    assert not pattern_test("*a*a*a*ab")("a" * 100_000)


@pytest.mark.parametrize(
    ("prefix", "tag", "expected"), [("v", "v1", True), ("v*", "v1", False), ("", "v1", True)]
)
def test_prefix(prefix: str, tag: str, expected: bool) -> None:
    """A prefix is literal, stars too."""
    assert prefix_test(prefix)(tag) is expected


RULES = [
    rule(1, status="tagged", tagPatternList=["alpha*", "beta*"], count=1),
    rule(2, status="tagged", tagPrefixList=["alpha"], count=1),
    rule(3, status="tagged", tagPrefixList=["b"], count=1),
    rule(4, status="tagged", tagPatternList=["*-rc"], count=1),
    rule(5, status="untagged", count=1),
    rule(6, count=1),
]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], [5, 6]),
        (["gamma"], [6]),
        (["alpha-1"], [2, 6]),
        (["alpha-1", "beta-1"], [1, 2, 3, 6]),
        (["beta-1", "gamma", "alpha"], [1, 2, 3, 6]),
        (["alpha-1-rc"], [2, 4, 6]),
        (["bravo"], [3, 6]),
    ],
)
def test_identifying(tags: list[str], expected: list[int]) -> None:
    """A rule identifies an image if each entry of its list is met by any of the image's tags."""
    selector = Selector(RULES)
    for _ in range(2):  # The second time it answers from memory.
        assert [position + 1 for position in selector.identifying(tags)] == expected
