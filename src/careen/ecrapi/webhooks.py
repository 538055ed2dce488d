"""Our own service: webhooks, and what could not be delivered to them."""

from functools import partial
from typing import Any

from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.ecrapi.events import event_member
from careen.iam import standard_webhooks
from careen.registry import webhooks
from careen.registry.events import Filter
from careen.registry.webhooks import Letter, State, WebhookRow

Parameters = dict[str, Any]
Result = dict[str, Any]


async def put_webhook(call: Call, parameters: Parameters) -> Result:
    """PutWebhook. The secret is told once, when it is made."""
    row, is_new = await call.registry.write(
        webhooks.put,
        parameters["webhookName"],
        parameters["url"],
        Filter(
            parameters.get("detailTypes", []),
            parameters.get("actionTypes", []),
            parameters.get("repositoryNamePattern", ""),
        ),
        enabled=parameters.get("enabled", True),
        rotate=parameters.get("rotateSecret", False),
    )
    secret = standard_webhooks.secret_text(webhooks.secrets(call.registry, row)[0]) if is_new else None
    return {"webhook": _webhook(row), "secret": secret}


async def delete_webhook(call: Call, parameters: Parameters) -> Result:
    """DeleteWebhook."""
    await call.registry.write(webhooks.delete, parameters["webhookName"])
    return {}


async def list_webhooks(call: Call, parameters: Parameters) -> Result:
    """ListWebhooks."""
    listing: Listing[str, State] = Listing("ListWebhooks", str, lambda each: each.webhook.name)
    page = listing.page(
        listing.of(await call.registry.read_in_thread(webhooks.states)),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "webhooks": [
            _webhook(each.webhook) | {"pendingEvents": each.pending, "deadLetters": each.dead_letters}
            for each in page.items
        ],
        "nextToken": page.next_token,
    }


async def test_webhook(call: Call, parameters: Parameters) -> Result:
    """TestWebhook."""
    return {"sequenceNumber": await call.registry.write(webhooks.test, parameters["webhookName"])}


async def list_dead_letters(call: Call, parameters: Parameters) -> Result:
    """ListDeadLetters."""
    name = parameters.get("webhookName")
    listing: Listing[tuple[int, int], Letter] = Listing(
        f"ListDeadLetters {name}",
        tuple[int, int],
        lambda each: (each.letter.event_id, each.letter.webhook_id),
    )
    page = await call.registry.in_thread(
        partial(
            listing.page,
            lambda after, limit: call.registry.read(webhooks.letters, name, after or (0, 0), limit),
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {"deadLetters": [_letter(call, each) for each in page.items], "nextToken": page.next_token}


async def redeliver_dead_letters(call: Call, parameters: Parameters) -> Result:
    """RedeliverDeadLetters."""
    count = await call.registry.write(
        webhooks.redeliver, parameters["webhookName"], parameters.get("sequenceNumbers")
    )
    return {"redelivering": count}


def _webhook(row: WebhookRow) -> Result:
    wanted = webhooks.filter_of(row)
    return {
        "webhookName": row.name,
        "url": row.url,
        "detailTypes": wanted.detail_types,
        "actionTypes": wanted.actions,
        "repositoryNamePattern": wanted.repositories or None,
        "enabled": bool(row.enabled),
        "createdAt": row.created_at,
        "sequenceNumber": row.cursor,
        "attempts": row.attempts,
        "lastError": row.error,
        "lastAttemptAt": row.attempted_at,
        "lastDeliveredAt": row.delivered_at,
    }


def _letter(call: Call, each: Letter) -> Result:
    return {
        "webhookName": each.webhook,
        "event": event_member(call, each.event),
        "attempts": each.letter.attempts,
        "lastError": each.letter.error,
        "failedAt": each.letter.failed_at,
        "redelivering": bool(each.letter.wanted),
    }
