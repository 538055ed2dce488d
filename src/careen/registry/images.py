"""Images: put, find, list, tag, delete; their referrers; when they were pulled."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from careen.clock import Instant
from careen.db import images, layers, repositories
from careen.db.images import ImageRow as ImageRow
from careen.db.images import Pullable as Pullable
from careen.db.repositories import Repository
from careen.ecr import errors, mutability
from careen.ecr import events as ecr_events
from careen.ecr.mutability import Mutability
from careen.faults import Point, reach
from careen.oci import digest as digests
from careen.oci import manifest as manifests
from careen.oci import media_types, names
from careen.oci.manifest import Manifest
from careen.registry import events, places, replication, reports, scans
from careen.registry import repositories as repository_cases
from careen.registry.deletions import Cause, discard
from careen.registry.registry import Transaction

ACTIVE = images.ACTIVE


class Image(NamedTuple):
    """A manifest with its tags."""

    row: ImageRow
    tags: list[str]


class ImageReferenced(Exception):
    """An index lists the image, so it stays. The message is ECR's (failure code ``ImageReferencedByManifestList``)."""

    def __init__(self, parents: Iterable[str]) -> None:
        super().__init__(f"Requested image referenced by manifest list: [{', '.join(parents)}]")


class Put(NamedTuple):
    """What a put did."""

    image: Image
    created: bool
    """Whether the manifest is new to the repository."""


class Times(NamedTuple):
    """When something was done that is told now: by a registry from which it comes. What lies ahead counts as now."""

    pushed_at: Instant
    tagged_at: Instant


class Life(NamedTuple):
    """What has happened to an image that no manifest tells."""

    status: str
    pushed_at: Instant
    pulled_at: Instant | None = None
    pull_count: int = 0
    archived_at: Instant | None = None
    activated_at: Instant | None = None


def pullable(tx: Transaction, repository: str, reference: str) -> Pullable | None:
    """The active manifest that a tag or digest names, bytes included."""
    return images.pullable(tx.rows, repository, reference)


def find(
    tx: Transaction, repository: Repository, *, digest: str | None = None, tag: str | None = None
) -> ImageRow | None:
    """The image that a digest, a tag, or both together name; whatever its storage class."""
    if digest is not None:
        row = images.by_digest(tx.rows, repository.id, digest)
        return row if row is None or tag is None or tag in images.tags_of(tx.rows, row.id) else None
    return images.by_tag(tx.rows, repository.id, tag) if tag is not None else None


def with_tags(tx: Transaction, row: ImageRow) -> Image:
    """The image with its tags, by name."""
    return Image(row, images.tags_of(tx.rows, row.id))


def content(tx: Transaction, row: ImageRow) -> bytes | None:
    """The manifest's bytes, as they were pushed; None: a scrub found them damaged."""
    return images.content(tx.rows, row.id)


def page(
    tx: Transaction,
    repository: Repository,
    after: str,
    limit: int,
    status: str | None = None,
    tag_status: str | None = None,
) -> list[Image]:
    """Up to ``limit`` images whose digests follow ``after``; None selects every status (``TAGGED``, ``UNTAGGED``)."""
    return [
        with_tags(tx, row) for row in images.page(tx.rows, repository.id, after, limit, status, tag_status)
    ]


def ids(
    tx: Transaction,
    repository: Repository,
    after: tuple[str, str],
    limit: int,
    status: str | None,
    tag_status: str | None,
) -> list[tuple[str, str]]:
    """Up to ``limit`` pairs of digest and tag that follow ``after``; an untagged image has one pair with an empty tag."""
    return images.ids(tx.rows, repository.id, after, limit, status, tag_status)


def tag_names(tx: Transaction, repository: str, after: str, limit: int) -> list[str]:
    """Up to ``limit`` tags that follow ``after``, in order."""
    return images.tag_names(tx.rows, repository_cases.require(tx, repository).id, after, limit)


def referrers(tx: Transaction, repository: Repository, subject: str) -> list[ImageRow]:
    """The manifests that name ``subject`` as theirs, oldest first; whatever their storage class."""
    return images.referrers(tx.rows, repository.id, subject)


def active_referrers(tx: Transaction, name: str, subject: str) -> list[ImageRow]:
    """The pullable referrers of a subject; none if there is no such repository."""
    repository = repositories.by_name(tx.rows, name)
    found = [] if repository is None else images.referrers(tx.rows, repository.id, subject)
    return [row for row in found if row.status == ACTIVE]


def as_referrer(row: ImageRow) -> dict[str, Any]:
    """What a list of referrers says of one."""
    annotations = (
        msgspec.json.decode(row.annotations, type=dict[str, str]) if row.annotations is not None else None
    )
    return manifests.referrer(row.digest, row.size, row.media_type, row.artifact_type, annotations)


