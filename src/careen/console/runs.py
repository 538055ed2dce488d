"""Runs of lifecycle policies: what each did, to which images, why; and the way back."""

from typing import Any

from starlette.responses import Response

from careen.console.policy import TAB
from careen.console.repositories import address, of_repository
from careen.console.visit import Notice, Page, Visit, number, url
from careen.console.words import plural
from careen.ecr.errors import EcrError

SECTION = "runs"

LISTED = 25
"""Runs of a page: each is counted for it."""

DECISIONS = 100
"""Decisions of a page."""


async def every(visit: Visit) -> Response:
    """The latest runs, in whichever repository."""
    found = await _page(visit, None)
    return visit.page("policy/runs.html", section=SECTION, title="Policy runs", address=address, **found)


async def of_one(visit: Visit) -> Response:
    """The latest runs in a repository."""
    found = await _page(visit, visit.path("name"))
    return await of_repository(visit, "policy/runs_of.html", TAB, **found)


async def run(visit: Visit, refusal: EcrError | None = None) -> Response:
    """One run, with every decision."""
    found = await visit.ask(
        "DescribeLifecycleRun",
        "careen",
        repositoryName=visit.path("name"),
        runId=_run(visit),
        maxResults=DECISIONS,
        nextToken=visit.query.get("after"),
    )
    return await of_repository(
        visit,
        "policy/run_done.html",
        TAB,
        run=found["run"],
        decisions=found["actions"],
        after=found["nextToken"],
        refusal=refusal,
    )


async def take_back(visit: Visit) -> Response:
    """Bring back all that a run deleted and the trash still has."""
    name, run_id = visit.path("name"), _run(visit)
    try:
        restored = await visit.ask("RestoreImages", "careen", runId=run_id)
    except EcrError as refusal:
        return await run(visit, refusal)
    images = restored["images"]
    taken = sum(len(each["takenTags"]) for each in images)
    told = f"{plural(len(images), 'image')} came back. No run deletes them again for as long as the trash keeps images."
    if taken:
        told += f" {plural(taken, 'tag')} stayed with the newer images that have them by now."
    return visit.go(address(name, f"runs/{run_id}"), Notice(told))


async def _page(visit: Visit, name: str | None) -> dict[str, Any]:
    asked = {"repositoryName": name, "maxResults": LISTED, "nextToken": visit.query.get("after")}
    found = await visit.ask("ListLifecycleRuns", "careen", **asked)
    here = url(SECTION) if name is None else address(name, "runs")
    after = found["nextToken"]
    return {
        "runs": found["runs"],
        "further": None if after is None else f"{here}?{_query(after)}",
        "is_first": "after" not in visit.query,
        "first": here,
    }


def _query(after: str) -> str:
    return url("", after=after).partition("?")[2]


def _run(visit: Visit) -> int:
    """The run in the address; one that there cannot be stands for what is none."""
    return number(visit.path("run")) or 0


PAGES = {
    "runs": Page(every),
    "repositories/{name:path}/-/runs": Page(of_one),
    "repositories/{name:path}/-/runs/{run}": Page(run, take_back),
}
