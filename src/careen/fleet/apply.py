"""Carrying out a plan: the policies of many repositories, a few of them first, every one written down before and after.

A plan is for a world: the policies that were there, and images that do not go stale within a day. Before anything is done, every
repository is asked for its policy again::

    it is                   and the journal says            then it is
    what the plan found     anything                        to do
    what the plan wishes    that we put it, or began to     done
    what the plan wishes    nothing                         there already: not ours, and not rolled back
    anything else           anything                        changed, and the plan is not carried out

So whoever applies a plan again after an interruption, however hard, goes on where it ended.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec

from careen.clock import HOUR, Instant
from careen.fleet import journal as journals
from careen.fleet import listing
from careen.fleet.clean import failure, not_done
from careen.fleet.errors import Conflict, FleetError, Refused
from careen.fleet.journal import Failure, Head, Journal, PutPolicy, Written
from careen.fleet.plan import Change, Plan
from careen.fleet.selecting import GONE, Place
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.fleet.together import together

COMMAND = "apply"


class State(Enum):
    """How a repository stands to its change."""

    TO_DO = "to do"
    DONE = "done"
    THERE = "there already"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Look:
    """A repository, looked at now."""

    change: Change
    state: State
    now: str | None = None
    """The text of its policy; None if it has none, or nobody knows."""
    why: Failure | None = None
    """Why it is unknown, or gone."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of one change."""

    change: Change
    failure: Failure | None = None


def place(change: Change) -> Place:
    """Its repository."""
    return Place(change.target, change.name, change.arn)


def require_accounts(fleet: Fleet, changes: Sequence[Change]) -> None:
    """Refuse credentials that do not lead to all registries in which a plan changes something.

    Raises:
        Conflict: they lead elsewhere.
    """
    missing = sorted({each.account for each in changes} - {each.account for each in fleet.targets})
    if missing:
        there = ", ".join(sorted({each.account for each in fleet.targets}))
        raise Conflict(
            f"the plan is for account {', '.join(missing)}, and the credentials lead to {there}",
            "--profile, --role or --role-name",
        )


def require_fresh(plan: Plan, now: Instant, longest: Instant) -> None:
    """Refuse a plan that is too old: which images its policies take is told from those that were there.

    Raises:
        Conflict: it is.
    """
    age = now - plan.evaluated_at
    if age > longest:
        raise Conflict(
            f"the plan is of {age / HOUR:,.0f} hours ago, and knows nothing of what was pushed or started since",
            f"careen fleet scan and careen fleet plan again, or --max-age {age // HOUR + 1}",
        )


def objections(changes: Sequence[Change]) -> Sequence[str]:
    """What of a plan somebody must have looked at: images in use that go, limits that are exceeded."""
    found = []
    in_use = [each for change in changes for each in change.in_use]
    if in_use:
        found.append(f"{len(in_use):,} images in use would go; first {in_use[0].digest}: {in_use[0].reason}")
    found += [f"{change.name}: {breach.sentence}" for change in changes for breach in change.breaches]
    return found


def about(plan: Plan, selection: Selection) -> dict[str, str]:
    """What a journal is about: a plan, or a part of it. Each part has journals of its own."""
    part = msgspec.json.encode(selection).decode()
    return {"plan": plan.hash} | ({} if selection == Selection() else {"selected": part})


def unfinished(folder: Path, about: dict[str, str]) -> tuple[Path, Written] | None:
    """The journal of an earlier run of the same that did not come to its end; the latest, if there are several.

    Raises:
        BadInput: a journal cannot be read.
    """
    for path in sorted(folder.glob(f"{_name(about)}-*.jsonl"), reverse=True):
        if journals.is_blank(path):
            continue
        written = journals.read(path)
        if not written.is_ended and written.head.about == about:
            return path, written
    return None


def open_journal(folder: Path, about: dict[str, str], now: Instant) -> Journal:
    """The journal of a plan or a part of it: the one that is not finished, or a new one.

    Raises:
        FleetError: it cannot be written.
    """
    begun = unfinished(folder, about)
    if begun is not None:
        return journals.resume(begun[0])
    path = journals.new_path(folder, _name(about), now)
    return journals.begin(path, Head(COMMAND, now, about))


def _name(about: dict[str, str]) -> str:
    return f"{COMMAND}-{about['plan'].partition(':')[2][:12]}"


def look(fleet: Fleet, changes: Sequence[Change], written: Written | None = None) -> Sequence[Look]:
    """Ask every repository how it stands.

    Args:
        fleet: the ways to them.
        changes: of a plan.
        written: the journal of an earlier run.

    Returns:
        In the order of the changes.
    """
    ours = {
        (deed.account, deed.region, deed.repository): number
        for number, deed in (written.deeds.items() if written else ())
    }
    failed = {
        number for number, outcome in (written.outcomes.items() if written else ()) if outcome.is_undone
    }

    def ask(change: Change) -> Look:
        begun = ours.get((change.account, change.region, change.name))
        return _look(fleet, change, is_ours=begun is not None and begun not in failed)

    order = {change.arn: place for place, change in enumerate(changes)}
    return sorted(together(ask, changes), key=lambda each: order[each.change.arn])


def _look(fleet: Fleet, change: Change, *, is_ours: bool) -> Look:
    try:
        now = listing.policy(fleet.client(change.target, "ecr"), change.name)
    except Refused as error:
        state = State.CHANGED if error.code == GONE else State.UNKNOWN
        return Look(change, state, why=failure(error))
    except FleetError as error:
        return Look(change, State.UNKNOWN, why=failure(error))
    if listing.fulfils(now, change.becomes):
        return Look(change, State.DONE if is_ours else State.THERE, now)
    if listing.is_same_policy(now, change.was):
        return Look(change, State.TO_DO, now)
    return Look(change, State.CHANGED, now)


def in_order(looks: Sequence[Look], canary: int) -> tuple[Sequence[Change], Sequence[Change]]:
    """What is to do: first the few by which one sees whether all is well, those of which the least goes; then the others."""
    left = [each.change for each in looks if each.state is State.TO_DO]
    first = {each.arn for each in sorted(left, key=lambda change: len(change.going))[:canary]}
    return [each for each in left if each.arn in first], [each for each in left if each.arn not in first]


def put(fleet: Fleet, journal: Journal, changes: Sequence[Change]) -> Iterator[Applied]:
    """Give repositories the policies that a plan wishes for them.

    Args:
        fleet: the ways to them.
        journal: where each is written before it is done, with the policy that was there.
        changes: of a plan, of repositories that were just looked at.

    Yields:
        What came of each, as it is done.
    """

    def do(change: Change) -> Applied:
        try:
            ecr = fleet.client(change.target, "ecr")
            now = listing.policy(ecr, change.name)
        except FleetError as error:
            return Applied(change, failure(error))
        if not listing.is_same_policy(
            now, change.was
        ):  # since it was looked at: somebody may have thought over the question
            return Applied(change, Failure("its policy has changed meanwhile, and stays"))
        number = journal.doing(change.target, change.name, PutPolicy(now, change.becomes))
        try:
            listing.put_policy(ecr, change.name, change.becomes)
        except FleetError as error:
            return Applied(change, not_done(journal, number, error))
        journal.done(number)
        return Applied(change)

    yield from together(do, changes)
