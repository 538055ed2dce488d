"""The images of a repository: a row for each, whatever it is made of, with what the rules make of it."""

import sys
from collections.abc import Callable
from typing import NamedTuple

from starlette.responses import Response

from careen.clock import DAY, Instant
from careen.console import repositories
from careen.console.fate import fate
from careen.console.visit import Page, Visit
from careen.ecrapi.call import base_url_of
from careen.registry import browsing
from careen.registry.browsing import Course, Order, Wanted

PER_PAGE = 50

AT_ONCE = 1_000
"""With more manifests than this the rules are asked after the page is there: they look at all of them."""

ORDERS = {
    Order.NEWEST: "Newest first",
    Order.OLDEST: "Oldest first",
    Order.PULLED: "Pulled last",
    Order.UNPULLED: "Not pulled for longest",
    Order.LARGEST: "Largest first",
    Order.SMALLEST: "Smallest first",
}

AGES = {
    "": "Any age",
    "week": "Pushed this week",
    "30": "Older than 30 days",
    "90": "Older than 90 days",
    "365": "Older than a year",
    "unpulled": "Not pulled for 90 days",
}

_STATES = {"": "Any state", "active": "Active", "archived": "Archived"}
_STATES_OF_USE = {"in-use": "In use"}
_STATES_OF_RULES = {
    Course.GOES.value: "Go with the next run",
    Course.HELD.value: "Held back",
    Course.KEPT.value: "Kept",
}

TAGS = {"": "Tagged or not", "yes": "Tagged", "no": "Untagged"}


class Asked(NamedTuple):
    """What the filters of the page say."""

    wanted: Wanted
    page: int
    """1 for the first."""
    course: Course | None
    in_use: bool
    evaluate_up_to: int

    @property
    def is_filtered(self) -> bool:
        """Whether some images are left out."""
        return self.wanted._replace(order=Order.NEWEST) != Wanted() or self.course is not None or self.in_use


async def listed(visit: Visit) -> Response:
    """A page of the list."""
    name = visit.path("name")
    repository = await repositories.describe(visit, name)
    # What is shown is more than DescribeImages answers, and to be seen by whoever may ask for that.
    await visit.ask("DescribeImages", repositoryName=name, maxResults=1)
    sees_rules = visit.may("SimulateLifecyclePolicy", name, "careen")
    sees_pins = visit.may("ListImagePins", name, "careen")
    asked = _asked(visit, sees_rules=sees_rules, sees_pins=sees_pins)
    found = await visit.registry.read_in_thread(
        browsing.page,
        name,
        asked.wanted,
        (asked.page - 1) * PER_PAGE,
        PER_PAGE,
        course=asked.course,
        in_use=asked.in_use,
        evaluate_up_to=asked.evaluate_up_to,
    )
    states = _STATES | (_STATES_OF_USE if sees_pins else {}) | (_STATES_OF_RULES if sees_rules else {})
    return await repositories.of_repository(
        visit,
        "images/list.html",
        "images",
        repository=repository,
        found=found,
        fates=found.fates and {digest: fate(each) for digest, each in found.fates.items()},
        here=_here(visit),
        is_plain=is_plain(visit),
        asked=asked,
        first=(asked.page - 1) * PER_PAGE + 1,
        last=min(asked.page * PER_PAGE, found.total),
        sees_rules=sees_rules,
        sees_pins=sees_pins,
        choices={"tagged": TAGS, "age": AGES, "state": states, "sort": ORDERS},
    )


def _asked(visit: Visit, *, sees_rules: bool, sees_pins: bool) -> Asked:
    """Read the filters. What is no choice, and what the visitor may not see, is as if it were not there."""
    query, now = visit.query, visit.now
    age, state = query.get("age", ""), query.get("state", "")
    wanted = Wanted(
        text=query.get("search", "").strip(),
        tagged={"yes": True, "no": False}.get(query.get("tagged", "")),
        status=state.upper() if state in _STATES and state else None,
        pushed_since=now - 7 * DAY if age == "week" else None,
        pushed_before=_before(now, age),
        pulled_before=now - 90 * DAY if age == "unpulled" else None,
        order=Order(query["sort"]) if query.get("sort") in ORDERS else Order.NEWEST,
    )
    page = query.get("page", "1")
    return Asked(
        wanted,
        max(int(page), 1) if page.isdecimal() and len(page) < 9 else 1,
        Course(state) if sees_rules and state in _STATES_OF_RULES else None,
        sees_pins and state in _STATES_OF_USE,
        0 if not sees_rules else sys.maxsize if query.get("rules") == "yes" else AT_ONCE,
    )


def _before(now: Instant, age: str) -> Instant | None:
    return now - int(age) * DAY if age in AGES and age.isdecimal() else None


def _here(visit: Visit) -> Callable[..., str]:
    """Addresses of this page with other parameters: ``here(page=2)``."""
    kept = {
        name: visit.query[name]
        for name in ("search", "tagged", "age", "state", "sort")
        if name in visit.query
    }
    name = visit.path("name")
    return lambda **changed: repositories.address(name, **(kept | changed))


def is_plain(visit: Visit) -> bool:
    """Whether clients have to be told that they shall speak plain HTTP. Docker does so with localhost by itself."""
    return base_url_of(visit.registry, visit.request).startswith("http:")


PAGES = {"repositories/{name:path}": Page(listed)}
"""What every other address of a repository fits as well: to be joined after them."""
