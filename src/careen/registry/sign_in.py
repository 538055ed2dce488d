"""Signing in to the console: by a password, by an access key, by a link. What came of it is in the audit log.

Whoever is refused is told the same whatever was wrong, and hears it as late: a name that no user has, a user without a password
and a wrong password look alike.
"""

import uuid

from careen.clock import system_now
from careen.db import access_keys, principals
from careen.ecr import trail
from careen.ecr.arn import user_arn
from careen.iam.errors import PasswordPolicyViolation, TooManyAttempts
from careen.registry import callers, console_sessions, login_profiles, sign_in_attempts
from careen.registry.access import Circumstances
from careen.registry.console_sessions import Method
from careen.registry.login_profiles import LoginProfileRow
from careen.registry.registry import Registry, Transaction
from careen.registry.sign_in_attempts import Attempt

LINK_IS_OVER = "This link has been used, or is too old. `careen console` prints another."


_WRONG = "Failed authentication"
_UNKNOWN = "No username found in supplied account"
"""As CloudTrail has them (CloudTrail user guide, "Console sign-in events")."""


class SignInRefused(Exception):
    """Somebody who is not let in. The message is for a person."""


class PasswordExpired(Exception):
    """The password is right, and good only to choose another."""


async def by_password(
    registry: Registry, name: str, password: str, asked: Circumstances, new_password: str | None = None
) -> str:
    """Sign a user in.

    Args:
        registry: the registry.
        name: the user's, as it was typed.
        password: as it was typed.
        asked: when, from where, with what browser.
        new_password: another, where the old one is good for nothing else. That needs no permission.

    Returns:
        What the session's cookie has.

    Raises:
        SignInRefused: the name or the password is wrong.
        PasswordExpired: the password is right, and there is no new one.
        PasswordPolicyViolation: the new one is too easy to guess.
        TooManyAttempts: it was wrong too often.
    """
    attempt = sign_in_attempts.attempt_of(registry, name, asked)
    known = registry.read(login_profiles.find, name)
    try:
        await registry.write(sign_in_attempts.count, attempt, asked.at)
    except TooManyAttempts as refusal:
        _record_user(registry, known, asked, refusal.message)
        raise
    if not await login_profiles.matches(None if known is None else known.password, password) or known is None:
        _record_user(registry, known, asked, _WRONG if known is not None else _UNKNOWN)
        raise SignInRefused("The user name or the password is wrong.")
    try:
        replacing = await _replacing(known, password, new_password)
    except (PasswordExpired, PasswordPolicyViolation):
        await registry.write(sign_in_attempts.forgive, attempt, asked.at)
        raise
    secret = await registry.write(_begin_by_password, registry, known, replacing, attempt, asked)
    if secret is None:
        _record_user(registry, known, asked, _WRONG)
        raise SignInRefused("The user name or the password is wrong.")
    _record_user(registry, known, asked)
    return secret


async def _replacing(known: LoginProfileRow, password: str, new_password: str | None) -> str | None:
    """The hash of the password that replaces a right one; None: it stays."""
    if not known.reset_required:
        return None
    if new_password is None:
        raise PasswordExpired
    login_profiles.check_other(password, new_password)
    return await login_profiles.hashed(new_password, known.name)


def _begin_by_password(
    tx: Transaction,
    registry: Registry,
    known: LoginProfileRow,
    replacing: str | None,
    attempt: Attempt,
    asked: Circumstances,
) -> str | None:
    """The session; None if the password that was looked at is not the user's any more."""
    user = principals.by_id(tx.rows, known.principal_id)
    if user is None or login_profiles.find(tx, known.name) != known:
        return None
    if replacing is not None:
        login_profiles.replace(tx, known, replacing)
    sign_in_attempts.forgive(tx, attempt, asked.at)
    return console_sessions.begin(tx, registry, user, Method.PASSWORD, asked)


