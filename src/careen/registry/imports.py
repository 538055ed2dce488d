"""Images that were pushed to another registry and come in with their times: what of them is wanted here, and putting it.

Of two registries that take pushes for a while, as during a move, the later deed counts, wherever it was done: a tag that was set
here after it was set there stays where it is, and an image that was deleted here after it was pushed there stays away.

Of a tag that was removed here while its image stayed, no row tells when: it comes back with the next import.
"""

from typing import NamedTuple

from careen.clock import Instant
from careen.db import images as rows
from careen.db import trash
from careen.ecr import errors
from careen.registry import images, repositories
from careen.registry.registry import Transaction
from careen.registry.repositories import Repository
from careen.registry.templates import AppliedFor


class Stamped(NamedTuple):
    """A tag as it is at the source."""

    name: str
    tagged_at: Instant


class Incoming(NamedTuple):
    """An image as it is at the source."""

    digest: str
    media_type: str
    pushed_at: Instant
    asked_at: Instant
    """The last deed there that asks for it: its push, that of an index that lists it, or a tag on either."""
    tags: tuple[Stamped, ...]


class Wanted(NamedTuple):
    """What of an image is to be done here."""

    is_here: bool
    tags: tuple[Stamped, ...]
    """Those that are to be set."""
    newer_here: tuple[str, ...] = ()
    """Those that were set to another image here since."""
    deleted_at: Instant | None = None
    """When the image was deleted here, if it was since."""

    @property
    def is_nothing(self) -> bool:
        """Whether all is as it should be."""
        return self.deleted_at is not None or (self.is_here and not self.tags)


class Imported(NamedTuple):
    """What an import of one image did."""

    wanted: Wanted
    """What was to be done at that moment."""
    created: bool
    """Whether the image is new here."""
    tags: tuple[str, ...]
    """Those that were set."""
    refused: tuple[tuple[str, str], ...]
    """Tags that may not move here, and what ECR says of that."""


def repository_for(tx: Transaction, name: str) -> Repository:
    """The repository to import to; made now, as for a push, if there is none. Whoever imports needs no setting for that.

    Raises:
        careen.ecr.errors.InvalidParameter: it is no name of a repository.
    """
    found = repositories.find(tx, name)
    return found or repositories.create_by_template(tx, name, AppliedFor.CREATE_ON_PUSH)


def wanted(
    tx: Transaction,
    repository: Repository,
    image: Incoming,
    *,
    bring_back: bool = False,
) -> Wanted:
    """What of an image is to be done here.

    Args:
        tx: the transaction.
        repository: where to.
        image: the image, with all its tags.
        bring_back: whether it comes though it was deleted here since.
    """
    row = rows.by_digest(tx.rows, repository.id, image.digest)
    if row is None and not bring_back:
        deleted_at = trash.deleted_at(tx.rows, repository.name, image.digest)
        if deleted_at is not None and deleted_at > image.asked_at:
            return Wanted(False, (), deleted_at=deleted_at)
    to_set: list[Stamped] = []
    newer: list[str] = []
    for tag in image.tags:
        there = rows.by_tag(tx.rows, repository.id, tag.name)
        if there is None:
            to_set.append(tag)
        elif there.digest != image.digest:
            stamps = dict(rows.stamped_tags(tx.rows, there.id))
            if stamps[tag.name] >= tag.tagged_at:
                newer.append(tag.name)
            else:
                to_set.append(tag)
    return Wanted(row is not None, tuple(to_set), tuple(newer))


def put(
    tx: Transaction,
    repository: Repository,
    data: bytes,
    image: Incoming,
    *,
    bring_back: bool = False,
) -> Imported:
    """Store a manifest and set its tags, with the times that they had; else it is a push, with all that follows from one.

    What is wanted is asked in the same transaction: hours may have gone since somebody looked, while blobs were copied.

    Args:
        tx: the transaction.
        repository: where to.
        data: the manifest.
        image: what it is, with all its tags. Times in the future count as now.
        bring_back: whether it comes though it was deleted here since.

    Raises:
        what :func:`careen.registry.images.put` raises, but for tags that may not move.
    """
    to_do = wanted(tx, repository, image, bring_back=bring_back)
    created, done, refused = False, list[str](), list[tuple[str, str]]()
    if to_do.is_nothing:
        return Imported(to_do, created, (), ())
    for tag in to_do.tags:
        try:
            made = images.put(
                tx,
                repository,
                data,
                media_type=image.media_type,
                digest=image.digest,
                tag=tag.name,
                times=images.Times(image.pushed_at, tag.tagged_at),
            )
        except errors.ImageTagAlreadyExists as error:
            refused.append((tag.name, error.message))
        else:
            created |= made.created
            done.append(tag.name)
    if not done and not to_do.is_here:
        times = images.Times(image.pushed_at, image.pushed_at)
        made = images.put(tx, repository, data, media_type=image.media_type, digest=image.digest, times=times)
        created |= made.created
    return Imported(to_do, created, tuple(done), tuple(refused))
