"""Deciding what a policy does with the images of a repository.

The algorithm is that of ECR's evaluation rules (user guide, LifecyclePolicies):

1. Each rule, whatever its priority, *identifies* the images of its storage class that meet its tag
   requirement, and finds those *due* among them: all beyond the count, or all older than the age.
2. By priority, each rule *claims* what it identifies and no higher rule has claimed. It marks what is due and
   its own; what it claims and keeps is out of reach of all lower rules.
3. Marks are carried out oldest first (``execution``).

So counting takes no notice of other rules, and an image has one rule that may act on it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from careen.clock import Instant
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.claims import Claim, claims, overdue
from careen.lifecycle.execution import FAILED, Outcome, execute
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.protection import Protection, protect
from careen.lifecycle.roster import Roster, roster

_BEYOND_ECR = frozenset({Action.UNTAG, Action.PROTECTED})


def evaluate(
    policy: LifecyclePolicy, images: Sequence[Image], now: Instant, beyond: Beyond = NOTHING
) -> Plan:
    """Decide what ``policy`` does with ``images`` at ``now``.

    Args:
        policy: rules that ``policy.parse`` accepts.
        images: everything in the repository in any order, each digest once; artifacts and children too.
        now: ages are measured against this instant.
        beyond: what stands beside the policy; by default the answer is Amazon ECR's.

    Returns:
        A plan with one decision for each image. The order of the images makes no difference to any of them.
    """
    repository = roster(images)
    claimed = _by_image(claims(policy.rules, repository, now), repository)
    if beyond.extension.rules:
        _add(claims(beyond.extension.rules, repository, now), claimed)
    protected = protect(beyond.protection, repository, now)
    outcomes = execute(repository, _marks(repository, claimed), protected)
    decisions = list(_decisions(repository, claimed, outcomes))
    if protected or beyond.extension.rules:
        for number, outcome in outcomes.items():
            if outcome.action in _BEYOND_ECR:
                decisions[number] = _beyond(decisions[number], protected.get(number), now)
    acted_on = [decisions[number] for number, outcome in outcomes.items() if outcome.action not in FAILED]
    by_digest = {images[number].digest: protection for number, protection in protected.items()}
    return Plan(policy, now, decisions, acted_on, beyond, by_digest)


def _by_image(policy: Iterable[Claim], repository: Roster) -> list[Claim | None]:
    """The claim on each image, if there is one."""
    claimed: list[Claim | None] = [None] * len(repository.images)
    for claim in policy:
        for number in claim.numbers:
            claimed[number] = claim
    return claimed


def _add(extension: Iterable[Claim], claimed: list[Claim | None]) -> None:
    """Let a second document have the images that the first does not act on, and of which it has something to say."""
    for claim in extension:
        for number in claim.numbers:
            first = claimed[number]
            if first is None or (first.mark is None and claim.mark is not None):
                claimed[number] = claim


def _marks(repository: Roster, claimed: Sequence[Claim | None]) -> Mapping[int, Outcome]:
    """The images that are due, the oldest first, and what comes of each if nothing is in its way."""
    marks: dict[int, Outcome] = {}
    for number in repository.oldest_first:
        claim = claimed[number]
        if claim is not None and claim.mark is not None:
            marks[number] = claim.mark
    return marks


def _decisions(
    repository: Roster, claimed: Sequence[Claim | None], outcomes: Mapping[int, Outcome]
) -> Iterator[Decision]:
    """What rules said of each image, and what came of it."""
    keep = Action.KEEP
    for number, (image, claim) in enumerate(zip(repository.images, claimed, strict=True)):
        if claim is None:
            follows = number in repository.followers
            yield _following(image, outcomes.get(number)) if follows else Decision(image, keep)
            continue
        rule, identified, ranks, _, mark, shielded_from = claim
        if mark is None:
            yield Decision(image, keep, None, rule, ranks[number], identified, shielded_from)
        else:
            action, _, blocked_by = outcomes[number]
            rank, priority = ranks[number], rule.rule_priority
            yield Decision(image, action, priority, rule, rank, identified, None, blocked_by)


def _following(image: Image, outcome: Outcome | None) -> Decision:
    """What becomes of an artifact whose subject is here; there is an outcome if something becomes of the subject."""
    if outcome is None:
        return Decision(image, Action.KEEP, follows=image.subject)
    return Decision(
        image, outcome.action, rule=outcome.rule, blocked_by=outcome.blocked_by, follows=image.subject
    )


def _beyond(decision: Decision, protection: Protection | None, now: Instant) -> Decision:
    """A decision of a kind that ECR does not know, completed."""
    if decision.action is Action.UNTAG and decision.rule is not None:
        return msgspec.structs.replace(decision, untagged=overdue(decision.rule, decision.image, now))
    return msgspec.structs.replace(decision, protected_by=protection)
