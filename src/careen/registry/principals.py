"""Access keys: made at the first start, by the command line and by IAM's API; switched off, on, deleted."""

import re
from typing import NamedTuple

from careen.db import access_keys, console_sessions, identity_policies, principals
from careen.db.access_keys import KeyHolder as KeyHolder
from careen.faults import Point, reach
from careen.iam import keys
from careen.iam.errors import LimitExceeded, NoSuchEntity
from careen.iam.managed import ManagedPolicy
from careen.registry import identities
from careen.registry.callers import ROOT
from careen.registry.identities import Kind, PrincipalRow
from careen.registry.registry import Transaction

FIRST_GENERATION = 1

ADMINISTRATOR = "administrator"
"""The user of the first start."""

MAX_KEYS = 2
"""Access keys of one user, so that one can replace the other (IAM user guide, "IAM and AWS STS quotas")."""

_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""As IAM names users (IAM API reference, CreateUser)."""


class InvalidName(Exception):
    """No name for a principal."""


class NewKey(NamedTuple):
    """An access key, the only time its secret is shown unasked."""

    name: str
    policies: tuple[str, ...]
    """The managed policies that its user has."""
    access_key_id: str
    secret_access_key: str


class ListedKey(NamedTuple):
    """An access key without its secret."""

    holder: KeyHolder
    policies: tuple[str, ...]
    """The managed policies that its user has."""


def create_key(
    tx: Transaction, master_key: bytes, name: str, policy: ManagedPolicy = ManagedPolicy.FULL_ACCESS
) -> NewKey:
    """Make an access key for the user ``name``, and the user if there is none.

    Args:
        tx: the transaction.
        master_key: derives the secret.
        name: the user.
        policy: what a new user may do. One that exists keeps its own.

    Raises:
        InvalidName: not a user name as IAM has them, or the one that stands for the account itself.
        careen.iam.errors.EntityAlreadyExists: there is a user whose name differs in the case of letters alone.
    """
    if not _NAME.fullmatch(name) or name == ROOT:
        raise InvalidName(
            f"'{name}' is no name for a principal: 1 to 64 letters, digits and +=,.@_-, and not {ROOT}"
        )
    user = principals.by_name(tx.rows, Kind.USER, name)
    if user is None:
        user = identities.create_user(tx, name)
        identity_policies.attach(tx.rows, user.id, policy)
    made = _insert(tx, user)
    return _reveal(tx, master_key, made)


def create_administrator(tx: Transaction, master_key: bytes) -> NewKey | None:
    """At the first start: an access key that may do everything. None if there are keys already."""
    if access_keys.every(tx.rows):
        return None
    return create_key(tx, master_key, ADMINISTRATOR, ManagedPolicy.ADMINISTRATOR)


def create_key_of(tx: Transaction, master_key: bytes, name: str) -> tuple[KeyHolder, str]:
    """Make an access key for a user, as IAM does it. Returns it with its secret.

    Raises:
        NoSuchEntity: there is no such user.
        LimitExceeded: it has two already.
    """
    user = identities.require(tx, Kind.USER, name)
    if len(access_keys.of(tx.rows, user.id)) >= MAX_KEYS:
        raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}")
    made = _insert(tx, user)
    return made, _secret(master_key, made)


def keys_of(tx: Transaction, name: str) -> list[KeyHolder]:
    """The access keys of a user, by id.

    Raises:
        NoSuchEntity: there is no such user.
    """
    return access_keys.of(tx.rows, identities.require(tx, Kind.USER, name).id)


def list_keys(tx: Transaction) -> list[ListedKey]:
    """Every access key, the oldest first."""
    return [
        ListedKey(held, tuple(identity_policies.attached(tx.rows, held.principal_id)))
        for held in access_keys.every(tx.rows)
    ]


def reveal_key(tx: Transaction, master_key: bytes, access_key_id: str) -> NewKey | None:
    """An access key with its secret, for whoever may read the master key anyway."""
    held = access_keys.holder(tx.rows, access_key_id)
    return None if held is None else _reveal(tx, master_key, held)


def set_active(tx: Transaction, access_key_id: str, *, active: bool, of: str | None = None) -> None:
    """Switch an access key on or off. Switched off, it opens nothing, and neither does what was made with it.

    The console's sessions that were begun with it end for good.

    Args:
        tx: the transaction.
        access_key_id: the key.
        active: on or off.
        of: the user that must hold it; None: whoever does.

    Raises:
        NoSuchEntity: there is no such key.
    """
    _require(tx, access_key_id, of)
    access_keys.set_active(tx.rows, access_key_id, active=active)
    if not active:
        console_sessions.end_of_key(tx.rows, access_key_id)


def delete_key(tx: Transaction, access_key_id: str) -> bool:
    """Delete an access key; what it signed is refused from now on. Returns whether it was there."""
    return access_keys.delete(tx.rows, access_key_id)


def delete_key_of(tx: Transaction, access_key_id: str, name: str) -> None:
    """Delete an access key of a user.

    Raises:
        NoSuchEntity: the user has no such key.
    """
    _require(tx, access_key_id, name)
    access_keys.delete(tx.rows, access_key_id)


def _require(tx: Transaction, access_key_id: str, name: str | None) -> None:
    if name is not None:
        identities.require(tx, Kind.USER, name)
    held = access_keys.holder(tx.rows, access_key_id)
    if held is None or name not in {None, held.name}:
        raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")


def _insert(tx: Transaction, user: PrincipalRow) -> KeyHolder:
    made = KeyHolder(
        keys.new_access_key_id(),
        FIRST_GENERATION,
        True,
        tx.now,
        user.id,
        user.name,
        user.path,
        user.unique_id,
    )
    access_keys.insert(tx.rows, made)
    reach(Point.KEY_CREATED)
    return made


def _reveal(tx: Transaction, master_key: bytes, held: KeyHolder) -> NewKey:
    policies = tuple(identity_policies.attached(tx.rows, held.principal_id))
    return NewKey(held.name, policies, held.access_key_id, _secret(master_key, held))


def _secret(master_key: bytes, held: KeyHolder) -> str:
    return keys.secret_access_key(master_key, held.access_key_id, held.generation)
