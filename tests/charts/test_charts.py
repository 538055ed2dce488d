"""Charts as text: small ones exactly, all of them by what must always hold."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import careen
from careen import charts
from careen.charts.calendar import dates
from careen.charts.units import ticks
from careen.clock import DAY, HOUR, parse_instant

NOW = parse_instant("2026-11-26T08:00:00Z")
GIB = 2**30
SVG = "{http://www.w3.org/2000/svg}"


def parsed(chart: str) -> ET.Element:
    """As a browser reads it that is given a file; the name space is HTML's to know."""
    return ET.fromstring(chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314 - our own text


def test_bars_as_text() -> None:
    """A bar chart is this, to the letter: titles, labels, values, lengths in proportion, no style and no script."""
    chart = charts.bars(
        [charts.Bar("team/app", 200, "today", "/r?a=1&b=2"), charts.Bar("<b>", 50)],
        title="Pulls",
        unit=charts.Unit.COUNT,
        width=400,
    )
    expected = """
<svg class="chart chart-w400" viewBox="0 0 400 72" width="400" height="72" role="group" font-family="system-ui, sans-serif"
 font-size="12" fill="currentColor">
<title>Pulls</title>
<desc>team/app 200; &lt;b&gt; 50</desc>
<a href="/r?a=1&amp;b=2"><text x="0" y="14"><title>team/app</title>team/app</text></a>
<text x="400" y="14" text-anchor="end">200, today</text>
<rect x="0" y="20" width="400" height="8" rx="2" fill-opacity="0.08"/>
<rect x="0" y="20" width="400" height="8" rx="2" fill="currentColor" class="chart-1" color="#2f6fb5"/>
<text x="0" y="50"><title>&lt;b&gt;</title>&lt;b&gt;</text>
<text x="400" y="50" text-anchor="end">50</text>
<rect x="0" y="56" width="400" height="8" rx="2" fill-opacity="0.08"/>
<rect x="0" y="56" width="100" height="8" rx="2" fill="currentColor" class="chart-1" color="#2f6fb5"/>
</svg>"""
    assert expected.replace("\n ", " ").replace("\n", "") == chart


def test_sparkline_as_text() -> None:
    """A sparkline goes from left to right, from zero at the bottom to the highest value, and ends in a dot."""
    chart = charts.sparkline([0, 5, 10], title="pulls, 3 weeks", width=46, height=20)
    expected = (
        '<svg class="chart chart-spark" viewBox="0 0 46 20" width="46" height="20" role="img"><title>pulls, 3 weeks</title>'
        '<path d="M3 17L23 10L43 3" fill="none" stroke="currentColor" stroke-width="1.5" class="chart-1" color="#2f6fb5"/>'
        '<circle cx="43" cy="3" r="2" fill="currentColor" class="chart-1" color="#2f6fb5"/></svg>'
    )
    assert expected == chart


def test_areas_say_what_they_show() -> None:
    """A stacked area has round labels, dates, a legend, and its figures for whoever points at it or does not see it."""
    chart = charts.areas(
        [NOW - 2 * DAY, NOW - DAY, NOW],
        [charts.Series("live", [GIB, 2 * GIB, 3 * GIB]), charts.Series("trash", [0, GIB, GIB / 2])],
        title="Storage",
        unit=charts.Unit.BYTES,
    )
    tree = parsed(chart)
    days = ["12:00", "25 Nov", "12:00", "26 Nov"]
    labels = [each.text for each in tree.findall(f"{SVG}text")]
    assert labels == ["live", "trash", "0", "1 GiB", "2 GiB", "3 GiB", "4 GiB", *days]
    assert tree.findtext(f"{SVG}desc") == "On 26 Nov 2026: live 3 GiB, trash 512 MiB."
    told = [each.findtext(f"{SVG}title") for each in tree.findall(f"{SVG}rect[@class='chart-hit']")]
    assert told[-1] == "26 Nov 2026 08:00\ntrash: 512 MiB\nlive: 3 GiB\ntogether: 3.5 GiB"


def test_a_forecast_is_dashed_in_its_band() -> None:
    """What is known is a whole line, what is expected a dashed one that begins where the other ends; a gap stays a gap."""
    chart = charts.lines(
        [NOW, NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY],
        [charts.Series("images", [1, 2, 4, 4]), charts.Series("others", [3, None, 3, 3], colour=4)],
        title="Images",
        unit=charts.Unit.COUNT,
        stepped=True,
        band=charts.Band(NOW + DAY, NOW + 3 * DAY, "forecast"),
    )
    paths = [
        (each.get("class"), each.get("d"), each.get("stroke-dasharray"))
        for each in parsed(chart).iter(f"{SVG}path")
    ]
    assert paths == [
        ("chart-1", "M14.6 184H219.1V132", None),
        ("chart-1", "M219.1 132H423.5V28H628V28", "5 4"),
        ("chart-5", "M14.6 80h0", None),
        ("chart-5", "M423.5 80H628V80", "5 4"),
    ]
    assert "forecast" in {each.text for each in parsed(chart).findall(f"{SVG}text")}


def test_shares_are_told_and_drawn_in_proportion() -> None:
    """Every part is in the legend with its share, and those that are something are as long as it."""
    parts = [charts.Share("live", 75), charts.Share("trash", 25, colour=2), charts.Share("archive", 0)]
    tree = parsed(charts.shares(parts, title="Shares", unit=charts.Unit.COUNT, width=400))
    assert tree.findtext(f"{SVG}desc") == "live 75 (75%); trash 25 (25%); archive 0"
    drawn = [
        (each.get("class"), each.get("x"), each.get("width"))
        for each in tree.findall(f"{SVG}rect")
        if each.find(f"{SVG}title") is not None
    ]
    assert drawn == [("chart-1", "0", "299"), ("chart-3", "300", "99")]


def test_a_chart_without_data_says_so() -> None:
    """No chart is an empty frame."""
    for chart in (
        charts.areas([], [], title="t", unit=charts.Unit.BYTES),
        charts.lines([], [], title="t", unit=charts.Unit.BYTES),
        charts.bars([], title="t", unit=charts.Unit.BYTES),
    ):
        assert "nothing to show yet" in chart


@pytest.mark.parametrize(
    "draw",
    [
        lambda: charts.areas([1, 1], [charts.Series("a", [1, 2])], title="", unit=charts.Unit.COUNT),
        lambda: charts.areas([1, 2], [charts.Series("a", [1])], title="", unit=charts.Unit.COUNT),
        lambda: charts.lines([1], [charts.Series("a", [-1])], title="", unit=charts.Unit.COUNT),
        lambda: charts.bars([charts.Bar("a", float("inf"))], title="", unit=charts.Unit.COUNT),
        lambda: charts.shares([charts.Share("a", -1)], title="", unit=charts.Unit.COUNT),
        lambda: charts.sparkline([float("nan")], title=""),
    ],
    ids=["times", "lengths", "negative", "infinite", "share", "nan"],
)
def test_data_that_cannot_be_drawn_is_refused(draw: Callable[[], charts.Svg]) -> None:
    """A chart raises rather than lies."""
    with pytest.raises(ValueError, match=r"time|value"):
        draw()


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, charts.Unit.BYTES, "0 B"),
        (1023, charts.Unit.BYTES, "1,023 B"),
        (1024, charts.Unit.BYTES, "1 KiB"),
        (1.31 * GIB, charts.Unit.BYTES, "1.31 GiB"),
        (GIB - 1, charts.Unit.BYTES, "1 GiB"),
        (2**40 - 600 * 2**20, charts.Unit.BYTES, "1,023 GiB"),
        (1234567, charts.Unit.COUNT, "1,234,567"),
        (0, charts.Unit.DOLLARS, "$0.00"),
        (0.0012, charts.Unit.DOLLARS, "$0.0012"),
        (0.00002, charts.Unit.DOLLARS, "< $0.0001"),
        (-0.5 * GIB, charts.Unit.BYTES, "-512 MiB"),
        (-12.5, charts.Unit.DOLLARS, "-$12.50"),
        (-0.00002, charts.Unit.DOLLARS, "> -$0.0001"),
        (1234.5, charts.Unit.DOLLARS, "$1,234.50"),
    ],
)
def test_figures_are_written_for_people(value: float, unit: charts.Unit, expected: str) -> None:
    """Three digits of bytes in their unit, all of a count, cents of dollars; of what is something never nothing."""
    assert expected == charts.written(value, unit)


