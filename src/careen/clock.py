"""Time as the registry keeps it: instants, days, and where "now" comes from.

An instant is an integer, microseconds since 1970-01-01T00:00:00Z. It sorts, subtracts and stores the same in Python, SQLite
and PostgreSQL, and an age test compares integers. Text and datetimes exist only at the edges (wire, command line).

The registry's clock (push times, policy ages, schedules) may be read from a file, so that a test or a demonstration can let
weeks pass. Security never uses it: signatures and tokens are checked against the system's clock.
"""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path

Instant = int
"""Microseconds since the epoch, UTC."""

Clock = Callable[[], Instant]
"""Answers the present instant."""

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 86_400 * SECOND

TOLERANCE = 60 * SECOND
"""What a clock may be corrected by at once without that being a leap."""

PATIENCE = DAY
"""How long a clock must have stood to where it leapt before :class:`Cautious` believes it."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def system_now() -> Instant:
    """The system's clock."""
    return time.time_ns() // 1000


def since_boot() -> Instant:
    """Microseconds on a clock that nobody can set; where the system has one, it runs on while the machine sleeps."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


class Cautious:
    """The system's clock, for those who judge by age what to delete: it does not follow a leap ahead before that has lasted.

    It answers the earlier of two times: what the system's clock says, and what it would say had nobody set it. Taken for too
    young, things stay for longer; taken for too old, they are gone (docs/adr/0018).

    Args:
        system: the clock that may leap.
        elapsed: one that does not, from any beginning.
    """

    def __init__(self, system: Clock = system_now, elapsed: Clock = since_boot) -> None:
        self._system = system
        self._elapsed = elapsed
        self._offset = system() - elapsed()
        self._leapt: tuple[Instant, Instant] | None = None
        """The offset after the leap, and when it was first seen on the clock that does not leap."""

    def __call__(self) -> Instant:
        """The present, or an earlier instant."""
        now, elapsed = self._system(), self._elapsed()
        offset, leapt = now - elapsed, self._leapt
        if abs(offset - self._offset) <= TOLERANCE:
            self._offset, self._leapt = offset, None
        elif leapt is None or abs(offset - leapt[0]) > TOLERANCE:
            self._leapt = offset, elapsed
        elif elapsed - leapt[1] >= PATIENCE:
            self._offset, self._leapt = offset, None
        return min(now, elapsed + self._offset)

    def believe(self, now: Instant) -> None:
        """Follow the system's clock, which said ``now`` just now, wherever it leapt: a clock that did not leap says the same."""
        self._offset, self._leapt = now - self._elapsed(), None

    @property
    def leap(self) -> Instant:
        """How far the system's clock has been set ahead (or back: negative) and is not believed yet; else 0."""
        return 0 if self._leapt is None else self._leapt[0] - self._offset


def file_clock(path: Path) -> Clock:
    """A clock whose present is the ISO 8601 time in ``path``, read anew at every call.

    Every reading is one microsecond after the last, so that what happened in an order keeps it while the file stands still.
    """
    last = 0

    def now() -> Instant:
        nonlocal last
        last = max(last + 1, parse_instant(path.read_text().strip()))
        return last

    return now


def from_datetime(moment: dt.datetime) -> Instant:
    """The instant of an aware datetime; a naive one is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def to_datetime(instant: Instant) -> dt.datetime:
    """The aware UTC datetime of an instant."""
    return _EPOCH + dt.timedelta(microseconds=instant)


def isoformat(instant: Instant) -> str:
    """``2026-11-22T00:00:00Z``, with a fraction only where there is one."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def isoformat_or_none(instant: Instant) -> str | None:
    """As :func:`isoformat`; None for what lies beyond the calendar, as an age of millions of days does."""
    try:
        return isoformat(instant)
    except OverflowError:
        return None


def parse_instant(value: str | float) -> Instant:
    """Read ISO 8601 text (naive text is UTC) or epoch seconds, as AWS writes both.

    Raises:
        ValueError: the text is no time.
    """
    if isinstance(value, str):
        return from_datetime(dt.datetime.fromisoformat(value))
    return round(value * SECOND)
