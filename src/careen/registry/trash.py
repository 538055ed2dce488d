"""The trash: deleted images that can still come back, whole.

An image in the trash is no image of its repository: no call lists it, no tag names it, and its digest can be pushed again. Its
manifest lies in a row of its own, and its blobs are held, so that the collector leaves the bytes. It comes back as it was, push
time included, with the children that its manifest lists and the referrers that went with it, in one transaction.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from careen.clock import Instant
from careen.db import images as image_rows
from careen.db import layers, repositories, trash
from careen.db.repositories import Repository
from careen.db.trash import Deletion as Deletion
from careen.db.trash import Trashed as Trashed
from careen.ecr import errors
from careen.ecr import events as ecr_events
from careen.faults import Point, reach
from careen.oci import manifest as manifests
from careen.registry import archive, events, images, pins, replication
from careen.registry import repositories as repository_cases
from careen.registry.deletions import Ended
from careen.registry.pins import InUse
from careen.registry.registry import Registry, Transaction

BATCH = 100
"""Images per transaction: a few milliseconds, in which a push may have to wait."""

RESTORED = "restored"
"""Who says that a restored image is in use: its push time is the old one, and the rule that deleted it would do so again."""

SCHEDULE = "schedule"
"""Who purges what has lain in the trash for its time."""


@dataclass(frozen=True, slots=True)
class Restored:
    """An image that came back."""

    repository: str
    digest: str
    tags: Sequence[str]
    taken_tags: Sequence[str] = field(default=())
    """Tags that it had and that name another image by now; they were left where they are."""


def find(tx: Transaction, repository: str, reference: str) -> Trashed | None:
    """The image in the trash that a tag or digest named last."""
    search = trash.find if ":" in reference else trash.find_by_tag
    return search(tx.rows, repository, reference)


def describe(tx: Transaction, deletion_id: int) -> Deletion:
    """The ledger's entry of a deletion that is known."""
    return trash.one(tx.rows, deletion_id)


def page(
    tx: Transaction, repository: str | None, run_id: int | None, before: int, limit: int
) -> list[tuple[Deletion, Instant]]:
    """Up to ``limit`` images in the trash with the instant of their purge, the latest deletion first.

    Args:
        tx: the transaction.
        repository: only what was deleted from it; None: from any.
        run_id: only what this lifecycle run deleted; None: whoever did.
        before: below this deletion's id.
        limit: how many at most.
    """
    return trash.page(tx.rows, repository, run_id, before, limit)


def history(
    tx: Transaction, repository: str | None, digest: str | None, tag: str | None, before: int, limit: int
) -> list[Deletion]:
    """Up to ``limit`` deletions whatever became of them, the latest first: the answer to "who deleted this?"."""
    return trash.history(tx.rows, repository, digest, tag, before, limit)


def restore(
    tx: Transaction, repository: str, reference: str, by: str, *, move_tags: bool = False
) -> list[Restored]:
    """Bring an image back with all that belongs to it: children first, then itself, then its referrers.

    A repository that was deleted is made anew, with default settings. No policy run deletes the image again for as long as
    the trash keeps images: it is pinned.

    Args:
        tx: the transaction.
        repository: the repository's name.
        reference: a tag that the image had, or its digest.
        by: the ARN of who asks.
        move_tags: take tags back from the images that they name by now.

    Returns:
        What came back, the image itself among it.

    Raises:
        careen.ecr.errors.ImageNotInTrash: no such image is in the trash.
        careen.ecr.errors.ImageNotRestorable: an image that it lists is gone for good.
    """
    found = find(tx, repository, reference)
    if found is None:
        raise errors.ImageNotInTrash(f"The image {repository}{'@' if ':' in reference else ':'}{reference}")
    target = repositories.by_name(tx.rows, repository) or repository_cases.create(tx, repository)
    restored = list(_Restoring(tx, target, by, move_tags).bring_back(found))
    reach(Point.BROUGHT_BACK)
    with contextlib.suppress(errors.InvalidParameter):  # somebody's feed has that name: its pins are its own
        pins.put(tx, RESTORED, tx.limits.trash, [InUse(repository, found.digest, None, by)])
    return restored


def restore_all(
    tx: Transaction, repository: str, references: Sequence[str], by: str, *, move_tags: bool = False
) -> list[Restored]:
    """:func:`restore` for several images in one transaction: all of them or none.

    Raises:
        careen.ecr.errors.ImageNotInTrash: one of them is not in the trash.
        careen.ecr.errors.ImageNotRestorable: an image that one of them lists is gone for good.
    """
    restored: list[Restored] = []
    for reference in references:
        if not any(reference in {each.digest, *each.tags} for each in restored):  # it came back with another
            restored += restore(tx, repository, reference, by, move_tags=move_tags)
    return restored


def restore_run(registry: Registry, run_id: int, by: str, *, move_tags: bool = False) -> Iterator[Restored]:
    """Bring back all that a lifecycle run deleted, each image with what belongs to it in a transaction of its own.

    Raises:
        careen.ecr.errors.ImageNotInTrash: nothing of such a run is in the trash.
        careen.ecr.errors.ImageNotRestorable: an image cannot come back whole; those before it have.
    """
    found = registry.read(_of_run, run_id)
    if not found:
        raise errors.ImageNotInTrash(f"What run {run_id} deleted")
    for repository, digest in found:
        with contextlib.suppress(errors.ImageNotInTrash):  # it came back with another one
            yield from registry.write_now(restore, repository, digest, by, move_tags=move_tags)


