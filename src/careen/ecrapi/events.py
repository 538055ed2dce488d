"""Our own service: the log of events."""

from functools import partial
from typing import Any

import msgspec

from careen.ecr import events as ecr_events
from careen.ecr.events import Stamped
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.registry import events

Parameters = dict[str, Any]
Result = dict[str, Any]

_LAST = 2**63 - 1
"""Above every sequence number: where a listing that begins with the latest begins."""


async def list_events(call: Call, parameters: Parameters) -> Result:
    """ListEvents."""
    name = parameters.get("repositoryName")
    kinds, actions = parameters.get("detailTypes", []), parameters.get("actionTypes", [])
    start, end = parameters.get("startTime"), parameters.get("endTime")
    scope = f"ListEvents {name} {kinds} {actions} {start} {end}"
    listing: Listing[int, Stamped] = Listing(scope, int, lambda each: each.sequence)

    def fetch(after: int | None, limit: int) -> list[Stamped]:
        before = _LAST if after is None else after
        return call.registry.read(events.page, before, limit, name, kinds, actions, start, end)

    page = await call.registry.in_thread(
        partial(
            listing.page,
            fetch,
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {"events": [event_member(call, each) for each in page.items], "nextToken": page.next_token}


def event_member(call: Call, stamped: Stamped) -> Result:
    """The model's ``Event``."""
    account, region = call.registry.id, call.registry.region
    return {
        "sequenceNumber": stamped.sequence,
        "eventId": ecr_events.event_id(stamped, account),
        "eventTime": stamped.recorded_at,
        "detailType": stamped.event.detail_type,
        "actionType": stamped.event.action or None,
        "repositoryName": stamped.event.repository,
        "eventText": msgspec.json.encode(
            ecr_events.envelope(stamped, account=account, region=region)
        ).decode(),
    }
