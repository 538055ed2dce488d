"""``careen fleet apply``."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from careen.cli.fleet.deeds import ended, enter, failures, lines, name_of
from careen.cli.fleet.options import ANYWHERE, AS_CONFIGURED, HERE, Access, Files, Json, Where, Yes, refusing
from careen.cli.fleet.rows import repositories
from careen.cli.fleet.shown import shown
from careen.cli.output import agrees, fail, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careen.fleet.apply import Applied, Look
    from careen.fleet.journal import Journal
    from careen.fleet.plan import Change, Plan
    from careen.fleet.targets import Fleet

_SHOWN = 20


def apply(
    plan: Annotated[
        Path | None, Parameter(help="The plan's file; without: plan.jsonl.gz in the folder --state.")
    ] = None,
    /,
    *,
    canary: Annotated[
        int,
        Parameter(
            validator=Number(gte=0), help="How many repositories come first, those of which the least goes."
        ),
    ] = 5,
    accept: Annotated[
        str | None,
        Parameter(
            help="The hash of the plan that was reviewed. Needed if it takes images in use, or more than a quarter of a repository."
        ),
    ] = None,
    skip_changed: Annotated[
        bool,
        Parameter(
            negative="", help="Leave out repositories whose policy has changed since; else nothing is done."
        ),
    ] = False,
    max_age: Annotated[float, Parameter(help="How many hours old the scan of the plan may be.")] = 24.0,
    where: Where = ANYWHERE,
    access: Access = AS_CONFIGURED,
    files: Files = HERE,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Carry out a plan: a few repositories first, every policy written down before it is changed.

    Nothing is done if a policy is not what the plan found, or the plan's file is not what was planned. After an interruption the
    same command goes on where it ended. `careen fleet rollback JOURNAL` puts back what was there. With selectors it is carried out
    in a part of its repositories; what is selected is all that is looked at.
    """
    from careen.clock import HOUR, system_now
    from careen.fleet import apply as applying
    from careen.fleet import plan as plans
    from careen.fleet import selecting
    from careen.fleet.apply import State

    with refusing(json):
        made, selection = plans.read(plan or files.state / "plan.jsonl.gz"), where.selection()
        _require_hash(made, accept)
        folder, about = files.state / "journals", applying.about(made, selection)
        begun = applying.unfinished(folder, about)
        if begun is None:  # what was begun is brought to its end
            applying.require_fresh(made, system_now(), round(max_age * HOUR))
        fleet = enter(access, [each.target for each in made.changes])
        changes = selecting.narrowed(fleet, made.changes, applying.place, selection)
        _require_review(made, changes, accept)
        applying.require_accounts(fleet, changes)
        looks = applying.look(fleet, changes, begun[1] if begun else None)
        _require_same(looks, skip_changed, json=json)
        first, others = applying.in_order(looks, canary)
        if not json:
            _tell(looks)
        applied: list[Applied] = []
        written = None
        if not first and not others:
            if begun is not None:
                applying.open_journal(folder, about, system_now()).end(system_now())
        elif agrees(_question(first, others), yes=yes):
            journal = applying.open_journal(folder, about, system_now())
            written = str(journal.path)
            applied = _carry_out(fleet, journal, first, others, yes=yes)
    if json:
        print_json(_document(made, looks, applied, written))
    else:
        _tell_outcome(applied, len(first) + len(others), written)
    done = sum(each.failure is None for each in applied)
    missed = sum(each.state in {State.UNKNOWN, State.CHANGED} for each in looks)
    sys.exit(ended(done, len(applied) - done + missed))


def _carry_out(
    fleet: "Fleet", journal: "Journal", first: "Sequence[Change]", others: "Sequence[Change]", *, yes: bool
) -> "list[Applied]":
    """The few, and the others if all is well with those and somebody still wants it."""
    from careen.clock import system_now

    try:
        applied = _put(fleet, journal, first)
        is_well = not any(each.failure for each in applied)
        if others and is_well and (not first or agrees(_second_question(first, others), yes=yes)):
            applied += _put(fleet, journal, others)
        if len(applied) == len(first) + len(others) and not any(each.failure for each in applied):
            journal.end(system_now())
    except KeyboardInterrupt:
        fail("broken off", "the same command goes on from there")
    finally:
        journal.close()
    return applied


