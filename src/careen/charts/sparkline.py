"""A line as small as a word: which way something goes."""

import math
from collections.abc import Sequence

from careen.charts.style import colour
from careen.charts.svg import Svg, element, number, text


def sparkline(values: Sequence[float], *, title: str, width: int = 96, height: int = 20) -> Svg:
    """A line without axes, from zero to the highest value, with a dot at its end.

    Args:
        values: not negative, evenly spaced in time; none: an empty drawing.
        title: what it shows, for those who do not see it.
        width: pixels.
        height: pixels.

    Raises:
        ValueError: a value is negative or not finite.
    """
    if any(not 0 <= value < math.inf for value in values):
        raise ValueError("a value is negative or not finite")
    drawn = []
    if values:
        highest = max(values) or 1
        # The dot has a radius of two pixels, the line is one and a half wide: both stay inside.
        step = (width - 6) / max(1, len(values) - 1)
        first = 3.0 if len(values) > 1 else width - 3.0
        points = [
            (first + index * step, height - 3 - (height - 6) * value / highest)
            for index, value in enumerate(values)
        ]
        path = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        last_x, last_y = points[-1]
        drawn = [
            element("path", d=f"M{path}", fill="none", stroke="currentColor", stroke_width=1.5, **colour(0)),
            element("circle", cx=last_x, cy=last_y, r=2, fill="currentColor", **colour(0)),
        ]
    return Svg(
        element(
            "svg",
            element("title", text(title)),
            *drawn,
            class_="chart chart-spark",
            viewBox=f"0 0 {width} {height}",
            width=width,
            height=height,
            role="img",
        )
    )
