"""``careen policy explain``."""

from collections.abc import Sequence
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
    read_policy_text,
    read_world,
    refuse,
    require_repository,
)
from careen.cli.policy.tables import LISTED, Document, short

if TYPE_CHECKING:
    from careen.lifecycle.plan import Plan

ImageNames = Annotated[
    tuple[str, ...],
    Parameter(
        name="--image",
        negative="",
        help="A tag, or the beginning of a digest (of a registry's image: the digest); may be repeated."
        " Without it: every image of a file, briefly.",
    ),
]


def explain(
    *,
    policy: PolicyFile | None = None,
    images: ImagesFile | None = None,
    image: ImageNames = (),
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    json: Json = False,
) -> None:
    """Say of images what every rule makes of them, which rule decides, and when they become eligible."""
    if images is None:
        name = require_repository(repository, json, extension=extension, protection=protection, now=now)
        _print(_ask(name, read_policy_text(policy, json), image, json), json)
        return
    from careen.clock import isoformat_or_none
    from careen.lifecycle import documents
    from careen.lifecycle.evaluate import evaluate
    from careen.lifecycle.explain import explain

    beyond = read_beyond(extension, protection, repository, json)
    plan = evaluate(*read_world(policy, images, now, json, beyond))
    digests = _named(plan, image, json) if image else [decision.image.digest for decision in plan.decisions]
    listed = digests if image or json else digests[:LISTED]
    found = documents.explanations(plan.now, explain(plan, listed), isoformat_or_none)
    _print(found, json, brief=not image)
    if len(listed) < len(digests):
        print(f"and {len(digests) - LISTED:,} more; --image explains one, --json all")


def _named(plan: "Plan", names: Sequence[str], json: bool) -> list[str]:
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


def _ask(repository: str, text: str | None, names: Sequence[str], json: bool) -> Document:
    from careen.cli.policy.service import ask

    if not names:
        refuse("InvalidInput", "a registry explains images by name", "name some with --image", json)
    answer = ask(
        "explain_image",
        json,
        repositoryName=repository,
        lifecyclePolicyText=text,
        imageIds=[{"imageDigest" if ":" in name else "imageTag": name} for name in names],
    )
    for failure in answer.pop("failures"):
        [name] = failure["imageId"].values()
        refuse("ImageNotFound", f"{repository} has no image {name}", "a tag, or a whole digest", json)
    return answer


def _print(found: Document, json: bool, *, brief: bool = False) -> None:
    """An image to a paragraph: its digest and tags, then a sentence a line."""
    if json:
        print_json(found)
        return
    for each in found["explanations"]:
        digest = short(each["imageDigest"]) if brief else each["imageDigest"]
        print(f"{digest}  {', '.join(each['imageTags']) or '-'}")
        findings = () if brief else [rule["finding"] for rule in each["rules"]]
        for sentence in (each["reason"], each["outlook"], *findings):
            print(f"  {sentence}")
