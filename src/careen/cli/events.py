"""``careen events``: what happened on a registry, and what happens."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from careen.cli.policy.inputs import Json

Repository = Annotated[
    str | None, Parameter(help="Only events about repositories of this name, * for anything.")
]
ActionType = Literal[
    "PUSH", "DELETE", "UPDATE_STORAGE_CLASS", "REPLICATE", "CREATE", "RESTORE", "PULL", "RUN", "TEST"
]
"""What events have as ``action-type`` (docs/events.md)."""

Action = Annotated[
    tuple[ActionType, ...],
    Parameter(name="--action", negative="", help="Only this action; may be repeated."),
]
Last = Annotated[int, Parameter(validator=Number(gte=0), help="How many of the latest to begin with.")]
Follow = Annotated[
    bool,
    Parameter(name=("--follow", "-f"), negative="", help="Go on with what happens, until interrupted."),
]

_COLOURS = {"PUSH": 32, "CREATE": 32, "RESTORE": 32, "DELETE": 31, "FAILED": 31, "RUN": 33}
"""Of actions on a terminal: green for what comes, red for what goes."""


def events(
    *,
    repository: Repository = None,
    action: Action = (),
    last: Last = 20,
    follow: Follow = False,
    json: Json = False,
) -> None:
    """Say what happened on a registry, a line for each event, the latest last. With --json each line is the whole event."""
    from careen.cli.policy.service import careen, refusing

    with refusing(json):
        client = careen(json)
        newest, found = _latest(client, repository, action, last)
    for event in reversed(found):
        _print(event, json)
    if follow:
        from careen.cli import feed

        for event in feed.follow(client.meta.endpoint_url, newest, repository, action, json):
            _print(event, json)


def _latest(
    client: Any, repository: str | None, actions: Sequence[str], last: int
) -> tuple[int, list[dict[str, Any]]]:
    """The sequence number of the latest event of all, and the latest events that are wanted, the latest first."""
    import msgspec

    from careen.lifecycle.selection import pattern_test

    newest = client.list_events(maxResults=1)["events"]
    wanted: dict[str, Any] = {"actionTypes": list(actions)} if actions else {}
    matches = pattern_test(repository or "*")
    if repository is not None and "*" not in repository:
        wanted["repositoryName"] = repository
    pages = client.get_paginator("list_events").paginate(
        **wanted, PaginationConfig={"PageSize": max(1, min(last, 1000))}
    )
    found = (
        msgspec.json.decode(each["eventText"])
        for page in (pages if last > 0 else ())
        for each in page["events"]
        if repository is None or matches(each.get("repositoryName", ""))
    )
    return newest[0]["sequenceNumber"] if newest else 0, list(islice(found, last))


def _print(event: dict[str, Any], json: bool) -> None:
    import msgspec

    print(
        msgspec.json.encode(event).decode() if json else line(event, coloured=sys.stdout.isatty()), flush=True
    )


def line(event: dict[str, Any], *, coloured: bool) -> str:
    """An event for people: when, what, of which image, and what else there is to say.

    Args:
        event: the envelope.
        coloured: whether it is for a terminal.
    """
    detail = dict(event["detail"])
    what = detail.pop("action-type", "") or detail.pop("scan-status", "") or detail.pop("sync-status", "")
    if detail.pop("result", "SUCCESS") != "SUCCESS":
        what += " FAILED"
    repository = detail.pop("repository-name", "")
    tags = detail.pop("image-tags", []) or [detail.pop("image-tag", "")]
    digest = detail.pop("image-digest", "")
    image = repository + (f":{','.join(tags)}" if any(tags) else "")
    kind = "" if event["detail-type"] == "ECR Image Action" else f"({event['detail-type']})"
    rest = [f"{name}={_short(value)}" for name, value in detail.items() if value not in (None, "", [], {})]
    colour = _COLOURS.get(what.rpartition(" ")[2])
    if coloured and colour is not None:
        what = f"\033[{colour}m{what}\033[0m" + " " * (8 - len(what))
    return "  ".join(filter(None, [event["time"], f"{what:8}", image, digest[:19], *rest, kind]))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{inner}" for name, inner in value.items())
    return f"{len(value)}" if isinstance(value, list) else str(value)
