"""The checker itself: what it lets pass and what it finds, by hand and against one that tries every order."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nodes.checker import check
from tests.nodes.history import Kind, Operation, Outcome
from tests.nodes.linearizability import (
    Effect,
    Erase,
    Event,
    Read,
    Take,
    Write,
    contradiction,
    is_linearizable,
)

REPOSITORY = "team/app"
TAG = "latest"
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


class Clients:
    """Operations, one line each: who, from when to when, what."""

    def __init__(self, who: str, begin: int, end: int, outcome: Outcome = Outcome.OK) -> None:
        self._who, self._begin, self._end, self._outcome = who, begin, end, outcome

    def _did(
        self, kind: Kind, reference: str, value: str | None, outcome: Outcome | None = None
    ) -> Operation:
        begin, end = self._begin * 1_000_000, self._end * 1_000_000
        return Operation(self._who, kind, REPOSITORY, reference, value, begin, end, outcome or self._outcome)

    def pushed(self, value: str, reference: str = TAG) -> Operation:
        return self._did(Kind.PUSH, reference, value)

    def tagged(self, value: str, reference: str = TAG) -> Operation:
        return self._did(Kind.TAG, reference, value)

    def read(self, value: str, reference: str = TAG) -> Operation:
        return self._did(Kind.PULL, reference, value)

    def found_nothing(self, reference: str = TAG) -> Operation:
        return self._did(Kind.PULL, reference, None, Outcome.ABSENT)

    def untagged(self, reference: str = TAG) -> Operation:
        return self._did(Kind.DELETE_TAG, reference, None)

    def deleted(self, reference: str) -> Operation:
        return self._did(Kind.DELETE_DIGEST, reference, None)


def ann(begin: int, end: int, outcome: Outcome = Outcome.OK) -> Clients:
    return Clients("ann", begin, end, outcome)


def bob(begin: int, end: int, outcome: Outcome = Outcome.OK) -> Clients:
    return Clients("bob", begin, end, outcome)


LOST = Outcome.UNKNOWN
GOOD = {
    "nothing happened": [],
    "what was written is read": [ann(0, 1).pushed(A), bob(2, 3).read(A)],
    "who reads during a write reads the old value": [
        ann(0, 1).pushed(A), ann(2, 9).pushed(B), bob(3, 4).read(A), bob(10, 11).read(B)
    ],
    "who reads during a write reads the new value": [ann(0, 1).pushed(A), ann(2, 9).pushed(B), bob(3, 4).read(B)],
    "two writes at once, in one order": [ann(0, 9).pushed(A), bob(0, 9).pushed(B), ann(10, 11).read(A)],
    "two writes at once, in the other": [ann(0, 9).pushed(A), bob(0, 9).pushed(B), ann(10, 11).read(B)],
    "an unknown write took effect": [ann(0, 1, LOST).pushed(A), bob(2, 3).read(A)],
    "an unknown write took no effect": [ann(0, 1, LOST).pushed(A), bob(2, 3).found_nothing()],
    "an unknown write took effect long after its client gave up": [
        ann(0, 1, LOST).pushed(A), bob(2, 3).found_nothing(), bob(4, 5).pushed(B), bob(6, 7).read(A)
    ],
    "an unknown deletion took effect": [
        ann(0, 1).pushed(A), ann(2, 3, LOST).untagged(), bob(4, 5).read(A), bob(6, 7).found_nothing()
    ],
    "an unknown deletion by digest took the tag later": [
        ann(0, 1).pushed(A), ann(2, 3, LOST).deleted(A), bob(4, 5).read(A), bob(6, 7).found_nothing(),
    ],
    "an unknown write and an unknown deletion of it": [
        ann(0, 1).pushed(A), ann(2, 3, LOST).tagged(B), bob(2, 3, LOST).deleted(B), ann(4, 5).found_nothing(),
    ],
    "nobody was told anything by an unknown read": [ann(0, 1).pushed(A), bob(2, 3, LOST).read(B)],
    "a refused write has no effect": [ann(0, 1).pushed(A), bob(2, 3, Outcome.FAIL).pushed(B), bob(4, 5).read(A)],
    "a deleted image takes its tag along": [
        ann(0, 1).pushed(A), bob(2, 3).deleted(A), ann(4, 5).found_nothing(), ann(6, 7).found_nothing(A)
    ],
    "a tag that moved on stays when the image it named is deleted": [
        ann(0, 1).pushed(A), ann(2, 3).pushed(B), bob(4, 5).deleted(A), ann(6, 7).read(B)
    ],
    "an image stays when its tag goes": [ann(0, 1).pushed(A), bob(2, 3).untagged(), ann(4, 5).read(A, A)],
    "names are apart": [ann(0, 1).pushed(A, "1"), bob(2, 3).found_nothing("2")],
}  # fmt: skip
BAD = {
    "a stale read": (
        [ann(0, 1).pushed(A), ann(2, 3).pushed(B), bob(4, 5).read(A)],
        "bob read sha256:aaaaaaaaaaaa, though ann had written another value since",
    ),
    "two reads during a write, the later of which reads the older value": (
        [ann(0, 1).pushed(A), ann(2, 9).pushed(B), bob(3, 4).read(B), bob(5, 6).read(A)],
        "no order explains what bob was told",
    ),
    "a lost write": (
        [ann(0, 1).pushed(A), bob(2, 3).found_nothing()],
        "bob found nothing, though ann had written it and nobody deleted it since",
    ),
    "a lost image": (
        [ann(0, 1).pushed(A), ann(2, 3).pushed(B), bob(4, 5).found_nothing(A)],
        "bob found nothing, though ann had written it and nobody deleted it since",
    ),
    "a value that nobody had written": (
        [ann(0, 1).pushed(A), bob(2, 3).read(C)],
        "bob read sha256:cccccccccccc, which nobody had written",
    ),
    "a value before it was written": (
        [bob(0, 1).read(A), ann(2, 3).pushed(A)],
        "bob read sha256:aaaaaaaaaaaa, which nobody had written",
    ),
    "an unknown write before it was asked for": (
        [bob(0, 1).read(A), ann(2, 3, LOST).pushed(A)],
        "bob read sha256:aaaaaaaaaaaa, which nobody had written",
    ),
    "a write that took effect twice": (
        [ann(0, 1).pushed(A), ann(2, 3).pushed(B), bob(4, 5).read(B), bob(6, 7).read(A)],
        "bob read sha256:aaaaaaaaaaaa, though ann had written another value since",
    ),
    "an unknown write that took effect twice": (
        [ann(0, 1, LOST).pushed(A), bob(2, 3).read(A), ann(4, 5).pushed(B), bob(6, 7).read(A)],
        "no order explains what bob was told",
    ),
    "a deletion that took effect twice": (
        [ann(0, 1).pushed(A), ann(2, 3).untagged(), ann(4, 5).pushed(A), bob(6, 7).found_nothing()],
        "bob found nothing, though ann had written it and nobody deleted it since",
    ),
    "two deletions of what was there once": (
        [ann(0, 1).pushed(A), ann(2, 3).untagged(), bob(4, 5).untagged()],
        "bob deleted it, though ann had deleted it since",
    ),
    "a deletion of nothing": ([bob(0, 1).untagged()], "bob deleted it, which nobody had written"),
    "a tag that outlives its image": (
        [ann(0, 1).pushed(A), bob(2, 3).deleted(A), ann(4, 5).read(A)],
        "ann read sha256:aaaaaaaaaaaa, though bob had deleted it since",
    ),
    "a refused write that had an effect": (
        [ann(0, 1, Outcome.FAIL).pushed(A), bob(2, 3).read(A)],
        "bob read sha256:aaaaaaaaaaaa, which nobody had written",
    ),
    "other bytes under a digest": (
        [ann(0, 1).pushed(A), bob(2, 3).read(B, A)],
        "was read as other bytes, with the digest sha256:bbbbbbbbbbbb",
    ),
}  # fmt: skip


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_history_that_an_order_explains_passes(history: Sequence[Operation]) -> None:
    """What linearizable registers may tell is no violation."""
    assert check(history) == []


@pytest.mark.parametrize(("history", "words"), BAD.values(), ids=BAD)
def test_a_contradiction_is_found_and_told(history: Sequence[Operation], words: str) -> None:
    """What they may not tell is, in words."""
    assert words in "\n".join(map(str, check(history)))


def test_a_violation_names_the_few_that_contradict_each_other() -> None:
    """Of a long history only what matters is told, with times."""
    before = [ann(10 * turn, 10 * turn + 1).pushed(value) for turn, value in enumerate([A, B, C, A, B] * 8)]
    reads = [bob(10 * turn + 5, 10 * turn + 6).read(value) for turn, value in enumerate([A, B, C, A, B] * 8)]
    (found,) = check([*before, *reads, bob(400, 402).read(A), ann(500, 501).pushed(A)])
    assert str(found) == (
        "team/app latest: bob read sha256:aaaaaaaaaaaa, though ann had written another value since\n"
        "  0.000-1.000 ms  ann  push latest sha256:aaaaaaaaaaaa  ok\n"
        "  10.000-11.000 ms  ann  push latest sha256:bbbbbbbbbbbb  ok\n"
        "  20.000-22.000 ms  bob  pull latest sha256:aaaaaaaaaaaa  ok"
    )


VALUES = st.sampled_from("ab")
EFFECTS = st.one_of(
    VALUES.map(Write),
    st.just(Write(None)),
    VALUES.map(Erase),
    st.just(Take()),
    st.none(),
)
"""None: a read of whatever is there."""


@st.composite
def true_histories(draw: Any, most: int, effects: st.SearchStrategy[Effect | None] = EFFECTS) -> list[Event]:
    """What a register told that did one thing after another, each at an instant within its operation."""
    held: str | None = None
    events = list[Event]()
    for turn, effect in enumerate(draw(st.lists(effects, max_size=most))):
        invoked = 10 * turn - draw(st.integers(0, 25))
        returned: int | None = 10 * turn + draw(st.integers(0, 25))
        if draw(st.integers(0, 4)) == 0:
            returned = None
            if draw(st.booleans()):  # it never happens
                events.append(Event(effect or Read(draw(VALUES)), invoked, None))
                continue
        told: Effect = Read(held) if effect is None or (effect == Take() and held is None) else effect
        match told:
            case Write(value):
                held = value
            case Take():
                held = None
            case Erase(value) if held == value:
                held = None
        events.append(Event(told, invoked, returned))
    shuffled: list[Event] = draw(st.permutations(events))
    return shuffled


@given(true_histories(most=40))
def test_whatever_one_register_told_passes(events: list[Event]) -> None:
    """However operations overlap, and whatever became of those that were not answered."""
    assert is_linearizable(events)


@st.composite
def any_histories(draw: Any) -> list[Event]:
    """A few operations of which some may be lies."""
    events: list[Event] = draw(true_histories(most=6))
    for place in draw(st.sets(st.integers(0, 5), max_size=2)):
        if place < len(events):
            lie = draw(st.one_of(VALUES.map(Read), st.just(Read(None)), st.just(Take())))
            events[place] = events[place]._replace(effect=lie)
    return events


@settings(max_examples=400)
@given(any_histories())
def test_no_other_order_would_explain_what_is_refused(events: list[Event]) -> None:
    """It passes what passes when every order is tried, and nothing else; and what it blames is a contradiction by itself."""
    assert is_linearizable(events) == some_order_explains(events)
    if not is_linearizable(events):
        blamed = [events[place] for place in contradiction(events)]
        assert not some_order_explains([_as_far_as_known(each, blamed[-1]) for each in blamed])


def _as_far_as_known(event: Event, last: Event) -> Event:
    """An operation as the one that is not believed saw it: what had not ended before it ended might still have come."""
    assert last.returned is not None
    is_open = event.returned is None or event.returned > last.returned
    return event._replace(returned=None) if is_open else event


def some_order_explains(events: Sequence[Event]) -> bool:
    """Try every subset of what is unknown, in every order that the times allow."""
    known = [event for event in events if event.returned is not None]
    unknown = [event for event in events if event.returned is None and not isinstance(event.effect, Read)]
    for happened in _subsets(unknown):
        for order in itertools.permutations([*known, *happened]):
            if _agrees_with_times(order) and _explains(order):
                return True
    return False


def _subsets(events: Sequence[Event]) -> Iterator[tuple[Event, ...]]:
    return itertools.chain.from_iterable(
        itertools.combinations(events, size) for size in range(len(events) + 1)
    )


def _agrees_with_times(order: Sequence[Event]) -> bool:
    return not any(
        later.returned is not None and later.returned < earlier.invoked
        for earlier, later in itertools.combinations(order, 2)
    )


def _explains(order: Sequence[Event]) -> bool:
    held: str | None = None
    for effect, _, returned in order:
        match effect:
            case Write(value):
                held = value
            case Read(value) if value != held:
                return False
            case Take():
                if held is None and returned is not None:
                    return False
                held = None
            case Erase(value) if value == held:
                held = None
    return True


def test_hundreds_of_operations_of_many_clients() -> None:
    """Two thousand operations on one register by ten clients at once, a tenth of them unknown."""
    events = list[Event]()
    for turn in range(200):
        for client in range(10):
            begin, value = 100 * turn + client, "abc"[turn * client % 3]
            is_lost = (turn + client) % 10 == 0
            effect = Write(value) if client < 5 else Read("abc"[turn * 4 % 3])
            events.append(Event(effect, begin, None if is_lost else begin + 50 + client))
    assert is_linearizable(events)
