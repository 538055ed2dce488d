"""Passwords of people who sign in to the console: which are good enough, and how they are kept.

Argon2id with the parameters that RFC 9106 recommends where memory is scarce: 64 MiB and some 200 ms of a processor for each look
at one, so a thread's work, and a few at a time. The library is imported when the first is looked at.
"""

import secrets
import string
from functools import cache
from typing import TYPE_CHECKING

from careen.iam.errors import PasswordPolicyViolation

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 8, 128
"""Characters (IAM user guide, "Default password policy"). The longest is the service model's, and checked with it."""

LONG = 16
"""From this length on it does not matter of which characters a password is: several words are good ones."""

MIN_KINDS = 3
"""How many of small letters, capitals, digits and others a shorter one has (the same page)."""

MEMORY, PASSES = 64 * 1024, 3
"""KiB and rounds of a hash (RFC 9106, section 4, the second recommended option)."""

GENERATED = 20
"""Characters of a password that nobody has to think of: 119 bits."""

MIN_NAME = 4
"""Letters of a user's name that make a password easy to guess; shorter ones are in many by chance, also in generated ones."""

_ALPHABET = string.ascii_letters + string.digits


def check(password: str, user: str) -> None:
    """Refuse a password that is easy to guess.

    Args:
        password: the new one.
        user: whose.

    Raises:
        PasswordPolicyViolation: it is too short, of too few kinds of characters, or has the user's name in it, if that has
            :data:`MIN_NAME` letters.
    """
    if len(password) < MIN_LENGTH:
        raise PasswordPolicyViolation(f"Password should have a minimum length of {MIN_LENGTH}")
    if len(password) > MAX_LENGTH:
        raise PasswordPolicyViolation(f"Password should have a maximum length of {MAX_LENGTH}")
    if len(user) >= MIN_NAME and user.lower() in password.lower():
        raise PasswordPolicyViolation("Password should not have the user's name in it")
    if len(password) < LONG and len({_kind(character) for character in password}) < MIN_KINDS:
        raise PasswordPolicyViolation(
            f"Password should have {LONG} characters or more, or at least {MIN_KINDS} kinds of these:"
            " lowercase letters, uppercase letters, numbers, others"
        )


def generated() -> str:
    """A password that nobody has chosen; it passes :func:`check` whoever the user is."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(GENERATED))


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _hasher().hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether a password is the one of which ``kept`` was kept. None: there is none, and that takes as long to say."""
    from argon2.exceptions import VerificationError  # noqa: PLC0415 with cffi; most processes look at no password

    try:
        _hasher().verify(_nobodys() if kept is None else kept, password)
    except VerificationError:
        return False
    return kept is not None


def _kind(character: str) -> str:
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        if character in kind:
            return kind
    return ""


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415 as above

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY)


@cache
def _nobodys() -> str:
    """A hash that no password has: looking at it takes as long as looking at somebody's."""
    return hashed(secrets.token_urlsafe())
