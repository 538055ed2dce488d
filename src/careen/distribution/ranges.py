"""The two headers that say which bytes: Range of a download (RFC 9110, section 14.2), Content-Range of an upload's chunk.

Pure: numbers of at most eighteen digits, more than any blob has bytes.
"""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/.*)?", re.ASCII)
"""The specification's ``<start>-<end>``; some clients send HTTP's own form (end-5)."""


class Part(NamedTuple):
    """So many bytes of a blob."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """A range outside the blob, or one that ends before it begins."""


def wanted(header: str, size: int) -> Part | None:
    """The part of a blob of ``size`` bytes that a Range header asks for.

    Returns:
        None: several ranges, other units, or what is none; it is to be ignored, as RFC 9110 allows.

    Raises:
        Unsatisfiable: there are no such bytes (416).
    """
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last), size - 1) + 1 if last else size
    if start >= size or end <= start:
        raise Unsatisfiable
    return Part(start, end - start)


def sent(header: str) -> tuple[int, int] | None:
    """The first and the last byte of a chunk, by its Content-Range header. None: it says neither."""
    match = _CONTENT_RANGE.fullmatch(header)
    return None if match is None else (int(match[1]), int(match[2]))
