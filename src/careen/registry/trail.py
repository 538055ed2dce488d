"""What the registry does by itself, for the audit log: policy runs, previews, restores from the archive.

Written when it is done and committed, and not in its transaction: a crash in between loses a line of the log. What must not be
lost is in the log of events (``careen.registry.events``).
"""

import uuid
from collections.abc import Iterable, Sequence
from itertools import chain

from careen.clock import Instant, isoformat
from careen.ecr import trail
from careen.lifecycle import trail as lifecycle_trail
from careen.lifecycle.plan import Decision
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.trail import Deed
from careen.registry.registry import Registry

ACTED = frozenset({"EXPIRED", "ARCHIVED", "UNTAGGED"})
"""Outcomes of a run that did something to an image."""

_REFERENCED = "ImageReferencedByManifestList"


def policy_executed(
    registry: Registry,
    repository: str,
    policy: LifecyclePolicy,
    text: str | None,
    last_evaluated_at: Instant,
    outcomes: Sequence[tuple[Decision, str]],
) -> None:
    """PolicyExecutionEvent: part of a policy was carried out.

    Args:
        registry: the registry.
        repository: the name of the repository.
        policy: what was carried out.
        text: the same as it is kept.
        last_evaluated_at: when it was evaluated before this; 0: never.
        outcomes: what was decided, and what came of it.
    """
    if registry.audit is None:
        return
    deeds = [_deed(decision) for decision, outcome in outcomes if outcome in ACTED]
    deeds += [_blocked(decision) for decision, outcome in outcomes if outcome == "BLOCKED"]
    if deeds:
        _write(registry, "PolicyExecutionEvent", repository, policy, text, last_evaluated_at, deeds)


def previewed(
    registry: Registry,
    repository: str,
    policy: LifecyclePolicy,
    text: str,
    last_evaluated_at: Instant,
    acted_on: Iterable[Decision],
    blocked: Iterable[Decision],
) -> None:
    """DryRunEvent: what a policy would do was computed."""
    deeds = chain(map(_deed, acted_on), map(_blocked, blocked))
    _write(registry, "DryRunEvent", repository, policy, text, last_evaluated_at, deeds)


def activated(registry: Registry, repository: str, digest: str, activated_at: Instant) -> None:
    """ImageActivationEvent: an archived image can be pulled again. Amazon does not show its details; these are ours."""
    details = {
        "repositoryName": repository,
        "imageDigest": digest,
        "targetStorageClass": "STANDARD",
        "lastActivatedAt": isoformat(activated_at),
    }
    _record(registry, "ImageActivationEvent", repository, details)


def _write(
    registry: Registry,
    name: str,
    repository: str,
    policy: LifecyclePolicy,
    text: str | None,
    last_evaluated_at: Instant,
    deeds: Iterable[Deed],
) -> None:
    if registry.audit is not None:
        for details in lifecycle_trail.details(repository, policy, text or "", last_evaluated_at, deeds):
            _record(registry, name, repository, details)


def _record(registry: Registry, name: str, repository: str, details: object) -> None:
    if registry.audit is not None:
        registry.audit.write(
            trail.service_event(
                account=registry.id,
                region=registry.region,
                event_id=str(uuid.uuid4()),
                time=registry.clock(),
                name=name,
                repository=repository,
                details=details,
            )
        )


def _deed(decision: Decision) -> Deed:
    return Deed(decision.image, _priority(decision))


def _blocked(decision: Decision) -> Deed:
    listed = decision.blocked_by or ""
    reason = f"Requested image referenced by manifest list: [{listed}]"
    return Deed(decision.image, _priority(decision), (_REFERENCED, reason))


def _priority(decision: Decision) -> int:
    """Of the rule that acts; an image that follows its subject goes by the subject's."""
    if decision.rule_priority is not None:
        return decision.rule_priority
    return 0 if decision.rule is None else decision.rule.rule_priority
