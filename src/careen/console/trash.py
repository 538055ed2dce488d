"""The trash: what was deleted and can still come back, by whom and why; bringing it back, and letting go of it."""

from collections import defaultdict
from typing import Any

from starlette.responses import Response

from careen.console.repositories import address
from careen.console.visit import Notice, Page, Visit, number, url
from careen.console.words import plural, size
from careen.ecr.errors import EcrError

SECTION = "trash"

LISTED = 50

TYPED = "empty the trash"
"""What somebody types who means it."""


async def listed(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The list, and what can be done with it."""
    repository, run = _filters(visit)
    found = await visit.ask(
        "ListTrash",
        "careen",
        repositoryName=repository,
        runId=run,
        nextToken=visit.query.get("token"),
        maxResults=LISTED,
    )
    return visit.page(
        "trash/list.html",
        section=SECTION,
        title="Trash",
        found=found,
        repository=repository,
        run=run,
        address=address,
        may_restore=visit.may("RestoreImages", repository, "careen"),
        may_restore_run=visit.may("RestoreImages", service="careen"),
        may_empty=visit.may("EmptyTrash", repository, "careen"),
        refusal=refusal,
    )


async def restore(visit: Visit) -> Response:
    """Bring images back: those that were ticked, one, or all of a run."""
    form = visit.form
    move_tags = form.get("move") == "on"
    restored: list[dict[str, Any]] = []
    try:
        if "run" in form:
            restored += (
                await visit.ask("RestoreImages", "careen", runId=number(form["run"]), moveTags=move_tags)
            )["images"]
        else:
            for name, digests in _chosen(form.getlist("image")).items():
                found = await visit.ask(
                    "RestoreImages",
                    "careen",
                    repositoryName=name,
                    imageIds=[{"imageDigest": digest} for digest in digests],
                    moveTags=move_tags,
                )
                restored += found["images"]
    except EcrError as refusal:
        return await listed(visit, refusal)
    if not restored:
        return visit.go(_here(visit), Notice("Nothing was chosen, so nothing is back.", is_good=False))
    taken = sorted({tag for each in restored for tag in each["takenTags"]})
    left = f" Left where they are by now: {', '.join(taken)}." if taken else ""
    return visit.go(_here(visit), Notice(f"{plural(len(restored), 'image')} restored.{left}"))


async def ask_empty(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What would be gone for good, and the field to type into."""
    repository, _ = _filters(visit)
    found = await visit.ask("ListTrash", "careen", repositoryName=repository, maxResults=1)
    return visit.page(
        "trash/empty.html",
        section=SECTION,
        title="Empty the trash",
        found=found,
        repository=repository,
        words=TYPED,
        refusal=refusal,
    )


async def empty(visit: Visit) -> Response:
    """Let go of it."""
    repository, _ = _filters(visit)
    if visit.form.get("typed", "") != TYPED:
        notice = Notice("Something else was typed: the trash is as it was.", is_good=False)
        return visit.go(url("trash/empty", repository=repository), notice)
    try:
        emptied = await visit.ask("EmptyTrash", "careen", repositoryName=repository)
    except EcrError as refusal:
        return await ask_empty(visit, refusal)
    told = (
        f"{plural(emptied['imageCount'], 'image')} gone for good, {size(emptied['freedBytes'])} given back."
    )
    return visit.go(url(SECTION), Notice(told))


def _filters(visit: Visit) -> tuple[str | None, int | None]:
    return visit.query.get("repository", "").strip() or None, number(visit.query.get("run", ""))


def _here(visit: Visit) -> str:
    repository, run = _filters(visit)
    return url(SECTION, repository=repository, run=run)


def _chosen(images: list[str]) -> dict[str, list[str]]:
    """Digests by repository, of ``team/app@sha256:…``."""
    chosen: defaultdict[str, list[str]] = defaultdict(list)
    for each in images:
        name, _, digest = each.partition("@")
        chosen[name].append(digest)
    return chosen


PAGES = {
    "trash": Page(listed, restore),
    "trash/empty": Page(ask_empty, empty),
}
