"""Dates on an axis: where they stand and what they say. All of them UTC."""

import datetime as dt
from collections.abc import Iterator

from careen.clock import DAY, HOUR, Instant, from_datetime, to_datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Not by ``strftime``, which follows the process's locale."""

STEPS = (HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY)
"""Between dates, as long as there are few enough of them; then whole months."""

MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)

MONDAY = 4 * DAY
"""The first one after the epoch: weeks begin there."""


def dates(start: Instant, end: Instant, at_most: int) -> list[tuple[Instant, str]]:
    """Round dates within a time, with their labels.

    Args:
        start: of the time.
        end: of the time, not before it.
        at_most: how many there may be; at least 2.
    """
    for step in STEPS:
        if (end - start) // step < at_most:
            return list(_even(start, end, step))
    for months in MONTH_STEPS:
        found = list(_monthly(start, end, months))
        if len(found) <= at_most:
            return found
    return found[:: len(found) // at_most + 1]


def written_day(instant: Instant) -> str:
    """``26 Nov 2026``."""
    moment = to_datetime(instant)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def written_moment(instant: Instant) -> str:
    """``26 Nov 2026 14:05``, and no time of day at midnight."""
    moment = to_datetime(instant)
    return written_day(instant) + (f" {moment:%H:%M}" if moment.time() != dt.time() else "")


def _even(start: Instant, end: Instant, step: int) -> Iterator[tuple[Instant, str]]:
    offset = MONDAY if step % (7 * DAY) == 0 else 0
    instant = offset - (offset - start) // step * step
    while instant <= end:
        moment = to_datetime(instant)
        day = f"{moment.day} {MONTHS[moment.month - 1]}"
        yield instant, day if instant % DAY == 0 else f"{moment:%H:%M}"
        instant += step


def _monthly(start: Instant, end: Instant, months: int) -> Iterator[tuple[Instant, str]]:
    first = to_datetime(start)
    # Months since year 0, rounded up to the step.
    number = -(-(first.year * 12 + first.month - 1) // months) * months
    while number < dt.MAXYEAR * 12:
        year, month = divmod(number, 12)
        instant = from_datetime(dt.datetime(year, month + 1, 1, tzinfo=dt.UTC))
        if instant > end:
            return
        if instant >= start:
            yield instant, f"{year}" if months >= 12 else MONTHS[month] + (f" {year}" if month == 0 else "")
        number += months
