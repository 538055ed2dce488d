"""Colours, and the few rules that a page with charts has in its style sheet."""

from careen.charts.svg import WIDTHS

LIGHT = ("#2f6fb5", "#2a9187", "#d9822b", "#8a63b8", "#c24a4a", "#6b7686")
"""Blue, teal, orange, purple, red, slate: each 3:1 against white, and told apart by those who see fewer colours."""

DARK = ("#6ea8e8", "#58c4b8", "#f0a95c", "#b797e0", "#ee8482", "#9aa7b8")
"""The same against black."""

_AT_LEAST = (0, 500, 860)
"""From which width of its place on each of WIDTHS is shown, in pixels."""


def colour(index: int) -> dict[str, str]:
    """The attributes that make ``currentColor`` the colour of a series: a class, and the light colour for want of it.

    Args:
        index: of the series; they begin again after the last colour.
    """
    place = index % len(LIGHT)
    return {"class_": f"chart-{place + 1}", "color": LIGHT[place]}


def _variables(colours: tuple[str, ...]) -> str:
    return "".join(f"--chart-{number}:{value};" for number, value in enumerate(colours, 1))


def _shown() -> str:
    rules = [".charts>.chart{display:none}"]
    for index, (width, least) in enumerate(zip(WIDTHS, _AT_LEAST, strict=True)):
        hidden = f".charts>.chart-w{WIDTHS[index - 1]}{{display:none}}" if index else ""
        rules.append(f"@container (min-width:{least}px){{{hidden}.charts>.chart-w{width}{{display:block}}}}")
    return "\n".join(rules)


STYLE = f"""\
:root{{{_variables(LIGHT)}}}
@media (prefers-color-scheme:dark){{:root:not([data-bs-theme=light]){{{_variables(DARK)}}}}}
[data-bs-theme=dark]{{{_variables(DARK)}}}
svg.chart{{display:block;width:100%;height:auto;min-height:0}}
.charts{{container-type:inline-size}}
{_shown()}
svg.chart-spark{{display:inline-block;width:auto;vertical-align:middle}}
{"".join(f".chart-{number}{{color:var(--chart-{number})}}" for number in range(1, len(LIGHT) + 1))}
.chart-hit:hover{{fill-opacity:.08}}
.chart a:hover text,.chart a:focus text{{text-decoration:underline}}
"""
"""For the style sheet of a page with charts; dark where the system is, or where Tabler's ``data-bs-theme`` says so."""
