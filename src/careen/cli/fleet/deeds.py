"""What the commands that change something have in common: options, journals, failures as lines, the status."""

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from careen.cli.fleet.options import Access, Files
from careen.cli.output import fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careen.clock import Instant
    from careen.fleet.inventory import Inventory
    from careen.fleet.journal import Deed, Failure, Journal
    from careen.fleet.plan import Change
    from careen.fleet.scanned import Repository, Target
    from careen.fleet.status import Status
    from careen.fleet.targets import Fleet

Apply = Annotated[
    bool, Parameter(name="--apply", negative="", help="Do it. Without, it is only said, from the inventory.")
]
MaxAge = Annotated[
    float,
    Parameter(name="--max-age", help="How many hours old the inventory may be to go by what it says runs."),
]
AcceptUnseen = Annotated[
    bool,
    Parameter(
        name="--accept-unseen",
        negative="",
        help="Go on although the scan could not see all that runs: what it missed is not kept.",
    ),
]


def read_inventory(files: Files) -> "Inventory":
    """The inventory.

    Raises:
        careen.fleet.errors.BadInput: there is none.
    """
    from careen.fleet import inventory

    return inventory.read(files.inventory_file)


def require_sight(inventory: "Inventory", now: "Instant", max_age: float, accept_unseen: bool) -> None:
    """Refuse an inventory by which nobody should delete anything.

    Raises:
        careen.fleet.errors.Conflict: it is too old, or did not see all that runs.
    """
    from careen.clock import HOUR
    from careen.fleet import sight

    longest = round(max_age * HOUR)
    if accept_unseen:
        sight.require_fresh(inventory, now, longest)
    else:
        sight.require(inventory, now, longest)


def enter(access: Access, targets: "Iterable[Target]") -> "Fleet":
    """The ways into what a file names; whether the credentials lead there is seen when they are used.

    Raises:
        careen.fleet.errors.FleetError: no account can be entered.
    """
    from careen.fleet.selection import Selection

    named = list(targets)
    # A role that is assumed by name needs to be told where; no other way does.
    accounts = tuple({each.account for each in named}) if access.role_name else ()
    return access.enter(Selection(accounts=accounts, regions=tuple({each.region for each in named})))


@contextmanager
def journal(files: Files, command: str, now: "Instant", **about: str) -> "Iterator[Journal]":
    """A new journal of a command in the state folder, ended if the command comes to its end; Ctrl-C makes a line."""
    from careen.clock import system_now
    from careen.fleet import journal as journals

    path = journals.new_path(files.state / "journals", command, now)
    made = journals.begin(path, journals.Head(command, now, about))
    try:
        yield made
        made.end(system_now())
    except KeyboardInterrupt:
        fail(f"broken off; what was done is in {path}", "the same command goes on with what is left")
    finally:
        made.close()


def name_of(what: "Repository | Change | Deed") -> str:
    """``123456789012/eu-west-1/team/api``."""
    from careen.fleet.journal import Deed

    return f"{what.account}/{what.region}/{what.repository if isinstance(what, Deed) else what.name}"


def lines(failures: Iterable["Failure"], indent: str = "  ") -> "Iterator[str]":
    """What was not done, for people."""
    for each in failures:
        image = f"{each.digest[:19]}: " if each.digest else ""
        missing = f" (allow {each.permission})" if each.permission else ""
        yield f"{indent}not done: {image}{each.reason}{missing}"


def ended(done: int, failed: int) -> "Status":
    """The status of a command by how many repositories were done, and failed in part or whole."""
    from careen.fleet.status import Status

    if not failed:
        return Status.DONE
    return Status.PARTIAL if done else Status.FAILED


def failures(some: Sequence["Failure"]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {"reason": each.reason, "imageDigest": each.digest, "permission": each.permission} for each in some
    ]
