"""Webhooks: who is told of what happens here, and what could not be delivered."""

from typing import Any

from starlette.responses import Response

from careen.console import confirmation
from careen.console.visit import Notice, Page, Visit, number, url
from careen.ecr.errors import EcrError, WebhookNotFound
from careen.ecr.events import DetailType

SECTION = "webhooks"
SERVICE = "careen"

LETTERS = 50
"""Dead letters of a page."""

KINDS = tuple(kind.value for kind in DetailType if kind is not DetailType.OWN_WEBHOOK_TEST)


def address(name: str, what: str = "") -> str:
    """Where a webhook is in the console."""
    return url(f"webhooks/-/{name}" + (f"/{what}" if what else ""))


async def listed(visit: Visit) -> Response:
    """All webhooks, and how they do."""
    found = await visit.every("ListWebhooks", "webhooks", SERVICE)
    return visit.page(
        "webhooks/list.html", section=SECTION, title="Webhooks", webhooks=found, address=address
    )


async def new(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The form for another one."""
    return visit.page(
        "webhooks/new.html",
        section=SECTION,
        title="Add a webhook",
        sent_name=visit.form.get("name", ""),
        webhook=_sent(visit) | ({} if refusal else {"enabled": True}),
        kinds=KINDS,
        refusal=refusal,
    )


async def create(visit: Visit) -> Response:
    """Make it, and tell its secret once."""
    name = visit.form.get("name", "").strip()
    try:
        known = {each["webhookName"] for each in await visit.every("ListWebhooks", "webhooks", SERVICE)}
        if name in known:
            return visit.go(address(name), Notice(f"{name} is there already.", is_good=False))
        made = await visit.ask("PutWebhook", SERVICE, webhookName=name, **_sent(visit))
    except EcrError as refusal:
        return await new(visit, refusal)
    return _told(visit, name, made["secret"])


async def edit(visit: Visit, refusal: EcrError | None = None) -> Response:
    """A webhook: how it does, what it is told of, what could not be delivered to it."""
    name = visit.path("name")
    every = await visit.every("ListWebhooks", "webhooks", SERVICE)
    webhook = next((each for each in every if each["webhookName"] == name), None)
    if webhook is None:
        raise WebhookNotFound(name, visit.registry.id)
    letters = None
    if visit.may("ListDeadLetters", service=SERVICE):
        token = visit.query.get("next")
        letters = await visit.ask(
            "ListDeadLetters", SERVICE, webhookName=name, maxResults=LETTERS, nextToken=token
        )
    return visit.page(
        "webhooks/webhook.html",
        section=SECTION,
        title=name,
        state=webhook,
        webhook=_sent(visit) if refusal else webhook,
        kinds=KINDS,
        letters=letters,
        address=address,
        refusal=refusal,
    )


async def put(visit: Visit) -> Response:
    """Change it, give it another secret, or delete it."""
    name, form = visit.path("name"), visit.form
    try:
        if form.get("do") != "delete":
            rotates = form.get("do") == "rotate"
            put = await visit.ask(
                "PutWebhook", SERVICE, webhookName=name, rotateSecret=rotates, **_sent(visit)
            )
            if put["secret"] is not None:
                return _told(visit, name, put["secret"])
            return visit.go(address(name), Notice("Saved."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                f"Delete the webhook {name}?",
                consequence="It is told of nothing any more, and what could not be delivered to it is gone.",
                button="Delete the webhook",
                back=address(name),
                section=SECTION,
            )
        await visit.ask("DeleteWebhook", SERVICE, webhookName=name)
    except EcrError as refusal:
        if form.get("do") == "delete":
            raise
        return await edit(visit, refusal)
    return visit.go(url(SECTION), Notice(f"The webhook {name} is deleted."))


async def test(visit: Visit) -> Response:
    """Send an event to it alone."""
    name = visit.path("name")
    await visit.ask("TestWebhook", SERVICE, webhookName=name)
    return visit.go(address(name), Notice("A test event is on its way. Look again in a moment."))


async def redeliver(visit: Visit) -> Response:
    """Send dead letters once more: those that are ticked, or all."""
    name = visit.path("name")
    chosen = [letter for each in visit.form.getlist("letter") if (letter := number(each)) is not None]
    found = await visit.ask(
        "RedeliverDeadLetters",
        SERVICE,
        webhookName=name,
        sequenceNumbers=chosen if visit.form.get("do") == "chosen" else None,
    )
    return visit.go(address(name), Notice(f"{found['redelivering']:,} are sent once more."))


def _told(visit: Visit, name: str, secret: str) -> Response:
    """The page with a new secret. It is not shown again, so it is no notice after a redirect."""
    return visit.page(
        "webhooks/secret.html",
        section=SECTION,
        title=f"The secret of {name}",
        secret=secret,
        back=address(name),
    )


def _sent(visit: Visit) -> dict[str, Any]:
    """A webhook as the form has it, by the model's names."""
    form = visit.form
    return {
        "url": form.get("url", "").strip(),
        "detailTypes": form.getlist("kind"),
        "actionTypes": form.get("actions", "").replace(",", " ").upper().split(),
        "repositoryNamePattern": form.get("pattern", "").strip() or None,
        "enabled": form.get("enabled") == "on",
    }


PAGES = {
    "webhooks": Page(listed),
    "webhooks/new": Page(new, create),
    "webhooks/-/{name}": Page(edit, put),
    "webhooks/-/{name}/test": Page(post=test),
    "webhooks/-/{name}/redeliver": Page(post=redeliver),
}
