"""Lifecycle policies: put, preview, run. The decisions are ``careen.lifecycle``'s; here are the rows before and after it.

A run loads the images in one snapshot, evaluates, and carries the plan out in short transactions. Each image is looked at again
in the transaction that would delete it: one that was tagged, pulled, archived or restored since the plan is left for the next run.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.db import images as image_rows
from careen.db import jobs, repositories
from careen.db import lifecycle as lifecycle_rows
from careen.db.lifecycle import Action as RunAction
from careen.db.lifecycle import Preview as Preview
from careen.db.lifecycle import PreviewResult as PreviewResult
from careen.db.lifecycle import Run
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.lifecycle import policy as policies
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.reason import reason
from careen.lifecycle.rule import ActionType
from careen.registry import archive, images
from careen.registry import repositories as repository_cases
from careen.registry.registry import Registry, Transaction

BATCH = 100
"""Images per transaction of a run: a few milliseconds, in which a push may have to wait."""

EXPIRED = "EXPIRED"
ARCHIVED = "ARCHIVED"
BLOCKED = "BLOCKED"
SKIPPED = "SKIPPED"
"""Outcomes of a decision; the last: the image changed between plan and deed."""

IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"


class Ran(NamedTuple):
    """What a run did."""

    repository: str
    images: int
    """Images that were looked at."""
    expired: int
    """Images deleted, referrers of deleted images included."""
    archived: int
    blocked: int
    """Images that an index still lists."""
    skipped: int
    """Images that changed between plan and deed."""


def put_policy(tx: Transaction, name: str, text: str) -> str:
    """Store a policy. Returns it as ECR answers it: compact, rules by priority.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
    """
    repository = repository_cases.require(tx, name)
    canonical = policies.canonical(policies.parse(text))
    repositories.set_lifecycle_policy(tx.rows, repository.id, canonical)
    return canonical


def get_policy(tx: Transaction, name: str) -> tuple[str, Instant]:
    """The repository's policy, and when it was last evaluated (0: never).

    Raises:
        careen.ecr.errors.LifecyclePolicyNotFound: it has none.
    """
    repository = repository_cases.require(tx, name)
    if repository.lifecycle_policy is None:
        raise errors.LifecyclePolicyNotFound(name, tx.registry_id)
    return repository.lifecycle_policy, repository.lifecycle_evaluated_at


def delete_policy(tx: Transaction, name: str) -> tuple[str, Instant]:
    """Remove the policy. Returns what :func:`get_policy` would have answered."""
    found = get_policy(tx, name)
    repositories.set_lifecycle_policy(tx.rows, repository_cases.require(tx, name).id, None)
    return found


def start_preview(tx: Transaction, name: str, text: str | None) -> str:
    """Ask a worker for a dry run of ``text``, or of the stored policy. Returns the policy's text.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
        careen.ecr.errors.LifecyclePolicyNotFound: no text, and no policy stored.
        careen.ecr.errors.LifecyclePolicyPreviewInProgress: one is under way.
    """
    repository = repository_cases.require(tx, name)
    if text is None:
        text, _ = get_policy(tx, name)
    policies.parse(text)
    running = lifecycle_rows.preview(tx.rows, repository.id)
    if running is not None and running.status == IN_PROGRESS:
        raise errors.LifecyclePolicyPreviewInProgress(name, tx.registry_id)
    lifecycle_rows.start_preview(tx.rows, repository.id, text, tx.now)
    jobs.enqueue(tx.rows, "preview", str(repository.id), tx.now)
    return text


def get_preview(tx: Transaction, name: str) -> tuple[Repository, Preview, dict[str, int]]:
    """The latest preview, with the number of images per action.

    Raises:
        careen.ecr.errors.LifecyclePolicyPreviewNotFound: none was started.
    """
    repository = repository_cases.require(tx, name)
    preview = lifecycle_rows.preview(tx.rows, repository.id)
    if preview is None:
        raise errors.LifecyclePolicyPreviewNotFound(name, tx.registry_id)
    return repository, preview, lifecycle_rows.preview_counts(tx.rows, repository.id)


def preview_results(tx: Transaction, repository: Repository) -> list[PreviewResult]:
    """The images the preview would act on, in the order it would."""
    return lifecycle_rows.preview_results(tx.rows, repository.id)


def load(tx: Transaction, repository_id: int) -> list[Image]:
    """The repository's images, as the evaluator takes them."""
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for manifest_id, name in image_rows.all_tags(tx.rows, repository_id):
        tags[manifest_id].append(name)
    children: defaultdict[int, list[str]] = defaultdict(list)
    for manifest_id, digest in image_rows.all_children(tx.rows, repository_id):
        children[manifest_id].append(digest)
    return [
        Image(
            digest=digest,
            tags=tuple(tags.get(manifest_id, ())),
            pushed_at=pushed_at,
            pulled_at=pulled_at,
            archived_at=archived_at,
            activated_at=activated_at,
            status=ImageStatus(status),
            size=size,
            media_type=media_type,
            references=tuple(children.get(manifest_id, ())),
            subject=subject,
        )
        for manifest_id, digest, pushed_at, pulled_at, archived_at, activated_at, status, size, media_type, subject
        in image_rows.for_lifecycle(tx.rows, repository_id)
    ]  # fmt: skip


