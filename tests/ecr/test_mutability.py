"""May a tag move? Four settings, with and without filters."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.ecr.errors import InvalidParameter
from careen.ecr.mutability import Mutability, may_move, validate

M = Mutability
WHEN = "when imageTagMutability is set as"

MOVES = [
    (M.MUTABLE, [], "v1", True),
    (M.IMMUTABLE, [], "v1", False),
    (M.MUTABLE, ["*"], "v1", True),
    (M.IMMUTABLE, ["*"], "v1", False),
    (M.IMMUTABLE_WITH_EXCLUSION, ["latest"], "latest", True),
    (M.IMMUTABLE_WITH_EXCLUSION, ["latest"], "v1", False),
    (M.IMMUTABLE_WITH_EXCLUSION, ["dev-*", "latest"], "dev-", True),
    (M.IMMUTABLE_WITH_EXCLUSION, ["dev-*", "latest"], "dev-1", True),
    (M.IMMUTABLE_WITH_EXCLUSION, ["dev-*", "latest"], "my-dev-1", False),
    (M.IMMUTABLE_WITH_EXCLUSION, ["*-rc*"], "1.0-rc1", True),
    (M.IMMUTABLE_WITH_EXCLUSION, ["latest"], "LATEST", False),
    (M.IMMUTABLE_WITH_EXCLUSION, ["v1.0"], "v1x0", False),
    (M.IMMUTABLE_WITH_EXCLUSION, ["*"], "anything", True),
    (M.MUTABLE_WITH_EXCLUSION, ["v*"], "v1", False),
    (M.MUTABLE_WITH_EXCLUSION, ["v*"], "latest", True),
]


@pytest.mark.parametrize(("mutability", "filters", "tag", "moves"), MOVES)
def test_a_tag_moves_where_its_setting_lets_it(
    mutability: Mutability, filters: list[str], tag: str, moves: bool
) -> None:
    """A filter turns the setting's answer around for the tags it matches, from end to end, case and all."""
    assert may_move(mutability, filters, tag) is moves


@given(
    pattern=st.from_regex(r"[ab.]{0,3}\*?[ab.]{0,3}\*?[ab.]{0,3}", fullmatch=True),
    tag=st.text("ab.", max_size=8),
)
def test_a_filter_is_a_wildcard(pattern: str, tag: str) -> None:
    """The star is a shell's star."""
    assert may_move(M.IMMUTABLE_WITH_EXCLUSION, [pattern], tag) is fnmatch.fnmatchcase(tag, pattern)


@pytest.mark.parametrize(
    ("mutability", "filters"),
    [
        (M.MUTABLE, None),
        (M.IMMUTABLE, None),
        (M.IMMUTABLE_WITH_EXCLUSION, ["latest"]),
        (M.MUTABLE_WITH_EXCLUSION, ["a*b*c", "_", "b", "c", "d"]),
    ],
)
def test_settings_that_fit_their_filters_are_valid(mutability: Mutability, filters: list[str] | None) -> None:
    """One to five filters with an exclusion, none without."""
    validate(mutability, filters)


@pytest.mark.parametrize(
    ("mutability", "filters", "constraint"),
    [
        (
            M.MUTABLE_WITH_EXCLUSION,
            None,
            f"ImageTagMutabilityExclusionFilters can't be null {WHEN} MUTABLE_WITH_EXCLUSION",
        ),
        (
            M.MUTABLE,
            ["latest"],
            f"ImageTagMutabilityExclusionFilters are not allowed {WHEN} MUTABLE",
        ),
        (
            M.IMMUTABLE,
            [],
            f"ImageTagMutabilityExclusionFilters are not allowed {WHEN} IMMUTABLE",
        ),
        (M.MUTABLE_WITH_EXCLUSION, [], "Member must have length greater than or equal to 1"),
        (M.MUTABLE_WITH_EXCLUSION, list("abcdef"), "Member must have length less than or equal to 5"),
        (M.MUTABLE_WITH_EXCLUSION, ["a*b*c*"], "A filter can contain at most 2 wildcards: a*b*c*"),
        (M.MUTABLE_WITH_EXCLUSION, ["a/b"], "A filter must satisfy the pattern [0-9a-zA-Z._*-]{1,128}: a/b"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    mutability: Mutability, filters: list[str] | None, constraint: str
) -> None:
    """The refusal names the filters."""
    with pytest.raises(InvalidParameter) as refused:
        validate(mutability, filters)
    assert refused.value.message == (
        f"Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: '{constraint}'"
    )
