"""Why one image stays or goes: what every rule says of it, which one decides, and from when the answer changes.

    >>> [explanation] = explain(plan, ["sha256:4b27c83d44a1..."])
    >>> [finding.miss for finding in explanation.findings]
    [<Miss.UNMET: 'UNMET'>, None]
    >>> explanation.eligible_at
    1765324800000001

The decision is the plan's own. What a rule says by itself is what a policy of that rule alone decides, as counting
takes no notice of other rules: so nothing is judged here that ``evaluate`` does not judge. ``narrate`` has the words.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from careen.clock import DAY, Instant
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import ActionType, CountType, Rule
from careen.lifecycle.selection import TagMatch, tag_matches


class Miss(StrEnum):
    """Why a rule does not identify an image."""

    FOLLOWS = "FOLLOWS"
    """Its subject is in the repository, and it shares the fate of that."""
    STORAGE_CLASS = "STORAGE_CLASS"
    """The rule looks at another storage class, or the image is in none."""
    UNTAGGED = "UNTAGGED"
    """The rule asks for tags, and the image has none."""
    TAGGED = "TAGGED"
    """The rule asks for untagged images."""
    UNMET = "UNMET"
    """No tag meets some entry of the rule's list."""


class Finding(msgspec.Struct, frozen=True):
    """What one rule says of the image."""

    rule: Rule
    miss: Miss | None
    """None if the rule identifies the image."""
    matches: tuple[TagMatch, ...]
    """Every entry of the rule's list with the tags that meet it."""
    alone: Decision
    """What a policy of this rule alone would decide: it has the image's rank among those the rule identifies."""
    shielded_by: Rule | None = None
    """The rule of higher priority that decides in the place of this one."""

    @property
    def due(self) -> bool:
        """Is the image, by this rule alone, beyond the count or older than the age?"""
        return self.miss is None and self.alone.action is not Action.KEEP


class Explanation(msgspec.Struct, frozen=True):
    """Everything that bears on one image."""

    decision: Decision
    now: Instant
    findings: tuple[Finding, ...]
    """One for each rule, the highest priority first."""
    root: Decision
    """Of the image at the end of a chain of subjects, whose rule decides; ``decision`` itself if it follows none."""
    eligible_at: Instant | None
    """The first instant at which the deciding rule marks the image (or what it follows), if nothing is pushed,
    pulled, tagged or deleted; past or present if it already does. None: never by time alone."""
    newer_needed: int | None
    """How many more images the deciding rule has to identify, all newer, until its count leaves this one out.
    None unless a count keeps it."""
    held_by: tuple[str, ...]
    """The digests of indexes that are in its way, and stay there until they go themselves."""


def explain(plan: Plan, digests: Sequence[str]) -> list[Explanation]:
    """Explain some of a plan's decisions. Takes one evaluation for each rule, however many images are asked for.

    Args:
        plan: what was decided.
        digests: the images in question.

    Raises:
        KeyError: the plan has no image of that digest.
    """
    numbers = {decision.image.digest: number for number, decision in enumerate(plan.decisions)}
    asked = [numbers[digest] for digest in digests]
    images = [decision.image for decision in plan.decisions]
    alone: list[list[Decision]] = []
    for rule in plan.policy.rules:
        decisions = evaluate(LifecyclePolicy((rule,)), images, plan.now).decisions
        alone.append([decisions[number] for number in asked])
    surroundings = _Surroundings(plan, numbers)
    return [
        surroundings.explanation(plan.decisions[number], tuple(says[place] for says in alone))
        for place, number in enumerate(asked)
    ]


class _Surroundings:
    """A plan's decisions and what ties their images."""

    def __init__(self, plan: Plan, numbers: Mapping[str, int]) -> None:
        self._plan = plan
        self._numbers = numbers
        self._indexes: dict[str, list[Image]] = {}
        for decision in plan.decisions:
            for digest in decision.image.references:
                self._indexes.setdefault(digest, []).append(decision.image)

    def explanation(self, decision: Decision, alone: Sequence[Decision]) -> Explanation:
        chain = self._chain(decision)
        root = chain[-1]
        # In a circle of subjects, which no real digests can form, nobody decides.
        rule = root.rule if root.follows is None else None
        eligible_at = _eligible_at(rule, root, self._plan.now)
        held_by: list[str] = []
        if rule is not None:
            effect = rule.action.type
            if not all(_can_follow(follower.image, effect) for follower in chain[:-1]):
                eligible_at = None
            held_by = [digest for member in chain for digest in self._holding(member.image, effect)]
        return Explanation(
            decision,
            self._plan.now,
            _findings(self._plan.policy, decision, alone),
            root,
            eligible_at,
            _newer_needed(rule, root),
            tuple(dict.fromkeys(held_by)),
        )

    def _chain(self, decision: Decision) -> list[Decision]:
        """The image, its subject, the subject's subject, to one that follows none."""
        chain, seen = [decision], {decision.image.digest}
        while (subject := chain[-1].follows) is not None and subject not in seen:
            chain.append(self._plan.decisions[self._numbers[subject]])
            seen.add(subject)
        return chain

    def _holding(self, image: Image, effect: ActionType) -> list[str]:
        """The indexes that keep an image from this; one in the archive lets what it lists follow it there."""
        return [
            index.digest
            for index in self._indexes.get(image.digest, ())
            if effect is ActionType.EXPIRE or index.status != ImageStatus.ARCHIVED
        ]


def _can_follow(image: Image, effect: ActionType) -> bool:
    return effect is ActionType.EXPIRE or image.status == ImageStatus.ACTIVE


def _eligible_at(rule: Rule | None, decision: Decision, now: Instant) -> Instant | None:
    """The first instant at which the rule marks the image."""
    if rule is None:
        return None
    selection, image = rule.selection, decision.image
    if selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
        return None if decision.action is Action.KEEP else now
    since = image.used_at if selection.count_type is CountType.SINCE_IMAGE_PULLED else image.entered_at
    # Exactly as old as the limit is not older.
    return since + selection.count_number * DAY + 1


def _newer_needed(rule: Rule | None, decision: Decision) -> int | None:
    counts = rule is not None and rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN
    if rule is None or not counts or decision.action is not Action.KEEP:
        return None
    return rule.selection.count_number - decision.rank + 1


def _findings(policy: LifecyclePolicy, decision: Decision, alone: Sequence[Decision]) -> tuple[Finding, ...]:
    findings = []
    for rule, says in zip(policy.rules, alone, strict=True):
        matches = tag_matches(rule.selection, decision.image.tags)
        miss = _miss(rule, says)
        shielded_by = decision.rule if miss is None and decision.rule is not rule else None
        findings.append(Finding(rule, miss, matches, says, shielded_by))
    return tuple(findings)


def _miss(rule: Rule, alone: Decision) -> Miss | None:
    """Whether the rule identifies the image is told by its decision; this only says what was missing."""
    image = alone.image
    if alone.follows is not None:
        return Miss.FOLLOWS
    if alone.rule is not None:
        return None
    if image.storage_class is not rule.storage_class:
        return Miss.STORAGE_CLASS
    if not image.tags:
        return Miss.UNTAGGED
    return Miss.UNMET if rule.selection.tag_pattern_list or rule.selection.tag_prefix_list else Miss.TAGGED
