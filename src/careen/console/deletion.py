"""Images deleted: first what would go and what that frees, then the deed, and its undoing for as long as the trash keeps them."""

from typing import Any

from starlette.responses import Response

from careen.console import repositories, words
from careen.console.visit import Notice, Page, Undo, Visit
from careen.ecr.errors import EcrError
from careen.registry import browsing
from careen.registry.browsing import Line, Selection

AT_A_TIME = 100
"""The most images of one call of BatchDeleteImage and of RestoreImages (service models)."""

MAX_CHOSEN = 100
"""Images chosen at once: two pages of the list."""

_FOR_UNDO = ("RestoreImages", "ListTrash", "DescribeDeletions")
"""What undoing asks, of our own service."""


async def delete(visit: Visit) -> Response:
    """Ask whether to delete the images that were chosen, or delete them if that was answered."""
    name, digests = visit.path("name"), list(dict.fromkeys(visit.form.getlist("digest")))[:MAX_CHOSEN]
    repository = await repositories.describe(visit, name)
    # What would be freed is for those who could find out by DescribeImages, and the rest is asked by the deed itself.
    await visit.ask("DescribeImages", repositoryName=name, maxResults=1)
    found = await visit.registry.read_in_thread(browsing.select, name, digests)
    if visit.form.get("confirmed") == "yes" and found.lines:
        return await _delete(visit, name, found)
    return await repositories.of_repository(
        visit,
        "images/delete.html",
        "images",
        repository=repository,
        selection=found,
        protects=_pinned(visit, name, found),
        undo=_may_undo(visit, name),
    )


def _pinned(visit: Visit, name: str, found: Selection) -> list[Line]:
    """Those that somebody uses, as far as the visitor may know."""
    return [line for line in found.lines if line.pins] if visit.may("ListImagePins", name, "careen") else []


def _may_undo(visit: Visit, name: str) -> bool:
    return bool(visit.registry.limits.trash) and all(visit.may(each, name, "careen") for each in _FOR_UNDO)


async def _delete(visit: Visit, name: str, found: Selection) -> Response:
    deleted: set[str] = set()
    failures: list[str] = []
    batches: list[str] = []
    can_undo = _may_undo(visit, name)
    for start in range(0, len(found.digests), AT_A_TIME):
        asked = [{"imageDigest": digest} for digest in found.digests[start : start + AT_A_TIME]]
        answered = await visit.ask("BatchDeleteImage", repositoryName=name, imageIds=asked)
        gone = {each["imageDigest"] for each in answered["imageIds"]}
        deleted |= gone
        failures += [each["failureReason"] for each in answered["failures"]]
        if can_undo and gone:
            batches.append(await _batch(visit, name, min(gone)))
    said = f"{words.plural(sum(line.row.digest in deleted for line in found.lines), 'image')} deleted."
    if failures:
        said += f" {words.plural(len(failures), 'manifest')} stayed: {failures[0]}"
    undo = Undo(f"repositories/{name}/-/images/undo", {"batch": " ".join(batches)}) if batches else None
    return visit.go(repositories.address(name), Notice(said, undo, is_good=not failures))


async def _batch(visit: Visit, name: str, digest: str) -> str:
    """What the ledger of deletions calls all that went with an image."""
    ledger = await visit.ask(
        "DescribeDeletions", "careen", repositoryName=name, imageDigest=digest, maxResults=1
    )
    batch: str = ledger["deletions"][0]["batchId"]
    return batch


async def undo(visit: Visit) -> Response:
    """Bring back exactly what a deletion took."""
    name = visit.path("name")
    restored: list[dict[str, Any]] = []
    try:
        for batch in visit.form.get("batch", "").split():
            digests = await _in_trash(visit, name, batch)
            while digests:
                asked = [{"imageDigest": digest} for digest in digests[:AT_A_TIME]]
                answered = await visit.ask("RestoreImages", "careen", repositoryName=name, imageIds=asked)
                restored += answered["images"]
                # What belongs to an image came back with it.
                back = {each["imageDigest"] for each in restored}
                digests = [digest for digest in digests if digest not in back]
    except EcrError as refusal:
        said = f"Not all of it came back: {refusal.message}" if restored else refusal.message
        return visit.go(repositories.address(name), Notice(said, is_good=False))
    if not restored:
        return visit.go(
            repositories.address(name), Notice("Nothing of that is in the trash any more.", is_good=False)
        )
    taken = sorted({tag for each in restored for tag in each.get("takenTags") or ()})
    said = f"All of it came back: {words.plural(len(restored), 'manifest')}."
    if taken:
        said += f" These tags name other images by now, and stay there: {', '.join(taken)}."
    return visit.go(repositories.address(name), Notice(said, is_good=not taken))


async def _in_trash(visit: Visit, name: str, batch: str) -> list[str]:
    """The digests of a batch that are in the trash, the first that went first: indexes before what they list."""
    found: list[str] = []
    token = None
    while True:
        page = await visit.ask("ListTrash", "careen", repositoryName=name, nextToken=token)
        mine = [each["imageDigest"] for each in page["deletions"] if each["batchId"] == batch]
        found += mine
        token = page.get("nextToken")
        # The latest come first, and what one transaction deleted lies together.
        if token is None or (found and not mine):
            return found[::-1]


async def back(visit: Visit) -> Response:
    """Nothing was chosen: to where that is done."""
    return visit.go(repositories.address(visit.path("name")))


PAGES = {
    "repositories/{name:path}/-/images/delete": Page(back, delete),
    "repositories/{name:path}/-/images/undo": Page(back, undo),
}
