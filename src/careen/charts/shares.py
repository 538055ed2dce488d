"""One bar in parts: what a whole is made of."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from careen.charts.legend import legend
from careen.charts.style import colour
from careen.charts.svg import Svg, drawing, element, text
from careen.charts.units import Unit, written

THICK = 18
"""Pixels of the bar."""


class Share(NamedTuple):
    """A part."""

    label: str
    value: float
    """Not negative."""
    colour: int | None = None
    """Which of the palette's; None: by its place among the others."""


def shares(
    parts: Sequence[Share], *, title: str, unit: Unit, description: str | None = None, width: int = 640
) -> Svg:
    """A stacked bar with a legend: each part with its value and its share.

    Args:
        parts: in order; parts of nothing are in the legend alone.
        title: what the chart shows.
        unit: of the values.
        description: for those who do not see it; None: the parts.
        width: pixels.

    Raises:
        ValueError: a value is negative or not finite.
    """
    if any(not 0 <= part.value < math.inf for part in parts):
        raise ValueError("a value is negative or not finite")
    total = math.fsum(part.value for part in parts)
    drawn = [element("rect", x=0, y=0, width=width, height=THICK, rx=3, fill_opacity="0.08")]
    told = [_told(part, total, unit) for part in parts]
    places = [index if part.colour is None else part.colour for index, part in enumerate(parts)]
    before = 0.0
    for part, words, place in zip(parts, told, places, strict=True):
        if part.value:
            x, end = (width * edge / total for edge in (before, before + part.value))
            drawn.append(
                element(
                    "rect",
                    element("title", text(words)),
                    x=x,
                    y=0,
                    # A hair's breadth of the ground parts neighbours, so that it does not take their colours to tell them.
                    width=max(end - x - 1, 0.5),
                    height=THICK,
                    fill="currentColor",
                    **colour(place),
                )
            )
        before += part.value
    entries, end = legend(list(zip(told, places, strict=True)), width, THICK + 4)
    return drawing(
        width, end, title, "; ".join(told) if description is None else description, *drawn, *entries
    )


def _told(part: Share, total: float, unit: Unit) -> str:
    if not part.value:
        return f"{part.label} {written(0, unit)}"
    share = part.value / total
    return f"{part.label} {written(part.value, unit)} ({f'{share:.0%}' if share >= 0.01 else '<1%'})"
