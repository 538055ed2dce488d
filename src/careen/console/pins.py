"""Images in use: the feeds that report them, and which of them are silent."""

from starlette.responses import Response

from careen.console import confirmation
from careen.console.visit import Notice, Page, Visit, url

SECTION = "pins"


async def feeds(visit: Visit) -> Response:
    """All feeds."""
    found = await visit.every("DescribePinFeeds", "feeds", "careen")
    return visit.page("pins/feeds.html", section=SECTION, title="Images in use", feeds=found)


async def forget(visit: Visit) -> Response:
    """Forget a feed with what it reported."""
    source = visit.form.get("source", "")
    if not confirmation.is_given(visit):
        return confirmation.ask(
            visit,
            f"Forget the feed {source}?",
            consequence="The images that it reports are protected by it no more. If it reports again, it is there again.",
            button="Forget the feed",
            back=url(SECTION),
            section=SECTION,
        )
    await visit.ask("DeleteImagePins", "careen", source=source)
    return visit.go(url(SECTION), Notice(f"The feed {source} is forgotten."))


PAGES = {"pins": Page(feeds, forget)}
