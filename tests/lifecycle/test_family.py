"""Tag families."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from careen.lifecycle.family import counts, families, family, following, stem
from careen.lifecycle.selection import pattern_test

FAMILIES = {
    "v*": ["v1", "v1.2.3", "v12.0"],
    "*": ["1", "1.2.3", "20261122", "3f2a1b9", "deadbeef", "2026-11-22T0900"],
    "pr-*": ["pr-1", "pr-1204-3f2a1b9"],
    "prod-*": ["prod-7", "prod-2026-11-22"],
    "*-alpine*": ["3.19-alpine3.20", "1-alpine3"],
    "*-alpine": ["3.19-alpine"],
    "release-*-rc*": ["release-1.2-rc3"],
    "main-*": ["main-3f2a1b9", "main-12"],
    "feature_login-*": ["feature_login-77"],
    "latest": ["latest"],
    "prod-eu": ["prod-eu"],
}


@pytest.mark.parametrize("expected", FAMILIES)
def test_families(expected: str) -> None:
    """What counts, dates or hashes is what the tags of a family differ in."""
    assert {family(tag) for tag in FAMILIES[expected]} == {expected}


@given(st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,40}", fullmatch=True))
def test_a_tag_is_in_its_family(tag: str) -> None:
    """A family is a pattern, and its tags match it."""
    assert pattern_test(family(tag))(tag)


@pytest.mark.parametrize(
    ("tag", "expected", "common"),
    [
        ("v1.4.2", "v1.4.3", "v1.4.*"),
        ("v9", "v10", "v*"),
        ("pr-1204", "pr-1205", "pr-*"),
        ("3.19-alpine3.20", "3.19-alpine3.21", "3.19-alpine3.*"),
        ("prod-2026-11-22T0900", "prod-2026-11-23T0900", "prod-2026-11-*"),
        ("20261122", "20261123", "*"),
        ("1.2-beta", "1.3-beta", "1.*-beta"),
        ("abc999-x", "abc999-1-x", "abc*-x"),
    ],
)
def test_the_tag_that_comes_next(tag: str, expected: str, common: str) -> None:
    """The last word that counts goes one further; the rest is the tag's stem."""
    assert (following(tag), stem(tag)) == (expected, common)


def test_a_hash_is_another_hash() -> None:
    """Of the same length, and in hexadecimal digits."""
    made = following("main-3f2a1b9")
    assert made != "main-3f2a1b9"
    assert (len(made), family(made), stem(made)) == (12, "main-*", "main-*")


@given(st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,40}", fullmatch=True))
def test_the_next_tag_is_of_the_family(tag: str) -> None:
    """Counting on leaves a tag in its family, however it is written, and is never the tag itself."""
    assume(counts(family(tag)))
    made = following(tag)
    assert made != tag
    assert family(made) == family(tag)


def test_an_image_without_tags_has_no_family() -> None:
    """Families are told by tags."""
    assert families([]) == frozenset()
    assert families(["v1", "v2", "latest"]) == {"v*", "latest"}
