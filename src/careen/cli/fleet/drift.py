"""``careen fleet drift``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from careen.cli.fleet.deeds import enter, failures, lines, name_of
from careen.cli.fleet.options import ANYWHERE, AS_CONFIGURED, HERE, Access, Files, Json, Where, refusing
from careen.cli.fleet.rows import repositories
from careen.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from careen.fleet.drift import Expected, Found
    from careen.fleet.targets import Fleet


def drift(
    plan: Annotated[
        Path | None, Parameter(help="A plan's file; without it and --policy: plan.jsonl.gz in --state.")
    ] = None,
    /,
    *,
    policy: Annotated[
        Path | None,
        Parameter(help="The policy that all selected repositories are to have, instead of a plan."),
    ] = None,
    mode: Annotated[
        Literal["replace", "merge", "only-if-missing"],
        Parameter(help="With --policy: exactly that, at least its rules, or any policy at all."),
    ] = "replace",
    where: Where = ANYWHERE,
    access: Access = AS_CONFIGURED,
    files: Files = HERE,
    json: Json = False,
) -> None:
    """Show the repositories whose policy is not the one of a plan, or the one that is wished.

    Asks the registries, and needs no inventory: with --policy also repositories that were made since are found. The rule of
    `careen fleet protect` is no drift. Exits 4 if there is any.
    """
    from careen.fleet import drift as drifting

    with refusing(json):
        found = list(drifting.check(*_expected(plan, policy, mode, where, access, files)))
    found.sort(key=lambda each: name_of(each.repository))
    if json:
        print_json(_document(found))
    else:
        _tell(found)
    sys.exit(_status(found))


def _expected(
    plan: Path | None, policy: Path | None, mode: str, where: Where, access: Access, files: Files
) -> "tuple[Fleet, Iterable[Expected]]":
    from careen.fleet import drift as drifting
    from careen.fleet import plan as plans
    from careen.fleet import selecting, wishes
    from careen.fleet.errors import BadInput

    if policy is not None:
        if plan is not None:
            raise BadInput("a plan says itself what it wishes", "PLAN, or --policy FILE")
        wish = wishes.from_policy(policy, wishes.Mode(mode))
        selection = where.selection()
        fleet = access.enter(selection)
        return fleet, drifting.of_wishes(fleet, [wish], selection)
    planned = list(drifting.of_plan(plans.read(plan or files.state / "plan.jsonl.gz")))
    fleet = enter(access, [each.repository.target for each in planned])
    return fleet, selecting.narrowed(fleet, planned, drifting.place, where.selection())


def _status(found: "Sequence[Found]") -> "int":
    from careen.fleet.drift import Position
    from careen.fleet.status import Status

    positions = {each.position for each in found}
    if positions & {Position.OTHER, Position.WITHOUT}:
        return Status.DIFFERENT
    if Position.UNKNOWN in positions:
        return Status.FAILED if positions == {Position.UNKNOWN} else Status.PARTIAL
    return Status.DONE


def _tell(found: "Sequence[Found]") -> None:
    from careen.fleet.drift import Position
    from careen.fleet.planning import readable
    from careen.fleet.wording import changed

    out = [each for each in found if each.position in {Position.OTHER, Position.WITHOUT}]
    for each in out:
        print(f"{name_of(each.repository)}: {each.position.value}")
        if each.expected is not None:
            for line in changed(readable(each.expected), readable(each.repository.policy)):
                print(f"  {line}")
    for each in found:
        if each.why is not None:
            for line in lines([each.why], f"{name_of(each.repository)}: "):
                print(line, file=sys.stderr)
    in_line = sum(each.position is Position.IN_LINE for each in found)
    print(f"{repositories(in_line)} in line, {len(out):,} not")


def _document(found: "Sequence[Found]") -> dict[str, Any]:
    return {
        "repositories": [
            {
                "account": each.repository.account,
                "region": each.repository.region,
                "repository": each.repository.name,
                "position": each.position.name,
                "policy": each.repository.policy,
                "expected": each.expected,
                "failures": failures([each.why] if each.why else []),
            }
            for each in found
        ]
    }
