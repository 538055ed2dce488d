"""``careen policy apply``."""

from typing import Annotated

from cyclopts import Parameter

from careen.cli.output import plural, print_json
from careen.cli.policy.diff import MaxShare
from careen.cli.policy.inputs import Json, PolicyFile, read_policy_text

Repository = Annotated[str, Parameter(name="--repository", help="The repository of the registry.")]
Accept = Annotated[
    str | None,
    Parameter(
        name="--accept", help="The hash of the plan that was reviewed: exactly that is done, or nothing."
    ),
]


def apply(
    *,
    policy: PolicyFile,
    repository: Repository,
    accept: Accept = None,
    max_share: MaxShare = 25.0,
    json: Json = False,
) -> None:
    """Set a repository's policy and run it at once: what was reviewed, or what stays within the limits."""
    from careen.cli.policy.service import ask

    done = ask(
        "apply_lifecycle_policy",
        json,
        repositoryName=repository,
        lifecyclePolicyText=read_policy_text(policy, json),
        planHash=accept,
        maxShare=max_share / 100,
    )
    if json:
        print_json(done)
        return
    print(f"{repository}: the policy is set, and plan {done['planHash']} is carried out")
    outcomes = ("expired", "archived", "untagged", "blocked", "protected")
    print(", ".join(f"{done[name]:,} {name}" for name in outcomes))
    if done["skipped"]:
        print(f"{plural(done['skipped'], 'image')} changed meanwhile, and are left for the next run")