def _require_hash(made: "Plan", accept: str | None) -> None:
    """Refuse another plan than was reviewed, before anybody is asked anything.

    Raises:
        careen.fleet.errors.Conflict: it is another.
    """
    from careen.fleet.errors import Conflict

    if accept is not None and accept != made.hash:
        raise Conflict(f"the plan is {made.hash}, and another was reviewed", "careen fleet plan")


def _require_review(made: "Plan", changes: "Sequence[Change]", accept: str | None) -> None:
    """Refuse a plan that nobody has looked at, where somebody must have looked at what is to be changed.

    Raises:
        careen.fleet.errors.Conflict: nobody has.
    """
    from careen.fleet import apply as applying
    from careen.fleet.errors import Conflict

    objections = applying.objections(changes)
    if accept is None and objections:
        first, *others = objections
        more = f" (and {len(others):,} more)" if others else ""
        raise Conflict(f"{first}{more}", f"look through the plan, then --accept {made.hash}")


def _require_same(looks: "Sequence[Look]", skip_changed: bool, *, json: bool) -> None:
    """Say what has changed since the plan.

    Raises:
        careen.fleet.errors.Conflict: something has, and it is not to be left out.
    """
    from careen.fleet.apply import State
    from careen.fleet.errors import Conflict

    changed = [each for each in looks if each.state is State.CHANGED]
    for each in changed[:_SHOWN] if not json else ():
        print(f"{name_of(each.change)}: {_how(each)}", file=sys.stderr)
    if changed and not skip_changed:
        names = ", ".join(name_of(each.change) for each in changed[:3])
        raise Conflict(
            f"{repositories(len(changed))} changed since the plan: {names}{', …' if len(changed) > 3 else ''}",
            "careen fleet scan and careen fleet plan again, or --skip-changed",
        )


def _how(look: "Look") -> str:
    if look.why is not None:
        return f"it is gone: {look.why.reason}"
    if look.now is None:
        return "its policy was taken away"
    return "it has another policy" if look.change.was else "somebody has given it a policy"


def _question(first: "Sequence[Change]", others: "Sequence[Change]") -> str:
    if not first:
        return f"Change the policies of {repositories(len(others))}?"
    return f"Change the policies of {repositories(len(first))} first{f', then of {len(others):,} others' if others else ''}?"


def _second_question(first: "Sequence[Change]", others: "Sequence[Change]") -> str:
    return f"{repositories(len(first))} done. Go on with {len(others):,} others?"


def _put(fleet: "Fleet", journal: "Journal", changes: "Sequence[Change]") -> "list[Applied]":
    from careen.fleet import apply as applying

    done = []
    with shown() as progress:
        progress.begin("policies", len(changes))
        for each in applying.put(fleet, journal, changes):
            done.append(each)
            progress.step(note=each.change.name)
    return done


def _tell(looks: "Sequence[Look]") -> None:
    from careen.fleet.apply import State

    counts = Counter(each.state for each in looks)
    for state in State:
        if counts[state]:
            print(f"{repositories(counts[state])} {state.value}")
    for each in looks:
        if each.state is State.UNKNOWN and each.why is not None:
            print(f"{name_of(each.change)}:", *lines([each.why]), sep="\n", file=sys.stderr)


def _tell_outcome(applied: "Sequence[Applied]", to_do: int, written: str | None) -> None:
    for each in applied:
        if each.failure is not None:
            print(f"{name_of(each.change)}:", *lines([each.failure]), sep="\n", file=sys.stderr)
    done = sum(each.failure is None for each in applied)
    print(f"{repositories(done)} changed, {to_do - done:,} left")
    if written:
        print(f"journal: {written}")
    elif to_do:
        print("nothing is done: --yes does it")


def _document(
    made: "Plan", looks: "Sequence[Look]", applied: "Sequence[Applied]", written: str | None
) -> dict[str, Any]:
    outcomes = {each.change.arn: each for each in applied}

    def state(look: "Look") -> str:
        outcome = outcomes.get(look.change.arn)
        if outcome is None:
            return look.state.name
        return "DONE" if outcome.failure is None else "FAILED"

    def why(look: "Look") -> list[dict[str, Any]]:
        outcome = outcomes.get(look.change.arn)
        found = outcome.failure if outcome else look.why
        return failures([found] if found else [])

    return {
        "plan": made.hash,
        "journal": written,
        "repositories": [
            {
                "account": look.change.account,
                "region": look.change.region,
                "repository": look.change.name,
                "state": state(look),
                "failures": why(look),
            }
            for look in looks
        ],
    }
