"""ECR's previews: dry runs that a worker computes and the rows keep, one for each repository."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from careen.db import jobs, repositories
from careen.db import lifecycle as lifecycle_rows
from careen.db.lifecycle import Preview as Preview
from careen.db.lifecycle import PreviewResult as PreviewResult
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.faults import Point, reach
from careen.lifecycle import policy as policies
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.plan import Action, Plan
from careen.registry import lifecycle, rules, trail
from careen.registry import repositories as repository_cases
from careen.registry.registry import Registry, Transaction

IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"


def start(tx: Transaction, name: str, text: str | None) -> str:
    """Ask a worker for a dry run of ``text``, or of the stored policy. Returns the policy's text.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
        careen.ecr.errors.LifecyclePolicyNotFound: no text, and no policy stored.
        careen.ecr.errors.LifecyclePolicyPreviewInProgress: one is under way.
    """
    repository = repository_cases.require(tx, name)
    if text is None:
        text, _ = lifecycle.get_policy(tx, name)
    policies.parse(text)
    running = lifecycle_rows.preview(tx.rows, repository.id)
    if running is not None and running.status == IN_PROGRESS:
        raise errors.LifecyclePolicyPreviewInProgress(name, tx.registry_id)
    lifecycle_rows.start_preview(tx.rows, repository.id, text, tx.now)
    jobs.enqueue(tx.rows, "preview", str(repository.id), tx.now)
    return text


def get(tx: Transaction, name: str) -> tuple[Repository, Preview, dict[str, int]]:
    """The latest preview, with the number of images per action.

    Raises:
        careen.ecr.errors.LifecyclePolicyPreviewNotFound: none was started.
    """
    repository = repository_cases.require(tx, name)
    preview = lifecycle_rows.preview(tx.rows, repository.id)
    if preview is None:
        raise errors.LifecyclePolicyPreviewNotFound(name, tx.registry_id)
    return repository, preview, lifecycle_rows.preview_counts(tx.rows, repository.id)


def results(tx: Transaction, repository: Repository) -> list[PreviewResult]:
    """The images the preview would act on, in the order it would."""
    return lifecycle_rows.preview_results(tx.rows, repository.id)


def _preview(tx: Transaction, repository_id: int, text: str) -> tuple[Repository, Plan] | None:
    """What ECR's preview shows: the policy, held back by protection rules. None if the repository is gone."""
    repository = repositories.by_id(tx.rows, repository_id)
    if repository is None:
        return None
    holds = rules.effective_for(tx, repository, text)
    shown = replace(holds, beyond=Beyond(protection=holds.beyond.protection))
    return repository, lifecycle.plan(tx, repository, shown)


def compute(registry: Registry, repository_id: int) -> None:
    """A worker's part of a preview: evaluate in a snapshot, keep the results."""
    started = registry.read(lambda tx: lifecycle_rows.preview(tx.rows, repository_id))
    if started is None or started.status != IN_PROGRESS:
        return
    found = registry.read(_preview, repository_id, started.policy)
    if found is None:
        return
    repository, outcome = found
    acted_on = [decision for decision in outcome.acted_on if decision.rule_priority is not None]
    results = [
        PreviewResult(
            position=position,
            digest=decision.image.digest,
            tags=msgspec.json.encode(list(decision.image.tags)).decode(),
            pushed_at=decision.image.pushed_at,
            action=decision.action.value,
            rule_priority=decision.rule_priority or 0,
            status=decision.image.status.value,
        )
        for position, decision in enumerate(acted_on, start=1)
    ]
    registry.write_now(_keep_preview, started, COMPLETE, results)
    blocked = (decision for decision in outcome.decisions if decision.action is Action.BLOCKED)
    evaluated_at = repository.lifecycle_evaluated_at
    trail.previewed(
        registry, repository.name, outcome.policy, started.policy, evaluated_at, acted_on, blocked
    )


def fail(tx: Transaction, repository_id: int) -> None:
    """The worker gave up on the preview."""
    started = lifecycle_rows.preview(tx.rows, repository_id)
    if started is not None:
        _keep_preview(tx, started, FAILED, [])


def _keep_preview(tx: Transaction, started: Preview, status: str, results: Sequence[PreviewResult]) -> None:
    lifecycle_rows.finish_preview(tx.rows, started, status, results)
    reach(Point.PREVIEW_KEPT)