def plan(tx: Transaction, repository_id: int, text: str) -> Plan:
    """What a policy would do to a repository now. Reads only."""
    return evaluate(policies.parse(text), load(tx, repository_id), tx.now)


def compute_preview(registry: Registry, repository_id: int) -> None:
    """A worker's part of a preview: evaluate in a snapshot, keep the results."""
    started = registry.read(lambda tx: lifecycle_rows.preview(tx.rows, repository_id))
    if started is None or started.status != IN_PROGRESS:
        return
    outcome = registry.read(plan, repository_id, started.policy)
    acted_on = [decision for decision in outcome.acted_on if decision.rule_priority is not None]
    results = [
        PreviewResult(
            position=position,
            digest=decision.image.digest,
            tags=_encoded(decision.image.tags),
            pushed_at=decision.image.pushed_at,
            action=decision.action.value,
            rule_priority=decision.rule_priority or 0,
            status=decision.image.status.value,
        )
        for position, decision in enumerate(acted_on, start=1)
    ]
    registry.write_now(_keep_preview, started, COMPLETE, results)


def fail_preview(tx: Transaction, repository_id: int) -> None:
    """The worker gave up on the preview."""
    started = lifecycle_rows.preview(tx.rows, repository_id)
    if started is not None:
        _keep_preview(tx, started, FAILED, [])


def _keep_preview(tx: Transaction, started: Preview, status: str, results: Sequence[PreviewResult]) -> None:
    lifecycle_rows.finish_preview(tx.rows, started, status, results)


def to_run(tx: Transaction, names: Sequence[str] | None = None) -> list[int]:
    """The ids of these repositories, or of all that have a policy."""
    if names is None:
        return repositories.with_lifecycle_policy(tx.rows)
    return [repository_cases.require(tx, name).id for name in names]


def enqueue_runs(tx: Transaction) -> int:
    """Ask the worker to run every policy there is. Returns how many."""
    ids = to_run(tx)
    for repository_id in ids:
        jobs.enqueue(tx.rows, "lifecycle", str(repository_id), tx.now)
    return len(ids)


def history(tx: Transaction, name: str, last: int) -> list[tuple[Run, list[RunAction]]]:
    """What the latest runs that found something to do did, the newest first."""
    found = lifecycle_rows.runs(tx.rows, repository_cases.require(tx, name).id, last)
    return [(ran, lifecycle_rows.actions(tx.rows, ran.id)) for ran in found]


