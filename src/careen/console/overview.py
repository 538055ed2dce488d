"""The first page: what is stored, what it costs, what could go, and whether the registry does its work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from careen import charts
from careen.charts import Bar, Series, Svg, Unit
from careen.clock import DAY, SECOND, Instant
from careen.console.repositories import address
from careen.console.visit import Page, Visit, url
from careen.lifecycle.cost import monthly_dollars
from careen.registry import metrics

SECTION = ""

DAYS = (7, 30, 90, 365)
"""What the charts look back on."""

STATES = (
    ("liveBytes", "live"),
    ("sharedBytes", "shared"),
    ("trashBytes", "in the trash"),
    ("archiveBytes", "archived"),
    ("unneededBytes", "unneeded"),
)
"""What a byte can be, as measurements and as the chart name it; the lowest first."""

LISTED = 8
"""How many repositories a list shows."""

LARGEST = 50
"""Of so many repositories those without rules are shown."""

DELETIONS = 200
"""Of so many deletions those that somebody misses."""

LATE = 3600 * SECOND
"""A job that is overdue for so long says that something is wrong."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What something was, and is."""

    days: int
    """How long ago it was that."""
    before: float
    now: float

    @property
    def change(self) -> float:
        """Below zero: it is less now."""
        return self.now - self.before


async def show(visit: Visit) -> Response:
    """The page; who may not see what is stored finds the repositories instead."""
    if not visit.may("ListStorageSamples", service="careen"):
        return visit.go(url("repositories"))
    days = _days(visit)
    asked = {"startTime": (visit.now - days * DAY) / SECOND, "maxResults": 1000}
    samples = (await visit.ask("ListStorageSamples", "careen", **asked))["samples"]
    return visit.page(
        "overview.html",
        section=SECTION,
        title="Overview",
        days=days,
        choices=DAYS,
        latest=samples[0] if samples else None,
        trend=_trend(samples),
        storage=_storage(samples),
        cost=_cost(samples),
        daily=_daily(samples),
        states=STATES,
        stale_dollars=monthly_dollars(samples[0]["staleBytes"], visit.registry.limits.price)
        if samples
        else 0,
        address=address,
        **await _repositories(visit),
        **await _in_use(visit),
        health=_health(visit),
    )


async def _repositories(visit: Visit) -> dict[str, Any]:
    """The busiest, and the largest on which no rule acts."""
    if not visit.may("ListRepositorySummaries", service="careen"):
        return {"busiest": None, "unruled": None}
    asked = {"descending": True, "maxResults": LARGEST}
    largest = await visit.ask("ListRepositorySummaries", "careen", sortBy="SIZE", **asked)
    busy = await visit.ask(
        "ListRepositorySummaries", "careen", sortBy="PULLS", **asked | {"maxResults": LISTED}
    )
    pulled = [each for each in busy["repositories"] if each["pullCount"]]
    return {
        "busiest": pulled and _busiest(pulled),
        "unruled": [
            each for each in largest["repositories"] if each["policyOrigin"] == "NONE" and each["imageCount"]
        ][:LISTED],
    }


async def _in_use(visit: Visit) -> dict[str, Any]:
    """Feeds that fell silent, and deleted images that somebody still asks for."""
    feeds, missed = [], []
    if visit.may("DescribePinFeeds", service="careen"):
        feeds = (await visit.ask("DescribePinFeeds", "careen", maxResults=1000))["feeds"]
    if visit.may("ListTrash", service="careen"):
        deleted = (await visit.ask("ListTrash", "careen", maxResults=DELETIONS))["deletions"]
        missed = [each for each in deleted if each["missedPulls"]]
    return {"feeds": feeds, "missed": missed}


def _days(visit: Visit) -> int:
    asked = visit.query.get("days", "")
    return int(asked) if asked in map(str, DAYS) else 30


def _storage(samples: Sequence[dict[str, Any]]) -> Svg:
    times, series = _ascending(samples, STATES)
    return charts.fitted(
        lambda width: charts.areas(times, series, title="Storage over time", unit=Unit.BYTES, width=width)
    )


def _cost(samples: Sequence[dict[str, Any]]) -> Svg:
    times, series = _ascending(samples, (("monthlyCost", "a month"),))
    return charts.fitted(
        lambda width: charts.lines(times, series, title="Cost of a month", unit=Unit.DOLLARS, width=width)
    )


def _busiest(repositories: Sequence[dict[str, Any]]) -> Svg:
    bars = [
        Bar(each["repositoryName"], each["pullCount"], href=address(each["repositoryName"]))
        for each in repositories
    ]
    return charts.fitted(
        lambda width: charts.bars(bars, title="Pulls of repositories", unit=Unit.COUNT, width=width)
    )


def _ascending(
    samples: Sequence[dict[str, Any]], members: Sequence[tuple[str, str]]
) -> tuple[list[Instant], list[Series]]:
    ordered = samples[::-1]
    times = [each["sampledAt"] for each in ordered]
    return times, [Series(name, [each[member] for each in ordered]) for member, name in members]


def _trend(samples: Sequence[dict[str, Any]]) -> Trend | None:
    """Of the cost, over all that is looked at; None before a day has passed."""
    if not samples or samples[0]["sampledAt"] - samples[-1]["sampledAt"] < DAY:
        return None
    first, last = samples[-1], samples[0]
    days = round((last["sampledAt"] - first["sampledAt"]) / DAY)
    return Trend(days, first["monthlyCost"], last["monthlyCost"])


def _daily(samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last measurement of each day, the latest first: the chart as a table."""
    by_day: dict[int, dict[str, Any]] = {}
    for each in samples:
        by_day.setdefault(each["sampledAt"] // DAY, each)
    return list(by_day.values())


def _health(visit: Visit) -> dict[str, Any] | None:
    """How collector, jobs and webhooks do; None for who may not see the metrics."""
    if not visit.may("GetMetrics", service="careen"):
        return None
    found = visit.registry.read(metrics.measure)
    return {
        "collections": {each.kind: each for each in found.collections},
        "freed": sum(each.freed for each in found.collections),
        "due": found.due_reviews,
        "late": [each for each in found.jobs if each.overdue >= LATE],
        "failing_webhooks": found.failing_webhooks,
        "dead_letters": found.dead_letters,
    }


PAGES = {"": Page(show)}
