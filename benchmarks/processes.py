"""What a server costs: processor time and peak memory of a process and its descendants, from ``/proc``.

Linux only. Processor time has the kernel's resolution of a clock tick (10 ms), so a measured window should
use many of them.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """The part of ``/proc/<pid>/stat`` that accounting needs; proc(5) numbers the fields."""

    pid: int
    parent: int
    ticks: int
    """User and system time of the process, and of those children that ended and were waited for."""


def parse_stat(text: str) -> Stat:
    """Read one ``/proc/<pid>/stat``.

    The second field is the program's name in parentheses and may itself hold spaces and parentheses, so the
    fields after it are counted from the last one.
    """
    pid, _, rest = text.partition(" ")
    fields = rest.rpartition(")")[2].split()
    return Stat(int(pid), parent=int(fields[1]), ticks=sum(map(int, fields[11:15])))


def parse_peak(status: str, rollup: str) -> int:
    """The peak memory of one process in bytes; 0 for a process that has ended.

    A page that processes share counts in equal parts for each of them, else one that forks would look as if it needed its
    program several times. The kernel keeps the peak of the resident size alone (VmHWM), so what is shared now is taken off it.

    Args:
        status: the text of ``/proc/<pid>/status``.
        rollup: the text of ``/proc/<pid>/smaps_rollup``; empty where it cannot be read.
    """
    peak, resident, proportional = (
        _kilobytes(text, name) for text, name in ((status, "VmHWM"), (rollup, "Rss"), (rollup, "Pss"))
    )
    return max(peak - (resident - proportional), 0) * 1024


def _kilobytes(text: str, name: str) -> int:
    found = (line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:"))
    return int(next(found, 0))


def descendants(root: int, parents: Mapping[int, int]) -> frozenset[int]:
    """``root`` and everything below it.

    Args:
        root: the pid to start from.
        parents: the parent of every process.
    """
    found = {root}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return frozenset(found)


def tree(root: int) -> tuple[Stat, ...]:
    """The processes at and below ``root`` that are alive now."""
    stats = {stat.pid: stat for stat in _all()}
    members = descendants(root, {stat.pid: stat.parent for stat in stats.values()})
    return tuple(stats[pid] for pid in sorted(members & stats.keys()))


def cpu_seconds(root: int) -> float:
    """Processor time of the tree so far, in seconds."""
    return sum(stat.ticks for stat in tree(root)) / TICKS_PER_SECOND


def peak_bytes(root: int) -> int:
    """Peak memory since the last reset in bytes, summed over the tree; shared pages count once."""
    folders = [PROC / str(stat.pid) for stat in tree(root)]
    return sum(parse_peak(_read(each / "status"), _read(each / "smaps_rollup")) for each in folders)


def reset_peak(root: int) -> None:
    """Let the peaks of the tree start again from the present size (``clear_refs``, proc(5))."""
    for stat in tree(root):
        (PROC / str(stat.pid) / "clear_refs").write_text("5")


def _all() -> Iterable[Stat]:
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (text := _read(folder / "stat")):
            yield parse_stat(text)


def _read(path: Path) -> str:
    """The file's text, or nothing where the process ended meanwhile."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
