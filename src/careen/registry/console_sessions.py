"""Who is signed in to the console, and the links that sign somebody in once.

A session is a row, so that it can be ended, and what its cookie has is not in it: only a hash. What whoever is signed in may do is
read at each request (docs/adr/0028). It ends twelve hours after it began, an hour after its last use, when somebody signs out,
and with what it stands on: the user, the user's password, the access key that it was begun with. All of it by the system's clock.
"""

import hashlib
import secrets
from enum import StrEnum
from typing import NamedTuple

from careen.clock import HOUR, SECOND, Instant
from careen.db import console_sessions, principals
from careen.db.console_sessions import SessionRow as SessionRow
from careen.faults import Point, reach
from careen.iam import keys
from careen.registry import callers
from careen.registry.access import Circumstances
from careen.registry.callers import Principal
from careen.registry.identities import PrincipalRow
from careen.registry.registry import Registry, Transaction
from careen.registry.trouble import trouble

LASTS = 12 * HOUR
"""How long a session lasts, as in the AWS console."""

IDLE = HOUR
"""How long it lasts when nobody uses it."""

NOTED_EVERY = 300 * SECOND
"""How often its use is noted: a write for every request would make all processes forget what they remember."""

LINK_LASTS = 900 * SECOND
"""How long a link works that nobody has used."""

_SECRET_BYTES = 32
_MAX_AGENT = 256


class Method(StrEnum):
    """What somebody signed in with."""

    PASSWORD = "Password"  # noqa: S105 a name
    ACCESS_KEY = "AccessKey"
    LINK = "Link"


class SignedIn(NamedTuple):
    """Somebody whose cookie stands for a session."""

    principal: Principal
    session: SessionRow


def begin(
    tx: Transaction,
    registry: Registry,
    user: PrincipalRow | None,
    method: Method,
    asked: Circumstances,
    access_key_id: str | None = None,
) -> str:
    """Begin a session.

    Args:
        tx: the transaction.
        registry: whose master key stands for the settings' key.
        user: who it is; None: the account itself, by the settings' key.
        method: what proved it.
        asked: when, from where and with what browser.
        access_key_id: the user's key, if that did.

    Returns:
        What the cookie has, which is kept nowhere.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    console_sessions.insert(
        tx.rows,
        SessionRow(
            _hash(secret),
            None if user is None else user.id,
            access_key_id,
            _root_key(registry) if user is None else None,
            method,
            asked.at,
            asked.at,
            asked.at + LASTS,
            asked.source_ip,
            None if asked.user_agent is None else asked.user_agent[:_MAX_AGENT],
        ),
    )
    reach(Point.SESSION_BEGUN)
    return secret


def caller(tx: Transaction, registry: Registry, secret: str, security_now: Instant) -> SignedIn | None:
    """Who is signed in with a cookie; None: nobody, or nobody any more.

    Args:
        tx: where sessions, users and their policies are read.
        registry: whose settings' key may have been another.
        secret: what the cookie has.
        security_now: the system clock's instant.
    """
    found = console_sessions.by_hash(tx.rows, _hash(secret), security_now, security_now - IDLE)
    if found is None:
        return None
    principal = _holder(tx, registry, found)
    return None if principal is None else SignedIn(principal, found)


def _holder(tx: Transaction, registry: Registry, session: SessionRow) -> Principal | None:
    if session.principal_id is None:
        if registry.root_key is None or session.root_key != _root_key(registry):
            return None
        return callers.root(registry, registry.root_key.access_key_id)
    user = principals.by_id(tx.rows, session.principal_id)
    return None if user is None else callers.user(tx, user, session.access_key_id or "")


async def note_use(registry: Registry, session: SessionRow, security_now: Instant) -> None:
    """Note that a session is in use, if that was not done lately. On a full disk it is not: pages can still be read."""
    if security_now - session.used_at < NOTED_EVERY:
        return
    try:
        await registry.write(_touch, session.secret_hash, security_now)
    except Exception as error:
        if trouble(error) is None:
            raise


def _touch(tx: Transaction, secret_hash: str, now: Instant) -> None:
    console_sessions.touch(tx.rows, secret_hash, now)


def sessions_of(tx: Transaction, signed_in: SignedIn, security_now: Instant) -> list[SessionRow]:
    """All sessions of whoever is signed in, the latest first."""
    return console_sessions.of(tx.rows, signed_in.session.principal_id, security_now, security_now - IDLE)


def end(tx: Transaction, secret: str) -> bool:
    """Sign out. Returns whether somebody was signed in."""
    was = console_sessions.end(tx.rows, _hash(secret))
    reach(Point.SESSION_ENDED)
    return was


def end_all(tx: Transaction, principal_id: int | None) -> None:
    """Sign a user out everywhere, and let no link for it work; None: the account itself."""
    console_sessions.end_all(tx.rows, principal_id)
    reach(Point.SESSION_ENDED)


def make_link(tx: Transaction, user: PrincipalRow | None, security_now: Instant) -> str:
    """Make a link that signs a user in once, within a quarter of an hour; None: the account itself.

    Returns:
        What the link has, which is kept nowhere.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    console_sessions.insert_link(
        tx.rows, _hash(secret), None if user is None else user.id, security_now + LINK_LASTS
    )
    reach(Point.SIGN_IN_LINK_MADE)
    return secret


def holder_of_link(
    tx: Transaction, registry: Registry, secret: str, security_now: Instant
) -> Principal | None:
    """Whom a link would sign in; None: it is none, or was used, or is too old. Looking does not use it."""
    found = console_sessions.link_holder(tx.rows, _hash(secret), security_now)
    if found is None:
        return None
    if found[0] is None:
        return None if registry.root_key is None else callers.root(registry, registry.root_key.access_key_id)
    user = principals.by_id(tx.rows, found[0])
    return None if user is None else callers.user(tx, user)


def begin_by_link(tx: Transaction, registry: Registry, secret: str, asked: Circumstances) -> str | None:
    """Use a link: begin its session. None: it is none, or was used, or is too old."""
    found = console_sessions.link_holder(tx.rows, _hash(secret), asked.at)
    if found is None or (found[0] is None and registry.root_key is None):
        return None
    console_sessions.delete_link(tx.rows, _hash(secret))
    user = None if found[0] is None else principals.by_id(tx.rows, found[0])
    if user is None and found[0] is not None:  # never: nobody must become the account itself
        return None
    return begin(tx, registry, user, Method.LINK, asked)


def forget(tx: Transaction, security_now: Instant) -> int:
    """Delete the rows of sessions and links whose time is over. Returns how many."""
    return console_sessions.forget(tx.rows, security_now, security_now - IDLE)


def _hash(secret: str) -> str:
    """What is kept of a secret of 256 bits, which nobody tries out: no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _root_key(registry: Registry) -> str | None:
    """Stands for the settings' key and its secret: with another of either the account's own sessions are nobody's."""
    key = registry.root_key
    text = None if key is None else f"{key.access_key_id} {key.secret_access_key}"
    return None if text is None else keys.fingerprint(registry.master_key, text)
