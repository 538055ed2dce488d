"""``careen fleet rollback``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from careen.cli.fleet.deeds import ended, enter, failures, journal, lines, name_of
from careen.cli.fleet.options import ANYWHERE, AS_CONFIGURED, HERE, Access, Files, Json, Where, Yes, refusing
from careen.cli.fleet.rows import repositories
from careen.cli.fleet.shown import shown
from careen.cli.output import agrees, plural, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careen.fleet.rollback import Undoing, Undone


def rollback(
    written: Annotated[Path, Parameter(name="JOURNAL", help="A journal of apply or clean.")],
    /,
    *,
    where: Where = ANYWHERE,
    access: Access = AS_CONFIGURED,
    files: Files = HERE,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Undo what a journal of apply or clean says, where nobody has changed it since.

    A policy is put back where it is still the one that was put. A deleted image is put back by its manifest, with its tags, as long
    as the registry has its layers: Amazon ECR collects them when it likes, and then the image is lost. With selectors only those
    repositories of the journal are gone through.
    """
    from careen.clock import system_now
    from careen.fleet import journal as journals
    from careen.fleet import rollback as rolling
    from careen.fleet import selecting

    with refusing(json):
        some = rolling.undoing(journals.read(written))
        fleet = None  # nobody has to be asked what a whole journal is about
        if where != ANYWHERE:
            fleet = enter(access, [each.first.target for each in some])
            some = selecting.narrowed(fleet, some, rolling.place, where.selection())
        undone: list[Undone] = []
        new = None
        if some and agrees(f"Put back what was in {repositories(len(some))}?", yes=yes):
            fleet = fleet or enter(access, [each.first.target for each in some])
            with shown() as progress, journal(files, "rollback", system_now(), journal=str(written)) as made:
                progress.begin("repositories", len(some))
                for each in rolling.undo(fleet, made, some):
                    undone.append(each)
                    progress.step(note=each.undoing.first.repository)
            new = str(made.path)
    undone.sort(key=lambda each: name_of(each.undoing.first))
    if json:
        print_json(_document(some, undone, new))
    else:
        _tell(some, undone, new)
    done = sum(bool(each.policies or each.images) for each in undone)
    sys.exit(ended(done, sum(bool(each.failures) for each in undone)))


def _tell(some: "Sequence[Undoing]", undone: "Sequence[Undone]", new: str | None) -> None:
    for each in undone:
        for line in lines(each.failures, f"{name_of(each.undoing.first)}: "):
            print(line, file=sys.stderr)
    if new is None:
        print(f"{repositories(len(some))} to put back{': --yes does it' if some else ''}")
        return
    policies = sum(each.policies for each in undone)
    images = sum(each.images for each in undone)
    print(
        f"{policies:,} {'policy is' if policies == 1 else 'policies are'} as before, {plural(images, 'image')} put back"
    )
    print(f"journal: {new}")


def _document(some: "Sequence[Undoing]", undone: "Sequence[Undone]", new: str | None) -> dict[str, Any]:
    return {
        "journal": new,
        "repositories": [
            {
                "account": each.undoing.first.account,
                "region": each.undoing.first.region,
                "repository": each.undoing.first.repository,
                "policies": each.policies,
                "images": each.images,
                "failures": failures(each.failures),
            }
            for each in undone
        ],
        "toPutBack": 0 if new else len(some),
    }
