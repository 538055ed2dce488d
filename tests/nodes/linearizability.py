"""Is there an order in which one register explains what everybody was told?

A register holds a value or nothing (None). The search is Wing and Gong's ("Testing and Verifying Concurrent Objects", 1993) with
the memory of Lowe's ("Testing for Linearizability", 2017): an operation may come next if none that is still to come ended before it
began; a state that was met with the same operations done is not entered twice. What Porcupine and Knossos do, for one register.

Operations whose fate is unknown may come at any time after they began, or not at all. Those with the same effect are alike, so the
search counts them instead of telling them apart: a hundred clients that lost their connection do not make it exponential.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Value = str | None


@dataclass(frozen=True)
class Write:
    """The register holds a value from now on; None: nothing."""

    value: Value


@dataclass(frozen=True)
class Read:
    """It held that value, or nothing."""

    value: Value


@dataclass(frozen=True)
class Take:
    """It held something and holds nothing from now on."""


@dataclass(frozen=True)
class Erase:
    """It holds nothing from now on if it held that value; else it stays as it is."""

    value: str


Effect = Write | Read | Take | Erase


class Event(NamedTuple):
    """An operation on one register."""

    effect: Effect
    invoked: int
    returned: int | None
    """None: it may take effect at any time after it was invoked, or never."""


_IMPOSSIBLE = "no value: the operation could not have been told what it was told"
_ANYTHING = "any value, but not nothing"

_Spent = tuple[int, ...]


def _after(effect: Effect, held: Value) -> Value:
    """What the register holds after an operation; ``_IMPOSSIBLE`` if it could not come here."""
    match effect:
        case Write(value):
            return value
        case Read(value):
            return held if held == value else _IMPOSSIBLE
        case Take():
            return None if held is not None else _IMPOSSIBLE
        case Erase(value):
            return None if held == value else held


class _Search:
    """One search.

    A state is what was done (a bit for each operation with a known end), what is held, and what was spent: how many of each kind
    whose end nobody knows.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        known, unknown = list[Event](), defaultdict[Effect, list[int]](list)
        for event in sorted(events, key=lambda each: each.invoked):
            if event.returned is not None:
                known.append(event)
            elif not isinstance(event.effect, Read):  # nobody was told anything
                # Nobody knows whether there was something to take.
                unknown[Write(None) if isinstance(event.effect, Take) else event.effect].append(event.invoked)
        self._effects = [event.effect for event in known]
        self._invoked = [event.invoked for event in known]
        self._returned = [event.returned or 0 for event in known]
        self._unknown = list(unknown.items())
        self._seen: defaultdict[tuple[int, Value], list[_Spent]] = defaultdict(list)

    def succeeds(self) -> bool:
        """Whether everything with a known end can be done."""
        everything = (1 << len(self._effects)) - 1
        waiting: list[tuple[int, Value, _Spent]] = [(0, None, (0,) * len(self._unknown))]
        while waiting:
            done, held, spent = waiting.pop()
            if done == everything:
                return True
            if self._is_new(done, held, spent):
                waiting.extend(self._following(done, held, spent))
        return False

    def _is_new(self, done: int, held: Value, spent: _Spent) -> bool:
        """Whether nobody has been here who had spent as little; from there everything could be done that can be done from here."""
        seen = self._seen[done, held]
        if any(all(map(int.__le__, other, spent)) for other in seen):
            return False
        seen.append(spent)
        return True

    def _following(self, done: int, held: Value, spent: _Spent) -> Iterator[tuple[int, Value, _Spent]]:
        """What may come next; the last is tried first."""
        candidates, bound = self._candidates(done)
        for index in candidates:
            if self._effects[index] == Read(held):
                # It changes nothing and may come now, so it never has to come later: no other way need be tried.
                yield done | 1 << index, held, spent
                return
        available = [
            (kind, effect)
            for kind, (effect, invoked) in enumerate(self._unknown)
            if spent[kind] < len(invoked) and invoked[spent[kind]] <= bound
        ]
        if available:
            wanted = self._wanted(candidates, available)
            for kind, effect in available:
                now = _after(effect, held)
                if now != held and (now in wanted or (held is None and _ANYTHING in wanted)):
                    yield done, now, (*spent[:kind], spent[kind] + 1, *spent[kind + 1 :])
        for index in sorted(candidates, key=lambda each: -self._returned[each]):
            now = _after(self._effects[index], held)
            if now is not _IMPOSSIBLE:
                yield done | 1 << index, now, spent

    def _candidates(self, done: int) -> tuple[list[int], int]:
        """The operations that began before any other that is still to come ended, and the first of those ends."""
        first = (~done & (done + 1)).bit_length() - 1
        found, bound = list[int](), self._returned[first]
        for index in range(first, len(self._effects)):
            if self._invoked[index] > bound:
                break
            if not done >> index & 1:
                found.append(index)
                bound = min(bound, self._returned[index])
        return [index for index in found if self._invoked[index] <= bound], bound

    def _wanted(self, candidates: list[int], available: list[tuple[int, Effect]]) -> set[Value]:
        """What is worth spending something on: whatever comes next has to meet it, for what is unknown can always come later."""
        wanted: set[Value] = set()
        for index in candidates:
            match self._effects[index]:
                case Read(value) | Erase(value):
                    wanted.add(value)
                case Take():
                    wanted.add(_ANYTHING)
        if None in wanted:
            wanted.update(effect.value for _, effect in available if isinstance(effect, Erase))
        return wanted


