"""One image: all that is known of it, why it stays or goes, and what can be done to it."""

import sys
from typing import Any

import msgspec
from starlette.responses import Response

from careen.console import repositories
from careen.console.images import AT_ONCE, is_plain
from careen.console.visit import Notice, Page, Visit
from careen.ecr.common_errors import AccessDenied
from careen.ecr.errors import (
    EcrError,
    ImageNotFound,
    ImageStorageClassUpdateNotSupported,
    LifecyclePolicyNotFound,
    ScanNotFound,
)
from careen.oci import image_config
from careen.registry import browsing
from careen.registry.archive import ARCHIVED
from careen.registry.browsing import Look
from careen.registry.images import ACTIVE

FINDINGS = 100
"""Of a scan, the worst, on one page."""

MAX_SHOWN = 64 * 1024
"""Characters of a manifest that are shown."""


async def shown(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The image of that digest, or that a tag names now."""
    name, reference = visit.path("name"), visit.path("reference")
    repository = await repositories.describe(visit, name)
    image_id = {"imageDigest" if ":" in reference else "imageTag": reference}
    described = await visit.ask("DescribeImages", repositoryName=name, imageIds=[image_id])
    image = described["imageDetails"][0]
    digest = image["imageDigest"]
    look = await _look(visit, name, digest)
    may_read = visit.may("BatchGetImage", name)
    config = None
    if may_read and look.manifest is not None and visit.may("GetDownloadUrlForLayer", name):
        config = await visit.registry.in_bytes_thread(
            browsing.configuration, visit.registry, name, look.manifest
        )
    return await repositories.of_repository(
        visit,
        "images/image.html",
        "images",
        repository=repository,
        image=image,
        look=look,
        line=look.line,
        may_read=may_read,
        config=config,
        built=[] if config is None else image_config.built(config),
        raw=_raw(look) if may_read else "",
        findings=await _findings(visit, name, digest),
        signing=await _signing(visit, name, digest),
        replications=await _replications(visit, name, digest) if look.replications else [],
        pins=await _pins(visit, name, digest),
        pulls=look.line.row.pull_count if visit.may("DescribePulls", name, "careen") else None,
        explanation=await _explanation(visit, name, look),
        many=browsing.MANY,
        is_plain=is_plain(visit),
        refusal=refusal,
    )


async def _look(visit: Visit, name: str, digest: str) -> Look:
    found = await visit.registry.read_in_thread(browsing.look, name, digest)
    if found is None:  # it has gone since it was described
        raise ImageNotFound(name, visit.registry.id, digest=digest)
    return found


def _raw(look: Look) -> str:
    """The manifest, indented to be read; its digest is over other bytes."""
    if look.content is None:
        return ""
    text = msgspec.json.format(look.content, indent=2).decode()
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "\n…"


async def _findings(visit: Visit, name: str, digest: str) -> dict[str, Any] | None:
    """What DescribeImageScanFindings answers; None: nobody has scanned it, or the visitor may not know."""
    if not visit.may("DescribeImageScanFindings", name):
        return None
    try:
        return await visit.ask(
            "DescribeImageScanFindings",
            repositoryName=name,
            imageId={"imageDigest": digest},
            maxResults=FINDINGS,
        )
    except ScanNotFound:
        return None


async def _signing(visit: Visit, name: str, digest: str) -> list[dict[str, Any]]:
    """The profiles that should sign the image, and whether anybody did."""
    if not visit.may("DescribeImageSigningStatus", name):
        return []
    found = await visit.ask(
        "DescribeImageSigningStatus", repositoryName=name, imageId={"imageDigest": digest}
    )
    statuses: list[dict[str, Any]] = found["signingStatuses"]
    return statuses


async def _replications(visit: Visit, name: str, digest: str) -> list[dict[str, Any]]:
    if not visit.may("DescribeImageReplicationStatus", name):
        return []
    found = await visit.ask(
        "DescribeImageReplicationStatus", repositoryName=name, imageId={"imageDigest": digest}
    )
    statuses: list[dict[str, Any]] = found["replicationStatuses"]
    return statuses


async def _pins(visit: Visit, name: str, digest: str) -> list[dict[str, Any]]:
    if not visit.may("ListImagePins", name, "careen"):
        return []
    found = await visit.ask("ListImagePins", "careen", repositoryName=name, imageDigest=digest)
    pins: list[dict[str, Any]] = found["pins"]
    return pins


async def _explanation(visit: Visit, name: str, look: Look) -> dict[str, Any] | None:
    """What ExplainImage answers. None: no rule holds, or the visitor may not know; empty: it is to be asked after the page."""
    if not visit.may("ExplainImage", name, "careen"):
        return None
    up_to = sys.maxsize if visit.query.get("rules") == "yes" else AT_ONCE
    if look.manifests > up_to:
        return {}
    asked = [{"imageDigest": look.line.row.digest}]
    try:
        found = await visit.ask("ExplainImage", "careen", repositoryName=name, imageIds=asked)
    except LifecyclePolicyNotFound:
        return None
    explanations: list[dict[str, Any]] = found["explanations"]
    return explanations[0] if explanations else None


async def change(visit: Visit) -> Response:
    """Do what a form of the page asks for."""
    name, digest = visit.path("name"), visit.path("reference")
    # What is looked at before the deed, and told of, is for those who see the page that has the form.
    await visit.ask("DescribeImages", repositoryName=name, imageIds=[{"imageDigest": digest}])
    try:
        said = await _change(visit, name, digest)
    except AccessDenied:
        raise
    except EcrError as refusal:
        return await shown(visit, refusal)
    return visit.go(repositories.address(name, f"images/{digest}"), said)


async def _change(visit: Visit, name: str, digest: str) -> Notice:
    form = visit.form
    tag = form.get("tag", "").strip()
    match form.get("do"):
        case "tag":
            return Notice(await _tag(visit, name, digest, tag))
        case "untag":
            look = await _look(visit, name, digest)
            if look.line.tags == [tag]:  # without this one ECR deletes the image: that is asked for elsewhere
                return Notice(f"{tag} is its last tag. Delete the image to be rid of it.", is_good=False)
            await visit.ask("BatchDeleteImage", repositoryName=name, imageIds=[{"imageTag": tag}])
            return Notice(f"{tag} is gone. The image stays.")
        case "archive" | "restore" as what:
            return Notice(await _move(visit, name, digest, what))
        case "scan":
            await visit.ask("StartImageScan", repositoryName=name, imageId={"imageDigest": digest})
            return Notice("The scan is asked for. Open this page again in a while.")
        case _:
            return Notice("Nothing was asked for.", is_good=False)


async def _tag(visit: Visit, name: str, digest: str, tag: str) -> str:
    """ECR gives an image another tag by putting its manifest again."""
    look = await _look(visit, name, digest)
    await visit.ask(
        "PutImage",
        repositoryName=name,
        imageManifest=(look.content or b"").decode(),
        imageManifestMediaType=look.line.row.media_type,
        imageDigest=digest,
        imageTag=tag,
    )
    return f"The image has the tag {tag}."


async def _move(visit: Visit, name: str, digest: str, what: str) -> str:
    """To the archive or back, and after it the parts that have no tag of their own, as far as no other index holds them."""
    look = await _look(visit, name, digest)
    target, status = ("ARCHIVE", ACTIVE) if what == "archive" else ("STANDARD", ARCHIVED)

    async def move(one: str) -> None:
        image_id = {"imageDigest": one}
        await visit.ask(
            "UpdateImageStorageClass", repositoryName=name, imageId=image_id, targetStorageClass=target
        )

    await move(digest)
    for part in look.line.parts:
        if part.row.status == status and not part.tags:
            try:
                await move(part.row.digest)
            except ImageStorageClassUpdateNotSupported:
                continue  # another index lists it
    if what == "archive":
        return "The image is in the archive. It cannot be pulled until it is restored."
    return "The image is on its way back, and can be pulled in a moment."


PAGES = {"repositories/{name:path}/-/images/{reference}": Page(shown, change)}
