"""``careen webhook``: who is told of what happens on a registry."""

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from careen.cli.events import Action
from careen.cli.output import fail, plural, print_json
from careen.cli.policy.inputs import Json

app = App(
    name="webhook",
    help="Who is told of events by HTTP: add, list, test, remove; what could not be delivered."
    " The registry is the one that the AWS configuration names.",
)

DetailType = Annotated[
    tuple[
        Literal[
            "ECR Image Action",
            "ECR Referrer Action",
            "ECR Image Scan",
            "ECR Replication Action",
            "ECR Pull Through Cache Action",
            "Careen Image Action",
            "Careen Repository Action",
            "Careen Lifecycle Policy Action",
            "Careen Webhook Test",
        ],
        ...,
    ],
    Parameter(name="--detail-type", negative="", help="Only this kind of event; may be repeated."),
]
Repository = Annotated[
    str | None, Parameter(help="Only events about repositories of these names, * for anything.")
]

WAIT_SECONDS = 15.0


@app.command
def add(
    name: str,
    url: str,
    *,
    detail_type: DetailType = (),
    action: Action = (),
    repository: Repository = None,
    disabled: Annotated[bool, Parameter(negative="", help="Send nothing for now.")] = False,
    rotate: Annotated[
        bool, Parameter(negative="", help="Make a new secret; the old one signs beside it for a day.")
    ] = False,
    json: Json = False,
) -> None:
    """Add a webhook, or change the one of that name: what is not given again is taken away.

    The secret is shown when it is made, and not again.

    Args:
        name: What to call it.
        url: Where events are sent.
    """
    answer = _ask(
        "put_webhook",
        json,
        webhookName=name,
        url=url,
        detailTypes=list(detail_type) or None,
        actionTypes=list(action) or None,
        repositoryNamePattern=repository,
        enabled=not disabled,
        rotateSecret=rotate,
    )
    if json:
        print_json(answer)
        return
    print(f"{name} is told of {_filter(answer['webhook'])}")
    if "secret" in answer:
        print(f"secret: {answer['secret']}")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List webhooks, what waits for each, and what came of the last attempt."""
    found = _ask("list_webhooks", json)
    if json:
        print_json(found)
        return
    for each in found["webhooks"]:
        state = "ok" if each["enabled"] else "disabled"
        if "lastError" in each:
            state = f"FAILING ({each['attempts']} in a row): {each['lastError']}"
        print(f"{each['webhookName']}  {each['url']}  {_filter(each)}")
        print(
            f"  {state}; {plural(each['pendingEvents'], 'event')} waiting, {plural(each['deadLetters'], 'dead letter')},"
            f" last delivered {each.get('lastDeliveredAt', 'never')[:19]}"
        )
    if not found["webhooks"]:
        print("there is no webhook")


@app.command
def remove(name: str, *, json: Json = False) -> None:
    """Remove a webhook, and what could not be delivered to it.

    Args:
        name: The webhook's.
    """
    _ask("delete_webhook", json, webhookName=name)
    if json:
        print_json({})
    else:
        print(f"{name} removed")


@app.command(name="test")
def try_out(name: str, *, json: Json = False) -> None:
    """Send an event to one webhook alone, and say what came of it.

    Args:
        name: The webhook's.
    """
    import time

    number = _ask("test_webhook", json, webhookName=name)["sequenceNumber"]
    until, found = time.monotonic() + WAIT_SECONDS, dict[str, Any]()
    while time.monotonic() < until:
        every = _ask("list_webhooks", json)["webhooks"]
        found = next((each for each in every if each["webhookName"] == name), {})
        if found.get("sequenceNumber", 0) >= number or "lastError" in found:
            break
        time.sleep(0.2)
    if json:
        print_json(found)
    if "lastError" in found:
        fail(f"{name}: {found['lastError']}", "it is tried again; `careen webhook list` says how it goes on")
    if found.get("sequenceNumber", 0) < number:
        fail(f"{name} is busy with earlier events", "`careen webhook list` says how many wait")
    if not json:
        print(f"{name} took the event")


@app.command
def dead_letters(name: str | None = None, *, json: Json = False) -> None:
    """List events that could not be delivered.

    Args:
        name: Only to this webhook.
    """
    from careen.cli.events import line

    found = _ask("list_dead_letters", json, webhookName=name)
    if json:
        print_json(found)
        return
    import msgspec

    for each in found["deadLetters"]:
        event = each["event"]
        print(
            f"{each['webhookName']}  {event['sequenceNumber']}  {plural(each['attempts'], 'attempt')}: {each['lastError']}"
        )
        print(f"  {line(msgspec.json.decode(event['eventText']), coloured=False)}")
    if not found["deadLetters"]:
        print("everything was delivered")


@app.command
def redeliver(name: str, *events: int, json: Json = False) -> None:
    """Send dead letters once more.

    Args:
        name: The webhook's.
        events: The numbers that `careen webhook dead-letters` shows; all of the webhook's if none is given.
    """
    answer = _ask("redeliver_dead_letters", json, webhookName=name, sequenceNumbers=list(events) or None)
    if json:
        print_json(answer)
    else:
        print(f"{plural(answer['redelivering'], 'dead letter')} on the way")


def _filter(webhook: dict[str, Any]) -> str:
    """What a webhook asks for, in words."""
    wanted = webhook.get("actionTypes", []) + webhook.get("detailTypes", [])
    said = ", ".join(wanted) if wanted else "all events"
    pattern = webhook.get("repositoryNamePattern")
    return said if pattern is None else f"{said} in {pattern}"


def _ask(operation: str, json: bool, **parameters: Any) -> dict[str, Any]:
    from careen.cli.policy.service import ask

    return ask(operation, json, **parameters)
