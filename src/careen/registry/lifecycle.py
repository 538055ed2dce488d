"""Lifecycle policies: put, simulate, run. The decisions are ``careen.lifecycle``'s; here are the rows before and after it.

A run loads the images in one snapshot, evaluates, and carries the plan out in short transactions. Each image is looked at again
in the transaction that would delete it: one that was tagged, pulled, pinned, archived or restored since the plan is left for the
next run.

A round evaluates only repositories that it might find something in: each has an instant before which evaluating does nothing
(``careen.lifecycle.due``), and whatever happens to its images or its rules puts that instant back to the beginning of time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.db import images as image_rows
from careen.db import jobs, repositories
from careen.db import lifecycle as lifecycle_rows
from careen.db.lifecycle import Run as Run
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.ecr import events as ecr_events
from careen.faults import Point, reach
from careen.lifecycle import policy as policies
from careen.lifecycle.blast import DEFAULT_LIMITS, Limits, breaches
from careen.lifecycle.difference import Difference, difference
from careen.lifecycle.due import next_due
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Action, Decision, Plan, Tally
from careen.lifecycle.plan_hash import plan_hash
from careen.lifecycle.protection import Protection
from careen.lifecycle.reason import reason
from careen.lifecycle.rule import ActionType
from careen.registry import archive, events, images, inventory, pins, rules, trail
from careen.registry import repositories as repository_cases
from careen.registry.deletions import LIFECYCLE, Cause
from careen.registry.registry import Registry, Transaction
from careen.registry.rules import Effective

BATCH = 100
"""Images per transaction of a run: a few milliseconds, in which a push may have to wait."""

EXPIRED = "EXPIRED"
ARCHIVED = "ARCHIVED"
BLOCKED = "BLOCKED"
PROTECTED = "PROTECTED"
UNTAGGED = "UNTAGGED"
SKIPPED = "SKIPPED"
"""Outcomes of a decision; the last: the image changed between plan and deed."""

RunAction = lifecycle_rows.Action
"""What a run did to one image."""


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
    untagged: int = 0
    """Images that lost tags."""
    protected: int = 0
    """Images that protection rules kept."""
    run_id: int | None = None
    """Under which it is kept what was done; None: there was nothing to do."""


class Applied(NamedTuple):
    """A policy that was run, and perhaps set before."""

    text: str | None
    """As ECR answers it; None: there are extension rules alone."""
    plan_hash: str
    ran: Ran


def put_policy(tx: Transaction, name: str, text: str) -> str:
    """Store a policy. Returns it as ECR answers it: compact, rules by priority.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
    """
    repository = repository_cases.require(tx, name)
    canonical = policies.canonical(policies.parse(text))
    repositories.set_lifecycle_policy(tx.rows, repository.id, canonical)
    reach(Point.POLICY_SET)
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


def plan(tx: Transaction, repository: Repository, holds: Effective) -> Plan:
    """What rules would do to a repository now. Reads only."""
    images_now = inventory.load(tx, repository.id, holds.beyond)
    return evaluate(holds.policy, images_now, tx.now, holds.beyond)


def simulate(tx: Transaction, name: str, text: str | None = None) -> Plan:
    """What the rules that hold for a repository would do now, with ``text`` as its policy if it is given. Reads only.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
        careen.ecr.errors.LifecyclePolicyNotFound: nothing holds.
    """
    repository = repository_cases.require(tx, name)
    holds = rules.effective_for(tx, repository, text)
    if holds.is_empty:
        raise errors.LifecyclePolicyNotFound(name, tx.registry_id)
    return plan(tx, repository, holds)


def to_run(tx: Transaction, names: Sequence[str] | None = None) -> list[int]:
    """The ids of these repositories, or of all."""
    if names is None:
        return repositories.every_id(tx.rows)
    return [repository_cases.require(tx, name).id for name in names]


def due(tx: Transaction) -> list[int]:
    """The ids of the repositories in which an evaluation might find something to do."""
    return repositories.due(tx.rows, tx.now)


def enqueue_runs(registry: Registry) -> int:
    """Ask the worker to evaluate every repository in which it might find something. Returns how many."""
    ids = registry.read(due)
    return sum(
        registry.write_now(_enqueue, ids[start : start + BATCH]) for start in range(0, len(ids), BATCH)
    )


def _enqueue(tx: Transaction, ids: Sequence[int]) -> int:
    enqueued = 0
    for repository_id in ids:
        repository = repositories.by_id(tx.rows, repository_id)
        if repository is None:
            continue
        if rules.effective_for(tx, repository).is_empty:
            repositories.set_due(tx.rows, repository_id, None)
            continue
        jobs.enqueue(tx.rows, "lifecycle", str(repository_id), tx.now)
        enqueued += 1
    return enqueued


def history(tx: Transaction, name: str, last: int) -> list[tuple[Run, list[RunAction]]]:
    """What the latest runs that found something to do did, the newest first."""
    found = lifecycle_rows.runs(tx.rows, repository_cases.require(tx, name).id, last)
    return [(ran, lifecycle_rows.actions(tx.rows, ran.id)) for ran in found]


class Recorded(NamedTuple):
    """A run that found something to do, as it is kept."""

    run: Run
    repository: str
    outcomes: Mapping[str, Tally]
    """How many images and bytes each outcome concerns."""


def runs(tx: Transaction, name: str | None, before: int, limit: int) -> list[Recorded]:
    """Up to ``limit`` runs whose ids are below one, the latest first; of one repository, or of all.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none of that name.
    """
    repository_id = None if name is None else repository_cases.require(tx, name).id
    found = lifecycle_rows.page(tx.rows, repository_id, before, limit)
    return [Recorded(ran, repository, _outcomes(tx, ran.id)) for ran, repository in found]


def recorded(tx: Transaction, name: str, run_id: int) -> Recorded:
    """One run of a repository.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such repository.
        careen.ecr.errors.LifecycleRunNotFound: it has no such run.
    """
    found = lifecycle_rows.run(tx.rows, repository_cases.require(tx, name).id, run_id)
    if found is None:
        raise errors.LifecycleRunNotFound(run_id, name, tx.registry_id)
    return Recorded(found, name, _outcomes(tx, run_id))


def run_actions(tx: Transaction, run_id: int, after: int, limit: int) -> list[RunAction]:
    """Up to ``limit`` of what a run did behind a position, in the order it did it."""
    return lifecycle_rows.actions_after(tx.rows, run_id, after, limit)


def _outcomes(tx: Transaction, run_id: int) -> dict[str, Tally]:
    return {name: Tally(images, size) for name, images, size in lifecycle_rows.outcomes(tx.rows, run_id)}


def compare(tx: Transaction, name: str, text: str) -> Difference:
    """What changes if a policy replaces what holds now. Reads only.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
    """
    repository = repository_cases.require(tx, name)
    old = rules.effective_for(tx, repository)
    images_now = inventory.load(tx, repository.id, old.beyond)
    new = rules.effective_for(tx, repository, policies.canonical(policies.parse(text)))
    return difference(
        evaluate(old.policy, images_now, tx.now, old.beyond),
        evaluate(new.policy, images_now, tx.now, new.beyond),
    )


@dataclass(frozen=True)
class Planned:
    """A plan with all that it was made from."""

    repository: Repository
    holds: Effective
    plan: Plan

    @cached_property
    def plan_hash(self) -> str:
        """The name of the plan."""
        return plan_hash(self.plan)


def planned(tx: Transaction, repository_id: int) -> Planned | None:
    """What is to be done to a repository now. None if there is no repository, or nothing that could act."""
    repository = repositories.by_id(tx.rows, repository_id)
    if repository is None:
        return None
    holds = rules.effective_for(tx, repository)
    return None if holds.is_empty else Planned(repository, holds, plan(tx, repository, holds))


def begin(tx: Transaction, repository_id: int) -> None:
    """Begin an evaluation: whatever changes from now on is for the next one."""
    repositories.begin_evaluation(tx.rows, repository_id)


def run(registry: Registry, repository_id: int) -> Ran | None:
    """Evaluate what holds for a repository and carry the plan out. None if there is no repository, or no rule."""
    registry.write_now(begin, repository_id)
    to_do = registry.read(planned, repository_id)
    return None if to_do is None else carry_out(registry, to_do)


def carry_out(registry: Registry, to_do: Planned) -> Ran:
    """Carry a plan out in short transactions, as far as the rules it was made from still hold."""
    plan = to_do.plan
    held = [each for each in plan.decisions if each.action in (Action.BLOCKED, Action.PROTECTED)]
    # What live indexes or protection rules hold is held in every run: that alone is no news worth a record.
    decisions = enumerate(chain(plan.acted_on, held) if plan.acted_on else (), start=1)
    run_id = None
    counts: Counter[str] = Counter()
    while batch := list(islice(decisions, BATCH)):
        if run_id is None:
            run_id = registry.write_now(_start_run, to_do)
        # The rows of what is deleted all go to the ends of the same few indexes: at the same time they would be in conflict.
        outcomes = registry.write_in_turn(_carry_out, to_do, run_id, batch)
        if outcomes is None:
            break
        counts.update(outcome for _, outcome in outcomes)
        trail.policy_executed(
            registry,
            to_do.repository.name,
            to_do.holds.policy,
            to_do.holds.text,
            to_do.repository.lifecycle_evaluated_at,
            outcomes,
        )
    registry.write_now(_finish_run, to_do, run_id, counts)
    return Ran(
        repository=to_do.repository.name,
        images=len(plan.decisions),
        expired=counts[EXPIRED],
        archived=counts[ARCHIVED],
        blocked=counts[BLOCKED] if plan.acted_on else plan.tallies[Action.BLOCKED].images,
        skipped=counts[SKIPPED],
        untagged=counts[UNTAGGED],
        protected=counts[PROTECTED] if plan.acted_on else plan.tallies[Action.PROTECTED].images,
        run_id=run_id,
    )


def apply(
    registry: Registry, name: str, text: str, accepted: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Applied:
    """Set a repository's policy and run it at once: exactly the plan that was reviewed, or nothing.

    Args:
        registry: the registry.
        name: the repository's.
        text: the policy.
        accepted: the hash of a plan that somebody has looked at; None asks for one within the limits.
        limits: what a plan may do unseen.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
        careen.ecr.errors.PlanChanged: the plan is another than the accepted one.
        careen.ecr.errors.BlastRadiusExceeded: no plan was accepted, and this one is beyond the limits.
    """
    canonical = policies.canonical(policies.parse(text))
    to_do = registry.read(_planned_with, name, canonical)
    _check_reviewed(registry, to_do, accepted, limits)
    registry.write_now(_set_reviewed, to_do)
    return Applied(canonical, to_do.plan_hash, carry_out(registry, to_do))


def run_reviewed(
    registry: Registry, name: str, accepted: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Applied:
    """Carry out at once what holds for a repository: exactly the plan that was reviewed, or nothing.

    Args:
        registry: the registry.
        name: the repository's.
        accepted: the hash of a plan that somebody has looked at; None asks for one within the limits.
        limits: what a plan may do unseen.

    Raises:
        careen.ecr.errors.LifecyclePolicyNotFound: nothing holds.
        careen.ecr.errors.PlanChanged: the plan is another than the accepted one.
        careen.ecr.errors.BlastRadiusExceeded: no plan was accepted, and this one is beyond the limits.
    """
    to_do = registry.read(_planned_with, name, None)
    if to_do.holds.is_empty:
        raise errors.LifecyclePolicyNotFound(name, registry.id)
    _check_reviewed(registry, to_do, accepted, limits)
    registry.write_now(_begin_reviewed, to_do)
    return Applied(to_do.holds.text, to_do.plan_hash, carry_out(registry, to_do))


def _planned_with(tx: Transaction, name: str, text: str | None) -> Planned:
    repository = repository_cases.require(tx, name)
    holds = rules.effective_for(tx, repository, text)
    return Planned(repository, holds, plan(tx, repository, holds))


def _check_reviewed(registry: Registry, to_do: Planned, accepted: str | None, limits: Limits) -> None:
    """Let a plan pass that somebody has looked at, or that nobody needs to."""
    name, found = to_do.repository.name, to_do.plan_hash
    if accepted is not None and accepted != found:
        raise errors.PlanChanged(name, registry.id, found)
    exceeded = breaches(to_do.plan, limits)
    if exceeded and accepted is None:
        raise errors.BlastRadiusExceeded(name, registry.id, found, [each.sentence for each in exceeded])


def _set_reviewed(tx: Transaction, to_do: Planned) -> None:
    """Set the policy, if the repository is the one that was looked at and nothing else about its rules is new."""
    _require_same(tx, to_do, to_do.holds.text)
    repositories.set_lifecycle_policy(tx.rows, to_do.repository.id, to_do.holds.text)
    repositories.begin_evaluation(tx.rows, to_do.repository.id)


def _begin_reviewed(tx: Transaction, to_do: Planned) -> None:
    """Begin an evaluation, if the repository is the one that was looked at and nothing about its rules is new."""
    _require_same(tx, to_do, None)
    repositories.begin_evaluation(tx.rows, to_do.repository.id)


def _require_same(tx: Transaction, to_do: Planned, text: str | None) -> None:
    name = to_do.repository.name
    repository = repository_cases.require(tx, name)
    if repository.id != to_do.repository.id or rules.effective_for(tx, repository, text) != to_do.holds:
        raise errors.PlanChanged(name, tx.registry_id, to_do.plan_hash)


def _start_run(tx: Transaction, to_do: Planned) -> int:
    text, plan = to_do.holds.text or "", to_do.plan
    run_id = lifecycle_rows.start_run(tx.rows, to_do.repository.id, text, plan.now, len(plan.decisions))
    reach(Point.RUN_STARTED)
    return run_id


def _finish_run(tx: Transaction, to_do: Planned, run_id: int | None, counts: Mapping[str, int]) -> None:
    if _still_holds(tx, to_do):
        # Who acted looks again soon: what was skipped may go, and nothing may be in the way of others any more.
        due_at = 0 if to_do.plan.acted_on else next_due(to_do.plan)
        repositories.end_evaluation(tx.rows, to_do.repository.id, to_do.plan.now, due_at)
    if run_id is not None:
        lifecycle_rows.finish_run(tx.rows, run_id, tx.now)
        events.record(tx, ecr_events.policy_run(to_do.repository.name, run_id, to_do.plan.now, counts))
    reach(Point.RUN_FINISHED)


def _still_holds(tx: Transaction, to_do: Planned) -> bool:
    """Whether the rules are those of the plan: who takes a policy away, or protects images, stops its run."""
    now = repositories.by_id(tx.rows, to_do.repository.id)
    return now is not None and rules.effective_for(tx, now) == to_do.holds


def _carry_out(
    tx: Transaction, to_do: Planned, run_id: int, batch: list[tuple[int, Decision]]
) -> list[tuple[Decision, str]] | None:
    """Carry out part of a plan and note it. Returns what was decided in the end, and the outcomes.

    None: the rules hold no longer, and nothing was done.
    """
    if not _still_holds(tx, to_do):
        return None
    done = [(position, *_act(tx, to_do, run_id, decision)) for position, decision in batch]
    actions = [
        lifecycle_rows.Action(
            position=position,
            digest=decision.image.digest,
            tags=_encoded(decision.image.tags),
            size=decision.image.size,
            action=decision.action.value,
            rule_priority=decision.rule_priority,
            reason=reason(decision, to_do.plan.now),
            outcome=outcome,
        )
        for position, decision, outcome in done
    ]
    lifecycle_rows.record_actions(tx.rows, run_id, actions)
    reach(Point.RUN_BATCH)
    return [(decision, outcome) for _, decision, outcome in done]


def _act(tx: Transaction, to_do: Planned, run_id: int, decision: Decision) -> tuple[Decision, str]:
    """Do what was decided, unless somebody has pinned the image since. Returns what was decided in the end, and the outcome."""
    if decision.action not in (Action.BLOCKED, Action.PROTECTED):
        row = image_rows.by_digest(tx.rows, to_do.repository.id, decision.image.digest)
        pin = None if row is None else pins.holding(tx, row)
        if pin is not None:
            decision = msgspec.structs.replace(
                decision, action=Action.PROTECTED, protected_by=Protection(None, pins=(pin,))
            )
    return decision, _carry_out_one(tx, to_do, run_id, decision)


def _carry_out_one(tx: Transaction, to_do: Planned, run_id: int, decision: Decision) -> str:
    """Do what was decided, if the image is still what was decided on. Returns the outcome."""
    repository = to_do.repository
    if decision.action in (Action.BLOCKED, Action.PROTECTED):
        return decision.action.value
    row = image_rows.by_digest(tx.rows, repository.id, decision.image.digest)
    if (
        row is None
    ):  # a referrer went with its subject, in the same transaction; anything else was deleted by somebody
        return EXPIRED if decision.action is Action.CASCADE else SKIPPED
    if not _unchanged(tx, decision.image, row) or _subject_stays(tx, repository, decision):
        return SKIPPED
    if decision.effect is ActionType.UNTAG:
        for tag in decision.untagged:
            images.untag(tx, repository, tag)
        return UNTAGGED
    if decision.effect is ActionType.TRANSITION:
        if image_rows.parents(tx.rows, row.id, status=images.ACTIVE):
            return BLOCKED
        archive.archive(tx, row)
        return ARCHIVED
    try:
        images.delete(tx, repository, row, _cause(to_do, run_id, decision))
    except images.ImageReferenced:
        return BLOCKED
    return EXPIRED


def _cause(to_do: Planned, run_id: int, decision: Decision) -> Cause:
    """What the ledger of deletions says of an image that a run deleted."""
    return Cause(
        by=LIFECYCLE,
        operation="LifecyclePolicy",
        reason=reason(decision, to_do.plan.now),
        run_id=run_id,
        rule_priority=decision.rule_priority,
        plan_hash=to_do.plan_hash,
        batch=f"run-{run_id}",
    )


def _unchanged(tx: Transaction, planned: Image, row: image_rows.ImageRow) -> bool:
    return (
        tuple(image_rows.tags_of(tx.rows, row.id)) == planned.tags
        and row.pushed_at == planned.pushed_at  # else it was deleted and pushed again
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
