"""SVG as text: elements, their escaping, and the frame that every chart has."""

import re
from collections.abc import Callable
from html import escape

WIDTHS = (360, 640, 1080)
"""What :func:`fitted` draws for: a telephone, half a page, a whole one. The style sheet knows them too."""

HEIGHT = 240
"""Of a plot with axes."""

CHARACTER = 6.6
"""The width of one in text of 12 pixels, about: SVG cannot measure before it is drawn."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Svg(str):
    """Markup. Templates that escape what they are given take it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        """As MarkupSafe asks for it."""
        return self


def element(name: str, *children: str, **attributes: float | str) -> str:
    """One element.

    Args:
        name: its tag.
        children: markup; text goes through :func:`text` first.
        attributes: by name, with ``_`` for ``-`` and ``class_`` for ``class``. Numbers are rounded to a tenth.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text(content: str) -> str:
    """Text that markup may have within it; what no XML may contain is replaced."""
    return escape(_NOT_XML.sub("\ufffd", content))


def number(value: float) -> str:
    """A coordinate: a tenth of a pixel is enough."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written


def drawing(
    width: float, height: float, title: str, description: str, *children: str, has_links: bool = False
) -> Svg:
    """The whole of a chart.

    Args:
        width: of the view box, in pixels if it is not scaled.
        height: likewise.
        title: what it shows.
        description: what there is to be seen, for those who do not see it; empty: the title says it.
        children: what is drawn.
        has_links: whether there are links in it: then it is no image, whose parts nobody can reach.
    """
    described = [element("desc", text(description))] if description else []
    return Svg(
        element(
            "svg",
            element("title", text(title)),
            *described,
            *children,
            class_=f"chart chart-w{number(width)}",
            viewBox=f"0 0 {number(width)} {number(height)}",
            width=width,
            height=height,
            role="group" if has_links else "img",
            font_family="system-ui, sans-serif",
            font_size=12,
            fill="currentColor",
        )
    )


def fitted(draw: Callable[[int], Svg]) -> Svg:
    """A chart that is readable at any width: drawn for each of :data:`WIDTHS`, one of which is shown.

    Args:
        draw: draws it for a width in pixels.
    """
    return Svg(f'<div class="charts">{"".join(draw(width) for width in WIDTHS)}</div>')


def cut(content: str, width: float) -> str:
    """Text that takes so many pixels at most: what is too long loses its middle, as names differ at both ends."""
    fits = max(3, int(width / CHARACTER))
    if len(content) <= fits:
        return content
    tail = (fits - 1) // 2
    return f"{content[: fits - 1 - tail]}…{content[len(content) - tail :]}"


def _value(value: float | str) -> str:
    return text(value) if isinstance(value, str) else number(value)