@pytest.mark.parametrize(
    ("highest", "unit", "expected"),
    [
        (0, charts.Unit.BYTES, ["0", "1 B"]),
        (3, charts.Unit.COUNT, ["0", "1", "2", "3"]),
        (700 * GIB, charts.Unit.BYTES, ["0", "200 GiB", "400 GiB", "600 GiB", "800 GiB"]),
        (1.3 * 2**40, charts.Unit.BYTES, ["0", "0.5 TiB", "1.0 TiB", "1.5 TiB"]),
        (0.7, charts.Unit.DOLLARS, ["$0", "$0.2", "$0.4", "$0.6", "$0.8"]),
        (45_000, charts.Unit.COUNT, ["0", "20 k", "40 k", "60 k"]),
        (57, charts.Unit.DOLLARS, ["$0", "$20", "$40", "$60"]),
    ],
)
def test_an_axis_has_round_numbers(highest: float, unit: charts.Unit, expected: list[str]) -> None:
    """Round in the unit that people say it in."""
    assert expected == [label for _, label in ticks(highest, unit, 4)]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (6 * HOUR, ["02:00", "04:00", "06:00", "08:00"]),
        (20 * HOUR, ["12:00", "18:00", "26 Nov", "06:00"]),
        (3 * DAY, ["24 Nov", "25 Nov", "26 Nov"]),
        (30 * DAY, ["9 Nov", "23 Nov"]),
        (200 * DAY, ["Jul", "Sep", "Nov"]),
        (300 * DAY, ["Apr", "Jul", "Oct"]),
        (1500 * DAY, ["2023", "2024", "2025", "2026"]),
    ],
)
def test_a_time_axis_has_round_dates(length: int, expected: list[str]) -> None:
    """Hours, days, Mondays, months or years: what there is room for."""
    assert expected == [label for _, label in dates(NOW - length, NOW, 4)]


