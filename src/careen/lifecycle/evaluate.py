"""Deciding what a policy does with the images of a repository.

The algorithm is that of ECR's evaluation rules (user guide, LifecyclePolicies):

1. Each rule, whatever its priority, *identifies* the images of its storage class that meet its tag
   requirement, and finds those *due* among them: all beyond the count, or all older than the age.
2. By priority, each rule *claims* what it identifies and no higher rule has claimed. It marks what is due and
   its own; what it claims and keeps is out of reach of all lower rules.
3. Marks are carried out oldest first (``execution``).

So counting takes no notice of other rules, and an image has one rule that may act on it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from careen.clock import DAY, Instant
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.execution import Outcome, execute
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.protection import Protection, protect
from careen.lifecycle.roster import Roster, roster
from careen.lifecycle.rule import CountType, Rule, StorageClass
from careen.lifecycle.selection import Selector, tags_that_meet

_BEYOND_ECR = frozenset({Action.UNTAG, Action.PROTECTED})


class _Claims(NamedTuple):
    """What rules say of each image, by number; columns, as they are filled in another order than that of memory."""

    rule: list[Rule | None]
    """The rule of highest priority that identifies the image."""
    rank: list[int]
    """Its place among the images which that rule identifies, 1 for the youngest; 0 if there is no rule."""
    identified: list[int]
    """How many that rule identifies."""
    marked_by: list[Rule | None]
    """That rule again, if the image is due."""
    shielded_from: list[Rule | None]
    """The first of the other rules that identify the image for which it is due."""


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
    claims = _claims(policy.rules, repository, now)
    if beyond.extension.rules:
        _add(_claims(beyond.extension.rules, repository, now), claims)
    protected = protect(beyond.protection, repository, now)
    outcomes = execute(repository, _marks(repository, claims), protected)
    decisions = list(_decisions(repository, claims, outcomes))
    for number, outcome in outcomes.items():
        if outcome.action in _BEYOND_ECR:
            decisions[number] = _beyond(decisions[number], protected.get(number), now)
    acted_on = [decisions[number] for number, outcome in outcomes.items() if not outcome.failed]
    by_digest = {images[number].digest: protection for number, protection in protected.items()}
    return Plan(policy, now, decisions, acted_on, beyond, by_digest)


def _claims(rules: Sequence[Rule], repository: Roster, now: Instant) -> _Claims:
    """What the rules of one document say."""
    total = len(repository.images)
    claims = _Claims([None] * total, [0] * total, [0] * total, [None] * total, [None] * total)
    for storage_class in StorageClass:
        here = [rule for rule in rules if rule.storage_class is storage_class]
        for rule, identified in zip(here, _identify(here, storage_class, repository), strict=True):
            _claim(rule, identified, _due(rule, identified, repository, now), claims)
    return claims


def _add(extension: _Claims, claims: _Claims) -> None:
    """Let a second document have the images that the first does not act on, and of which it has something to say."""
    for number, rule in enumerate(extension.rule):
        says_more = extension.marked_by[number] is not None or claims.rule[number] is None
        if rule is not None and claims.marked_by[number] is None and says_more:
            for mine, theirs in zip(claims, extension, strict=True):
                mine[number] = theirs[number]  # type: ignore[index] # columns of one row have the same types


def _identify(
    rules: Sequence[Rule], storage_class: StorageClass, repository: Roster
) -> Sequence[Sequence[int]]:
    """For each rule of a storage class the images it identifies, the youngest first."""
    identified = [array("l") for _ in rules]
    if rules:
        identifying = Selector(rules).identifying
        by_image = [
            identifying(image.tags) if where is storage_class else ()
            for image, where in zip(repository.images, repository.storage_class, strict=True)
        ]
        for number in reversed(repository.oldest_first):
            for rule in by_image[number]:
                identified[rule].append(number)
    return identified


def _due(rule: Rule, identified: Sequence[int], repository: Roster, now: Instant) -> Sequence[bool]:
    """Of the images a rule identifies, the youngest first: is each beyond its count, or older than its age?"""
    limit = rule.selection.count_number
    before = now - limit * DAY
    match rule.selection.count_type:
        case CountType.SINCE_IMAGE_PULLED:
            return [repository.images[number].used_at < before for number in identified]
        case CountType.IMAGE_COUNT_MORE_THAN:
            kept = min(limit, len(identified))
        case CountType.SINCE_TAGGED:
            return [bool(_overdue(rule, repository.images[number], now)) for number in identified]
        case CountType.SINCE_IMAGE_PUSHED | CountType.SINCE_IMAGE_TRANSITIONED:
            # They are sorted by just this instant: from some image on, all are older.
            kept = bisect_left(identified, True, key=lambda number: repository.entered_at[number] < before)
    return [False] * kept + [True] * (len(identified) - kept)


def _claim(rule: Rule, identified: Sequence[int], due: Sequence[bool], claims: _Claims) -> None:
    """Let a rule claim what it identifies and no rule of higher priority has claimed."""
    claimed_by, ranks, totals, marked_by, shielded_from = claims
    total = len(identified)
    for rank, (number, is_due) in enumerate(zip(identified, due, strict=True), start=1):
        if not ranks[number]:
            claimed_by[number] = rule
            ranks[number] = rank
            totals[number] = total
            if is_due:
                marked_by[number] = rule
        elif is_due and shielded_from[number] is None:
            shielded_from[number] = rule


def _marks(repository: Roster, claims: _Claims) -> Iterator[tuple[int, Rule]]:
    for number in repository.oldest_first:
        rule = claims.marked_by[number]
        if rule is not None:
            yield number, rule


def _decisions(repository: Roster, claims: _Claims, outcomes: Mapping[int, Outcome]) -> Iterator[Decision]:
    """What rules said of each image, and what came of it."""
    keep = Action.KEEP
    columns = zip(repository.images, claims.rule, claims.rank, claims.identified, strict=True)
    for number, (image, rule, rank, identified) in enumerate(columns):
        outcome = outcomes.get(number)
        if rule is not None and outcome is None:
            yield Decision(image, keep, None, rule, rank, identified, claims.shielded_from[number])
        elif rule is not None and outcome is not None:
            priority, blocked_by = rule.rule_priority, outcome.blocked_by
            yield Decision(image, outcome.action, priority, rule, rank, identified, blocked_by=blocked_by)
        elif number in repository.followers:
            yield _following(image, outcome)
        else:
            yield Decision(image, keep)


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
        return msgspec.structs.replace(decision, untagged=_overdue(decision.rule, decision.image, now))
    return msgspec.structs.replace(decision, protected_by=protection)


def _overdue(rule: Rule, image: Image, now: Instant) -> tuple[str, ...]:
    """The tags that ``untag`` takes off an image: those that meet the list, and by ``sinceTagged`` are old enough."""
    tags = tags_that_meet(rule.selection, image.tags)
    if rule.selection.count_type is not CountType.SINCE_TAGGED:
        return tags
    tagged_at = dict(zip(image.tags, image.tagged_at, strict=True)) if image.tagged_at else {}
    before = now - rule.selection.count_number * DAY
    return tuple(tag for tag in tags if tagged_at.get(tag, image.pushed_at) < before)
