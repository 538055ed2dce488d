"""What the rules of one document say of each image: who claims it, whether it is due, what it is shielded from.

Images that the same rules identify are one *crowd*; a repository has thousands of images and a handful of crowds.
A crowd is claimed as a whole, by the first of its rules, and divided where that rule begins to spare its images.
Most rules go by the order of age, so that one bisection divides a crowd of any size.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

from careen.clock import DAY, Instant
from careen.lifecycle.execution import Outcome, success
from careen.lifecycle.image import Image
from careen.lifecycle.roster import Roster, column
from careen.lifecycle.rule import CountType, Rule, StorageClass
from careen.lifecycle.selection import Selector, tags_that_meet

_Crowds = Mapping[tuple[int, ...], Sequence[int]]
"""By the positions of the rules that identify them: the numbers of images, the oldest first."""


# Reading a member off its class costs ten times what reading a global does.
_COUNT, _PULLED = CountType.IMAGE_COUNT_MORE_THAN, CountType.SINCE_IMAGE_PULLED
_SINCE_IT_IS_THERE = (CountType.SINCE_IMAGE_PUSHED, CountType.SINCE_IMAGE_TRANSITIONED)


class Claim(NamedTuple):
    """Images that one rule claims, and of which the document says the same."""

    rule: Rule
    """The rule of highest priority that identifies them."""
    identified: int
    """How many images that rule identifies, claimed or not."""
    ranks: Sequence[int]
    """By number: the place of each of them, 1 for the youngest."""
    numbers: Sequence[int]
    """The images of this claim, the oldest first."""
    mark: Outcome | None = None
    """What comes of them if nothing is in the way of the rule; None if they are not due."""
    shielded_from: Rule | None = None
    """If they are not: the first of the other rules that identify them for which they are due."""


class _Question:
    """A rule put to a repository."""

    def __init__(self, rule: Rule, crowds: Sequence[Sequence[int]], repository: Roster, now: Instant) -> None:
        self.rule = rule
        self._crowds = crowds
        """Those that the rule identifies."""
        self.identified = sum(map(len, crowds))
        self._repository = repository
        self._now = now

    @cached_property
    def ranks(self) -> Sequence[int]:
        """By number, the ranks of the images that the rule identifies; many a rule is never asked for them."""
        crowds, place = self._crowds, self._repository.place
        oldest_first = crowds[0] if len(crowds) == 1 else sorted(chain(*crowds), key=place.__getitem__)
        ranks = column(len(place))
        for number, rank in zip(oldest_first, range(self.identified, 0, -1), strict=True):
            ranks[number] = rank
        return ranks

    def divide(self, numbers: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        """Some of the images that the rule identifies, the oldest first: those beyond count or age, and the rest."""
        kind, limit = self.rule.selection.count_type, self.rule.selection.count_number
        if kind is _COUNT:
            ranks = self.ranks
            return _cut(numbers, bisect_left(numbers, -limit, key=lambda number: -ranks[number]))
        before = self._now - limit * DAY
        if kind in _SINCE_IT_IS_THERE:
            # They are sorted by just this instant.
            entered_at = self._repository.entered_at
            return _cut(numbers, bisect_left(numbers, before, key=entered_at.__getitem__))
        images = self._repository.images
        if kind is _PULLED:
            return _sift(numbers, lambda number: images[number].used_at < before)
        return _sift(numbers, lambda number: bool(overdue(self.rule, images[number], self._now)))


def claims(rules: tuple[Rule, ...], repository: Roster, now: Instant) -> Iterator[Claim]:
    """What a document says of the images that its rules identify; each of them is in one claim."""
    for storage_class, positions, selector in _selectors(rules):
        crowds = _crowds(selector, storage_class, repository)
        identified = [
            [crowd for asking, crowd in crowds.items() if position in asking]
            for position in range(len(positions))
        ]
        questions = [
            _Question(rules[position], mine, repository, now)
            for position, mine in zip(positions, identified, strict=True)
        ]
        for asking, crowd in crowds.items():
            yield from _claims([questions[position] for position in asking], crowd)


# A registry asks a few policies of thousands of repositories. An equal policy has other objects for its rules, so what
# is kept are their positions.
@lru_cache(maxsize=128)
def _selectors(rules: tuple[Rule, ...]) -> Sequence[tuple[StorageClass, Sequence[int], Selector]]:
    """For each storage class that has rules: where those are, and what tells which of them identify an image."""
    positions: defaultdict[StorageClass, list[int]] = defaultdict(list)
    for position, rule in enumerate(rules):
        positions[rule.storage_class].append(position)
    return [(where, here, Selector([rules[each] for each in here])) for where, here in positions.items()]


def _crowds(selector: Selector, storage_class: StorageClass, repository: Roster) -> _Crowds:
    asking = [
        selector.identifying(image.tags) if where is storage_class else ()
        for image, where in zip(repository.images, repository.storage_class, strict=True)
    ]
    crowds: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for number in repository.oldest_first:
        crowds[asking[number]].append(number)
    crowds.pop((), None)
    return crowds


def _claims(questions: Sequence[_Question], crowd: Sequence[int]) -> Iterator[Claim]:
    """Let the first of the rules that identify a crowd claim it, and ask the others what it shields from them."""
    first, *others = questions
    due, kept = first.divide(crowd)
    if due:
        yield Claim(first.rule, first.identified, first.ranks, due, mark=success(first.rule))
    for other in others:
        due, kept = other.divide(kept)
        if due:
            yield Claim(first.rule, first.identified, first.ranks, due, shielded_from=other.rule)
    if kept:
        yield Claim(first.rule, first.identified, first.ranks, kept)


def _cut(numbers: Sequence[int], end: int) -> tuple[Sequence[int], Sequence[int]]:
    """Divide images of which the oldest are due."""
    return numbers[:end], numbers[end:]


def _sift(numbers: Sequence[int], is_due: Callable[[int], bool]) -> tuple[Sequence[int], Sequence[int]]:
    """Divide images of which any may be due."""
    due = [number for number in numbers if is_due(number)]
    taken = frozenset(due)
    return due, [number for number in numbers if number not in taken]


def overdue(rule: Rule, image: Image, now: Instant) -> tuple[str, ...]:
    """The tags that ``untag`` takes off an image: those that meet the list, and by ``sinceTagged`` are old enough."""
    tags = tags_that_meet(rule.selection, image.tags)
    if rule.selection.count_type is not CountType.SINCE_TAGGED:
        return tags
    tagged_at = dict(zip(image.tags, image.tagged_at, strict=True)) if image.tagged_at else {}
    before = now - rule.selection.count_number * DAY
    return tuple(tag for tag in tags if tagged_at.get(tag, image.pushed_at) < before)
