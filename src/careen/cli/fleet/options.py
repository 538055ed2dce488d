"""What the commands of ``careen fleet`` have in common: selectors, ways into accounts, files; errors as a line and a status."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from careen.fleet.selection import Selection
    from careen.fleet.targets import Fleet

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Yes = Annotated[
    bool,
    Parameter(
        name="--yes",
        negative="",
        help="Do it unasked. Without, a terminal is asked, and else nothing is done.",
    ),
]

Price = Annotated[
    float, Parameter(validator=Number(gt=0), help="US dollars for a GiB and a month: 0.10 is Amazon's.")
]

_Many = tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Which part of the fleet. Patterns have * and ?, ! before one leaves out, and each option can be given again."""

    account: Annotated[
        _Many,
        Parameter(negative="", help="Accounts: ids, or names from a profile or an accounts file: `prod-*`"),
    ] = ()
    region: Annotated[
        _Many,
        Parameter(
            negative="",
            help="Regions: eu-west-1, `eu-*`, all. Without: those of the inventory; to scan, the configuration's.",
        ),
    ] = ()
    repository: Annotated[_Many, Parameter(negative="", help="Repositories: `team-*`, `!team-x/*`.")] = ()
    tag: Annotated[
        _Many, Parameter(negative="", help="Their tags: `owner=payments`, `!env=test`, `owner`.")
    ] = ()

    def selection(self) -> "Selection":
        """As the library takes it.

        Raises:
            careen.fleet.errors.BadInput: a pattern selects nothing.
        """
        from careen.fleet import selection

        return selection.parse(self.account, self.region, self.repository, self.tag)


@Parameter(name="*")
@dataclass(frozen=True)
class Access:
    """The ways into accounts; without any it is the one that the AWS configuration leads to."""

    profile: Annotated[
        _Many, Parameter(negative="", help="A profile of the AWS configuration; can be given again.")
    ] = ()
    role: Annotated[
        _Many,
        Parameter(negative="", help="The ARN of a role to assume from there; can be given again."),
    ] = ()
    role_name: Annotated[
        str | None,
        Parameter(help="A role that every account of --account (by id) and --accounts-file has."),
    ] = None
    accounts_file: Annotated[
        Path | None,
        Parameter(
            help="Accounts: lines with an id and perhaps a name, or what `aws organizations list-accounts` prints."
        ),
    ] = None
    external_id: Annotated[str | None, Parameter(help="Said when roles are assumed.")] = None

    def enter(self, selection: "Selection") -> "Fleet":
        """Enter the accounts.

        Raises:
            careen.fleet.errors.FleetError: none can be entered, or an option cannot be read.
        """
        import logging

        from careen.fleet import targets

        # Where nobody listens to it, botocore prints what it warns of, with tracebacks of errors that are told in a line below.
        logging.getLogger("botocore").addHandler(logging.NullHandler())
        listed = () if self.accounts_file is None else targets.read_accounts(self.accounts_file)
        ways = targets.Ways(self.profile, self.role, self.role_name, listed, self.external_id)
        return targets.find(ways, selection)


@Parameter(name="*")
@dataclass(frozen=True)
class Files:
    """Where everything is kept."""

    state: Annotated[
        Path,
        Parameter(help="A folder for the inventory, for what is remembered between scans, for journals."),
    ] = Path("careen-fleet")
    inventory: Annotated[
        Path | None,
        Parameter(help="The inventory; without: inventory.jsonl.gz in the folder --state."),
    ] = None

    @property
    def inventory_file(self) -> Path:
        """The inventory's path."""
        return self.inventory or self.state / "inventory.jsonl.gz"


ANYWHERE = Where()
AS_CONFIGURED = Access()
HERE = Files()


@contextmanager
def refusing(json: bool) -> Iterator[None]:
    """End the program with a line and a status where the fleet's library raises its errors, and never with a traceback."""
    from careen.cli.output import fail, print_json
    from careen.fleet.errors import BadInput, Conflict, FleetError
    from careen.fleet.status import Status

    try:
        yield
    except FleetError as error:
        if json:
            print_json({"error": {"code": type(error).__name__, "message": error.message}})
        status = Status.FAILED
        if isinstance(error, BadInput):
            status = Status.USAGE
        elif isinstance(error, Conflict):
            status = Status.DIFFERENT
        fail(error.message, error.hint, status)
