"""What policies match with: stars, question marks and variables."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.iam.patterns import Pattern

ALICE = {"aws:username": ("alice",), "aws:tagkeys": ("a", "b")}

MATCHES = [
    ("app", "app", True),
    ("app", "apps", False),
    ("team/*", "team/app", True),
    ("team/*", "team/", True),
    ("team/*", "team", False),
    ("*", "", True),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("a*c*e", "a-c-e", True),
    ("a*c*e", "a-e-c", False),
    ("a.c", "abc", False),
    ("[ab]", "a", False),
    ("*", "two\nlines", True),
    ("${aws:username}/*", "alice/app", True),
    ("${aws:username}/*", "bob/app", False),
    ("${AWS:UserName}", "alice", True),
    ("${aws:PrincipalTag/team}", "", False),
    ("${aws:PrincipalTag/team, 'nobody'}", "nobody", True),
    ("${aws:username, 'nobody'}", "nobody", False),
    ("${aws:TagKeys}", "a", False),
    ("${*}", "*", True),
    ("${*}", "x", False),
    ("${?}${$}", "?$", True),
    ("${", "${", True),
    ("${}", "${}", True),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), MATCHES)
def test_pattern(pattern: str, text: str, expected: bool) -> None:
    """The whole text has to match; a variable that has no value, or several, matches nothing."""
    assert Pattern.read(pattern, wildcards=True, variables=True).matches(text, ALICE) is expected


def test_a_value_stands_for_itself() -> None:
    """A star in a name is no wildcard: a user called * owns nothing of others."""
    pattern = Pattern.read("${aws:username}/app", wildcards=True, variables=True)
    assert pattern.matches("*/app", {"aws:username": ("*",)})
    assert not pattern.matches("alice/app", {"aws:username": ("*",)})


def test_an_old_document_has_no_variables() -> None:
    """Version 2008-10-17 means the characters."""
    pattern = Pattern.read("${aws:username}", wildcards=True, variables=False)
    assert pattern.matches("${aws:username}", ALICE)
    assert not pattern.matches("alice", ALICE)


def test_letters_may_count_the_same() -> None:
    """In text, in variables and in what is compared."""
    pattern = Pattern.read("ECR:${aws:username}*", wildcards=True, variables=True, fold=True)
    assert pattern.matches("ecr:ALICE-getimage", ALICE)


@given(st.text("ab*?.", max_size=8), st.text("ab.", max_size=10))
def test_it_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    """Python's own, slower and without a bound, says the same."""
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    read = Pattern.read(pattern, wildcards=True, variables=True)
    assert read.matches(text, {}) is bool(re.fullmatch(expression, text, re.DOTALL))


def test_a_hostile_pattern_takes_no_time() -> None:
    """As long as a policy may be, against a long name: a backtracking matcher would never come back."""
    assert not Pattern.read("a*" * 5000 + "b", wildcards=True, variables=True).matches("a" * 256, {})
