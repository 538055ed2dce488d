"""What users and roles may do: documents of their own, and managed policies attached to them. It holds from the next request on."""

from collections.abc import Sequence

from careen.db import identity_policies
from careen.db.identity_policies import Inline as Inline
from careen.faults import Point, reach
from careen.iam import policy
from careen.iam.errors import LimitExceeded, MalformedPolicyDocument, NoSuchEntity
from careen.iam.managed import ManagedPolicy
from careen.registry.identities import Kind, length, require
from careen.registry.registry import Transaction

MAX_LENGTH = {Kind.USER: 2048, Kind.ROLE: 10_240}
"""Characters of all documents of one principal, white space left out (IAM user guide, "IAM and AWS STS quotas")."""


def put(tx: Transaction, kind: Kind, name: str, new: Inline) -> None:
    """Add a document to a principal, or replace the one of that name.

    Raises:
        NoSuchEntity: there is no such user or role.
        MalformedPolicyDocument: it is no policy.
        LimitExceeded: all documents together would be too long.
    """
    principal = require(tx, kind, name)
    try:
        policy.parse(new.document, policy.Kind.IDENTITY)
    except policy.InvalidPolicy as invalid:
        raise MalformedPolicyDocument(f"{invalid.reason} ({invalid.advice})") from None
    others = [each for each in identity_policies.inline(tx.rows, principal.id) if each.name != new.name]
    if sum(length(each.document) for each in (*others, new)) > MAX_LENGTH[kind]:
        raise LimitExceeded(f"Maximum policy size of {MAX_LENGTH[kind]} bytes exceeded for {kind} {name}")
    identity_policies.put(tx.rows, principal.id, new)
    reach(Point.IDENTITY_CHANGED)


def inline(tx: Transaction, kind: Kind, name: str) -> Sequence[Inline]:
    """A principal's own documents, by name.

    Raises:
        NoSuchEntity: there is no such user or role.
    """
    return identity_policies.inline(tx.rows, require(tx, kind, name).id)


def get(tx: Transaction, kind: Kind, name: str, policy_name: str) -> Inline:
    """A document of a principal's own.

    Raises:
        NoSuchEntity: there is no such user or role, or it has no such document.
    """
    for each in inline(tx, kind, name):
        if each.name == policy_name:
            return each
    raise NoSuchEntity.named(f"{kind} policy", policy_name)


def delete(tx: Transaction, kind: Kind, name: str, policy_name: str) -> None:
    """Delete a document of a principal's own.

    Raises:
        NoSuchEntity: there is no such user or role, or it has no such document.
    """
    if not identity_policies.delete(tx.rows, require(tx, kind, name).id, policy_name):
        raise NoSuchEntity.named(f"{kind} policy", policy_name)
    reach(Point.IDENTITY_CHANGED)


def attach(tx: Transaction, kind: Kind, name: str, policy_arn: str) -> None:
    """Attach a managed policy to a principal; again does nothing.

    Raises:
        NoSuchEntity: there is no such user or role, or no such policy.
    """
    principal = require(tx, kind, name)
    managed = by_arn(policy_arn)
    if managed is None:
        raise NoSuchEntity(f"Policy {policy_arn} does not exist or is not attachable.")
    identity_policies.attach(tx.rows, principal.id, managed)
    reach(Point.IDENTITY_CHANGED)


def attached(tx: Transaction, kind: Kind, name: str) -> list[ManagedPolicy]:
    """The managed policies that are attached to a principal, by name.

    Raises:
        NoSuchEntity: there is no such user or role.
    """
    return list(map(ManagedPolicy, identity_policies.attached(tx.rows, require(tx, kind, name).id)))


def detach(tx: Transaction, kind: Kind, name: str, policy_arn: str) -> None:
    """Detach a managed policy from a principal.

    Raises:
        NoSuchEntity: there is no such user or role, or the policy is not attached to it.
    """
    principal, managed = require(tx, kind, name), by_arn(policy_arn)
    if managed is None or not identity_policies.detach(tx.rows, principal.id, managed):
        raise NoSuchEntity(f"Policy {policy_arn} was not found.")
    reach(Point.IDENTITY_CHANGED)


def attachments(tx: Transaction) -> dict[str, int]:
    """How many principals each managed policy is attached to; those of none are left out."""
    return identity_policies.attachments(tx.rows)


def by_arn(policy_arn: str) -> ManagedPolicy | None:
    """The managed policy of an ARN."""
    return next((each for each in ManagedPolicy if each.arn == policy_arn), None)
