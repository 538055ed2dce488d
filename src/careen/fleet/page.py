"""A report as one page that needs nothing else: no script, no request, charts as SVG, light or dark as the reader's system is."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from careen import charts
from careen.charts import Bar, Share, Svg, Unit
from careen.charts.calendar import written_day, written_moment
from careen.clock import Instant
from careen.fleet import wording
from careen.fleet.report import Cost, Group, Report
from careen.lifecycle.cost import monthly_dollars
from careen.lifecycle.reason import SHORT

TEMPLATES = Path(__file__).parent / "templates"

BARS = 12
"""How many bars a chart has: what is smaller is in the table."""
ROWS = 100
"""How many rows a table has, but for that of all repositories."""
REPOSITORIES = 2000
"""How many rows that one has: a browser still scrolls through so many. All are in the CSV."""
KEYS = 4
"""By how many tags costs are told."""


def page(report: Report) -> str:
    """The page's text."""
    style = f"{charts.STYLE}\n{(TEMPLATES / 'report.css').read_text('utf-8')}"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            style=style,
            style_hash=f"sha256-{digest}",
            use=_use(report),
            savings_chart=_bars(
                "Savings by repository, a month",
                [Bar(row.place, row.saves.dollars) for row in report.savings],
                Unit.DOLLARS,
            ),
            rules=[wording.sentence(rule) for rule in report.saving.rules.rules],
            costs=[
                ("Accounts", "account", report.accounts, None),
                ("Regions", "Region", report.regions, None),
                *((f"Tag {each.key}", each.key, each.groups, each.without) for each in report.tags[:KEYS]),
            ],
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "size": partial(charts.written, unit=Unit.BYTES),
        "dollars": partial(charts.written, unit=Unit.DOLLARS),
        "number": partial(charts.written, unit=Unit.COUNT),
        "day": _day,
        "moment": written_moment,
        "short": _short,
    }
    made.globals |= {
        "share": _share,
        "cost_chart": _cost_chart,
        "ROWS": ROWS,
        "REPOSITORIES": REPOSITORIES,
        "monthly": monthly_dollars,
    }
    return made


def _use(report: Report) -> Svg:
    """What of the bytes is needed."""
    total = report.total
    rest = max(0, total.bytes - total.untagged_bytes - total.stale_bytes)
    parts = [
        Share("pushed, pulled or in use lately", rest, 1),
        Share("untagged", total.untagged_bytes, 2),
        Share(f"stale for {report.stale_days} days", total.stale_bytes, 3),
    ]
    return charts.fitted(
        lambda width: charts.shares(parts, title="What of the bytes is needed", unit=Unit.BYTES, width=width)
    )


def _cost_chart(title: str, groups: Sequence[Group], without: Cost | None) -> Svg:
    bars = [
        Bar(each.name or "(empty)", each.cost.dollars, charts.written(each.cost.bytes, Unit.BYTES))
        for each in groups
    ]
    if without is not None and without.repositories:
        bars.append(Bar("without the tag", without.dollars, charts.written(without.bytes, Unit.BYTES)))
        bars.sort(key=lambda bar: -bar.value)
    return _bars(f"{title}: dollars a month", bars, Unit.DOLLARS)


def _bars(title: str, bars: Sequence[Bar], unit: Unit) -> Svg:
    return charts.fitted(lambda width: charts.bars(bars[:BARS], title=title, unit=unit, width=width))


def _day(instant: Instant | None) -> str:
    return "never" if instant is None else written_day(instant)


def _short(digest: str) -> str:
    return digest[:SHORT]


def _share(part: float, whole: float) -> str:
    if not part or not whole:
        return "0%"
    return f"{part / whole:.0%}" if part / whole >= 0.005 else "<1%"
