"""What happened: the log of events as it grows, and the ledger of deletions."""

import datetime as dt
from typing import Any

import msgspec
from starlette.responses import Response

from careen.clock import SECOND, from_datetime
from careen.console.repositories import address
from careen.console.visit import Page, Visit, url
from careen.console.words import indented
from careen.ecr.events import DetailType

SECTION = "activity"

LISTED = 50

TABS = (("Events", "activity"), ("Deletions", "activity/deletions"))


async def events(visit: Visit) -> Response:
    """The log, the latest first. The first page follows what happens."""
    query = visit.query
    repository, kind, action = (query.get(name, "").strip() for name in ("repository", "kind", "action"))
    start, end = _moment(query.get("from", "")), _moment(query.get("to", ""))
    found = await visit.ask(
        "ListEvents",
        "careen",
        repositoryName=repository or None,
        detailTypes=[kind] if kind else None,
        actionTypes=[action.upper()] if action else None,
        startTime=start,
        endTime=end,
        nextToken=query.get("token"),
        maxResults=LISTED,
    )
    chosen = {"repository": repository, "kind": kind, "action": action}
    chosen |= {"from": query.get("from", ""), "to": query.get("to", "")}
    return visit.page(
        "activity/events.html",
        section=SECTION,
        title="Activity",
        tabs_here=_tabs("activity"),
        events=[_told(each) for each in found["events"]],
        chosen=chosen,
        is_filtered=any(chosen.values()),
        is_first="token" not in query,
        next_page=found["nextToken"] and url("activity", **chosen, token=found["nextToken"]),
        here=url("activity", **chosen),
        kinds=[("", "All kinds"), *((each.value, each.value) for each in DetailType)],
        address=address,
    )


async def deletions(visit: Visit) -> Response:
    """Who deleted what, when and why, and what became of it. Nothing is ever forgotten."""
    query = visit.query
    repository, image = query.get("repository", "").strip(), query.get("image", "").strip()
    by_digest = image.startswith("sha256:")
    found = await visit.ask(
        "DescribeDeletions",
        "careen",
        repositoryName=repository or None,
        imageDigest=image if by_digest else None,
        imageTag=image if image and not by_digest else None,
        nextToken=query.get("token"),
        maxResults=LISTED,
    )
    chosen = {"repository": repository, "image": image}
    return visit.page(
        "activity/deletions.html",
        section=SECTION,
        title="Activity",
        tabs_here=_tabs("activity/deletions"),
        deletions=found["deletions"],
        chosen=chosen,
        is_filtered=any(chosen.values()),
        next_page=found["nextToken"] and url("activity/deletions", **chosen, token=found["nextToken"]),
        outcomes=OUTCOMES,
        address=address,
    )


OUTCOMES = {
    "IN_TRASH": ("in the trash", "info"),
    "RESTORED": ("restored", "good"),
    "REPLACED": ("pushed again", "good"),
    "PURGED": ("gone for good", "plain"),
}
"""What became of a deleted image: in words, and the badge's kind."""


def _tabs(here: str) -> list[tuple[str, str, bool]]:
    return [(title, url(path), path == here) for title, path in TABS]


def _told(event: dict[str, Any]) -> dict[str, Any]:
    """An event with its image, and its document as people read it."""
    envelope = msgspec.json.decode(event["eventText"])
    detail = envelope["detail"]
    return event | {
        "digest": detail.get("image-digest") or detail.get("manifest-digest") or "",
        "tag": detail.get("image-tag") or "",
        "result": detail.get("result", ""),
        "text": indented(event["eventText"]),
    }


def _moment(text: str) -> float | None:
    """Seconds of what a field for a date and a time has, which is UTC here; None if it is none."""
    try:
        return from_datetime(dt.datetime.fromisoformat(text)) / SECOND
    except ValueError:
        return None


PAGES = {
    "activity": Page(events),
    "activity/deletions": Page(deletions),
}
