"""Principals and access keys: made at the first start and by the command line."""

import re
from typing import NamedTuple

from careen.db import principals
from careen.db.principals import KeyHolder
from careen.faults import Point, reach
from careen.iam import keys
from careen.iam.managed import ManagedPolicy
from careen.registry.access import ROOT
from careen.registry.registry import Transaction

FIRST_GENERATION = 1

_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
"""As IAM names users (IAM API reference, CreateUser)."""


class InvalidName(Exception):
    """No name for a principal."""


class NewKey(NamedTuple):
    """An access key, the only time its secret is shown unasked."""

    name: str
    policy: str
    access_key_id: str
    secret_access_key: str


def create_key(
    tx: Transaction, master_key: bytes, name: str, policy: ManagedPolicy = ManagedPolicy.FULL_ACCESS
) -> NewKey:
    """Make an access key for the principal ``name``, and the principal if there is none.

    Args:
        tx: the transaction.
        master_key: derives the secret.
        name: the principal.
        policy: what a new principal may do. One that exists keeps its own.

    Raises:
        InvalidName: not a user name as IAM has them, or the one that stands for the account itself.
    """
    if not _NAME.fullmatch(name) or name == ROOT:
        raise InvalidName(
            f"'{name}' is no name for a principal: 1 to 64 letters, digits and +=,.@_-, and not {ROOT}"
        )
    found = principals.by_name(tx.rows, name)
    if found is None:
        found = principals.insert(tx.rows, name, policy, tx.now), policy
    principal_id, has = found
    key_id = keys.new_access_key_id()
    principals.insert_key(tx.rows, key_id, principal_id, FIRST_GENERATION, tx.now)
    reach(Point.KEY_CREATED)
    return NewKey(name, has, key_id, keys.secret_access_key(master_key, key_id, FIRST_GENERATION))


def create_administrator(tx: Transaction, master_key: bytes) -> NewKey | None:
    """At the first start: an access key that may do everything. None if there are keys already."""
    return None if principals.keys(tx.rows) else create_key(tx, master_key, "administrator")


def list_keys(tx: Transaction) -> list[KeyHolder]:
    """Every access key, the oldest first."""
    return principals.keys(tx.rows)


def reveal_key(tx: Transaction, master_key: bytes, access_key_id: str) -> NewKey | None:
    """An access key with its secret, for whoever may read the master key anyway."""
    held = principals.by_key(tx.rows, access_key_id)
    if held is None:
        return None
    secret = keys.secret_access_key(master_key, access_key_id, held.generation)
    return NewKey(held.name, held.policy, access_key_id, secret)


def delete_key(tx: Transaction, access_key_id: str) -> bool:
    """Delete an access key; what it signed is refused from now on. Returns whether it was there."""
    return principals.delete_key(tx.rows, access_key_id)
