"""``careen fleet protect``."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from careen.cli.fleet.deeds import (
    Apply,
    MaxAge,
    ended,
    enter,
    failures,
    journal,
    lines,
    name_of,
    read_inventory,
)
from careen.cli.fleet.options import ANYWHERE, AS_CONFIGURED, HERE, Access, Files, Json, Where, refusing
from careen.cli.fleet.shown import shown
from careen.cli.output import plural, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careen.fleet.protect import Deed, Protected


def protect(
    *,
    apply: Apply = False,
    rules: Annotated[
        bool,
        Parameter(
            negative="--no-rules",
            help="Put the rule that keeps what is tagged into policies; else repositories whose policy has none are left alone.",
        ),
    ] = True,
    stale: Annotated[
        bool, Parameter(negative="--no-stale", help="Take the tag off what nothing runs any more.")
    ] = True,
    idle_days: Annotated[
        float, Parameter(help="And that nobody has pulled or pushed for so many days.")
    ] = 7.0,
    max_age: MaxAge = 24.0,
    where: Where = ANYWHERE,
    access: Access = AS_CONFIGURED,
    files: Files = HERE,
    json: Json = False,
) -> None:
    """Tag what runs `in-use-…`, and let lifecycle policies keep what is tagged so. Run it after every scan.

    What an index in use lists is kept by the index. A repository without a policy gets tags alone: nothing expires there. Tags are
    taken off only if the scan saw all that runs.
    """
    from careen.clock import DAY, HOUR, system_now
    from careen.fleet import protect as protecting
    from careen.fleet import sight

    with refusing(json):
        selection, now = where.selection(), system_now()
        inventory = read_inventory(files)
        sight.require_fresh(inventory, now, round(max_age * HOUR))
        gaps = sight.gaps(inventory)
        wish = protecting.Wish(round(idle_days * DAY) if stale and gaps is None else None, rules)
        written = None
        found: list[protecting.Protected] = []
        if not apply:
            wanted = protecting.wanted(inventory, selection, wish, now)
            found += (protecting.Protected(each, failures=each.failures) for each in wanted)
        else:
            fleet = enter(access, inventory.header.targets)
            with shown() as progress, journal(files, "protect", now) as made:
                progress.begin("repositories")
                for each in protecting.keep(fleet, made, inventory, selection, wish, now):
                    found.append(each)
                    progress.step(note=name_of(each.repository))
            written = str(made.path)
    found.sort(key=lambda each: each.repository.arn)
    unseen = gaps if stale else None
    if json:
        print_json(_document(found, written, unseen))
    else:
        _tell(found, written, unseen)
    done = sum(bool(each.done) if apply else bool(each.wanted.deeds) for each in found)
    sys.exit(ended(done, sum(bool(each.failures) for each in found)))


def _tell(found: "Sequence[Protected]", written: str | None, unseen: str | None) -> None:
    for each in found:
        print(f"{name_of(each.repository)}:")
        for deed in each.done if written else each.wanted.deeds:
            print(f"  {_sentence(deed)}")
        for image in each.wanted.pushed_out:
            tags = ", ".join(image.tags) or "untagged"
            print(
                f"  note: {image.digest[:19]} ({tags}) goes: rules that count tagged images count what is tagged here"
            )
        for line in lines(each.failures):
            print(line, file=sys.stderr)
    deeds = sum(len(each.done if written else each.wanted.deeds) for each in found)
    print(f"{plural(deeds, 'change')}{'' if written else ' to make'}")
    if unseen is not None:
        print(f"no tag is taken off, as the scan did not see all that runs: {unseen}", file=sys.stderr)
    if written:
        print(f"journal: {written}")
    elif deeds:
        print("nothing is done: --apply does it")


def _sentence(deed: "Deed") -> str:
    from careen.fleet.journal import PutPolicy, PutTag

    match deed:
        case PutPolicy():
            return "the policy gets the rule that keeps what is tagged, before all others"
        case PutTag():
            return f"{deed.tag} on {deed.digest[:19]}: {deed.reason}"
        case _:
            moved = f", moved to {deed.through[:19]} first, as it is the last" if deed.through else ""
            return f"{deed.tag} off {deed.digest[:19]}: nothing runs it{moved}"


def _document(found: "Sequence[Protected]", written: str | None, unseen: str | None) -> dict[str, Any]:
    return {
        "applied": written is not None,
        "journal": written,
        "unseen": unseen,
        "repositories": [
            {
                "account": each.repository.account,
                "region": each.repository.region,
                "repository": each.repository.name,
                "changes": each.done if written else each.wanted.deeds,
                "pushedOut": [image.digest for image in each.wanted.pushed_out],
                "failures": failures(each.failures),
            }
            for each in found
        ],
    }