async def by_access_key(registry: Registry, access_key_id: str, secret: str, asked: Circumstances) -> str:
    """Sign in who holds an access key: a user, or the account itself with the settings' key.

    Returns:
        What the session's cookie has.

    Raises:
        SignInRefused: there is no such key, or it is switched off, or the secret is wrong.
        TooManyAttempts: it was wrong too often.
    """
    attempt = sign_in_attempts.attempt_of(registry, access_key_id, asked)
    try:
        begun = await registry.write(_begin_by_key, registry, access_key_id, secret, attempt, asked)
    except TooManyAttempts as refusal:
        _record_key(registry, access_key_id, asked, refusal.message)
        raise
    _record_key(registry, access_key_id, asked, None if begun is not None else _WRONG)
    if begun is None:
        raise SignInRefused("The access key or its secret is wrong.")
    return begun


def _begin_by_key(
    tx: Transaction,
    registry: Registry,
    access_key_id: str,
    secret: str,
    attempt: Attempt,
    asked: Circumstances,
) -> str | None:
    sign_in_attempts.count(tx, attempt, asked.at)
    principal = callers.by_secret(tx, registry, access_key_id, secret, asked.at)
    if principal is None:
        return None
    sign_in_attempts.forgive(tx, attempt, asked.at)
    if not principal.is_user:
        return console_sessions.begin(tx, registry, None, Method.ACCESS_KEY, asked)
    user = principals.by_unique_id(tx.rows, principal.unique_id)
    if user is None:  # never: nobody must become the account itself
        return None
    return console_sessions.begin(tx, registry, user, Method.ACCESS_KEY, asked, access_key_id)


async def by_link(registry: Registry, secret: str, asked: Circumstances) -> str:
    """Sign in whom a link is for. It works once.

    Returns:
        What the session's cookie has.

    Raises:
        SignInRefused: the link was used, or is too old, or is none.
    """
    holder = registry.read(console_sessions.holder_of_link, registry, secret, asked.at)
    begun = await registry.write(console_sessions.begin_by_link, registry, secret, asked)
    if begun is None:
        _record(registry, trail.identity(registry.id, None, None), Method.LINK, asked, _WRONG)
        raise SignInRefused(LINK_IS_OVER)
    _record(
        registry,
        trail.identity(registry.id, None if holder is None else holder.arn, None),
        Method.LINK,
        asked,
    )
    return begun


def forget(tx: Transaction) -> None:
    """Delete the rows of sessions, links and attempts whose time is over."""
    now = system_now()
    console_sessions.forget(tx, now)
    sign_in_attempts.forget(tx, now)


def _record_user(
    registry: Registry, known: LoginProfileRow | None, asked: Circumstances, error: str | None = None
) -> None:
    if known is None or error is not None:
        user = trail.claimed_user(registry.id, None if known is None else known.name)
    else:
        row = registry.read(lambda tx: principals.by_id(tx.rows, known.principal_id))
        path = "/" if row is None else row.path
        user = trail.identity(registry.id, user_arn(registry.id, known.name, path), None)
    _record(registry, user, Method.PASSWORD, asked, error)


def _record_key(registry: Registry, access_key_id: str, asked: Circumstances, error: str | None) -> None:
    if registry.root_key is not None and access_key_id == registry.root_key.access_key_id:
        user = trail.identity(registry.id, callers.root(registry).arn, access_key_id)
    else:
        held = registry.read(lambda tx: access_keys.holder(tx.rows, access_key_id))
        arn = None if held is None else user_arn(registry.id, held.name, held.path)
        user = trail.identity(registry.id, arn, None if held is None else access_key_id)
    _record(registry, user, Method.ACCESS_KEY, asked, error)


def _record(
    registry: Registry, user: dict[str, str], method: Method, asked: Circumstances, error: str | None = None
) -> None:
    if registry.audit is not None:
        registry.audit.write(
            trail.console_login(
                account=registry.id,
                region=registry.region,
                event_id=str(uuid.uuid4()),
                time=asked.at,
                user=user,
                method=method,
                address=asked.source_ip,
                user_agent=asked.user_agent,
                error=error,
            )
        )
