"""``careen lifecycle``: run policies now, and see what runs did."""

from typing import Annotated

from cyclopts import App, Parameter

from careen.cli.data import opened
from careen.cli.output import fail, print_json

app = App(name="lifecycle", help="Lifecycle policies of the registry: run now, see what runs did.")

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


@app.command
def run(
    *repositories: str,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Evaluate policies and carry them out now, instead of at their hourly turn.

    Args:
        repositories: Names of repositories.
        every: Every repository that has a policy.
    """
    from careen.ecr.errors import EcrError
    from careen.registry import lifecycle

    if not repositories and not every:
        fail("no repository is named", "name repositories, or say --all")
    with opened(data) as registry:
        try:
            ids = registry.read(lifecycle.to_run, None if every else repositories)
        except EcrError as error:
            fail(error.message)
        ran = []
        for repository_id in ids:
            one = lifecycle.run(registry, repository_id)
            if one is None:  # no policy
                continue
            ran.append(one._asdict())
            if not json:
                print(
                    f"{one.repository}: {one.images:,} images, {one.expired:,} expired, {one.archived:,} archived,"
                    f" {one.blocked:,} blocked, {one.skipped:,} changed meanwhile",
                    flush=True,
                )
    if json:
        print_json(ran)
    else:
        print(
            f"{len(ran):,} policies were run; layers that no image needs go after their grace period (careen gc --now)"
        )


@app.command
def runs(repository: str, *, last: int = 1, data: Data = None, json: Json = False) -> None:
    """Show what the last runs did to a repository: every image, by which rule, why.

    Args:
        repository: The repository's name.
        last: How many runs.
    """
    from careen.clock import isoformat
    from careen.ecr.errors import EcrError
    from careen.registry import lifecycle

    with opened(data) as registry:
        try:
            found = registry.read(lifecycle.history, repository, last)
        except EcrError as error:
            fail(error.message)
    if json:
        print_json(
            [
                {
                    "runId": ran.id,
                    "evaluatedAt": isoformat(ran.evaluated_at),
                    "images": ran.images,
                    "actions": [it._asdict() for it in actions],
                }
                for ran, actions in found
            ]
        )
        return
    if not found:
        print(f"no run has changed {repository} yet")
    for ran, actions in found:
        print(
            f"run {ran.id}, {isoformat(ran.evaluated_at)}: {ran.images:,} images, {len(actions):,} decisions"
        )
        for action in actions:
            print(f"  {action.outcome:<9} {action.digest[:19]}  {action.tags}  {action.reason}")
