"""Lines over time, straight or in steps, with a band that marks a part of it: what is expected, and not known."""

from collections.abc import Sequence
from typing import NamedTuple

from careen.charts.calendar import written_day
from careen.charts.plot import BELOW, Plot, Series, check, hits, laid_out, nothing, place, thinned
from careen.charts.style import colour
from careen.charts.svg import HEIGHT, Svg, drawing, element, number, text
from careen.charts.units import Unit, written
from careen.clock import Instant


class Band(NamedTuple):
    """A part of the time, marked."""

    start: Instant
    end: Instant
    label: str
    """Such as ``forecast``."""


def lines(
    times: Sequence[Instant],
    series: Sequence[Series],
    *,
    title: str,
    unit: Unit,
    stepped: bool = False,
    band: Band | None = None,
    description: str | None = None,
    width: int = 640,
) -> Svg:
    """Lines, from zero up.

    Args:
        times: instants, ascending; none: the chart says that there is nothing yet.
        series: the lines. Where a value is not known, the line has a gap.
        title: what the chart shows.
        unit: of the values.
        stepped: a value holds until the next one, instead of growing into it.
        band: what is marked; lines are dashed in it.
        description: for those who do not see it; None: the last figures.
        width: pixels.

    Raises:
        ValueError: the data is not as it should be (:func:`careen.charts.plot.check`).
    """
    check(times, series)
    if not times or not series:
        return drawing(width, HEIGHT, title, description or "", *nothing(width))
    times, series = thinned(times, series, width)
    highest = max((value for each in series for value in each.values if value is not None), default=0)
    plot, drawn = laid_out(times, series, highest, unit, width)
    if band is not None:
        drawn += _band(plot, band)
    for index, each in enumerate(series):
        for run in _runs(plot, times, each.values):
            for part, dashed in _split(run, None if band is None else plot.x(band.start)):
                dash = {"stroke_dasharray": "5 4"} if dashed else {}
                drawn.append(
                    element(
                        "path",
                        d=_path(part, stepped=stepped),
                        fill="none",
                        stroke="currentColor",
                        stroke_width=2,
                        stroke_linejoin="round",
                        stroke_linecap="round",
                        **dash,
                        **colour(place(each, index)),
                    )
                )
    drawn += hits(plot, times, series, unit, total=False)
    said = _last(times[-1], series, unit) if description is None else description
    return drawing(width, plot.bottom + BELOW, title, said, *drawn)


Point = tuple[float, float]


def _runs(plot: Plot, times: Sequence[Instant], values: Sequence[float | None]) -> list[list[Point]]:
    """The stretches without a gap, as points; a value that is alone in time holds over the whole width."""
    if len(times) == 1:
        return [
            [(x, plot.y(value)) for x in (plot.left, plot.right)] for value in values if value is not None
        ]
    runs: list[list[Point]] = [[]]
    for time, value in zip(times, values, strict=True):
        if value is not None:
            runs[-1].append((plot.x(time), plot.y(value)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _split(run: list[Point], border: float | None) -> list[tuple[list[Point], bool]]:
    """Before the band and within it; the last point before it, or the one on its border, belongs to both."""
    if border is None:
        return [(run, False)]
    known = [point for point in run if point[0] <= border]
    expected = [*known[-1:], *run[len(known) :]]
    parts = [(known, False)] if known else []
    return [*parts, (expected, True)] if len(expected) > len(known[-1:]) else parts


def _path(points: Sequence[Point], *, stepped: bool) -> str:
    """Of a line; a single point is a dot, which the round cap draws."""
    first, *others = ((number(x), number(y)) for x, y in points)
    moves = "".join(f"H{x}V{y}" if stepped else f"L{x} {y}" for x, y in others)
    return f"M{' '.join(first)}{moves or 'h0'}"


def _band(plot: Plot, band: Band) -> list[str]:
    left, right = (min(max(plot.x(edge), plot.left), plot.right) for edge in (band.start, band.end))
    if right <= left:
        return []
    return [
        element(
            "rect", x=left, y=plot.top, width=right - left, height=plot.bottom - plot.top, fill_opacity="0.06"
        ),
        element("text", text(band.label), x=right - 4, y=plot.top + 12, text_anchor="end", opacity="0.8"),
    ]


def _last(instant: Instant, series: Sequence[Series], unit: Unit) -> str:
    known = ((each.name, each.values[-1]) for each in series)
    figures = ", ".join(f"{name} {written(value, unit)}" for name, value in known if value is not None)
    return f"On {written_day(instant)}: {figures}." if figures else ""
