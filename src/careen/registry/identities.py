"""Users and roles: made, listed, changed and deleted, as IAM does it.

Names are told apart whatever the case of their letters. A principal that others hold on to is not deleted: keys and policies go
first. Whoever comes later under the same name is somebody else, by the unique id.
"""

from careen.db import access_keys, identity_policies, login_profiles, principals
from careen.db.principals import Kind as Kind
from careen.db.principals import PrincipalRow as PrincipalRow
from careen.ecr import arn
from careen.faults import Point, reach
from careen.iam import keys, policy
from careen.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
)
from careen.registry.callers import ROOT
from careen.registry.registry import Transaction

DEFAULT_SESSION = 3600
"""Seconds that a role's sessions may last unless it says otherwise (IAM API reference, CreateRole, MaxSessionDuration)."""

MOST = 2**31 - 1
"""More than there are."""

MAX_TRUST_POLICY = 2048
"""Characters of a role's trust policy, white space left out (IAM user guide, "IAM and AWS STS quotas")."""


_ID_PREFIXES = {Kind.USER: "AIDA", Kind.ROLE: "AROA"}
"""How unique ids begin (IAM user guide, "Understanding unique ID prefixes")."""


def arn_of(registry_id: str, principal: PrincipalRow) -> str:
    """``arn:aws:iam::<registry id>:user/<path><name>``, or ``role/…``."""
    make = arn.user_arn if principal.kind is Kind.USER else arn.role_arn
    return make(registry_id, principal.name, principal.path)


def create_user(tx: Transaction, name: str, path: str = "/") -> PrincipalRow:
    """Make a user, who may do nothing yet.

    Raises:
        EntityAlreadyExists: there is a user of that name.
        InvalidInput: the name stands for the account itself.
    """
    if name == ROOT:
        raise InvalidInput(f"The name {ROOT} stands for the account itself.")
    return _create(tx, Kind.USER, name, path)


def create_role(
    tx: Transaction,
    name: str,
    trust_policy: str,
    *,
    path: str = "/",
    description: str | None = None,
    max_session: int = DEFAULT_SESSION,
) -> PrincipalRow:
    """Make a role.

    Args:
        tx: the transaction.
        name: of the role.
        trust_policy: who may assume it.
        path: part of its ARN, ``/`` or ``/team/``.
        description: for people.
        max_session: the most seconds that a session of it may last.

    Raises:
        EntityAlreadyExists: there is a role of that name.
        MalformedPolicyDocument: the trust policy is none.
        LimitExceeded: it is too long.
    """
    _check_trust(trust_policy)
    return _create(tx, Kind.ROLE, name, path, trust_policy, description, max_session)


def find(tx: Transaction, kind: Kind, name: str) -> PrincipalRow | None:
    """The user or the role of that name."""
    return principals.by_name(tx.rows, kind, name)


def require(tx: Transaction, kind: Kind, name: str) -> PrincipalRow:
    """The user or the role of that name.

    Raises:
        NoSuchEntity: there is none.
    """
    found = find(tx, kind, name)
    if found is None:
        raise NoSuchEntity.named(kind, name)
    return found


def every(tx: Transaction, kind: Kind) -> list[PrincipalRow]:
    """All users or roles, by name."""
    return principals.page(tx.rows, kind, "/", None, MOST)


def page(tx: Transaction, kind: Kind, prefix: str, after: str | None, limit: int) -> list[PrincipalRow]:
    """The first ``limit`` users or roles by name, those after the name ``after``, whose path begins with ``prefix``."""
    return principals.page(tx.rows, kind, prefix, after, limit)


def update_role(
    tx: Transaction,
    name: str,
    *,
    trust_policy: str | None = None,
    description: str | None = None,
    max_session: int | None = None,
) -> None:
    """Change of a role what is not None. Who has assumed it keeps its session, and may do what the role may do now.

    Raises:
        NoSuchEntity: there is no such role.
        MalformedPolicyDocument: the trust policy is none.
        LimitExceeded: it is too long.
    """
    role = require(tx, Kind.ROLE, name)
    if trust_policy is not None:
        _check_trust(trust_policy)
    principals.set_role(
        tx.rows, role.id, trust_policy=trust_policy, description=description, max_session=max_session
    )
    reach(Point.IDENTITY_CHANGED)


def delete(tx: Transaction, kind: Kind, name: str, *, force: bool = False) -> None:
    """Delete a user or a role that has neither password nor keys nor policies. Its sessions are nobody's from now on.

    Args:
        tx: the transaction.
        kind: user or role.
        name: its name.
        force: whether password, keys and policies go with it.

    Raises:
        NoSuchEntity: there is none of that name.
        DeleteConflict: it has some yet.
    """
    found = require(tx, kind, name)
    if not force:
        _check_alone(tx, found)
    principals.delete(tx.rows, found.id)
    reach(Point.IDENTITY_DELETED)


def _check_alone(tx: Transaction, found: PrincipalRow) -> None:
    if login_profiles.of(tx.rows, found.id) is not None:
        raise DeleteConflict("Cannot delete entity, must delete login profile first.")
    if access_keys.of(tx.rows, found.id):
        raise DeleteConflict("Cannot delete entity, must delete access keys first.")
    if identity_policies.attached(tx.rows, found.id):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if identity_policies.inline(tx.rows, found.id):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")


def length(document: str) -> int:
    """How much of a quota a document takes: its characters without white space."""
    return len("".join(document.split()))


def _create(
    tx: Transaction,
    kind: Kind,
    name: str,
    path: str,
    trust_policy: str | None = None,
    description: str | None = None,
    max_session: int | None = None,
) -> PrincipalRow:
    if principals.is_taken(tx.rows, kind, name):
        raise EntityAlreadyExists(f"{kind.capitalize()} with name {name} already exists.")
    unique_id = keys.new_unique_id(_ID_PREFIXES[kind])
    row = PrincipalRow(0, kind, name, path, unique_id, tx.now, trust_policy, description, max_session)
    made = principals.insert(tx.rows, row)
    reach(Point.IDENTITY_CREATED)
    return made


def _check_trust(document: str) -> None:
    if length(document) > MAX_TRUST_POLICY:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {MAX_TRUST_POLICY}")
    try:
        policy.parse(document, policy.Kind.TRUST)
    except policy.InvalidPolicy as invalid:
        raise MalformedPolicyDocument(f"{invalid.reason} ({invalid.advice})") from None
