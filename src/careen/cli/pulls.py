"""``careen pulls``: how often and when the images of a repository were pulled."""

from typing import Annotated

from cyclopts import Parameter

from careen.cli.data import opened
from careen.cli.output import fail, print_json


def pulls(
    repository: str,
    *,
    data: Annotated[str | None, Parameter(help="The data folder.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> None:
    """Say how often and when each image of a repository was pulled, those pulled most first.

    Args:
        repository: The repository's name.
    """
    from careen.clock import isoformat
    from careen.ecr.errors import EcrError
    from careen.registry import pulls as cases

    with opened(data) as registry:
        try:
            found = registry.read(cases.describe, repository)
        except EcrError as error:
            fail(error.message)
    found.sort(key=lambda each: (-each.pulls, each.digest))
    if json:
        print_json(
            [
                {
                    "imageDigest": each.digest,
                    "imageTags": each.tags,
                    "pullCount": each.pulls,
                    "lastRecordedPullTime": None if each.latest is None else isoformat(each.latest),
                }
                for each in found
            ]
        )
        return
    for each in found:
        when = "never" if each.latest is None else isoformat(each.latest)[:19] + "Z"
        print(f"{each.pulls:>9,}  {when:<20}  {each.digest[:19]}  {', '.join(each.tags) or '-'}")
