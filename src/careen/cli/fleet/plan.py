"""``careen fleet plan``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from careen.cli.fleet.options import (
    ANYWHERE,
    AS_CONFIGURED,
    HERE,
    Access,
    Files,
    Json,
    Price,
    Where,
    refusing,
)
from careen.cli.fleet.rows import LISTED, in_use, lines, repositories
from careen.cli.output import plural, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from careen.fleet.plan import Change, Plan, Taken
    from careen.fleet.previews import Comparison
    from careen.fleet.status import Status
    from careen.fleet.wishes import Wish


def plan(
    *,
    policy: Annotated[
        Path | None, Parameter(help="The policy that all selected repositories are to have, in a file.")
    ] = None,
    mode: Annotated[
        Literal["replace", "merge", "only-if-missing"],
        Parameter(
            help="What becomes of a policy that is there: it goes, it gets the new rules, or it stays."
        ),
    ] = "replace",
    wishes: Annotated[
        Path | None, Parameter(help="Several policies by selector, in a TOML file, instead of --policy.")
    ] = None,
    where: Where = ANYWHERE,
    files: Files = HERE,
    out: Annotated[
        Path | None,
        Parameter(name="--out", help="The plan's file; without: plan.jsonl.gz in the folder --state."),
    ] = None,
    price: Price = 0.10,
    compare_with_aws: Annotated[
        bool,
        Parameter(
            negative="",
            help="Let ECR preview each policy, and list where it decides otherwise than this plan's evaluation.",
        ),
    ] = False,
    access: Access = AS_CONFIGURED,
    details: Annotated[
        bool, Parameter(negative="", help="Show every repository: its rules as they change, and what goes.")
    ] = False,
    json: Json = False,
) -> None:
    """Put a policy to every repository on paper: what changes, what goes now and in 30 days, what is in use.

    Reads the inventory of the last scan and changes nothing. What is planned is in a file, which `careen fleet apply` carries out.
    Exits 4 if images in use would go, or ECR's previews say otherwise; 3 if some repositories cannot get what is wished.
    """
    from careen.fleet import inventory as inventories
    from careen.fleet import plan as plans
    from careen.fleet import planning, sight

    file = out or files.state / "plan.jsonl.gz"
    comparison = None
    with refusing(json):
        wanted = _wishes(policy, mode, wishes)
        selection = where.selection()
        inventory = inventories.read(files.inventory_file)
        unseen = sight.gaps(inventory)
        made = planning.plan(inventory, wanted, selection, price)
        plans.write(file, made)
        if compare_with_aws:
            comparison = _compare(made, files, access)
    if json:
        print_json(_document(made, file, comparison) | {"unseen": unseen})
    else:
        _print(made, file, comparison, details=details)
        if unseen is not None:
            print(f"more may be in use, as the scan did not see all that runs: {unseen}", file=sys.stderr)
    sys.exit(_status(made, comparison))


def _wishes(policy: Path | None, mode: str, file: Path | None) -> "Sequence[Wish]":
    from careen.fleet import wishes
    from careen.fleet.errors import BadInput

    if policy is not None and file is None:
        return (wishes.from_policy(policy, wishes.Mode(mode)),)
    if policy is not None or file is None:
        raise BadInput("a plan is for one policy, or for a file of wishes", "--policy FILE, or --wishes FILE")
    if mode != "replace":
        raise BadInput("in a file of wishes each has its own mode", 'mode = "merge"')
    return wishes.from_file(file)


def _compare(made: "Plan", files: Files, access: Access) -> "Comparison":
    from careen.cli.fleet.shown import shown
    from careen.clock import system_now
    from careen.fleet import inventory as inventories
    from careen.fleet import previews

    if not made.changes:
        return previews.Comparison(0, (), ())
    fleet = access.enter(previews.targets_of(made))
    with shown() as progress:
        return previews.compare(
            made, inventories.read(files.inventory_file), fleet, clock=system_now, progress=progress
        )


def _status(made: "Plan", comparison: "Comparison | None") -> "Status":
    from careen.fleet.plan import FAULTS
    from careen.fleet.status import Status

    if any(each.in_use for each in made.changes) or (comparison is not None and comparison.disagreements):
        return Status.DIFFERENT
    if any(each.why in FAULTS for each in made.unchanged) or (comparison is not None and comparison.refusals):
        return Status.PARTIAL
    return Status.DONE


def _document(made: "Plan", file: Path, comparison: "Comparison | None") -> dict[str, Any]:
    import msgspec

    from careen.clock import isoformat
    from careen.fleet.plan import summed

    document: dict[str, Any] = {
        "plan": str(file),
        "hash": made.hash,
        "evaluatedAt": isoformat(made.evaluated_at),
        "price": made.price,
        "now": summed(each.now for each in made.changes),
        "in30Days": summed(each.month for each in made.changes),
        "in30DaysAsItIs": summed(each.was_month for each in made.changes),
        "inUse": sum(len(each.in_use) for each in made.changes),
        "unwished": made.unwished,
        "wishes": made.wishes,
        "changes": made.changes,
        "unchanged": made.unchanged,
    }
    if comparison is not None:
        document["comparison"] = comparison
    return msgspec.to_builtins(document)  # type: ignore[no-any-return] # a dict makes a dict


def _print(made: "Plan", file: Path, comparison: "Comparison | None", *, details: bool) -> None:
    from careen.cli.policy.tables import console

    out = console()
    _totals(out, made)
    _conflicts(out, made, details=details)
    _breaches(out, made, details=details)
    _findings(out, made)
    _unchanged(out, made, details=details)
    if not details:
        _biggest(out, made)
    for change in made.changes if details else ():
        _change(out, change)
    if comparison is not None:
        _disagreements(out, comparison)
    out.print(f"\n{file}: plan {made.hash}", soft_wrap=True)
    if made.changes:
        out.print(f"next: careen fleet apply {file}", soft_wrap=True)


def _totals(out: "Console", made: "Plan") -> None:
    from careen.cli.policy.tables import grid
    from careen.fleet.plan import summed

    changed, kept = len(made.changes), len(made.unchanged)
    out.print(
        f"{changed:,} {'repository changes' if changed == 1 else 'repositories change'},"
        f" {kept:,} {'keeps what it has' if kept == 1 else 'keep what they have'}"
        + (f", {made.unwished:,} {'is' if made.unwished == 1 else 'are'} in no wish" if made.unwished else "")
    )
    if not changed:
        return
    table = grid(header=True)
    table.add_column("")
    for name in ("deleted", "archived", "freed", "a month"):
        table.add_column(name, justify="right", no_wrap=True)
    at_most = not all(each.is_exact for each in made.changes)
    for name, total in (
        ("goes now", summed(each.now for each in made.changes)),
        ("within 30 days, if nothing is pushed", summed(each.month for each in made.changes)),
        ("the same by the policies that are there", summed(each.was_month for each in made.changes)),
    ):
        table.add_row(name, *_taken(total, at_most=at_most))
    out.print(table)


def _taken(of: "Taken", *, at_most: bool) -> tuple[str, str, str, str]:
    from careen.cli.policy.tables import dollars, size

    about = "≤ " if at_most and of.freed else ""
    return (
        f"{of.expired:,}" if of.expired else "-",
        f"{of.archived:,}" if of.archived else "-",
        f"{about}{size(of.freed)}" if of.freed else "-",
        f"{about}{dollars(of.dollars)}" if of.freed else "-",
    )


def _name(change: "Change") -> str:
    return f"{change.account}/{change.region}/{change.name}"


def _conflicts(out: "Console", made: "Plan", *, details: bool) -> None:
    rows = [(each.day, change, each) for change in made.changes for each in change.in_use]
    if not rows:
        return
    rows.sort(key=lambda row: row[0])
    now = sum(day == 0 for day, _, _ in rows)
    out.print(f"\nin use, and would go: {plural(len(rows), 'image')}, {now:,} of them now")
    for _, change, each in rows[: None if details else LISTED]:
        for line in in_use(_name(change), each):
            out.print(line, soft_wrap=True)
    _more(out, len(rows), details=details)


def _more(out: "Console", number: int, *, details: bool) -> None:
    if number > LISTED and not details:
        out.print(f"and {number - LISTED:,} more; --details shows all, --repository some of them")


def _breaches(out: "Console", made: "Plan", *, details: bool) -> None:
    rows = [(change, each) for change in made.changes for each in change.breaches]
    if not rows:
        return
    rows.sort(key=lambda row: -row[0].share)
    out.print(f"\nmore than should go unseen, in {repositories(len({each.arn for each, _ in rows}))}:")
    for change, breach in rows[: None if details else LISTED]:
        out.print(f"  {_name(change)}: {breach.sentence}", soft_wrap=True)
    _more(out, len(rows), details=details)


def _findings(out: "Console", made: "Plan") -> None:
    from collections import Counter

    from careen.lifecycle.lint.finding import Severity

    counted = Counter(
        (each.severity, each.code)
        for change in made.changes
        for each in {finding.code: finding for finding in change.findings}.values()
        if each.severity is not Severity.NOTE
    )
    if counted:
        out.print("\nthe linter has doubts about the policies to be:")
        for (severity, code), number in counted.most_common():
            out.print(f"  {severity}: {code}, in {repositories(number)} (docs/lint.md)", soft_wrap=True)


_WHY = {
    "AS_WISHED": ("has it already", "have it already"),
    "HAS_POLICY": ("has a policy, which stays", "have policies, which stay"),
    "TAGS_UNKNOWN": (
        "has tags that could not be read, by which the wish goes",
        "have tags that could not be read, by which the wish goes",
    ),
    "POLICY_UNKNOWN": (
        "has a policy or none: it could not be read",
        "have policies or none: they could not be read",
    ),
    "IMAGES_UNKNOWN": ("has images that could not be listed", "have images that could not be listed"),
    "CANNOT_MERGE": ("has a policy that cannot be merged", "have policies that cannot be merged"),
}
"""Why one repository keeps what it has, and why several do."""


def _unchanged(out: "Console", made: "Plan", *, details: bool) -> None:
    from careen.fleet.plan import FAULTS, Why

    for why in Why:
        those = [each for each in made.unchanged if each.why is why]
        if not those:
            continue
        one, several = _WHY[why]
        out.print(
            f"{'not planned' if why in FAULTS else 'kept'}: {len(those):,} {one if len(those) == 1 else several}"
        )
        if why in FAULTS:
            for each in those[: None if details else LISTED]:
                out.print(f"  {each.account}/{each.region}/{each.name}: {each.detail}", soft_wrap=True)
            _more(out, len(those), details=details)


def _biggest(out: "Console", made: "Plan") -> None:
    from careen.cli.policy.tables import dollars, size

    biggest = sorted(made.changes, key=lambda each: (-each.month.freed, -each.month.expired, each.arn))
    if not biggest:
        return
    out.print("\nmost first:")
    rows = [
        (
            f"{each.now.expired + each.now.archived:,}",
            f"{each.month.expired + each.month.archived:,}",
            f"{each.images:,}",
            f"{'' if each.is_exact else '≤ '}{size(each.month.freed)}",
            f"{'' if each.is_exact else '≤ '}{dollars(each.month.dollars)}",
            "new" if each.was is None else f"{made.wishes[each.wish].mode}d",
            _name(each),
        )
        for each in biggest[:LISTED]
    ]
    for line in lines(("now", "30 days", "of", "freed", "a month", "policy", "repository"), rows):
        out.print(line, soft_wrap=True)
    _more(out, len(biggest), details=False)


def _change(out: "Console", change: "Change") -> None:
    from careen.cli.policy.tables import grid, short, size
    from careen.fleet import wording
    from careen.fleet.planning import readable

    at_most = not change.is_exact
    out.print(f"\n{_name(change)}: {plural(change.images, 'image')}, {size(change.bytes)}", soft_wrap=True)
    for line in wording.changed(readable(change.was), readable(change.becomes)):
        out.print(f"  {line}", soft_wrap=True)
    for name, of in (("now", change.now), ("within 30 days", change.month)):
        deleted, archived, freed, dollars = _taken(of, at_most=at_most)
        out.print(f"  {name}: {deleted} deleted, {archived} archived, {freed} freed, {dollars} a month")
    if change.saved:
        out.print(f"  {plural(change.saved, 'image')} that would go now by the policy it has, stay")
    table = grid()
    for each in change.going[:LISTED]:
        rule = "with its subject" if each.rule_priority is None else f"rule {each.rule_priority}"
        table.add_row(
            f"  {short(each.digest)}", " ".join(each.tags[:3]) or "-", size(each.size), each.effect, rule
        )
    if change.going:
        out.print(table)
    if len(change.going) > LISTED:
        out.print(f"  and {len(change.going) - LISTED:,} more; --json lists all")


def _disagreements(out: "Console", comparison: "Comparison") -> None:
    out.print(
        f"\nECR previewed {comparison.compared:,} of them: {plural(len(comparison.disagreements), 'disagreement')}"
    )
    for each in comparison.disagreements:
        out.print(f"  {each.account}/{each.region}/{each.name}: {each.sentence}", soft_wrap=True)
    for refusal in comparison.refusals:
        print(f"not compared: {refusal.repository}: {refusal.reason}", file=sys.stderr)