def is_linearizable(events: Iterable[Event]) -> bool:
    """Whether a register that holds nothing at first explains all of it."""
    return _Search(events).succeeds()


def contradiction(events: Sequence[Event]) -> list[int]:
    """The few operations that contradict each other, the first that cannot be believed at the end.

    Every step leaves a part that must be linearizable if all of it is: a history up to an instant, fewer reads, weaker deletions,
    no writes that nobody left can have seen.

    Args:
        events: of a register that is not linearizable.

    Returns:
        Their places in ``events``.
    """
    last, left = _up_to_the_first_lie(dict(enumerate(events)))
    left = _thinned(left, [each for each in left if each != last and isinstance(left[each].effect, Read)])
    for place, event in left.items():
        if isinstance(event.effect, Take) and place != last:
            weaker = left | {place: event._replace(effect=Write(None))}
            left = left if is_linearizable(weaker.values()) else weaker
    left = _thinned(left, _unseen(left, last))
    for place in list(left):
        if place != last and _is_superseded(left, place, last):
            left = _thinned(left, [place])
    return [*sorted(set(left) - {last}, key=lambda each: events[each].invoked), last]


def _up_to_the_first_lie(events: dict[int, Event]) -> tuple[int, dict[int, Event]]:
    """The first operation whose end nothing explains any more, and what had begun by then."""
    ends = sorted(
        ((event.returned, place) for place, event in events.items() if event.returned is not None),
    )
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if is_linearizable(_begun_by(events, ends[middle][0]).values()):
            low = middle + 1
        else:
            high = middle
    instant, place = ends[low]
    return place, _begun_by(events, instant)


def _begun_by(events: dict[int, Event], instant: int) -> dict[int, Event]:
    """What was known then: what had not ended is unknown."""
    begun = {place: event for place, event in events.items() if event.invoked <= instant}
    return {
        place: event
        if event.returned is not None and event.returned <= instant
        else event._replace(returned=None)
        for place, event in begun.items()
    }


def _thinned(events: dict[int, Event], removable: Sequence[int]) -> dict[int, Event]:
    """Without as many of those as possible, as long as it stays a contradiction: all at once, or one after another."""
    for part in (removable, *([each] for each in removable)):
        fewer = {place: event for place, event in events.items() if place not in part}
        if part and len(fewer) < len(events) and not is_linearizable(fewer.values()):
            events = fewer
    return events


def _unseen(events: dict[int, Event], last: int) -> list[int]:
    """Writes of values that nobody who is left can have met; who took something met whatever it was."""
    effects = [event.effect for event in events.values()]
    if any(isinstance(effect, Take) for effect in effects):
        return []
    read = {effect.value for effect in effects if isinstance(effect, Read)}
    met = read | {effect.value for effect in effects if isinstance(effect, Erase)}
    return [
        place
        for place, event in events.items()
        if place != last
        and (
            (isinstance(event.effect, Write) and event.effect.value not in met)
            or (isinstance(event.effect, Erase) and None not in read)
        )
    ]


def _is_superseded(events: dict[int, Event], place: int, last: int) -> bool:
    """Whether another write certainly came between this one and everybody who met its value.

    One write of the value in question stays: without any it would seem that nobody had ever written it.
    """
    write = events[place]
    if not isinstance(write.effect, Write) or write.returned is None:
        return False
    value = write.effect.value
    others = [
        event
        for each, event in events.items()
        if each != place and isinstance(event.effect, Write) and event.returned is not None
    ]
    if _may_be_met(events[last].effect, value) and not any(
        isinstance(other.effect, Write) and _may_be_met(events[last].effect, other.effect.value)
        for other in others
    ):
        return False
    readers = [
        event
        for event in events.values()
        if isinstance(event.effect, Take)
        or (isinstance(event.effect, Read | Erase) and event.effect.value == value)
    ]
    return all(
        any(
            write.returned < other.invoked and other.returned is not None and other.returned < reader.invoked
            for other in others
        )
        for reader in readers
    )


def _may_be_met(effect: Effect, value: Value) -> bool:
    """Whether an operation could have been told what it was told if the register held that value."""
    return _after(effect, value) is not _IMPOSSIBLE