def _of_run(tx: Transaction, run_id: int) -> list[tuple[str, str]]:
    return trash.of_run(tx.rows, run_id)


@dataclass(frozen=True, slots=True)
class _Restoring:
    """Images on their way back to one repository."""

    tx: Transaction
    repository: Repository
    by: str
    move_tags: bool

    def bring_back(self, trashed: Trashed) -> Iterator[Restored]:
        manifest = manifests.parse(trashed.content, trashed.media_type)
        for child in manifest.children:
            yield from self._bring_back_child(child.digest, trashed.digest)
        yield self._put_back(trashed)
        name = self.repository.name
        for digest in trash.referrers(self.tx.rows, name, trashed.digest, trashed.batch):
            if (referrer := trash.find(self.tx.rows, name, digest)) is not None:
                yield from self.bring_back(referrer)

    def _bring_back_child(self, digest: str, parent: str) -> Iterator[Restored]:
        rows = self.tx.rows
        if image_rows.by_digest(rows, self.repository.id, digest) is not None:
            return
        child = trash.find(rows, self.repository.name, digest)
        if child is not None:
            yield from self.bring_back(child)
        elif layers.size(rows, self.repository.id, digest) is None and not layers.exists(rows, digest):
            raise errors.ImageNotRestorable(parent, digest)

    def _put_back(self, trashed: Trashed) -> Restored:
        tx, repository = self.tx, self.repository
        for digest in trash.blobs_of(tx.rows, trashed.deletion_id):
            layers.link(tx.rows, repository.id, digest, tx.now, tx.now + tx.limits.grace)
        row = image_rows.by_digest(tx.rows, repository.id, trashed.digest)
        ended = Ended.RESTORED if row is None else Ended.REPLACED
        if row is None:
            data, digest = trashed.content, trashed.digest
            row = images.put_back(tx, repository, data, trashed.media_type, digest, _life(tx, trashed))
        tags, taken = [], []
        for name, tagged_at in msgspec.json.decode(trashed.tags, type=list[tuple[str, Instant]]):
            holder = image_rows.by_tag(tx.rows, repository.id, name)
            if holder is None or (self.move_tags and holder.id != row.id):
                image_rows.put_tag(tx.rows, repository.id, name, row.id, tagged_at)
            elif holder.id != row.id:
                taken.append(name)
                continue
            tags.append(name)
        for deletion_id in trash.find_all(tx.rows, repository.name, trashed.digest):
            trash.take_out(tx.rows, deletion_id)
            trash.end(tx.rows, deletion_id, ended, self.by, tx.now)
        events.record(tx, ecr_events.restored(repository.name, trashed.digest, tags, self.by))
        replication.restored(tx, row.id)
        return Restored(repository.name, trashed.digest, tags, taken)


def _life(tx: Transaction, trashed: Trashed) -> images.Life:
    """The image's times as they were. One that was on its way out of the archive has arrived."""
    arrived = trashed.status == archive.ACTIVATING
    return images.Life(
        status=images.ACTIVE if arrived else trashed.status,
        pushed_at=trashed.pushed_at,
        pulled_at=trashed.pulled_at,
        pull_count=trashed.pull_count,
        archived_at=trashed.archived_at,
        activated_at=tx.now if arrived else trashed.activated_at,
    )


@dataclass(frozen=True, slots=True)
class Emptied:
    """What left the trash for good."""

    images: int = 0
    blobs: int = 0
    """Blobs that nothing needs any more."""
    freed: int = 0
    """Their bytes; the files go next."""

    def plus(self, other: "Emptied") -> "Emptied":
        """Both together."""
        return Emptied(self.images + other.images, self.blobs + other.blobs, self.freed + other.freed)


def purge(
    registry: Registry, *, by: str = SCHEDULE, repository: str | None = None, all_of_it: bool = False
) -> Emptied:
    """Let go of what has lain in the trash for its time. Files go with the collector's next round.

    A blob that was seen within the grace period is still linked in its repository, and comes back after that.

    Args:
        registry: the registry.
        by: who asks, for the ledger.
        repository: only what was deleted from it.
        all_of_it: also what has not.
    """
    total = Emptied()
    while True:
        step = registry.write_now(_purge_step, by, repository, all_of_it)
        total = total.plus(step)
        if step.images < BATCH:
            return total


def _purge_step(tx: Transaction, by: str, repository: str | None, all_of_it: bool) -> Emptied:
    until = tx.now + tx.limits.trash + 1 if all_of_it else tx.now
    total = Emptied()
    for deletion_id in trash.due(tx.rows, until, BATCH, repository):
        held = trash.blobs_of(tx.rows, deletion_id)
        trash.take_out(tx.rows, deletion_id)
        condemned = [layers.condemn_if_unlinked(tx.rows, digest) for digest in held]
        sizes = [size for size in condemned if size is not None]
        trash.end(tx.rows, deletion_id, Ended.PURGED, by, tx.now, sum(sizes))
        total = total.plus(Emptied(1, len(sizes), sum(sizes)))
    reach(Point.TRASH_PURGED)
    return total


def tags_of(deletion: Deletion) -> list[str]:
    """The tags that the image had."""
    return msgspec.json.decode(deletion.tags, type=list[str])
