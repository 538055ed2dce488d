"""A plot over time: its axes, its legend, and where a value lies in it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from careen.charts.calendar import dates, written_moment
from careen.charts.legend import legend
from careen.charts.svg import CHARACTER, HEIGHT, element, text
from careen.charts.units import Unit, ticks, written
from careen.clock import Instant

ROWS = 4
"""Steps of the value axis."""

POINT = 3
"""Pixels between points at least: more cannot be seen."""

DATE_ROOM = 90
"""Pixels for a date on the time axis."""

BELOW = 24
"""Pixels for the dates."""

HITS = 40
"""Columns that tell their figures when they are pointed at."""


class Series(NamedTuple):
    """What is drawn in one colour."""

    name: str
    values: Sequence[float | None]
    """One for each instant, not negative; None: nothing is known of it, and nothing is drawn."""
    colour: int | None = None
    """Which of the palette's; None: by its place among the others."""


class Plot(NamedTuple):
    """Where things lie. Lengths are pixels."""

    left: float
    top: float
    right: float
    bottom: float
    start: Instant
    end: Instant
    highest: float

    def x(self, instant: Instant) -> float:
        """Of an instant; the right edge if there is only one."""
        if self.end == self.start:
            return self.right
        return self.left + (self.right - self.left) * (instant - self.start) / (self.end - self.start)

    def y(self, value: float) -> float:
        """Of a value."""
        return self.bottom - (self.bottom - self.top) * value / self.highest


def check(times: Sequence[Instant], series: Sequence[Series]) -> None:
    """What every plot asks of its data.

    Raises:
        ValueError: times that do not ascend, a series with more or fewer values than times, a value below zero or not finite.
    """
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError("the times of a chart ascend")
    for each in series:
        if len(each.values) != len(times):
            raise ValueError(f"{each.name}: {len(each.values)} values for {len(times)} times")
        if any(value is not None and not 0 <= value < math.inf for value in each.values):
            raise ValueError(f"{each.name}: a value is negative or not finite")


def laid_out(
    times: Sequence[Instant], series: Sequence[Series], highest: float, unit: Unit, width: int
) -> tuple[Plot, list[str]]:
    """Where a plot lies within its chart, and its axes and legend.

    Args:
        times: at least one.
        series: for the legend; a single one needs none, the title names it.
        highest: the largest value that is drawn.
        unit: of the values.
        width: of the chart.
    """
    marks = ticks(highest, unit, ROWS)
    names = [(each.name, place(each, index)) for index, each in enumerate(series)]
    drawn, end = legend(names, width, 0) if len(series) > 1 else ([], 0.0)
    left = max(len(label) for _, label in marks) * CHARACTER + 8
    plot = Plot(left, end + 8, width - 12, end + HEIGHT - BELOW, times[0], times[-1], marks[-1][0])
    for value, label in marks:
        y = plot.y(value)
        drawn.append(
            element("line", x1=left, y1=y, x2=plot.right, y2=y, stroke="currentColor", stroke_opacity="0.15")
        )
        drawn.append(element("text", text(label), x=left - 6, y=y + 4, text_anchor="end", opacity="0.8"))
    at_most = max(2, int((plot.right - plot.left) // DATE_ROOM))
    for instant, label in _dates(times, at_most):
        x, half = plot.x(instant), len(label) * CHARACTER / 2
        anchor = "end" if x + half > width else "start" if x - half < 0 else "middle"
        drawn.append(element("text", text(label), x=x, y=plot.bottom + 18, text_anchor=anchor, opacity="0.8"))
    return plot, drawn


def hits(
    plot: Plot, times: Sequence[Instant], series: Sequence[Series], unit: Unit, *, total: bool
) -> list[str]:
    """Columns that tell their figures when they are pointed at: a pointer needs no script for that.

    Args:
        plot: where it lies.
        times: the instants.
        series: the values.
        unit: of the values.
        total: whether the sum is told too.
    """
    step = -(-len(times) // HITS)
    columns = []
    for index in range((len(times) - 1) % step, len(times), step):  # so that the last is among them
        known = [(each.name, each.values[index]) for each in reversed(series)]
        lines = [f"{name}: {written(value, unit)}" for name, value in known if value is not None]
        if total and len(series) > 1:
            lines.append(f"together: {written(sum(value or 0 for _, value in known), unit)}")
        before = plot.x(times[max(0, index - step)])
        after = plot.x(times[min(len(times) - 1, index + step)])
        x = plot.x(times[index])
        left, right = (before + x) / 2, (x + after) / 2
        if len(times) == 1:
            left, right = plot.left, plot.right
        columns.append(
            element(
                "rect",
                element("title", text("\n".join([written_moment(times[index]), *lines]))),
                class_="chart-hit",
                x=left,
                y=plot.top,
                width=right - left,
                height=plot.bottom - plot.top,
                fill_opacity="0",
            )
        )
    return columns


def nothing(width: int) -> list[str]:
    """What a plot without data shows."""
    return [
        element("text", "nothing to show yet", x=width / 2, y=HEIGHT / 2, text_anchor="middle", opacity="0.8")
    ]


def thinned(
    times: Sequence[Instant], series: Sequence[Series], width: int
) -> tuple[list[Instant], list[Series]]:
    """As many points as a drawing of that width has room for, the first and the last among them, evenly."""
    shown = _indices(len(times), width // POINT)
    return [times[index] for index in shown], [
        each._replace(values=[each.values[index] for index in shown]) for each in series
    ]


def _indices(count: int, at_most: int) -> list[int]:
    if count <= at_most:
        return list(range(count))
    return sorted({index * (count - 1) // (at_most - 1) for index in range(at_most)})


def _dates(times: Sequence[Instant], at_most: int) -> list[tuple[Instant, str]]:
    if len(times) == 1:
        return [(times[0], written_moment(times[0]))]
    return dates(times[0], times[-1], at_most)


def place(series: Series, index: int) -> int:
    """Which of the palette's colours a series has."""
    return index if series.colour is None else series.colour
