"""Selectors: patterns, those that leave out, and tags key by key."""

import pytest

from careen.fleet.errors import BadInput
from careen.fleet.selection import Selection, parse

NAMES: dict[str, tuple[tuple[str, ...], str, bool]] = {
    "nothing selects everything": ((), "team-a/web", True),
    "a name": (("team-a/web",), "team-a/web", True),
    "a part of a name is another": (("team-a",), "team-a/web", False),
    "a star matches slashes": (("team-*",), "team-a/web", True),
    "any of several": (("x", "team-?/*"), "team-a/web", True),
    "none of several": (("x", "y*"), "team-a/web", False),
    "a pattern that leaves out": (("!team-a/*",), "team-a/web", False),
    "all but": (("!team-a/*",), "team-b/web", True),
    "leaving out is stronger, in whatever order": (("!*/cache", "team-*"), "team-a/cache", False),
    "case counts": (("Team-*",), "team-a/web", False),
    "one of some characters": (("team-[ab]/*",), "team-b/web", True),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    """Repositories by name; Regions alike."""
    patterns, name, is_selected = NAMES[case]
    assert parse(repositories=patterns).has_repository(name) is is_selected
    assert parse(regions=patterns).has_region(name) is is_selected


TAGS: dict[str, tuple[tuple[str, ...], dict[str, str], bool]] = {
    "nothing selects what has no tag": ((), {}, True),
    "a value": (("owner=x",), {"owner": "x"}, True),
    "another value": (("owner=x",), {"owner": "y"}, False),
    "no such key": (("owner=x",), {"team": "x"}, False),
    "a pattern": (("owner=pay*",), {"owner": "payments"}, True),
    "a key": (("owner",), {"owner": ""}, True),
    "any value of a key": (("owner=x", "owner=y"), {"owner": "y"}, True),
    "every key": (("owner=x", "env=prod"), {"owner": "x", "env": "test"}, False),
    "a value left out": (("!env=test",), {"env": "test"}, False),
    "what has not got a key is not left out": (("!env=test",), {}, True),
    "a key left out": (("!env",), {"env": "prod"}, False),
    "one wanted, one not": (("owner=x", "!env=test"), {"owner": "x", "env": "prod"}, True),
    "a value with a sign": (("sum=a=b",), {"sum": "a=b"}, True),
}


@pytest.mark.parametrize("case", TAGS)
def test_tags(case: str) -> None:
    """Of a key that is named any pattern must match, and of every key one; none of those that leave out may."""
    patterns, tags, is_selected = TAGS[case]
    assert parse(tags=patterns).has_tags(tags) is is_selected


def test_accounts_go_by_id_or_name() -> None:
    """A pattern that leaves out does so by either."""
    selection = parse(accounts=["prod-*", "!210987654321"])
    assert selection.has_account("123456789012", "prod-eu")
    assert not selection.has_account("123456789012", "dev")
    assert not selection.has_account("123456789012")
    assert not selection.has_account("210987654321", "prod-us")


def test_all_regions() -> None:
    """Has a word of its own."""
    assert parse(regions=["all", "!us-*"]).has_region("eu-west-1")
    assert not parse(regions=["all", "!us-*"]).has_region("us-east-1")


@pytest.mark.parametrize(
    "wrong", [{"repositories": [""]}, {"regions": ["!"]}, {"tags": ["=x"]}, {"tags": ["!=x"]}]
)
def test_what_selects_nothing(wrong: dict[str, list[str]]) -> None:
    """Is refused, with an example."""
    with pytest.raises(BadInput) as refused:
        parse(**wrong)
    assert refused.value.hint
    assert parse() == Selection()
