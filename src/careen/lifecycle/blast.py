"""What a plan must not do before somebody has looked at it.

Two mistakes have emptied registries: a policy that takes far more than was meant, and one that takes the last image
of a kind. A plan that does either is not applied unless its hash is accepted (``plan_hash``). Nightly runs are not
asked: they carry out what was applied.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from enum import StrEnum
from itertools import chain

import msgspec

from careen.lifecycle.family import families
from careen.lifecycle.plan import Decision, Plan
from careen.lifecycle.rule import ActionType


class Limits(msgspec.Struct, frozen=True):
    """What a plan may do unseen."""

    max_share: float = 0.25
    """Of the repository's images, deleted in one run; 1 allows all."""
    few: int = 5
    """So many deleted images are no matter of share: of three images one is a third."""
    last_of_family: bool = False
    """Whether the last image of a tag family may go."""


DEFAULT_LIMITS = Limits()


class BreachCode(StrEnum):
    """Which limit is exceeded."""

    SHARE = "SHARE"
    LAST_OF_FAMILY = "LAST_OF_FAMILY"


class Breach(msgspec.Struct, frozen=True, rename="camel"):
    """A limit that a plan exceeds."""

    code: BreachCode
    sentence: str
    """Without a full stop."""


def breaches(plan: Plan, limits: Limits = DEFAULT_LIMITS) -> tuple[Breach, ...]:
    """The limits that a plan exceeds, none if it may be applied as it is."""
    return (*_share(plan, limits), *_last_of_family(plan, limits))


def lost_families(plan: Plan) -> dict[str, int]:
    """The tag families of which no image can be pulled any more, with how many there are now, by name."""
    going = Counter(chain.from_iterable(_lost_by(decision) for decision in plan.acted_on))
    lost = set(going)
    for decision in plan.decisions:
        # Almost always the first images that stay save every family: the rest need not be looked at.
        if not lost:
            break
        lost -= families(_left(decision))
    return {family: going[family] for family in sorted(lost)}


def _lost_by(decision: Decision) -> frozenset[str]:
    return families(decision.image.tags) - families(_left(decision))


def _left(decision: Decision) -> Collection[str]:
    """The tags by which an image can be pulled afterwards."""
    if decision.effect is None:
        return decision.image.tags
    return set(decision.image.tags) - set(decision.untagged) if decision.untagged else ()


def _share(plan: Plan, limits: Limits) -> Iterator[Breach]:
    total = len(plan.decisions)
    gone = sum(decision.effect is ActionType.EXPIRE for decision in plan.acted_on)
    if gone > limits.few and gone > limits.max_share * total:
        allowed = f"{limits.max_share:.0%}"
        sentence = (
            f"{gone:,} of {total:,} images would be deleted, {gone / total:.0%}; unseen at most {allowed}"
        )
        yield Breach(BreachCode.SHARE, sentence)


def _last_of_family(plan: Plan, limits: Limits) -> Iterator[Breach]:
    if not limits.last_of_family:
        for family, images in lost_families(plan).items():
            what = "the last image" if images == 1 else f"all {images:,} images"
            yield Breach(BreachCode.LAST_OF_FAMILY, f"{what} tagged {family} would go")
