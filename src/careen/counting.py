"""Counting across the processes of a node, in memory that they share.

A figure that a process keeps to itself is wrong as soon as there are two: whichever answers the scrape knows a part. So the parent
maps one page before it forks its children, and each child writes into a row of its own. No process waits for another: a row has one
writer, whose threads append one after the other, and whoever reads adds the rows up. A child that is started again goes on in the
row of the one before, so that counters never go back while the node lives.

A row is a log of series, each of which is appended once and then changed in place::

    used: 8 bytes | series | series | …          used: how many bytes of the row are written
    series = sizes: two of 4 bytes | key | values   key: the family's name and its labels, in JSON, padded to 8 bytes
                                                 values: one double; of a histogram one for each bucket, and the sum

Other ways, and what this one costs, are in docs/adr/0036.
"""

import mmap
import struct
import threading
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import Generic, TypeVar

import msgspec
import structlog

ROW_BYTES = 512 * 1024
"""Address space for the series of one process, some three thousand; of memory it takes what is written."""

_USED = struct.Struct("=Q")
_SIZES = struct.Struct("=II")
_WORD = 8

_SPARE_BYTES = 64 * _WORD
"""The end of a row, where what has no room is counted and nobody reads."""

Labels = tuple[str, ...]
Key = tuple[str, Labels]

_keys = msgspec.json.Decoder(Key)

log = structlog.get_logger()


class Series:
    """One number of this process. For one thread at a time."""

    __slots__ = ("at", "values")

    def __init__(self, values: "memoryview[float]", at: int) -> None:
        self.values = values
        self.at = at
        """Where in the values the number is. Who counts with every request writes there, and spares the call."""

    def add(self, amount: float = 1) -> None:
        """Add to it."""
        self.values[self.at] += amount

    def set(self, value: float) -> None:
        """Let a gauge be so much."""
        self.values[self.at] = value


class Bars:
    """How many observations came to how much: one number for each bucket, and their sum."""

    __slots__ = ("_at", "_bounds", "_values")

    def __init__(self, values: "memoryview[float]", at: int, bounds: Sequence[float]) -> None:
        self._values = values
        self._at = at
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """Add an observation. For one thread of a process at a time."""
        values, at, bounds = self._values, self._at, self._bounds
        values[at + bisect_left(bounds, value)] += 1
        values[at + len(bounds) + 1] += value


class BrokenRow(Exception):
    """What is written in a row is no log of series. The message says where."""


def _series_in(memory: "memoryview[int]") -> Iterator[tuple[Key, int, int]]:
    """Each series of a row: its key, its place, and how many values it has.

    Raises:
        BrokenRow: it cannot be read any further.
    """
    (end,) = _USED.unpack_from(memory)
    if end > len(memory) - _SPARE_BYTES:
        raise BrokenRow(f"it cannot have {end} bytes")
    at = _WORD
    while at < end:
        length, count = _SIZES.unpack_from(memory, at)
        first = at + _SIZES.size
        place = (first + length + -length % _WORD) // _WORD
        if (place + count) * _WORD > end:
            raise BrokenRow(f"the series at {at} does not end")
        try:
            key = _keys.decode(memory[first : first + length])
        except msgspec.DecodeError as error:
            raise BrokenRow(f"the series at {at} has no key: {error}") from None
        yield key, place, count
        at = (place + count) * _WORD


class Row:
    """The series of one process, for whichever of its threads."""

    def __init__(self, memory: "memoryview[int]") -> None:
        """Go on with what is there. What cannot be read is forgotten: a process that counts from zero is better than none."""
        self._memory = memory
        self._values = memory.cast("d")
        self._used = memory.cast("Q")
        self._appending = threading.Lock()
        self._is_full = False
        self._places: dict[Key, int] = {}
        try:
            self._places.update((key, place) for key, place, _ in _series_in(memory))
        except BrokenRow:
            log.exception("what a process has counted cannot be read; it begins at zero")
            self._used[0] = 0  # at first: whoever reads goes no further
            self._memory[:] = bytes(len(memory))
            self._places.clear()

    @property
    def values(self) -> "memoryview[float]":
        """All numbers: a place is an index of this."""
        return self._values

    def place(self, key: Key, count: int) -> int:
        """Where the ``count`` values of a series begin; a new one is appended, at zero. From any thread."""
        at = self._places.get(key)
        if at is None:
            with self._appending:
                at = self._places.get(key)  # another thread may have been quicker
                if at is None:
                    at = self._places[key] = self._append(key, count)
        return at

    def clear(self, names: Container[str]) -> None:
        """Let the numbers of these gauges be zero."""
        for (name, _), place in self._places.items():
            if name in names:
                self._values[place] = 0.0

    def _append(self, key: Key, count: int) -> int:
        text = msgspec.json.encode(key)
        padded = -len(text) % _WORD + len(text)
        begin = self._used[0] or _WORD
        end = begin + _SIZES.size + padded + count * _WORD
        spare = len(self._memory) - _SPARE_BYTES
        if end > spare:
            if not self._is_full:
                self._is_full = True
                log.error("there is no room for more metrics; new series are not counted", name=key[0])
            return spare // _WORD
        _SIZES.pack_into(self._memory, begin, len(text), count)
        first = begin + _SIZES.size
        self._memory[first : first + len(text)] = text
        self._used[0] = end  # at last: whoever reads goes no further
        return (first + padded) // _WORD


