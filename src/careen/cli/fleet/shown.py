"""Progress on standard error: a bar on a terminal, lines now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careen.fleet.progress import Progress, Standing

EVERY = 10.0
"""Seconds between two lines, where there is no terminal."""


@contextmanager
def shown() -> Iterator["Progress"]:
    """A progress that people see."""
    from careen.fleet.progress import Progress

    if not sys.stderr.isatty():
        yield Progress(_Lines().show, time.monotonic)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None, state="")

        def show(standing: "Standing") -> None:
            bars.update(
                task,
                description=standing.what,
                completed=standing.done,
                total=standing.total,
                state=state(standing),
            )

        yield Progress(show, time.monotonic)


class _Lines:
    """A line at the beginning and at the end of something, and every ten seconds."""

    def __init__(self) -> None:
        self._last = 0.0

    def show(self, standing: "Standing") -> None:
        """Print it, if it is time."""
        now = time.monotonic()
        if standing.done in {0, standing.total} or now - self._last >= EVERY:
            self._last = now
            print(f"{standing.what}: {state(standing)}", file=sys.stderr)


def state(standing: "Standing") -> str:
    """``312 of 1,000, 41.0 in a second, 17 s left; 62,400 images``."""
    total = "" if standing.total is None else f" of {standing.total:,}"
    left = standing.left
    rate = f", {standing.rate:,.1f} in a second" if standing.done else ""
    eta = f", {_duration(left)} left" if left else ""
    note = f"; {standing.note}" if standing.note else ""
    return f"{standing.done:,}{total}{rate}{eta}{note}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