def put(
    tx: Transaction,
    repository: Repository,
    data: bytes,
    *,
    media_type: str | None = None,
    digest: str | None = None,
    tag: str | None = None,
    replica_of: str | None = None,
    times: Times | None = None,
) -> Put:
    """Store a manifest and let a tag name it.

    Args:
        tx: the transaction.
        repository: where to.
        data: the manifest's bytes, at most :data:`careen.oci.manifest.MAX_BYTES`.
        media_type: what the client says it is, if it says so beside the manifest.
        digest: what the client says its digest is; sha256 is taken if it says nothing.
        tag: the tag to set.
        replica_of: the Region and the id, as ``us-east-1/123456789012``, of the registry that replicates it to here. It goes no
            further (ECR user guide, "replication").
        times: when it was pushed and the tag set; None: now.

    Raises:
        careen.oci.manifest.InvalidManifest: not a manifest we take.
        careen.ecr.errors.ImageDigestDoesNotMatch: the bytes have another digest.
        careen.ecr.errors.LayersNotFound: a config or layer is not in the repository.
        careen.ecr.errors.ReferencedImagesNotFound: an index lists a manifest that is not in the repository.
        careen.ecr.errors.InvalidParameter: the tag is no tag.
        careen.ecr.errors.ImageTagAlreadyExists: the tag may not move.
    """
    manifest = manifests.parse(data, media_type)
    known = digest is not None and digests.is_digest(digest)
    actual = digests.digest_of(data, digests.algorithm(digest) if digest and known else "sha256")
    if digest not in {None, actual}:
        raise errors.ImageDigestDoesNotMatch(digest or "", actual)
    if tag is not None:
        _check_tag(tx, repository, tag)
    row = images.by_digest(tx.rows, repository.id, actual)
    created = row is None
    is_news = (
        row is None
        or row.status != ACTIVE
        or (tag is not None and tag not in images.tags_of(tx.rows, row.id))
    )
    pushed_at, tagged_at = (tx.now, tx.now) if times is None else (min(each, tx.now) for each in times)
    if row is None:
        row = _insert(tx, repository, manifest, actual, data, Life(ACTIVE, pushed_at=pushed_at))
    elif (
        row.status != ACTIVE
    ):  # pushing an archived image again restores it at once (ECR user guide, "Restoring an image")
        images.set_status(tx.rows, row.id, ACTIVE, activated_at=tx.now)
        places.look_at_image(tx, row.id)
        row = row._replace(status=ACTIVE, activated_at=tx.now)
        events.record_storage_class(tx, row)
        scans.restored(tx, row.id)
    if not created:
        images.restore_content(tx.rows, row.id, data)
    if tag is not None:
        images.put_tag(tx.rows, repository.id, tag, row.id, tagged_at)
        reach(Point.TAG_PUT)
    if replica_of is None:
        events.record(tx, ecr_events.pushed(repository.name, actual, tag))
        if is_news:
            replication.pushed(tx, repository, row)
    else:
        events.record(tx, ecr_events.replicated(repository.name, actual, tag, source=replica_of))
    return Put(with_tags(tx, row), created)


def _check_tag(tx: Transaction, repository: Repository, tag: str) -> None:
    if not names.is_tag(tag):
        raise errors.InvalidParameter("imageTag", f"must satisfy regular expression '{names.TAG.pattern}'")
    allowed = mutability.may_move(
        Mutability(repository.tag_mutability), repositories.filters_of(repository), tag
    )
    if not allowed and images.by_tag(tx.rows, repository.id, tag):
        raise errors.ImageTagAlreadyExists(repository.name, tag)


def _insert(
    tx: Transaction, repository: Repository, manifest: Manifest, digest: str, data: bytes, life: Life
) -> ImageRow:
    sizes, missing = {}, []
    for blob in manifest.blobs():
        size = layers.size(tx.rows, repository.id, blob.digest)
        if size is None:
            missing.append(blob.digest)
        else:
            sizes[blob.digest] = size
    if missing:
        raise errors.LayersNotFound(repository.name, tx.registry_id, missing)
    children = _children(tx, repository, manifest, sizes)
    row = ImageRow(
        id=0,
        repository_id=repository.id,
        digest=digest,
        media_type=manifest.media_type,
        artifact_type=manifest.artifact_type,
        size=len(data),
        image_size=max((child.image_size for child in children), default=0)
        if manifest.is_index
        else sum(sizes.values()),
        subject=manifest.subject.digest if manifest.subject else None,
        annotations=msgspec.json.encode(manifest.annotations).decode()
        if manifest.subject and manifest.annotations
        else None,
        **life._asdict(),
    )
    row = row._replace(id=images.insert(tx.rows, row, data))
    images.refer_to_blobs(tx.rows, row.id, repository.id, sizes)
    images.refer_to_children(tx.rows, row.id, [child.id for child in children])
    places.look(tx, sizes)
    scans.arrived(tx, repository, row, manifest)
    reports.arrived(tx, row, manifest)
    reach(Point.MANIFEST_PUT)
    return row


