"""The deletion of an image: who or what did it and why, noted for ever, and the way into the trash.

Every deletion passes :func:`discard`, whoever asks for it. The ledger answers "who deleted this digest?" also when the image has
long been purged; the trash keeps what brings it back (``careen.registry.trash``).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from careen.clock import Instant
from careen.db import images, trash
from careen.db.images import ImageRow
from careen.db.trash import Deletion
from careen.registry import events
from careen.registry.registry import Transaction

LIFECYCLE = "lifecycle"
"""Who deletes when a policy run does."""


class Ended(StrEnum):
    """What became of a deleted image."""

    RESTORED = "RESTORED"
    PURGED = "PURGED"
    REPLACED = "REPLACED"
    """It was pushed again, so there was nothing to bring back."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who deletes, by what, and why."""

    by: str
    """A principal's ARN, or :data:`LIFECYCLE`."""
    operation: str
    """ECR's operation, the distribution API's request, or ``LifecyclePolicy``."""
    reason: str = ""
    run_id: int | None = None
    rule_priority: int | None = None
    plan_hash: str | None = None
    """Of the plan that a lifecycle run carried out."""
    is_replica: bool = False
    """Whether another registry replicates a deletion to here, so that it goes no further."""
    batch: str = field(default_factory=lambda: str(uuid.uuid4()))
    """Names all that one request or one run deleted."""


def discard(tx: Transaction, repository: str, row: ImageRow, cause: Cause) -> None:
    """Note and tell that an image is deleted, and keep it in the trash if the registry has one. Its rows go after this.

    Args:
        tx: the transaction that deletes it.
        repository: the name of the image's repository.
        row: the image.
        cause: who, by what, why.
    """
    stamped = images.stamped_tags(tx.rows, row.id)
    events.record_deletion(tx, repository, row.digest, [name for name, _ in stamped])
    keeps = tx.limits.trash > 0
    deletion = Deletion(
        id=0,
        repository=repository,
        digest=row.digest,
        tags=_encoded([name for name, _ in stamped]),
        media_type=row.media_type,
        image_size=row.image_size,
        deleted_at=tx.now,
        deleted_by=cause.by,
        operation=cause.operation,
        batch=cause.batch,
        run_id=cause.run_id,
        rule_priority=cause.rule_priority,
        reason=cause.reason,
        plan_hash=cause.plan_hash,
        ended_at=None if keeps else tx.now,
        ended=None if keeps else Ended.PURGED,
        ended_by=None if keeps else cause.by,
        freed=None,
        missed_pulls=0,
        missed_at=None,
    )
    deletion_id = trash.record(tx.rows, deletion)
    if keeps:
        trash.keep(tx.rows, deletion_id, row.id, _encoded(stamped), tx.now + tx.limits.trash)


def _encoded(values: Sequence[str] | Sequence[tuple[str, Instant]]) -> str:
    return msgspec.json.encode(values).decode()
