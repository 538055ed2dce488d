"""Tag mutability: may a tag that is on one image be moved to another?

A repository's setting answers for all its tags; the two settings WITH_EXCLUSION answer the opposite for tags
that match one of up to five filters (ECR user guide, "Image tag mutability"). In a filter ``*`` stands for
any run of characters, none included; everything else stands for itself.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from functools import lru_cache

from careen.ecr.errors import InvalidParameter

MAX_FILTERS = 5
MAX_WILDCARDS = 2
"""In one filter; Terraform's documentation of ``image_tag_mutability_exclusion_filter`` states it."""

_FILTER = re.compile(r"[0-9a-zA-Z._*-]{1,128}")
_MEMBER = "imageTagMutabilityExclusionFilters"


class Mutability(StrEnum):
    """The values of ``imageTagMutability``."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"
    IMMUTABLE_WITH_EXCLUSION = "IMMUTABLE_WITH_EXCLUSION"
    """Immutable, but for tags that match a filter."""
    MUTABLE_WITH_EXCLUSION = "MUTABLE_WITH_EXCLUSION"
    """Mutable, but for tags that match a filter."""

    @property
    def excludes(self) -> bool:
        """Whether this setting goes with filters: with one to five of them, or with none at all."""
        return self in {Mutability.IMMUTABLE_WITH_EXCLUSION, Mutability.MUTABLE_WITH_EXCLUSION}


def may_move(mutability: Mutability, filters: Collection[str], tag: str) -> bool:
    """Whether a tag that exists may be put on another image.

    Args:
        mutability: the repository's setting.
        filters: its exclusion filters; ignored by the settings that have none.
        tag: the tag.
    """
    mutable = mutability in {Mutability.MUTABLE, Mutability.MUTABLE_WITH_EXCLUSION}
    excluded = mutability.excludes and any(_pattern(text).fullmatch(tag) for text in filters)
    return mutable is not excluded


def validate(mutability: Mutability, filters: Collection[str] | None) -> None:
    """Check that filters go with a setting, and each for itself.

    Args:
        mutability: the setting asked for.
        filters: the filters' values; None when the request had no such member.

    Raises:
        InvalidParameter: filters that are missing, needless, or not filters. The sentence for missing ones
            is ECR's (observed by moto's authors).
    """
    if (filters is not None) is not mutability.excludes:
        wrong = "can't be null" if mutability.excludes else "are not allowed"
        constraint = (
            f"ImageTagMutabilityExclusionFilters {wrong} when imageTagMutability is set as {mutability}"
        )
        raise InvalidParameter(_MEMBER, constraint)
    if filters is not None:
        _validate_filters(filters)


def _validate_filters(filters: Collection[str]) -> None:
    if not filters:
        raise InvalidParameter(_MEMBER, "Member must have length greater than or equal to 1")
    if len(filters) > MAX_FILTERS:
        raise InvalidParameter(_MEMBER, f"Member must have length less than or equal to {MAX_FILTERS}")
    for text in filters:
        if _FILTER.fullmatch(text) is None:
            raise InvalidParameter(_MEMBER, f"A filter must satisfy the pattern {_FILTER.pattern}: {text}")
        if text.count("*") > MAX_WILDCARDS:
            raise InvalidParameter(_MEMBER, f"A filter can contain at most {MAX_WILDCARDS} wildcards: {text}")


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
