"""Bars, one below the other: who has most."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from careen.charts.style import colour
from careen.charts.svg import CHARACTER, Svg, cut, drawing, element, text
from careen.charts.units import Unit, written

ROW = 36
"""Pixels for a bar and the line of text above it."""


class Bar(NamedTuple):
    """One of them."""

    label: str
    value: float
    """Not negative."""
    note: str = ""
    """Said behind the value."""
    href: str = ""
    """Where the label leads; empty: nowhere."""


def bars(
    items: Sequence[Bar], *, title: str, unit: Unit, description: str | None = None, width: int = 640
) -> Svg:
    """Horizontal bars with labels and values, in the order in which they come.

    Args:
        items: the bars; none: the chart says that there is nothing yet.
        title: what the chart shows.
        unit: of the values.
        description: for those who do not see it; None: the labels and values.
        width: pixels.

    Raises:
        ValueError: a value is negative or not finite.
    """
    if any(not 0 <= item.value < math.inf for item in items):
        raise ValueError("a value is negative or not finite")
    if not items:
        none = element("text", "nothing to show yet", x=0, y=20, opacity="0.8")
        return drawing(width, ROW, title, description or "", none)
    highest = max(item.value for item in items) or 1
    drawn = []
    for index, item in enumerate(items):
        top = index * ROW
        figure = written(item.value, unit) + (f", {item.note}" if item.note else "")
        label = cut(item.label, width - len(figure) * CHARACTER - 16)
        name = element("text", element("title", text(item.label)), text(label), x=0, y=top + 14)
        drawn += [
            element("a", name, href=item.href) if item.href else name,
            element("text", text(figure), x=width, y=top + 14, text_anchor="end"),
            element("rect", x=0, y=top + 20, width=width, height=8, rx=2, fill_opacity="0.08"),
        ]
        if item.value:
            length = max(2.0, width * item.value / highest)
            drawn.append(
                element(
                    "rect", x=0, y=top + 20, width=length, height=8, rx=2, fill="currentColor", **colour(0)
                )
            )
    has_links = any(item.href for item in items)
    said = "; ".join(f"{item.label} {written(item.value, unit)}" for item in items)
    return drawing(
        width,
        len(items) * ROW,
        title,
        said if description is None else description,
        *drawn,
        has_links=has_links,
    )
