"""``careen fleet scan``."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from careen.cli.fleet.options import ANYWHERE, AS_CONFIGURED, HERE, Access, Files, Json, Where, refusing
from careen.cli.output import fail, plural, print_json

if TYPE_CHECKING:
    from careen.fleet.scan import Outcome

InUse = Annotated[
    tuple[str, ...],
    Parameter(
        name="--in-use",
        negative="",
        help="Whom to ask what runs: ecs, lambda, eks, apprunner, batch, or none; can be given again. Without: all.",
    ),
]
Kubernetes = Annotated[
    tuple[str, ...],
    Parameter(
        negative="", help="A context of kubeconfig: a cluster to ask what runs there; can be given again."
    ),
]
Host = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="A further name by which workloads know the registries, * for anything; can be given again.",
    ),
]


def scan(
    *,
    where: Where = ANYWHERE,
    access: Access = AS_CONFIGURED,
    files: Files = HERE,
    layers: Annotated[
        bool,
        Parameter(
            negative="--no-layers", help="Read all manifests, for their layers; else those of indexes."
        ),
    ] = True,
    in_use: InUse = (),
    kubernetes: Kubernetes = (),
    host: Host = (),
    again: Annotated[
        bool, Parameter(negative="", help="Begin anew, even if an earlier scan was broken off.")
    ] = False,
    json: Json = False,
) -> None:
    """Read repositories, images, policies and what runs into an inventory, one file, which the other commands read.

    It changes nothing, and goes on where an earlier scan of the same was broken off. What is denied is named with the permission
    that is missing; the rest is read all the same, and the exit status is 3.
    """
    from careen.cli.fleet.shown import shown
    from careen.clock import system_now
    from careen.fleet import scan as scanning
    from careen.fleet.status import Status

    with refusing(json):
        fleet = access.enter(where.selection())
        asked = scanning.Asked(where.selection(), layers, _feeds(in_use), kubernetes, host, again)
        try:
            with shown() as progress:
                outcome = scanning.scan(
                    fleet,
                    asked,
                    files.inventory_file,
                    files.state / "manifests.sqlite",
                    clock=system_now,
                    progress=progress,
                )
        except KeyboardInterrupt:
            fail("broken off; what was read is kept", "the same command goes on from there", Status.FAILED)
    if json:
        print_json(_document(outcome, files))
    else:
        _tell(outcome, files)
    sys.exit(Status.PARTIAL if outcome.complete.refusals else Status.DONE)


def _feeds(given: tuple[str, ...]) -> tuple[str, ...]:
    from careen.fleet.errors import BadInput
    from careen.fleet.in_use import AWS

    if not given:
        return AWS
    named = [each for each in given if each != "none"]
    for each in named:
        if each not in AWS:
            raise BadInput(f"nobody called {each} says what runs", f"--in-use {', '.join(AWS)} or none")
    return tuple(named)


def _document(outcome: "Outcome", files: Files) -> dict[str, object]:
    done = outcome.complete
    return {
        "inventory": str(files.inventory_file),
        "repositories": done.repositories,
        "images": done.images,
        "uses": outcome.uses,
        "resumed": outcome.resumed,
        "throttled": outcome.throttled,
        "refusals": outcome.refusals,
        "refusalCount": done.refusals,
    }


def _tell(outcome: "Outcome", files: Files) -> None:
    done = outcome.complete
    for each in outcome.refusals:
        place = "/".join(filter(None, (each.account, each.region, each.repository)))
        missing = f" (allow {each.permission})" if each.permission else ""
        print(f"not seen: {place + ': ' if place else ''}{each.reason}{missing}", file=sys.stderr)
    if done.refusals > len(outcome.refusals):
        print(f"not seen: {done.refusals - len(outcome.refusals):,} more, in the inventory", file=sys.stderr)
    resumed = f", {outcome.resumed:,} of them by the scan before" if outcome.resumed else ""
    print(
        f"{files.inventory_file}: {plural(done.images, 'image')} in {done.repositories:,}"
        f" {'repository' if done.repositories == 1 else 'repositories'}{resumed}; {plural(outcome.uses, 'use')} of them"
    )
