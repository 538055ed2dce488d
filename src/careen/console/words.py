"""Figures and times as people read them."""

import datetime as dt

import msgspec

from careen import charts
from careen.clock import DAY, HOUR, SECOND, Instant, isoformat

MINUTE = 60 * SECOND


def size(count: float) -> str:
    """``1.2 GiB``: so many bytes, as charts write them."""
    return charts.written(count, charts.Unit.BYTES)


def dollars(amount: float) -> str:
    """``$12.40``, as charts write it."""
    return charts.written(amount, charts.Unit.DOLLARS)


def number(count: float) -> str:
    """``12,400``."""
    return f"{count:,}"


def plural(count: int, noun: str, several: str = "") -> str:
    """``1 image``, ``1,204 images``; ``several`` where an s does not make it."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def capital(sentence: str) -> str:
    """``Deletes images`` of ``deletes images``: names further on stay as they are."""
    return sentence[:1].upper() + sentence[1:]


def share(part: float, whole: float) -> str:
    """``17 %``; nothing of nothing is ``0 %``."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def ago(instant: Instant, now: Instant) -> str:
    """``3 days ago``, ``in 2 hours``, ``just now``."""
    distance, later = abs(now - instant), instant > now
    for unit, noun in (
        (365 * DAY, "year"),
        (30 * DAY, "month"),
        (DAY, "day"),
        (HOUR, "hour"),
        (MINUTE, "minute"),
    ):
        if distance >= unit:
            words = plural(distance // unit, noun)
            return f"in {words}" if later else f"{words} ago"
    return "in a moment" if later else "just now"


def moment(instant: Instant) -> str:
    """``2026-11-26 08:12:03 UTC``."""
    text = isoformat(instant // SECOND * SECOND)
    return text.replace("T", " ").removesuffix("Z").removesuffix("+00:00") + " UTC"


def day(instant: Instant) -> str:
    """``26 Nov 2026``."""
    at = dt.datetime.fromtimestamp(instant / SECOND, dt.UTC)
    return f"{at.day} {at:%b %Y}"


def short_digest(digest: str) -> str:
    """``sha256:0123456789ab``: enough for people to tell images apart."""
    algorithm, _, rest = digest.partition(":")
    return f"{algorithm}:{rest[:12]}"


def indented(text: str) -> str:
    """A JSON document as people read it; as it is, if it is no JSON."""
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:
        return text
