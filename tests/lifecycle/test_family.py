"""Tag families."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.lifecycle.family import families, family
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


def test_an_image_without_tags_has_no_family() -> None:
    """Families are told by tags."""
    assert families([]) == frozenset()
    assert families(["v1", "v2", "latest"]) == {"v*", "latest"}