class Page:
    """The rows of all processes that are forked from the one that makes it.

    Args:
        processes: how many rows it has.
        is_shared: whether they see what the others count; else each has what was there when it was forked.
    """

    def __init__(self, processes: int, *, is_shared: bool = True) -> None:
        sharing = mmap.MAP_SHARED if is_shared else mmap.MAP_PRIVATE
        self._memory = memoryview(mmap.mmap(-1, processes * ROW_BYTES, flags=sharing | mmap.MAP_ANONYMOUS))
        self._rows = processes

    def row(self, index: int) -> Row:
        """The row of a process, for this process to count in."""
        return Row(self._part(index))

    def totals(self) -> dict[Key, list[float]]:
        """Each series' values, added up over all rows, as far as they can be read: what is broken is its writer's to mend."""
        totals: dict[Key, list[float]] = {}
        for index in range(self._rows):
            memory = self._part(index)
            try:
                _add_up(totals, memory)
            except BrokenRow:
                log.exception("what a process has counted cannot be read", row=index)
        return totals

    def _part(self, index: int) -> "memoryview[int]":
        return self._memory[index * ROW_BYTES : (index + 1) * ROW_BYTES]


def _add_up(totals: dict[Key, list[float]], memory: "memoryview[int]") -> None:
    numbers = memory.cast("d")
    for key, place, count in _series_in(memory):
        values = list(numbers[place : place + count])
        known = totals.get(key)
        if known is not None and len(known) != count:
            raise BrokenRow(f"{key} has {count} values, and {len(known)} elsewhere")
        totals[key] = values if known is None else list(map(add, known, values))


Handle = TypeVar("Handle", Series, Bars)


@dataclass(frozen=True)
class Family(Generic[Handle]):
    """Series that have a name in common, and differ in the values of their labels. Labels never have names in them."""

    name: str
    """Without the ``_total`` that a counter gets where it is told."""
    meaning: str
    labels: Labels = ()

    def series(self, *labels: str) -> Handle:
        """The series of these labels in this process: to be asked for once :func:`begin` was called, and then kept."""
        raise NotImplementedError


@dataclass(frozen=True)
class Counter(Family[Series]):
    """What only grows."""

    def series(self, *labels: str) -> Series:
        """See :meth:`Family.series`."""
        return Series(_own.row.values, _own.row.place((self.name, labels), 1))

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count, from any thread."""
        with _own.lock:
            self.series(*labels).add(amount)


@dataclass(frozen=True)
class Gauge(Counter):
    """What is so much at the moment. Of a process that ended it is nothing."""


@dataclass(frozen=True)
class Histogram(Family[Bars]):
    """How long things took, say."""

    bounds: tuple[float, ...] = ()
    """The upper bounds of its buckets; above the last there is one more."""

    def series(self, *labels: str) -> Bars:
        """See :meth:`Family.series`."""
        place = _own.row.place((self.name, labels), len(self.bounds) + 2)
        return Bars(_own.row.values, place, self.bounds)

    def observe(self, *labels: str, value: float) -> None:
        """Add an observation, from any thread."""
        with _own.lock:
            self.series(*labels).observe(value)


class _Own:
    """This process's part."""

    def __init__(self, page: Page, index: int) -> None:
        self.page = page
        self.row = page.row(index)
        self.lock = threading.Lock()


_own = _Own(Page(1, is_shared=False), 0)
"""A process that nobody gave a row counts for itself, whoever forked it: a command, a test."""


def begin(page: Page, index: int, gauges: Sequence[Gauge]) -> None:
    """Count in a row of a page from now on. Once, as the process begins; what the one before had open is gone.

    Args:
        page: made before the fork.
        index: the row, which no other process has.
        gauges: those that begin at zero again.
    """
    global _own  # noqa: PLW0603 a process has one row, as it has one log
    _own = _Own(page, index)
    _own.row.clear({gauge.name for gauge in gauges})


def totals() -> dict[Key, list[float]]:
    """What all processes of the node have counted. A counter and a gauge have one value, a histogram its buckets' and the sum."""
    return _own.page.totals()
