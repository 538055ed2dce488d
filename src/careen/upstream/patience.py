"""How long another registry is waited for: time-outs, tries, and the pauses between them."""

import datetime as dt
import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from careen.upstream.errors import TooManyRequests, Unavailable

Seconds = float

T = TypeVar("T")

_LONG: Seconds = 365 * 86_400
"""Longer than this nobody is asked to wait, whatever a server writes."""


@dataclass(frozen=True, slots=True)
class Patience:
    """What one call allows itself. All times are seconds."""

    tries: int = 4
    """How often a request is sent until its failure is the caller's."""
    first_pause: Seconds = 0.5
    """Before the second try; each further pause is twice as long, up to :attr:`longest_pause`."""
    longest_pause: Seconds = 20
    """A registry that asks to be left alone for longer (``Retry-After``) is not waited for."""
    connect_timeout: Seconds = 10
    silence_timeout: Seconds = 30
    """How long nothing may arrive, or nothing be taken, in the middle of an exchange."""
    slowest: int = 1024
    """Bytes a second that a body must bring on average of :attr:`silence_timeout`; less counts as broken off."""
    sleep: Callable[[Seconds], None] = time.sleep

    def tried(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, or what it raised last: it is tried again while the other registry is away or busy."""
        failures = 0
        while True:
            try:
                return work()
            except (Unavailable, TooManyRequests) as error:
                failures += 1
                if not self.pause(failures, error.retry_after):
                    raise

    def pause(self, failures: int, asked: Seconds | None = None) -> bool:
        """Wait before the next try.

        Args:
            failures: how many tries in a row have failed.
            asked: what ``Retry-After`` said.

        Returns:
            False, at once, if there shall be no further try.
        """
        if failures >= self.tries or (asked is not None and asked > self.longest_pause):
            return False
        longest = min(self.longest_pause, self.first_pause * 2 ** (failures - 1))
        # Spread, so that those who failed together do not come again together.
        self.sleep(longest * random.uniform(0.5, 1) if asked is None else asked)  # noqa: S311 - no secret
        return True


def retry_after(header: str | None, now: dt.datetime | None = None) -> Seconds | None:
    """The seconds that ``Retry-After`` asks for, given as such or as a date (RFC 9110, section 10.2.3); None: it does not."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONG)
    try:
        asked = email.utils.parsedate_to_datetime(text)
        wait = (asked - (now or dt.datetime.now(dt.UTC))).total_seconds() if asked.tzinfo else None
    except (ValueError, OverflowError):  # no date, or one of an offset that no clock has
        return None
    return None if wait is None else min(max(0.0, wait), _LONG)
