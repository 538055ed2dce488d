"""What a policy will have done by next week: the evaluator, carried out on paper day after day.

Every day has one evaluation, at the hour of the forecast; what it acts on is gone, archived or untagged on the next.
Nothing is pushed, pulled or tagged, except for what ``arrivals`` says will come.

Two things that no preview tells, as they are still fine today, are looked for: the first day on which a tag family
loses its last image, and the day on which an image that is in use, or was pulled lately, is to go.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from careen.clock import DAY, Instant
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.blast import lost_families
from careen.lifecycle.due import next_due
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.family import families
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action, Decision, Plan, Tally
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.projection import Arrival, Blobs, Projection
from careen.lifecycle.rule import ActionType

DAYS = 30
"""How far a forecast looks, if nobody says otherwise."""

RECENT = 30 * DAY
"""An image that was pulled within this time before the forecast counts as used."""


class Day(NamedTuple):
    """One day, and how it leaves the repository."""

    day: int
    """0 is now."""
    at: Instant
    arrived: int
    """Images that came since the day before."""
    acted_on: Sequence[Decision]
    freed: int
    """Bytes that no image needs any more. Exact if the layers are known; else the sum of the deleted images' sizes, which
    counts shared layers more than once."""
    stored: Tally
    """What is there after it, archived images included; bytes are counted as ``freed`` is."""

    @property
    def expired(self) -> int:
        """Images deleted, those that follow their subject included."""
        return sum(decision.effect is ActionType.EXPIRE for decision in self.acted_on)

    @property
    def archived(self) -> int:
        """Images that go to the archive."""
        return sum(decision.effect is ActionType.TRANSITION for decision in self.acted_on)


class Loss(NamedTuple):
    """The first day on which the last image of a tag family goes."""

    family: str
    day: int
    at: Instant
    decision: Decision
    """On the youngest of the images that go on this day."""


class Risk(NamedTuple):
    """An image that is used now, and the first day on which a rule is to act on it."""

    day: int
    at: Instant
    decision: Decision
    """PROTECTED if only protection keeps it."""


@dataclass(frozen=True)
class Forecast:
    """A policy's next days."""

    now: Instant
    days: Sequence[Day]
    """From 0, one after the other."""
    losses: Sequence[Loss]
    """By day, then by name."""
    risks: Sequence[Risk]
    """By day, then as the evaluation acts."""
    exact: bool
    """Whether bytes are exact."""

    @property
    def expired(self) -> int:
        """Images deleted in all."""
        return sum(day.expired for day in self.days)

    @property
    def freed(self) -> int:
        """Bytes freed in all."""
        return sum(day.freed for day in self.days)


def forecast(
    policy: LifecyclePolicy,
    images: Sequence[Image],
    now: Instant,
    beyond: Beyond = NOTHING,
    *,
    days: int = DAYS,
    arrivals: Iterable[Arrival] = (),
    blobs: Blobs | None = None,
) -> Forecast:
    """Look so many days ahead.

    Args:
        policy: the policy.
        images: everything in the repository now.
        now: day 0.
        beyond: what stands beside the policy.
        days: how many days after today.
        arrivals: what is pushed meanwhile, in order of time.
        blobs: what each image needs, for exact bytes; None if nobody knows.
    """
    watch = _Watch(images, now)
    repository = Projection(images, blobs)
    coming = deque(arrivals)
    quiet_until: Instant | None = now
    made = []
    for number in range(days + 1):
        at = now + number * DAY
        arrived = repository.receive(_arrived(coming, at))
        acted_on: Sequence[Decision] = ()
        freed = 0
        if arrived or (quiet_until is not None and quiet_until <= at):
            plan = evaluate(policy, repository.images, at, beyond)
            watch.look(number, plan)
            acted_on, freed = plan.acted_on, repository.carry_out(plan)
            quiet_until = at if acted_on else next_due(plan)
        made.append(Day(number, at, arrived, acted_on, freed, repository.stored))
    return Forecast(now, made, watch.losses, watch.risks, blobs is not None)


def _arrived(coming: deque[Arrival], at: Instant) -> Iterator[Arrival]:
    while coming and coming[0].image.pushed_at <= at:
        yield coming.popleft()


class _Watch:
    """What is looked out for on the way."""

    def __init__(self, images: Sequence[Image], now: Instant) -> None:
        self.losses: list[Loss] = []
        self.risks: list[Risk] = []
        self._lost: set[str] = set()
        self._used = {image.digest for image in images if _is_used(image, now)}

    def look(self, number: int, plan: Plan) -> None:
        """Note what a day's plan takes for the first time."""
        for name in lost_families(plan):
            if name not in self._lost:
                self._lost.add(name)
                last = max((each for each in plan.acted_on if name in families(each.image.tags)), key=_age)
                self.losses.append(Loss(name, number, plan.now, last))
        for decision in _touched(plan):
            if decision.image.digest in self._used:
                self._used.remove(decision.image.digest)
                self.risks.append(Risk(number, plan.now, decision))


def _is_used(image: Image, now: Instant) -> bool:
    return bool(image.pins or image.in_use_by) or (
        image.pulled_at is not None and image.pulled_at >= now - RECENT
    )


def _age(decision: Decision) -> tuple[Instant, str]:
    return decision.image.entered_at, decision.image.digest


def _touched(plan: Plan) -> Iterator[Decision]:
    """What goes, and what would go but for its protection."""
    yield from (each for each in plan.acted_on if each.action is not Action.UNTAG)
    if plan.protected:
        yield from (each for each in plan.decisions if each.action is Action.PROTECTED)