values = st.floats(min_value=0, max_value=2.0**62) | st.integers(min_value=0, max_value=2**62)
texts = st.text(max_size=30)


@given(highest=values, unit=st.sampled_from(charts.Unit), at_most=st.integers(1, 10))
def test_an_axis_reaches_the_highest_value(highest: float, unit: charts.Unit, at_most: int) -> None:
    """It begins at zero, ascends in even steps, reaches the highest value, and has not more steps than were asked for."""
    marks = ticks(highest, unit, at_most)
    numbers = [number for number, _ in marks]
    assert numbers[0] == 0
    assert numbers[-1] >= highest * (1 - 1e-9)
    assert len(marks) - 1 <= at_most
    assert all(later > earlier for earlier, later in pairwise(numbers))
    assert len(marks) == len({label for _, label in marks})


@given(
    start=st.integers(-(10**15), 10**16),
    length=st.integers(0, 10**16),
    at_most=st.integers(min_value=2, max_value=12),
)
def test_dates_lie_within_the_time(start: int, length: int, at_most: int) -> None:
    """They ascend, none is outside, and there are not more than there is room for."""
    instants = [instant for instant, _ in dates(start, start + length, at_most)]
    assert len(instants) <= at_most
    assert all(start <= instant <= start + length for instant in instants)
    assert sorted(set(instants)) == instants


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[int], list[charts.Series]]:
    """Times, and series of values for them."""
    times = sorted(draw(st.sets(st.integers(0, 2**52), min_size=1, max_size=12)))
    column = st.lists(st.none() | values, min_size=len(times), max_size=len(times))
    names = draw(st.lists(texts, min_size=1, max_size=5))
    return times, [charts.Series(name, draw(column)) for name in names]


@given(data=stacks(), title=texts, unit=st.sampled_from(charts.Unit), width=st.sampled_from([360, 640, 1080]))
def test_areas_lie_on_each_other(
    data: tuple[list[int], list[charts.Series]], title: str, unit: charts.Unit, width: int
) -> None:
    """Each area begins where the one below it ends, the lowest on the ground, and none leaves the picture."""
    times, series = data
    tree = parsed(charts.areas(times, series, title=title, unit=unit, width=width))
    height = float(tree.attrib["height"])
    below: list[tuple[float, float]] | None = None
    for path in tree.findall(f"{SVG}path"):
        points = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.attrib["d"])]
        upper, lower = points[: len(points) // 2], points[len(points) // 2 :][::-1]
        assert [x for x, _ in upper] == [x for x, _ in lower]
        if below is None:
            assert len({y for _, y in lower}) == 1
        else:
            assert below == lower
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        below = upper


@given(text=st.text(max_size=80), value=values, width=st.integers(200, 1100))
def test_no_text_leaves_its_place(text: str, value: float, width: int) -> None:
    """Whatever a name contains, it is text: the chart parses, has no element but its own, no style and no script."""
    series = [charts.Series(text, [value]), charts.Series(text, [value])]
    bar, share = charts.Bar(text, value, text, text), charts.Share(text, value)
    band = charts.Band(NOW, NOW + DAY, text)
    for chart in (
        charts.areas([NOW], series, title=text, unit=charts.Unit.BYTES, width=width),
        charts.lines([NOW], series, title=text, unit=charts.Unit.BYTES, width=width, band=band),
        charts.bars([bar], title=text, unit=charts.Unit.BYTES, width=width),
        charts.shares([share, share], title=text, unit=charts.Unit.BYTES, width=width),
        charts.sparkline([value], title=text),
    ):
        elements = list(parsed(chart).iter())
        known = {"svg", "title", "desc", "text", "rect", "line", "path", "a", "circle"}
        assert {each.tag.removeprefix(SVG) for each in elements} <= known
        assert not any("style" in each.attrib for each in elements)


def test_fitted_draws_every_width_that_the_style_sheet_shows() -> None:
    """For a telephone, half a page and a whole one there is one drawing each, and a rule that shows it."""
    chart = charts.fitted(
        lambda width: charts.bars([charts.Bar("a", 1)], title="t", unit=charts.Unit.COUNT, width=width)
    )
    drawn = re.findall(r"chart-w(\d+)", chart)
    assert drawn == ["360", "640", "1080"]
    assert all(f".charts>.chart-w{width}{{display:block}}" in charts.STYLE for width in drawn)
    assert chart == chart.__html__()


def test_the_console_has_the_styles() -> None:
    """Its style sheet carries the rules of charts as they are."""
    assert charts.STYLE in (Path(careen.__file__).parent / "console" / "static" / "console.css").read_text()
