"""Which colour is what."""

from collections.abc import Sequence

from careen.charts.style import colour
from careen.charts.svg import CHARACTER, cut, element, text

ROW = 20
"""Pixels of a line."""


def legend(entries: Sequence[tuple[str, int]], width: float, top: float) -> tuple[list[str], float]:
    """Swatches with names, in as many lines as they need.

    Args:
        entries: each name, and which of the palette's colours it has.
        width: pixels.
        top: where it begins.

    Returns:
        The drawing, and where it ends.
    """
    drawn, x, y = [], 0.0, top
    for name, place in entries:
        shown = cut(name, width - 24)
        room = len(shown) * CHARACTER + 32
        if x and x + room > width:
            x, y = 0.0, y + ROW
        drawn += [
            element("rect", x=x, y=y + 4, width=10, height=10, rx=2, fill="currentColor", **colour(place)),
            element("text", text(shown), x=x + 15, y=y + 13),
        ]
        x += room
    return drawn, y + ROW