def put_back(
    tx: Transaction, repository: Repository, data: bytes, media_type: str, digest: str, life: Life
) -> ImageRow:
    """Store a manifest that was deleted as it was before. Its blobs are linked and its children there."""
    return _insert(tx, repository, manifests.parse(data, media_type), digest, data, life)


def _children(
    tx: Transaction, repository: Repository, manifest: Manifest, sizes: dict[str, int]
) -> list[ImageRow]:
    """The manifests an index lists. What it lists that is no manifest is a blob, and is added to ``sizes``."""
    children, missing = [], []
    for descriptor in manifest.children:
        child = images.by_digest(tx.rows, repository.id, descriptor.digest)
        if child is not None:
            children.append(child)
        elif (
            descriptor.media_type not in media_types.MANIFESTS
            and (size := layers.size(tx.rows, repository.id, descriptor.digest)) is not None
        ):
            sizes[descriptor.digest] = size
        else:
            missing.append(descriptor.digest)
    if missing:
        raise errors.ReferencedImagesNotFound(repository.name, tx.registry_id, missing)
    return children


def untag(tx: Transaction, repository: Repository, tag: str, *, is_replica: bool = False) -> bool:
    """Remove a tag; the image stays, untagged if it was its last. Returns whether the tag was there.

    A removal that another registry replicates to here goes no further.
    """
    row = images.by_tag(tx.rows, repository.id, tag)
    if row is not None:
        images.delete_tag(tx.rows, repository.id, tag)
        events.record_deletion(tx, repository.name, row.digest, [tag])
        if not is_replica:
            replication.untagged(tx, repository, row.digest, tag)
    reach(Point.TAG_DELETED)
    return row is not None


def delete_by_digest(tx: Transaction, repository: Repository, digest: str, cause: Cause) -> list[Image]:
    """:func:`delete` by digest. Returns what was deleted, nothing if no image has that digest."""
    row = images.by_digest(tx.rows, repository.id, digest)
    return [] if row is None else delete(tx, repository, row, cause)


def delete(tx: Transaction, repository: Repository, row: ImageRow, cause: Cause) -> list[Image]:
    """Delete an image with its tags, and after it the referrers that have no other purpose than to describe it.

    Amazon ECR removes referrers within 24 hours of their subject; here they go in the same transaction. A referrer that an
    index lists stays. What goes is noted, and lies in the trash for a while; the collector looks at the blobs at once.

    Returns:
        What was deleted, the image itself first.

    Raises:
        ImageReferenced: an index of the repository lists the image.
    """
    if parents := images.parents(tx.rows, row.id):
        raise ImageReferenced(parents)
    return list(_delete_with_referrers(tx, repository, row, cause))


def _delete_with_referrers(
    tx: Transaction, repository: Repository, row: ImageRow, cause: Cause
) -> Iterator[Image]:
    image = with_tags(tx, row)
    yield image
    discard(tx, repository.name, row, cause)
    needed = images.blobs_of(tx.rows, row.id)
    images.delete(tx.rows, row.id)
    layers.review(tx.rows, row.repository_id, needed, tx.now)
    places.look(tx, needed)
    if not cause.is_replica:
        replication.deleted(tx, repository, row.digest, image.tags)
    reach(Point.IMAGE_DELETED)
    for referrer in images.referrers(tx.rows, row.repository_id, row.digest):
        if not images.parents(tx.rows, referrer.id):
            because = f"its subject {row.digest} was deleted"
            yield from _delete_with_referrers(tx, repository, referrer, replace(cause, reason=because))


def delete_by_tag(tx: Transaction, repository: Repository, tag: str, cause: Cause) -> Image | None:
    """ECR's delete by tag: the tag goes, and the image with it if this was its last tag.

    Returns:
        The image as it was, or None if no image has the tag.

    Raises:
        ImageReferenced: it was the last tag, and an index lists the image.
    """
    row = images.by_tag(tx.rows, repository.id, tag)
    if row is None:
        return None
    image = with_tags(tx, row)
    if image.tags == [tag]:
        delete(tx, repository, row, cause)
    else:
        untag(tx, repository, tag, is_replica=cause.is_replica)
    return image


def record_pulls(tx: Transaction, pulls: Iterable[tuple[int, Instant, int]]) -> None:
    """Note pulls: ``(manifest id, instant of the last, how many)``. Times only move forward."""
    images.record_pulls(tx.rows, pulls)
    reach(Point.PULLS_WRITTEN)
