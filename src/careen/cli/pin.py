"""``careen pin``: images in use, on a registry."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from careen.cli.output import plural, print_json
from careen.cli.policy.inputs import Json, refuse

app = App(
    name="pin",
    help="Images in use, which no policy takes: pin them, see who uses which, report what runs in clusters."
    " The registry is the one that the AWS configuration names.",
)
app.command(
    "careen.cli.pin_sync:app",
    name="sync",
    help="Report the images that run somewhere, now or again and again.",
)

Source = Annotated[
    str | None, Parameter(help="Only what this source says: the name of a feed, or of a person.")
]
Repository = Annotated[str | None, Parameter(help="Only images of this repository.")]
Digest = Annotated[str | None, Parameter(help="Only the image of this digest.")]


@app.command
def add(
    *images: str,
    consumer: Annotated[str, Parameter(name="--for", help="What uses them: it is what reasons say.")],
    lasting: Annotated[str, Parameter(name="--lasting", help="How long: 12h, 30 days, 6 weeks.")] = "30 days",
    source: Annotated[str, Parameter(help="Who says so.")] = "people",
    json: Json = False,
) -> None:
    """Pin images by hand: nothing but an explicit delete takes them until the time is over.

    Args:
        images: team/app:v1.4, team/app@sha256:…; a host before that is left out.
    """
    from careen.clock import SECOND
    from careen.lifecycle.policy_fixture import InvalidPolicyTest, duration
    from careen.pins import reference

    try:
        seconds = duration(lasting) // SECOND
    except InvalidPolicyTest as wrong:
        refuse("InvalidInput", str(wrong), None, json)
    if not images:
        refuse("InvalidInput", "no image is named", "careen pin add team/app:v1.4 --for audit", json)
    uses = []
    for name in images:
        found = reference.parse(name)
        if found is None:
            refuse("InvalidInput", f"{name} is no image", "careen pin add team/app:v1.4 --for audit", json)
        which = {"imageDigest": found.digest} if found.digest else {"imageTag": found.tag}
        uses.append({"repositoryName": found.repository, "consumer": consumer, **which})
    answer = _ask("put_image_pins", json, source=source, ttlSeconds=seconds, images=uses)
    if json:
        print_json(answer)
    else:
        print(f"{plural(answer['pinned'], 'image')} pinned for {consumer}")
    if answer["failures"]:
        missing = "; ".join(each["failureReason"] for each in answer["failures"])
        refuse("ImageNotFound", missing, None, json=False)


@app.command(name="list")
def list_pins(
    *, repository: Repository = None, digest: Digest = None, source: Source = None, json: Json = False
) -> None:
    """List what runs which image, who says so and when; and the feeds that have fallen silent."""
    feeds = _ask("describe_pin_feeds", json)["feeds"]
    pins = _ask("list_image_pins", json, repositoryName=repository, imageDigest=digest, source=source)["pins"]
    if json:
        print_json({"feeds": feeds, "pins": pins})
        return
    for feed in feeds:
        state = "STALE" if feed["stale"] else "ok"
        latest = feed.get("lastCompleteReportAt", "never")[:19]
        print(f"feed {feed['source']}: {state}, {plural(feed['pins'], 'pin')}, last complete report {latest}")
        if feed["stale"]:
            print(
                f"  silent for {feed['silentSeconds'] // 3600:,} hours: its pins are kept. Let it report again,"
            )
            print(f"  or, if it is gone for good: careen pin remove --source {feed['source']}")
    for pin in pins:
        image = f"{pin['repositoryName']}{':' + pin['imageTag'] if 'imageTag' in pin else ''}"
        notes = [f"seen {pin['lastSeenAt'][:19]}"]
        if "endsAt" in pin:
            notes.append(f"ends {pin['endsAt'][:19]}")
        if not pin["imagePresent"]:
            notes.append("NOT IN THE REGISTRY")
        print(f"{image}  {pin['imageDigest'][:19]}  {pin['consumer']}  {', '.join(notes)}")
    if not pins:
        print("nothing is pinned")


@app.command
def remove(
    *,
    repository: Repository = None,
    digest: Digest = None,
    source: Source = None,
    consumer: Annotated[str | None, Parameter(name="--for", help="Only what this consumer uses.")] = None,
    json: Json = False,
) -> None:
    """Drop pins by all that is named; by source alone a feed is forgotten with its pins."""
    answer = _ask(
        "delete_image_pins",
        json,
        repositoryName=repository,
        imageDigest=digest,
        source=source,
        consumer=consumer,
    )
    if json:
        print_json(answer)
    else:
        print(f"{plural(answer['deleted'], 'pin')} removed")


def _ask(operation: str, json: bool, **parameters: Any) -> dict[str, Any]:
    from careen.cli.policy.service import ask

    return ask(operation, json, **parameters)
