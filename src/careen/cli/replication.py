"""``careen replication``: where images are replicated to, whether they get there, and why not."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from careen.cli.data import opened
from careen.cli.output import fail, plural, print_json

if TYPE_CHECKING:
    from careen.registry.replication import Deletion, Unfinished

app = App(name="replication", help="Replication to other registries: how it stands, and what is missing.")

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


@app.command
def check(*, data: Data = None, json: Json = False) -> None:
    """Look whether every destination is known, there, and lets us in. The exit status is 1 if one is not."""
    from careen.ecr.replication import every_destination
    from careen.registry import replication
    from careen.replication.destinations import trouble_with

    with opened(data) as registry:
        wanted = every_destination(registry.read(replication.configuration))
        found = [(to, trouble_with(registry, to)) for to in wanted]
        file = registry.targets_file
    if json:
        print_json([{"region": to.region, "registryId": to.registry_id, "trouble": why} for to, why in found])
    elif not found:
        print("nothing is replicated: no rule has a destination")
    else:
        for to, why in found:
            print(f"{to}  {'ok' if why is None else why}")
    if any(why is not None for _, why in found):
        fail(
            f"{plural(sum(why is not None for _, why in found), 'destination')} cannot be replicated to",
            f"{file} says where they are, and who we are there: docs/replication.md",
        )


@app.command
def status(
    *,
    last: Annotated[
        int,
        Parameter(validator=Number(gte=0), help="So many of the images and deletions that are not done."),
    ] = 20,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say how many images are at each destination, and which are not, and why."""
    from careen.registry import replication

    with opened(data) as registry:
        standings = registry.read(replication.standings)
        images = registry.read(replication.unfinished, last)
        deletions = registry.read(replication.deletions, last)
    if json:
        print_json(
            {
                "destinations": [
                    {
                        "region": each.region,
                        "registryId": each.registry_id,
                        "status": each.status,
                        "images": each.images,
                    }
                    for each in standings
                ],
                "images": [_image(each) for each in images],
                "deletions": [_deletion(each) for each in deletions],
            }
        )
        return
    for each in standings:
        print(f"{each.region}/{each.registry_id}  {each.status:<11}  {plural(each.images, 'image')}")
    if not standings:
        print("nothing has been replicated yet")
    for image in map(_image, images):
        print(f"{image['repository']}@{image['digest']}  {image['destination']}  {image['status']}")
        print(f"    {image['reason'] or 'it is on its way'}")
    for deletion in map(_deletion, deletions):
        what = f"@{deletion['digest']}" if deletion["image"] else f":{', '.join(deletion['tags'])}"
        print(f"{deletion['repository']}{what}  {deletion['destination']}  deletion {deletion['status']}")
        print(f"    {deletion['reason'] or 'it is on its way'}")


def _image(of: "Unfinished") -> dict[str, str | None]:
    found = of.replication
    return {
        "repository": of.repository,
        "digest": of.digest,
        "destination": f"{found.region}/{found.registry_id}",
        "status": found.status,
        "code": found.failure_code,
        "reason": found.failure_reason,
    }


def _deletion(of: "Deletion") -> dict[str, Any]:
    import msgspec

    return {
        "repository": of.repository,
        "digest": of.digest,
        "image": bool(of.is_image),
        "tags": msgspec.json.decode(of.tags),
        "destination": f"{of.region}/{of.registry_id}",
        "status": "IN_PROGRESS" if of.failure_code is None else "FAILED",
        "code": of.failure_code,
        "reason": of.failure_reason,
    }
