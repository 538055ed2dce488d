"""A repository as it is at this moment, for those who are about to change it: an inventory may be hours old."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from careen.fleet import clients, images
from careen.fleet.errors import Refused
from careen.fleet.keep_rule import NoRoom, as_kept
from careen.fleet.scanned import Image, Scanned
from careen.lifecycle import policy as policies
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.oci import media_types
from careen.oci.digest import digest_of


class Manifest(NamedTuple):
    """What PutImage takes, and BatchGetImage answers."""

    text: str
    media_type: str


def again(ecr: Any, known: Scanned, *, is_pull: bool = False) -> Scanned:
    """List a repository's images again.

    Args:
        ecr: a client of its account and Region.
        known: what a scan found. What indexes list is taken from there, as a digest's content does not change; what uses the
            repository is too.
        is_pull: whether reading a manifest would count as a use that matters: then new indexes are not read.

    Raises:
        FleetError: they cannot be listed, or not all indexes can be read.
    """
    images.read_quickly(ecr)
    name = known.repository.name
    found = list(images.describe(ecr, name))
    children = {image.digest: image.children for image in known.images if image.children is not None}
    unread = [
        image.digest
        for image in found
        if image.digest not in children
        and (image.media_type is None or image.media_type in media_types.INDEXES)
    ]
    if is_pull:
        unread.clear()
    for digest, content in images.contents(ecr, name, unread).items():
        children[digest] = content.children or ()
    listed = [msgspec.structs.replace(image, children=children.get(image.digest)) for image in found]
    return Scanned(known.repository, listed, known.uses)


def is_same(image: Image, known: Image) -> bool:
    """Whether an image is what it was, for those who decide on it. Pulls do not count: they come all the time."""
    return (
        set(image.tags) == set(known.tags)
        and image.pushed_at == known.pushed_at
        and image.status == known.status
        and image.activated_at == known.activated_at
    )


def policy(ecr: Any, repository: str) -> str | None:
    """The text of a repository's lifecycle policy, None if it has none.

    Raises:
        FleetError: it cannot be read.
    """
    try:
        text: str = clients.call(ecr, "get_lifecycle_policy", repositoryName=repository)[
            "lifecyclePolicyText"
        ]
    except Refused as error:
        if error.code == "LifecyclePolicyNotFoundException":
            return None
        raise
    return text


def is_same_policy(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same policy: some registries keep the text, Amazon's writes it anew."""
    return one == other or (one is not None and other is not None and _rules(one) == _rules(other))


def fulfils(now: str | None, wanted: str | None) -> bool:
    """Whether a policy is the one that is wanted; it may have the rule besides that ``careen fleet protect`` puts before all."""
    if is_same_policy(now, wanted):
        return True
    try:
        return now is not None and is_same_policy(now, as_kept(wanted, like=now))
    except NoRoom:
        return False


def _rules(text: str) -> object:
    """A policy's rules in the order of their priority; the text of what is none."""
    try:
        return policies.parse(text)
    except InvalidLifecyclePolicy:
        return text


def put_policy(ecr: Any, repository: str, text: str | None) -> None:
    """Give a repository a lifecycle policy, or take its own away: None.

    Raises:
        FleetError: the service refuses.
    """
    if text is not None:
        clients.call(ecr, "put_lifecycle_policy", repositoryName=repository, lifecyclePolicyText=text)
        return
    try:
        clients.call(ecr, "delete_lifecycle_policy", repositoryName=repository)
    except Refused as error:
        if error.code != "LifecyclePolicyNotFoundException":
            raise


def manifests(ecr: Any, repository: str, some: Sequence[Image]) -> Mapping[str, Manifest]:
    """The manifests of images by digest, byte for byte; those that cannot be had are left out.

    Raises:
        FleetError: none can be read.
    """
    found: dict[str, Manifest] = {}
    for begin in range(0, len(some), images.AT_ONCE):
        wanted = {image.digest: image.media_type for image in some[begin : begin + images.AT_ONCE]}
        answer = clients.call(
            ecr,
            "batch_get_image",
            repositoryName=repository,
            imageIds=[{"imageDigest": digest} for digest in wanted],
            acceptedMediaTypes=sorted(media_types.MANIFESTS | {each for each in wanted.values() if each}),
        )
        for each in answer.get("images", ()):
            digest, text = each["imageId"]["imageDigest"], each["imageManifest"]
            # Anything else would be another image when it is put.
            if digest_of(text.encode()) == digest:
                media_type = each.get("imageManifestMediaType") or wanted.get(digest)
                found[digest] = Manifest(text, media_type or media_types.OCI_MANIFEST)
    return found


def failures(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What BatchDeleteImage did not delete, and why; what is gone already counts as deleted."""
    return [each for each in answer.get("failures", ()) if each["failureCode"] != "ImageNotFound"]
