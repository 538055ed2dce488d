"""``careen policy explain``."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from careen.cli.output import print_json
from careen.cli.policy.inputs import (
    ExtensionFile,
    ImagesFile,
    Json,
    Now,
    PolicyFile,
    ProtectionFile,
    RepositoryName,
    read_beyond,
    read_world,
    refuse,
)
from careen.cli.policy.simulate import LISTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careen.lifecycle.explain import Explanation
    from careen.lifecycle.plan import Plan

ImageNames = Annotated[
    tuple[str, ...],
    Parameter(
        name="--image",
        negative="",
        help="A tag, or the beginning of a digest; may be repeated. Without it: every image, briefly.",
    ),
]


def explain(
    *,
    policy: PolicyFile,
    images: ImagesFile,
    image: ImageNames = (),
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    json: Json = False,
) -> None:
    """Say of images what every rule makes of them, which rule decides, and when they become eligible."""
    from careen.clock import isoformat_or_none
    from careen.lifecycle import documents
    from careen.lifecycle.evaluate import evaluate
    from careen.lifecycle.explain import explain

    beyond = read_beyond(extension, protection, repository, json)
    plan = evaluate(*read_world(policy, images, now, json, beyond))
    digests = _named(plan, image, json) if image else [decision.image.digest for decision in plan.decisions]
    if json:
        print_json(documents.explanations(plan.now, explain(plan, digests), isoformat_or_none))
        return
    _print_explanations(explain(plan, digests if image else digests[:LISTED]), brief=not image)
    if not image and len(digests) > LISTED:
        print(f"and {len(digests) - LISTED:,} more; --image explains one, --json all")


def _named(plan: "Plan", names: "Sequence[str]", json: bool) -> list[str]:
    """The digests of the images that names mean, each once: those with the tag, else with the digest's beginning."""
    images = [decision.image for decision in plan.decisions]
    found: dict[str, None] = {}
    for name in names:
        beginnings = (name, f"sha256:{name}")
        meant = [image.digest for image in images if name in image.tags]
        meant = meant or [image.digest for image in images if image.digest.startswith(beginnings)]
        if not meant:
            hint = "a tag, or the beginning of a digest"
            refuse("InvalidInput", f"no image has the tag or the digest {name}", hint, json)
        found |= dict.fromkeys(meant)
    return list(found)


def _print_explanations(explanations: "Sequence[Explanation]", *, brief: bool) -> None:
    """An image to a paragraph: its digest and tags, then a sentence a line."""
    from careen.lifecycle.narrate import narrate

    for explanation in explanations:
        image = explanation.decision.image
        decision, outlook, *findings = narrate(explanation)
        digest = image.digest.removeprefix("sha256:")[:12] if brief else image.digest
        print(f"{digest}  {', '.join(image.tags) or '-'}")
        for sentence in (decision, outlook, *(() if brief else findings)):
            print(f"  {sentence}")
