"""``careen policy diff``."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from careen.cli.output import plural, print_json
from careen.cli.policy.inputs import (
    ExtensionFile,
    ImagesFile,
    Json,
    Now,
    PolicyFile,
    ProtectionFile,
    RepositoryName,
    read_beyond,
    read_policy,
    read_policy_text,
    read_world,
    refuse,
    require_repository,
)
from careen.cli.policy.tables import LISTED, Document, console, print_decisions, size

if TYPE_CHECKING:
    from careen.lifecycle.beyond import Beyond

OldFile = Annotated[
    str | None,
    Parameter(
        name="--old",
        allow_leading_hyphen=True,
        help="The policy it replaces, in a file; without it there was none. A registry knows its own.",
    ),
]
MaxShare = Annotated[
    float,
    Parameter(
        name="--max-share",
        validator=Number(gte=0, lte=100),
        help="How many percent of the images may be deleted unseen; five always may.",
    ),
]
Accept = Annotated[
    str | None,
    Parameter(name="--accept", help="The hash of a plan that somebody has looked at: nothing else passes."),
]

EXCEEDED = 1
"""The exit status where a limit is exceeded, or the plan is not the accepted one."""

NAMES = {"doomed": "newly doomed", "saved": "newly saved", "changed": "by another rule, or elsewhere"}


def diff(
    *,
    policy: PolicyFile,
    old: OldFile = None,
    images: ImagesFile | None = None,
    max_share: MaxShare = 25.0,
    accept: Accept = None,
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    json: Json = False,
) -> None:
    """Show what changes if a policy replaces another: images newly doomed, newly saved, and the share of the repository.

    Exits 1 if too much would go unseen: more than the allowed share of the images, or the last image of a tag family.
    """
    if images is None:
        given = {"old": old, "extension": extension, "protection": protection, "now": now}
        name = require_repository(repository, json, **given)
        found = _ask(name, read_policy_text(policy, json), max_share, json)
    else:
        beyond = read_beyond(extension, protection, repository, json)
        found = _compare(policy, old, images, max_share, beyond, now, json)
    if json:
        print_json(found)
    else:
        _print(found)
    _judge(found, accept)


def _ask(repository: str, text: str | None, max_share: float, json: bool) -> Document:
    from careen.cli.policy.service import ask

    return ask(
        "diff_lifecycle_policy",
        json,
        repositoryName=repository,
        lifecyclePolicyText=text,
        maxShare=max_share / 100,
        maxResults=1000 if json else LISTED,
    )


def _compare(
    policy: str,
    old: str | None,
    images: str,
    max_share: float,
    beyond: "Beyond",
    now: str | None,
    json: bool,
) -> Document:
    from careen.clock import isoformat
    from careen.lifecycle import documents
    from careen.lifecycle.blast import Limits
    from careen.lifecycle.difference import difference
    from careen.lifecycle.evaluate import evaluate
    from careen.lifecycle.policy import LifecyclePolicy

    if old == "-" and "-" in (policy, images):
        refuse("InvalidInput", "only one file can come from standard input", "name the others", json)
    new, world, at, _ = read_world(policy, images, now, json, beyond)
    holding = LifecyclePolicy(()) if old is None else read_policy(old, json)
    found = difference(evaluate(holding, world, at, beyond), evaluate(new, world, at, beyond))
    return documents.difference(found, isoformat, limits=Limits(max_share=max_share / 100))


def _print(found: Document) -> None:
    out = console()
    for name, title in NAMES.items():
        total = found[f"{name}Total"]
        if total["images"]:
            share = f", {found['share']:.1%} of the repository" if name == "doomed" else ""
            images = plural(total["images"], "image")
            out.print(f"{title}: {images}, {size(total['imageSizeInBytes'])}{share}")
            print_decisions(out, found[name], total["images"])
            out.print()
    if not any(found[f"{name}Total"]["images"] for name in NAMES):
        out.print("Nothing changes.")
    out.print(
        f"{plural(found['images'], 'image')} at {found['now']}; plan {found['planHash']}", soft_wrap=True
    )


def _judge(found: Document, accept: str | None) -> None:
    """End with an error if the plan is another than the accepted one, or none is accepted and this goes too far."""
    exceeded = [each["sentence"] for each in found["breaches"]]
    for sentence in exceeded:
        print(f"{'note' if accept == found['planHash'] else 'error'}: {sentence}", file=sys.stderr)
    if accept is not None and accept != found["planHash"]:
        print("error: the plan is not the accepted one; images, rules or time have changed", file=sys.stderr)
        sys.exit(EXCEEDED)
    if exceeded and accept is None:
        print(f"try: look through it, then --accept {found['planHash']}", file=sys.stderr)
        sys.exit(EXCEEDED)
