"""How often somebody may be wrong: every attempt is counted before it is judged, and a right one takes its count back.

Counted first, a hundred attempts at the same moment gain nothing over one after the other. The counts are rows: the processes share
them and a restart forgets none. A name is counted whether a user has it or not, so that the wait does not tell which there are.
"""

import ipaddress
from typing import NamedTuple

from careen.clock import DAY, SECOND, Instant
from careen.db import sign_in_attempts
from careen.db.sign_in_attempts import AttemptRow
from careen.faults import Point, reach
from careen.iam import keys
from careen.iam.errors import TooManyAttempts
from careen.registry.access import Circumstances
from careen.registry.registry import Registry, Transaction

FREE_FOR_NAME = 5
"""Wrong attempts for one name before each takes a wait."""

FREE_FOR_ADDRESS = 20
"""The same from one address: there may be many people behind it."""

LONGEST_WAIT = 900 * SECOND
"""The first wait is a second, each is twice the one before, and none is longer than this."""

FORGOTTEN_AFTER = DAY
"""Microseconds after the last wrong attempt."""


class Attempt(NamedTuple):
    """Who is counted: a name, and an address."""

    name: str
    """Stands for the name: what somebody types into the wrong field should be in no row."""
    address: str


def attempt_of(registry: Registry, name: str, asked: Circumstances) -> Attempt:
    """Whom to count an attempt for: a user or an access key by the name that was typed, and where it came from."""
    return Attempt(
        f"name {keys.fingerprint(registry.master_key, name)}", f"address {_network(asked.source_ip)}"
    )


def count(tx: Transaction, attempt: Attempt, security_now: Instant) -> None:
    """Count an attempt that is about to be judged.

    Raises:
        TooManyAttempts: it is not judged, and not counted: it came too soon after too many wrong ones.
    """
    name = _known(tx, attempt.name, security_now)
    address = _known(tx, attempt.address, security_now)
    waits = max(_wait(each, security_now) for each in (name, address))
    if waits > 0:
        raise TooManyAttempts(-(-waits // SECOND))
    _put(tx, attempt.name, name.wrong + 1, FREE_FOR_NAME, security_now)
    _put(tx, attempt.address, address.wrong + 1, FREE_FOR_ADDRESS, security_now)
    reach(Point.SIGN_IN_COUNTED)


def forgive(tx: Transaction, attempt: Attempt, security_now: Instant) -> None:
    """The attempt was right: forget the name's, and take this one from the address's.

    Not all of the address's: who has a password of his own would try out those of others, and sign in now and then.
    """
    sign_in_attempts.clear(tx.rows, attempt.name)
    address = _known(tx, attempt.address, security_now)
    if address.wrong > 1:
        sign_in_attempts.put(tx.rows, address._replace(wrong=address.wrong - 1, next_at=0))
    else:
        sign_in_attempts.clear(tx.rows, attempt.address)


def forget(tx: Transaction, security_now: Instant) -> int:
    """Delete the rows of those whose time is over. Returns how many."""
    return sign_in_attempts.forget(tx.rows, security_now)


def wait_after(wrong: int, free: int) -> Instant:
    """How long to wait after so many wrong attempts."""
    return 0 if wrong < free else min(SECOND << min(wrong - free, 32), LONGEST_WAIT)


def _known(tx: Transaction, subject: str, now: Instant) -> AttemptRow:
    return sign_in_attempts.of(tx.rows, subject, now) or AttemptRow(subject, 0, 0, now + FORGOTTEN_AFTER)


def _wait(row: AttemptRow, now: Instant) -> Instant:
    # Longer than the longest is only what a clock that was ahead has noted.
    return row.next_at - now if row.next_at - now <= LONGEST_WAIT else 0


def _put(tx: Transaction, subject: str, wrong: int, free: int, now: Instant) -> None:
    sign_in_attempts.put(
        tx.rows, AttemptRow(subject, wrong, now + wait_after(wrong, free), now + FORGOTTEN_AFTER)
    )


def _network(address: str | None) -> str:
    """What one client may have many of counts as one: of IPv6 a /64."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:  # not known, or a name
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
