"""Fault points: the durable steps by name, so that a test can let a process die at each of them.

``reach`` marks a step. Unless a program has armed the points in its own process it does nothing but look at one variable, and
nothing in Careen arms them: no setting, no file, no request and no environment leads there, and what to do at a point is the
arming program's code, not ours. A test holds this to be so (tests/faults/test_points.py); docs/faults.md is written from here.
"""

from collections.abc import Callable
from enum import Enum


class Point(Enum):
    """A durable step. What stands beneath each is what holds after a kill there."""

    MASTER_KEY_DRAFTED = "master-key.drafted"
    """The folder has a draft of a key and no key. The next start makes another and removes the draft."""
    MASTER_KEY_MADE = "master-key.made"
    """The key is there, whole; its draft too, a second name of it. The next start keeps the key and removes the draft."""
    MIGRATION_STEP = "migration.step"
    """A step of the schema is done and not committed. The next start finds the schema as it was, and does all steps again."""
    MIGRATION_DONE = "migration.done"
    """The schema is up to date."""
    CLAIM_DRAFTED = "archive.claim-drafted"
    """The archive's home is nobody's, and has a draft of a claim. The next start claims it and removes the draft."""
    CLAIMED = "archive.claimed"
    """The archive's home is this data folder's; the draft is a second name of the claim. The next start removes it."""
    KEY_CREATED = "key.created"
    """An access key nobody has seen is not there; the next start makes one."""

    COMMITTING = "transaction.committing"
    """Nothing of the group is there: nobody was answered."""
    COMMITTED = "transaction.committed"
    """All of the group is there, though nobody was answered; asking again is answered as the second time of it."""

    REPOSITORY_CREATED = "repository.created"
    """The repository is not there."""
    REPOSITORY_PUBLISHED = "repository.published"
    """The repository is not there, neither a public nor a private one."""
    CATALOGUE_PUT = "catalogue.put"
    """What the catalogue said before holds."""
    REPOSITORY_DELETED = "repository.deleted"
    """The repository is there with all its images."""
    POLICY_SET = "policy.set"
    """The old policy holds, or none."""
    ACCESS_POLICY_SET = "access-policy.set"
    """The old policy of the repository or of the registry holds, or none: who might, may, and who might not, may not."""

    UPLOAD_CREATED = "upload.created"
    """An empty upload that nobody knows of: the sweep abandons it."""
    UPLOAD_WRITTEN = "upload.written"
    """The upload goes on after all that was acknowledged, and may have more; its status says how much."""
    UPLOAD_FLUSHED = "upload.flushed"
    """As after upload.written."""
    BLOB_SYNCED = "blob.synced"
    """The upload is there with all its bytes: the same PUT completes it."""
    BLOB_FOLDER_MADE = "blob.folder-made"
    """As after blob.synced; beside it an empty folder."""
    BLOB_RENAMED = "blob.renamed"
    """A file that no row names: nobody can read it, the sweep deletes it. The upload is gone, the client sends the blob again."""
    BLOB_DURABLE = "blob.durable"
    """As after blob.renamed, and it would outlive a power cut, too."""
    BLOB_ADMITTED = "blob.admitted"
    """The blob is not there. A file of it is one that no row names; a small one's upload goes on."""
    BLOB_LINKED = "blob.linked"
    """The blob is not in the repository; where it was it is."""
    BLOB_DELETED = "blob.deleted"
    """The blob is still in the repository."""
    UPLOAD_ENDED = "upload.ended"
    """The upload is gone; the blob is there if its transaction was committed, and else the client sends it again."""

    TAG_PUT = "tag.put"
    """The tag names what it named before, or nothing."""
    TAG_DELETED = "tag.deleted"
    """The tag is there."""
    MANIFEST_PUT = "manifest.put"
    """The manifest is not there; its blobs are, under their lease. The same PUT puts it."""
    IMAGE_DELETED = "image.deleted"
    """The image is there, whole, with its tags and its referrers."""
    IMAGE_ARCHIVED = "image.archived"
    """The image is active."""
    IMAGE_RESTORED = "image.restored"
    """The image is still being restored; the job is done again when its lease ends."""
    BLOB_COPIED = "move.copied"
    """The blob lies where it lay; a durable copy that no row names is the sweep's. The job is done again when its lease ends."""
    BLOB_MOVED = "move.moved"
    """As after move.copied."""
    PULLS_WRITTEN = "pulls.written"
    """The pulls of the last five seconds are not counted."""

    RUN_STARTED = "run.started"
    """Nothing was done and nothing is recorded; the repository is still due."""
    RUN_BATCH = "run.batch"
    """Batches before this one are done and recorded, nothing of this one is; the repository is still due."""
    RUN_FINISHED = "run.finished"
    """All is done and recorded in a run without an end; the repository is still due, and the next run finds nothing."""
    PREVIEW_KEPT = "preview.kept"
    """The preview is in progress; the job is done again when its lease ends."""

    EVENT_RECORDED = "event.recorded"
    """Neither the event is there nor what it tells of."""
    EVENTS_PRUNED = "events.pruned"
    """Events whose time is over are there still, or those of this batch; the next pruning takes them."""
    WEBHOOK_DELIVERED = "webhook.delivered"
    """A receiver has taken an event, and gets it once more with the same id."""
    SCAN_BEGUN = "scan.begun"
    """No scan is asked for; if a push asked for it, the image is not there."""
    SCAN_KEPT = "scan.kept"
    """The scan is under way, the report that was pushed unread; the job is done again when its lease ends."""
    REPLICATION_CONFIGURED = "replication.configured"
    """The old configuration holds, or none."""
    REPLICATION_ASKED = "replication.asked"
    """As after tag.put: without the image nobody asks for a copy of it."""
    REPLICATION_DELETION_ASKED = "replication.deletion-asked"
    """As after image.deleted: while the image is there nobody asks for its deletion elsewhere."""
    REPLICATION_SETTLED = "replication.settled"
    """The destination has what it is to have and the image is still on its way; the job is done again and finds it there."""
    REPLICATION_DELETED = "replication.deleted"
    """The destination has deleted and the deletion still waits; the job is done again and finds nothing."""
    BACKFILL_STARTED = "backfill.started"
    """There is no such backfill; nobody was told of it."""
    BACKFILL_PREPARED = "backfill.prepared"
    """The images of the repositories before these are listed; the list goes on there."""
    BACKFILL_SETTLED = "backfill.settled"
    """The destination has the image and the backfill does not know; it is copied again, and found there."""
    BACKFILL_ENDED = "backfill.ended"
    """Everything has its result and the backfill has not ended; the job is done again and ends it."""

    TRASH_PURGED = "trash.purged"
    """Images whose time in the trash is over lie there still, and their blobs are held. The next collection purges them."""
    BROUGHT_BACK = "trash.brought-back"
    """The image lies in the trash with all that went with it."""
    REVIEWED = "collector.reviewed"
    """No link and no row is gone; the reviews wait."""
    BYTES_DELETED = "collector.bytes-deleted"
    """Bytes are gone that no row names; the mark is there, and the next collection removes it."""
    CONDEMNED_FORGOTTEN = "collector.forgotten"
    """As after collector.bytes-deleted."""
    COLLECTION_ENDED = "collector.ended"
    """The collection is done, and listed as one that did not end."""
    SWEPT_UNLINKED = "sweep.unlinked"
    """Rows that no repository links are there; the next sweep condemns them."""
    SWEPT_ORPHAN = "sweep.orphan"
    """A file that no row named is gone; the next sweep takes the others."""
    UPLOAD_ABANDONED = "sweep.upload-abandoned"
    """An upload that stood still for too long is gone; the next sweep takes the others."""

    JOB_CLAIMED = "job.claimed"
    """The job waits."""
    JOB_DONE = "job.done"
    """The job was done and is this worker's until its lease ends; then it is done again and finds nothing."""
    JOB_AGAIN = "job.again"
    """As after job.done."""


_at: Callable[[Point], None] | None = None


def reach(point: Point) -> None:
    """A durable step is done, or is about to be made durable."""
    if _at is not None:
        _at(point)


def arm(at: Callable[[Point], None] | None) -> None:
    """Let ``at`` be called, on whatever thread, at every point that this process and those forked from it reach; None disarms."""
    global _at  # noqa: PLW0603 one variable, so that production pays one look
    _at = at
