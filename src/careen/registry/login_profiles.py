"""Passwords of users, which IAM calls login profiles: given, changed, taken away.

A change ends every session of the user and every link for it: whoever changes a password means to put out who knew the old one.
A hash takes its time (``careen.iam.passwords``), so it is made and looked at in threads, before the transaction that keeps it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from careen.db import console_sessions, login_profiles
from careen.db.login_profiles import LoginProfileRow as LoginProfileRow
from careen.faults import Point, reach
from careen.iam import passwords
from careen.iam.errors import EntityAlreadyExists, NoSuchEntity, PasswordPolicyViolation
from careen.registry import identities
from careen.registry.identities import Kind
from careen.registry.registry import Transaction

AT_ONCE = 2
"""Passwords of a process that are looked at at the same time: 128 MiB, and two processors."""

_LOOKING = ThreadPoolExecutor(AT_ONCE, "careen-passwords")


async def hashed(password: str, user: str) -> str:
    """What is kept of a new password.

    Raises:
        PasswordPolicyViolation: it is too easy to guess.
    """
    passwords.check(password, user)
    return await asyncio.get_running_loop().run_in_executor(_LOOKING, passwords.hashed, password)


async def matches(kept: str | None, password: str) -> bool:
    """Whether a password is the one of which ``kept`` was kept. None: there is none, and that takes as long to say."""
    return await asyncio.get_running_loop().run_in_executor(
        _LOOKING, partial(passwords.matches, kept, password)
    )


def create(tx: Transaction, name: str, password: str, *, reset_required: bool = False) -> LoginProfileRow:
    """Give a user its first password.

    Args:
        tx: the transaction.
        name: the user's.
        password: its hash.
        reset_required: whether the first sign-in asks for another.

    Raises:
        NoSuchEntity: there is no such user.
        EntityAlreadyExists: it has one.
    """
    user = identities.require(tx, Kind.USER, name)
    if login_profiles.of(tx.rows, user.id) is not None:
        raise EntityAlreadyExists(f"Login Profile for user {name} already exists.")
    made = LoginProfileRow(user.id, user.name, password, tx.now, reset_required)
    login_profiles.insert(tx.rows, made)
    reach(Point.PASSWORD_CHANGED)
    return made


def find(tx: Transaction, name: str) -> LoginProfileRow | None:
    """The login profile of a user; None if there is no such user, or none with a password."""
    user = identities.find(tx, Kind.USER, name)
    return None if user is None else login_profiles.of(tx.rows, user.id)


def require(tx: Transaction, name: str) -> LoginProfileRow:
    """The login profile of a user.

    Raises:
        NoSuchEntity: there is no such user, or it has no password.
    """
    found = login_profiles.of(tx.rows, identities.require(tx, Kind.USER, name).id)
    if found is None:
        raise NoSuchEntity(f"Login Profile for User {name} cannot be found.")
    return found


def update(
    tx: Transaction, name: str, *, password: str | None = None, reset_required: bool | None = None
) -> None:
    """Change what is not None of a login profile: the password's hash, and whether the next sign-in asks for another.

    Raises:
        NoSuchEntity: there is no such user, or it has no password.
    """
    found = require(tx, name)
    _keep(
        tx,
        found._replace(
            password=found.password if password is None else password,
            reset_required=found.reset_required if reset_required is None else reset_required,
        ),
        ends_sessions=password is not None,
    )


def replace(tx: Transaction, known: LoginProfileRow, password: str) -> bool:
    """Give a user another password, if the one that was looked at is still its own.

    Args:
        tx: the transaction.
        known: the login profile whose password was looked at.
        password: the hash of the new one.

    Returns:
        Whether it was.
    """
    if login_profiles.of(tx.rows, known.principal_id) != known:
        return False
    _keep(tx, known._replace(password=password, reset_required=False), ends_sessions=True)
    return True


def set_password(tx: Transaction, name: str, password: str, *, reset_required: bool) -> None:
    """Give a user a password, whether it has one or not: for the command line.

    Raises:
        NoSuchEntity: there is no such user.
    """
    if find(tx, name) is None:
        create(tx, name, password, reset_required=reset_required)
    else:
        update(tx, name, password=password, reset_required=reset_required)


def delete(tx: Transaction, name: str) -> None:
    """Take a user's password away. Its access keys open what they opened.

    Raises:
        NoSuchEntity: there is no such user, or it has no password.
    """
    found = require(tx, name)
    login_profiles.delete(tx.rows, found.principal_id)
    console_sessions.end_all(tx.rows, found.principal_id)
    reach(Point.PASSWORD_CHANGED)


def check_other(old: str, new: str) -> None:
    """Refuse the old password as the new one.

    Raises:
        PasswordPolicyViolation: it is.
    """
    if old == new:
        raise PasswordPolicyViolation("Password should not be the one that it replaces")


def _keep(tx: Transaction, profile: LoginProfileRow, *, ends_sessions: bool) -> None:
    login_profiles.update(tx.rows, profile)
    if ends_sessions:
        console_sessions.end_all(tx.rows, profile.principal_id)
    reach(Point.PASSWORD_CHANGED)
