"""Areas on top of each other, over time: what something is made of, and how that grows."""

from collections.abc import Sequence

from careen.charts.calendar import written_day
from careen.charts.plot import BELOW, Series, check, hits, laid_out, nothing, place, thinned
from careen.charts.style import colour
from careen.charts.svg import HEIGHT, Svg, drawing, element, number, text
from careen.charts.units import Unit, written
from careen.clock import Instant


def areas(
    times: Sequence[Instant],
    series: Sequence[Series],
    *,
    title: str,
    unit: Unit,
    description: str | None = None,
    width: int = 640,
) -> Svg:
    """Stacked areas.

    Args:
        times: instants, ascending; none: the chart says that there is nothing yet.
        series: the areas, the lowest first. A value that is not known counts as nothing.
        title: what the chart shows.
        unit: of the values.
        description: for those who do not see it; None: the last figures.
        width: pixels.

    Raises:
        ValueError: the data is not as it should be (:func:`careen.charts.plot.check`).
    """
    check(times, series)
    if not times or not series:
        return drawing(width, HEIGHT, title, description or "", *nothing(width))
    times, series = thinned(times, series, width)
    series = [each._replace(values=[value or 0 for value in each.values]) for each in series]
    edges = _edges(series)
    plot, drawn = laid_out(times, series, max(edges[-1]), unit, width)
    xs = (
        [plot.left, *(plot.x(time) for time in times)]
        if len(times) == 1
        else [plot.x(time) for time in times]
    )
    for index, each in enumerate(series):
        lower, upper = (_points(xs, [plot.y(value) for value in edges[index + more]]) for more in (0, 1))
        drawn.append(
            element(
                "path",
                element("title", text(each.name)),
                d=f"M{'L'.join(upper)}L{'L'.join(reversed(lower))}Z",
                fill="currentColor",
                fill_opacity="0.85",
                **colour(place(each, index)),
            )
        )
    drawn += hits(plot, times, series, unit, total=True)
    said = _last(times[-1], series, unit) if description is None else description
    return drawing(width, plot.bottom + BELOW, title, said, *drawn)


def _edges(series: Sequence[Series]) -> list[list[float]]:
    """Of the areas: zero, then the sum of all up to each."""
    edges = [[0.0] * len(series[0].values)]
    for each in series:
        edges.append([below + (value or 0) for below, value in zip(edges[-1], each.values, strict=True)])
    return edges


def _points(xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    """Coordinates; a single value holds over the whole width."""
    if len(ys) == 1:
        ys = [ys[0]] * len(xs)
    return [f"{number(x)} {number(y)}" for x, y in zip(xs, ys, strict=True)]


def _last(instant: Instant, series: Sequence[Series], unit: Unit) -> str:
    figures = ", ".join(f"{each.name} {written(each.values[-1] or 0, unit)}" for each in series)
    return f"On {written_day(instant)}: {figures}."
