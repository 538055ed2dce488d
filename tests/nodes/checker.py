"""Finds in a history what a registry must never tell.

* A tag is a linearizable register that holds a digest or nothing: every request takes effect at one instant between its beginning
  and its answer, the same one for everybody.
* So is the presence of an image under its digest. An image whose push was acknowledged and that nobody may have deleted is there.
* What is read under a digest has that digest.

Every name is looked at by itself. A deletion by digest also takes the tags that name the digest at that instant; that it takes all
of them at the same instant is not looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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

_SHORT = 19
"""Characters of a digest that tell it from others, to people."""


class Violation(NamedTuple):
    """A promise that was not kept."""

    what: str
    """In a sentence."""
    operations: Sequence[Operation]
    """Those that contradict each other."""

    def __str__(self) -> str:
        start = min(operation.invoked for operation in self.operations)
        return "\n".join([self.what, *(_line(operation, start) for operation in self.operations)])


def check(history: Sequence[Operation]) -> list[Violation]:
    """Look for violations, of each name the first."""
    found = [
        Violation(f"{_name(each)} was read as other bytes, with the digest {_short(each.value)}", [each])
        for each in history
        if each.kind is Kind.PULL
        and each.outcome is Outcome.OK
        and each.is_by_digest
        and each.value != each.reference
    ]
    for (repository, reference), events in _registers(history).items():
        register = [event for _, event in events]
        if not is_linearizable(register):
            few = contradiction(register)
            sentence = _why([events[place] for place in few])
            found.append(
                Violation(
                    f"{repository} {_short(reference)}: {sentence}", [events[place][0] for place in few]
                )
            )
    return found


def assert_linearizable(history: Sequence[Operation]) -> None:
    """Fail with every violation in words."""
    found = check(history)
    assert not found, "\n\n".join(map(str, found))


Register = list[tuple[Operation, Event]]


def _registers(history: Iterable[Operation]) -> dict[tuple[str, str], Register]:
    """Each name with what was done to it, and what that says of it."""
    registers: defaultdict[tuple[str, str], Register] = defaultdict(list)
    deletions: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        if operation.kind is Kind.DELETE_DIGEST:
            deletions[operation.repository].append(operation)
        for reference, effect in _effects(operation):
            registers[operation.repository, reference].append((operation, _event(operation, effect)))
    for (repository, reference), register in registers.items():
        written = {operation.value for operation, _ in register if operation.is_write}
        if ":" not in reference:
            for operation in deletions[repository]:
                if operation.outcome in {Outcome.OK, Outcome.UNKNOWN} and operation.reference in written:
                    register.append((operation, _event(operation, Erase(operation.reference))))
    return registers


def _effects(operation: Operation) -> Iterable[tuple[str, Effect]]:
    """Which names an operation says something of, and what; the tags that a deletion by digest takes are not among them."""
    reference, value = operation.reference, operation.value
    match operation.kind, operation.outcome:
        case _, Outcome.FAIL:
            return
        case _, Outcome.ABSENT:
            yield reference, Read(None)
        case Kind.PULL, Outcome.OK if value is not None:
            if not operation.is_by_digest:
                yield reference, Read(value)
            yield value, Read(value)
        case ((Kind.PUSH | Kind.TAG), _) if value is not None:
            if not operation.is_by_digest:
                yield reference, Write(value)
            yield value, Write(value)
        case ((Kind.DELETE_TAG | Kind.DELETE_DIGEST), _):
            yield reference, Take()


def _event(operation: Operation, effect: Effect) -> Event:
    returned = None if operation.outcome is Outcome.UNKNOWN else operation.returned
    return Event(effect, operation.invoked, returned)


def _why(few: Register) -> str:
    """The contradiction in a sentence."""
    *before, (operation, event) = few
    writes = [each for each in before if each[0].is_write]
    match event.effect:
        case Read(None):
            erasures = [
                later for each, later in before if not each.is_write and not isinstance(later.effect, Read)
            ]
            for each, written in reversed(writes):
                if all(_is_between([later.returned], written, event) for later in erasures):
                    return f"{operation.client} found nothing, though {each.client} had written it and nobody deleted it since"
            return f"no order explains what {operation.client} was told"
        case Read(str() as value):
            told, sources = f"read {_short(value)}", [each for each in writes if each[0].value == value]
        case Take():
            told, sources = "deleted it", writes
        case _:  # whoever only writes is told nothing that could be wrong
            raise AssertionError(event)
    if not sources:
        return f"{operation.client} {told}, which nobody had written"
    ends = [source.returned for _, source in sources]
    for each, later in reversed(before):
        is_another = not isinstance(later.effect, Read) and later.effect not in {
            source.effect for _, source in sources
        }
        if is_another and _is_between(ends, later, event):
            deed = "written another value" if each.is_write else "deleted it"
            return f"{operation.client} {told}, though {each.client} had {deed} since"
    return f"no order explains what {operation.client} was told"


def _is_between(ends: Iterable[int | None], event: Event, last: Event) -> bool:
    """Whether an operation certainly came after those that ended then, and before the last one."""
    is_after = all(end is not None and end < event.invoked for end in ends)
    return is_after and event.returned is not None and event.returned < last.invoked


def _line(operation: Operation, start: int) -> str:
    begun, ended = (f"{(instant - start) / 1e6:.3f}" for instant in (operation.invoked, operation.returned))
    value = "" if operation.value is None or operation.is_by_digest else f" {_short(operation.value)}"
    return (
        f"  {begun}-{ended} ms  {operation.client}  {operation.kind} {_short(operation.reference)}{value}"
        f"  {operation.outcome}"
    )


def _name(operation: Operation) -> str:
    return f"{operation.repository} {_short(operation.reference)}"


def _short(name: str | None) -> str:
    return "nothing" if name is None else name[:_SHORT] if ":" in name else name
