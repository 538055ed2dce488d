"""``careen trash``: deleted images, who deleted them, and getting them back."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from careen.cli.output import fail, print_json
from careen.cli.policy.inputs import Json
from careen.cli.policy.service import ask

app = App(
    name="trash",
    help="Deleted images: list them, bring them back, see who deleted what, let go of them."
    " The registry is the one that the AWS configuration names.",
)

Image = Annotated[
    tuple[str, ...],
    Parameter(name="--image", negative="", help="A tag the image had, or its digest; may be repeated."),
]
Run = Annotated[int | None, Parameter(name="--run", help="All that this lifecycle run deleted.")]
MoveTags = Annotated[
    bool,
    Parameter(name="--move-tags", negative="", help="Take tags back from the images they name by now."),
]


@app.command(name="list")
def list_(repository: str | None = None, *, json: Json = False) -> None:
    """List what can still be brought back, the latest deletion first.

    Args:
        repository: Only what was deleted from it.
    """
    found = ask("list_trash", json, repositoryName=repository)
    if json:
        print_json(found)
        return
    for each in found["deletions"]:
        _print(each, f"until {_minute(each['purgeAt'])}")
    print(
        f"{found['imageCount']:,} images in the trash; {found['trashBytes']:,} bytes are only theirs"
        if found["imageCount"]
        else "the trash is empty"
    )


@app.command
def restore(
    repository: str | None = None,
    *,
    image: Image = (),
    run: Run = None,
    move_tags: MoveTags = False,
    json: Json = False,
) -> None:
    """Bring images back as they were, with what their indexes list and what refers to them.

    Args:
        repository: The repository they were deleted from; made anew if it is gone.
    """
    if (run is None) is not bool(image) or (image and repository is None) or (run is not None and repository):
        fail("say what to bring back", "a repository with --image TAG or --image sha256:…, or --run NUMBER")
    ids = [{"imageDigest" if ":" in name else "imageTag": name} for name in image]
    found = ask(
        "restore_images",
        json,
        repositoryName=repository,
        imageIds=ids or None,
        runId=run,
        moveTags=move_tags or None,
    )
    if json:
        print_json(found)
        return
    for each in found["images"]:
        print(f"{each['repositoryName']}  {each['imageDigest'][:19]}  {', '.join(each['imageTags']) or '-'}")
        if each["takenTags"]:
            taken = ", ".join(each["takenTags"])
            print(f"  {taken} name other images by now; --move-tags takes them back")
    print(f"{len(found['images']):,} images are back")


@app.command
def history(
    repository: str | None = None,
    *,
    digest: Annotated[str | None, Parameter(name="--digest", help="Only the image of this digest.")] = None,
    tag: Annotated[str | None, Parameter(name="--tag", help="Only images that had this tag.")] = None,
    json: Json = False,
) -> None:
    """Say who or what deleted images, when and why, whatever became of them since.

    Args:
        repository: Only what was deleted from it.
    """
    found = ask("describe_deletions", json, repositoryName=repository, imageDigest=digest, imageTag=tag)
    if json:
        print_json(found)
        return
    for each in found["deletions"]:
        ended = f" {_minute(each['endedAt'])} by {each['endedBy']}" if "endedAt" in each else ""
        _print(each, each["outcome"].lower().replace("_", " ") + ended)
    if not found["deletions"]:
        print("nothing like that was ever deleted")


@app.command
def empty(
    repository: str | None = None,
    *,
    now: Annotated[
        bool, Parameter(name="--now", negative="", help="Required: says that you mean it.")
    ] = False,
    json: Json = False,
) -> None:
    """Let go of the images in the trash for good. Without this they go by themselves when their time is over.

    Args:
        repository: Only what was deleted from it.
    """
    if not now:
        fail("nothing was emptied", "add --now; nothing brings back what is gone then")
    found = ask("empty_trash", json, repositoryName=repository)
    if json:
        print_json(found)
    else:
        print(
            f"{found['imageCount']:,} images are gone for good, {found['freedBytes']:,} bytes come back now;"
            " layers that were seen within the grace period follow after it"
        )


def _print(deletion: dict[str, Any], fate: str) -> None:
    """Three lines: what it was, who deleted it, why and how often it was missed."""
    tags = ", ".join(deletion["imageTags"]) or "-"
    print(f"{deletion['repositoryName']}  {deletion['imageDigest'][:19]}  {tags}  ({fate})")
    run = f", run {deletion['runId']}" if "runId" in deletion else ""
    rule = f", rule {deletion['rulePriority']}" if "rulePriority" in deletion else ""
    print(
        f"  deleted {_minute(deletion['deletedAt'])} by {deletion['deletedBy']} ({deletion['operation']}{run}{rule})"
    )
    if "reason" in deletion:
        print(f"  {deletion['reason']}")
    if deletion.get("missedPulls"):
        print(
            f"  asked for {deletion['missedPulls']:,} times since, last {_minute(deletion['lastMissedPullTime'])}"
        )


def _minute(time: str) -> str:
    """An ISO time without seconds."""
    return f"{time[:16].replace('T', ' ')}Z"