def run(registry: Registry, repository_id: int) -> Ran | None:
    """Evaluate a repository's policy and carry the plan out. None if there is no repository or policy any more."""
    repository = registry.read(lambda tx: repositories.by_id(tx.rows, repository_id))
    if repository is None or repository.lifecycle_policy is None:
        return None
    outcome = registry.read(plan, repository_id, repository.lifecycle_policy)
    blocked = [decision for decision in outcome.decisions if decision.action is Action.BLOCKED]
    # What live indexes hold is blocked in every run, every hour: that alone is no news worth a record.
    to_do = enumerate(chain(outcome.acted_on, blocked) if outcome.acted_on else (), start=1)
    run_id = None
    counts: Counter[str] = Counter()
    while batch := list(islice(to_do, BATCH)):
        if run_id is None:
            run_id = registry.write_now(_start_run, repository, outcome)
        outcomes = registry.write_now(_carry_out, repository, run_id, outcome, batch)
        if outcomes is None:
            break
        counts.update(outcomes)
    registry.write_now(_finish_run, repository, run_id, outcome.now)
    return Ran(
        repository=repository.name,
        images=len(outcome.decisions),
        expired=counts[EXPIRED],
        archived=counts[ARCHIVED],
        blocked=counts[BLOCKED] if outcome.acted_on else len(blocked),
        skipped=counts[SKIPPED],
    )


def _start_run(tx: Transaction, repository: Repository, outcome: Plan) -> int:
    policy = repository.lifecycle_policy or ""
    return lifecycle_rows.start_run(tx.rows, repository.id, policy, outcome.now, len(outcome.decisions))


def _finish_run(tx: Transaction, repository: Repository, run_id: int | None, evaluated_at: Instant) -> None:
    if _holds(tx, repository):
        repositories.set_evaluated(tx.rows, repository.id, evaluated_at)
    if run_id is not None:
        lifecycle_rows.finish_run(tx.rows, run_id, tx.now)


def _holds(tx: Transaction, repository: Repository) -> bool:
    """Whether the repository still has the policy that was evaluated: who takes a policy away stops its run."""
    now = repositories.by_id(tx.rows, repository.id)
    return now is not None and now.lifecycle_policy == repository.lifecycle_policy


def _carry_out(
    tx: Transaction, repository: Repository, run_id: int, outcome: Plan, batch: list[tuple[int, Decision]]
) -> list[str] | None:
    """Carry out part of a plan and note it. Returns the outcomes, or None if the policy holds no longer."""
    if not _holds(tx, repository):
        return None
    actions = [
        lifecycle_rows.Action(
            position=position,
            digest=decision.image.digest,
            tags=_encoded(decision.image.tags),
            size=decision.image.size,
            action=decision.action.value,
            rule_priority=decision.rule_priority,
            reason=reason(decision, outcome.now),
            outcome=_act(tx, repository, decision),
        )
        for position, decision in batch
    ]
    lifecycle_rows.record_actions(tx.rows, run_id, actions)
    return [action.outcome for action in actions]


def _act(tx: Transaction, repository: Repository, decision: Decision) -> str:
    """Do what was decided, if the image is still what was decided on. Returns the outcome."""
    if decision.action is Action.BLOCKED:
        return BLOCKED
    row = image_rows.by_digest(tx.rows, repository.id, decision.image.digest)
    if (
        row is None
    ):  # a referrer went with its subject, in the same transaction; anything else was deleted by somebody
        return EXPIRED if decision.action is Action.CASCADE else SKIPPED
    if not _unchanged(tx, decision.image, row) or _subject_stays(tx, repository, decision):
        return SKIPPED
    if decision.effect is ActionType.TRANSITION:
        if image_rows.parents(tx.rows, row.id, status=images.ACTIVE):
            return BLOCKED
        archive.archive(tx, row)
        return ARCHIVED
    try:
        images.delete(tx, row)
    except images.ImageReferenced:
        return BLOCKED
    return EXPIRED


def _unchanged(tx: Transaction, planned: Image, row: image_rows.ImageRow) -> bool:
    return (
        tuple(image_rows.tags_of(tx.rows, row.id)) == planned.tags
        and row.status == planned.status
        and row.pulled_at == planned.pulled_at
        and row.activated_at == planned.activated_at
    )


def _subject_stays(tx: Transaction, repository: Repository, decision: Decision) -> bool:
    """Whether an image was to follow its subject, and the subject has not gone there."""
    if decision.action is not Action.CASCADE or decision.image.subject is None:
        return False
    subject = image_rows.by_digest(tx.rows, repository.id, decision.image.subject)
    return subject is not None and (
        decision.effect is ActionType.EXPIRE or subject.status == ImageStatus.ACTIVE
    )


def _encoded(tags: Sequence[str]) -> str:
    return msgspec.json.encode(list(tags)).decode()
