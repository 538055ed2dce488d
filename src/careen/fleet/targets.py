"""Accounts and their Regions: which registries a command goes to, and with whose credentials.

The ways into accounts are the AWS configuration's: profiles (keys, SSO, processes: whatever botocore reads), roles that are assumed
from there, or one role by name in many accounts. STS says which account each leads to.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import msgspec
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from careen.fleet import clients
from careen.fleet.errors import BadInput, FleetError
from careen.fleet.scanned import Refusal, Target
from careen.fleet.selection import Selection
from careen.fleet.throttle import Throttle

_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]+", re.ASCII)
_ASSUMED = re.compile(r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([^/]+)/.+")

Prepare = Callable[[Any], None]

MOST_CLIENTS = 200
"""A client takes a quarter of a megabyte: a hundred accounts in all Regions would be most of the memory."""

_SESSION_NAME = "careen-fleet"


@dataclass(frozen=True, slots=True)
class Ways:
    """How to get into accounts; without any it is the one way that the AWS configuration leads."""

    profiles: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """ARNs of roles to assume with the credentials of the first profile."""
    role_name: str | None = None
    """A role to assume in every account of :attr:`accounts`, and of the selection's ids."""
    accounts: tuple["Listed", ...] = ()
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An account of an accounts file."""

    id: str
    name: str | None = None


@dataclass(frozen=True)
class Connection:
    """A way into one account."""

    account: str
    name: str | None
    """What people call it."""
    arn: str
    """Who we are there, as STS says."""
    partition: str
    session: Session
    throttle: Throttle

    def client(self, service: str, region: str) -> Any:
        """A client of a service, which waits for its turn (see :mod:`careen.fleet.clients`).

        Raises:
            NotReached: there is no such Region, or no credentials.
        """
        return clients.client(self.session, service, self.account, region, self.throttle)

    @property
    def principal(self) -> str:
        """The user or role that we are: of a role that is assumed the role, as IAM names it (without its path)."""
        found = _ASSUMED.fullmatch(self.arn)
        return self.arn if found is None else f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}"


class Fleet:
    """Targets, and the way to each.

    Args:
        connections: the ways, by account.
        targets: in order.
        refusals: accounts that could not be entered.
        throttle: what all requests wait for.
    """

    def __init__(
        self,
        connections: dict[str, Connection],
        targets: Sequence[Target],
        refusals: Sequence[Refusal],
        throttle: Throttle,
    ) -> None:
        self.targets = tuple(targets)
        self.refusals = tuple(refusals)
        self.throttle = throttle
        self._connections = connections
        self._clients: dict[tuple[Target, str, Prepare | None], Any] = {}
        """The latest used is last."""
        self._lock = threading.Lock()

    def connection(self, target: Target) -> Connection:
        """The way into a target's account.

        Raises:
            BadInput: no way leads there.
        """
        found = self._connections.get(target.account)
        if found is None:
            raise BadInput(f"nothing leads into account {target.account}", "--profile, --role or --role-name")
        return found

    def client(self, target: Target, service: str, prepare: Prepare | None = None) -> Any:
        """A client, for any thread; the same one as long as it is among the latest used.

        Args:
            target: where.
            service: botocore's name of it, ``ecr``.
            prepare: called with a client that is new.

        Raises:
            NotReached: there is no such Region, or no credentials.
            BadInput: no way leads into the account.
        """
        key = (target, service, prepare)
        with self._lock:
            found = self._clients.pop(key, None)
            if found is None:
                found = self.connection(target).client(service, target.region)
                if prepare is not None:
                    prepare(found)
                # Whoever still has the one that is dropped may go on with it.
                if len(self._clients) >= MOST_CLIENTS:
                    del self._clients[next(iter(self._clients))]
            self._clients[key] = found
        return found


def find(ways: Ways, selection: Selection, throttle: Throttle | None = None) -> Fleet:
    """Enter accounts, and say which registries of them are selected.

    An account that cannot be entered is a refusal of the fleet's, as long as any can be.

    Raises:
        BadInput: an option contradicts another, a profile is not there, no Region is named, nothing is selected.
        FleetError: no account can be entered.
    """
    throttle = throttle or Throttle()
    connections: dict[str, Connection] = {}
    refusals: list[Refusal] = []
    failures: list[FleetError] = []
    for name, account, session in _sessions(ways, selection):
        try:
            connection = _identify(name, session, throttle)
        except FleetError as error:
            failures.append(error)
            refusals.append(
                Refusal(error.message, account, permission=getattr(error, "permission", None))
                if account
                else Refusal(f"{name or 'the AWS configuration'}: {error.message}")
            )
            continue
        if selection.has_account(connection.account, connection.name):
            connections.setdefault(connection.account, connection)
    if failures and not connections:
        raise failures[0]
    targets = sorted(
        Target(each.account, region, each.name)
        for each in connections.values()
        for region in _regions(each, selection)
    )
    if not targets:
        raise BadInput("the selectors leave no account and Region", "loosen --account and --region")
    return Fleet(connections, targets, refusals, throttle)


def read_accounts(path: Path) -> tuple[Listed, ...]:
    """Read an accounts file: lines with an id and perhaps a name, ``#`` begins a comment; or what
    ``aws organizations list-accounts`` prints, of which the active ones count.

    Raises:
        BadInput: it cannot be read, or says something else.
    """  # noqa: D205 - the first sentence is long
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    if text.lstrip().startswith(("{", "[")):
        return _organization(path, text)
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        identifier, _, name = line.partition("#")[0].strip().partition(" ")
        if identifier and not _ACCOUNT.fullmatch(identifier):
            raise BadInput(f"{path}, line {number}: {identifier} is no account id of twelve digits")
        if identifier:
            found.append(Listed(identifier, name.strip() or None))
    return tuple(found)


class _Account(msgspec.Struct, rename="pascal"):
    id: str
    name: str | None = None
    status: str = "ACTIVE"


class _Organization(msgspec.Struct, rename="pascal"):
    accounts: list[_Account]


def _organization(path: Path, text: str) -> tuple[Listed, ...]:
    form: type[_Organization | list[_Account]] = list[_Account] if text.lstrip()[0] == "[" else _Organization
    try:
        read = msgspec.json.decode(text, type=form)
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path} is not what `aws organizations list-accounts` prints: {error}") from None
    accounts = read.accounts if isinstance(read, _Organization) else read
    return tuple(Listed(each.id, each.name) for each in accounts if each.status == "ACTIVE")


def _sessions(ways: Ways, selection: Selection) -> Iterator[tuple[str | None, str | None, Session]]:
    """Every way: what the account is called, its id if that is known before asking, and a session."""
    base = _session(ways.profiles[0] if ways.profiles else None)
    if not ways.roles and ways.role_name is None:
        yield (ways.profiles[0] if ways.profiles else None), None, base
        for profile in ways.profiles[1:]:
            yield profile, None, _session(profile, base)
        return
    for arn in ways.roles:
        found = _ROLE.fullmatch(arn)
        if found is None:
            raise BadInput(f"{arn} is no ARN of a role", "arn:aws:iam::123456789012:role/CareenFleet")
        yield None, found[1], _assuming(base, arn, ways.external_id)
    if ways.role_name is not None:
        listed = list(_named(ways, selection))
        if not listed:
            raise BadInput(
                "--role-name says in which accounts the role is to be assumed by nothing",
                "--account 123456789012, or --accounts-file FILE",
            )
        partition = base.get_partition_for_region(_region(base) or "us-east-1")
        for account in listed:
            arn = f"arn:{partition}:iam::{account.id}:role/{ways.role_name}"
            yield account.name, account.id, _assuming(base, arn, ways.external_id)


def _named(ways: Ways, selection: Selection) -> Iterable[Listed]:
    known = {each.id: each for each in ways.accounts}
    for identifier in selection.accounts:
        if _ACCOUNT.fullmatch(identifier):
            known.setdefault(identifier, Listed(identifier))
    return (each for each in known.values() if selection.has_account(each.id, each.name))


def _session(profile: str | None, like: Session | None = None) -> Session:
    session = botocore.session.Session(profile=profile)
    if like is not None:  # service models are read once for all accounts
        session.register_component("data_loader", like.get_component("data_loader"))
    try:
        session.get_scoped_config()
    except BotoCoreError as error:
        raise BadInput(str(error), "see ~/.aws/config") from None
    return session


def _assuming(base: Session, arn: str, external_id: str | None) -> Session:
    """A session that assumes a role when it is first used, and again before its credentials end."""
    session = botocore.session.Session(profile=base.profile)
    session.register_component("data_loader", base.get_component("data_loader"))
    try:
        source = base.get_credentials()
    except BotoCoreError as error:
        raise clients.as_fleet_error(error, "sts") from None
    if source is None:
        raise BadInput(
            "there are no AWS credentials to assume a role with", "aws configure, or aws sso login"
        )
    fetcher = AssumeRoleCredentialFetcher(
        base.create_client,
        source,
        arn,
        extra_args={"RoleSessionName": _SESSION_NAME} | ({"ExternalId": external_id} if external_id else {}),
    )
    session.register_component("credential_provider", CredentialResolver([_Assumed(fetcher)]))
    return session


class _Assumed(CredentialProvider):
    """Hands a session the credentials of one role."""

    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        """Credentials that assume the role when they are needed."""
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def _identify(name: str | None, session: Session, throttle: Throttle) -> Connection:
    region = _region(session) or "us-east-1"
    made = clients.client(session, "sts", "", region, throttle)
    answer = clients.call(made, "get_caller_identity")
    arn: str = answer["Arn"]
    return Connection(answer["Account"], name, arn, arn.split(":")[1], session, throttle)


def _region(session: Session) -> str | None:
    found: str | None = session.get_config_variable("region")
    return found


def _regions(connection: Connection, selection: Selection) -> list[str]:
    """The Regions of an account that are selected: those named, those matched out of all that have ECR, or the configured one."""
    wanted = [each for each in selection.regions if not each.startswith("!")]
    if not wanted:
        configured = _region(connection.session)
        if configured is None:
            raise BadInput("no Region is named", "--region eu-west-1, or AWS_DEFAULT_REGION")
        return [configured] if selection.has_region(configured) else []
    known = connection.session.get_available_regions("ecr", connection.partition)
    # One that is named in full is taken at its word: other servers than Amazon's have Regions of their own.
    found = {each for each in wanted if each != "all" and not any(c in each for c in "*?[")}
    found.update(each for each in known if any(fnmatchcase(each, w) or w == "all" for w in wanted))
    return [each for each in found if selection.has_region(each)]
