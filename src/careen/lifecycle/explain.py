"""Why one image stays or goes: what every rule says of it, which one decides, and from when the answer changes.

    >>> [explanation] = explain(plan, ["sha256:4b27c83d44a1..."])
    >>> [finding.miss for finding in explanation.findings]
    [<Miss.UNMET: 'UNMET'>, None]
    >>> explanation.eligible_at
    1765324800000001

The decision is the plan's own. What a rule says by itself is what a policy of that rule alone decides, as counting
takes no notice of other rules: so nothing is judged here that ``evaluate`` does not judge. ``narrate`` has the words.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from careen.clock import Instant
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.due import due_at
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.extension import ExtensionRules
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.protection import Protection
from careen.lifecycle.rule import ActionType, CountType, Rule
from careen.lifecycle.selection import TagMatch, entries_of, tag_matches


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
    """The rule of higher priority, in the same document, that decides in the place of this one."""

    @property
    def due(self) -> bool:
        """Is the image, by this rule alone, beyond the count or older than the age?"""
        return self.miss is None and self.alone.action is not Action.KEEP


class Explanation(msgspec.Struct, frozen=True):
    """Everything that bears on one image."""

    decision: Decision
    now: Instant
    findings: tuple[Finding, ...]
    """One for each rule, the highest priority first; those of the extension document after the policy's."""
    root: Decision
    """Of the image at the end of a chain of subjects, whose rule decides; ``decision`` itself if it follows none."""
    rule: Rule | None
    """The rule that marks the root; if none does, the one that will do so first if nothing happens. None: no rule
    decides on it."""
    eligible_at: Instant | None
    """The first instant at which ``rule`` marks the image (or what it follows), if nothing is pushed, pulled,
    tagged or deleted; past or present if it already does. None: never by time alone."""
    counting: Rule | None
    """The rule whose count keeps the image."""
    newer_needed: int | None
    """How many more images ``counting`` has to identify, all newer, until its count leaves this one out."""
    held_by: tuple[str, ...]
    """The digests of indexes that are in its way, and stay there until they go themselves."""
    protection: Protection | None
    """What keeps the image whatever rules say."""


def explain(plan: Plan, digests: Sequence[str]) -> list[Explanation]:
    """Explain some of a plan's decisions. Takes one evaluation for each rule, however many images are asked for.

    Args:
        plan: what was decided.
        digests: the images in question.

    Raises:
        KeyError: the plan has no image of that digest.
    """
    numbers = {decision.image.digest: number for number, decision in enumerate(plan.decisions)}
    surroundings = _Surroundings(plan, numbers)
    chains = [surroundings.chain(plan.decisions[numbers[digest]]) for digest in digests]
    asked = {member.image.digest for chain in chains for member in (chain[0], chain[-1])}
    alone: dict[str, list[Decision]] = {digest: [] for digest in asked}
    images = [decision.image for decision in plan.decisions]
    for policy, beyond in _single_rules(plan):
        decisions = evaluate(policy, images, plan.now, beyond).decisions
        for digest, says in alone.items():
            says.append(decisions[numbers[digest]])
    return [surroundings.explanation(chain, alone) for chain in chains]


def _single_rules(plan: Plan) -> Iterator[tuple[LifecyclePolicy, Beyond]]:
    """The documents with one rule and nothing else, for each rule of the plan's."""
    for rule in plan.policy.rules:
        yield LifecyclePolicy((rule,)), NOTHING
    for extension_rule in plan.beyond.extension.rules:
        yield LifecyclePolicy(()), Beyond(ExtensionRules((extension_rule,)))


class _Surroundings:
    """A plan's decisions and what ties their images."""

    def __init__(self, plan: Plan, numbers: Mapping[str, int]) -> None:
        self._plan = plan
        self._numbers = numbers
        self._documents = (plan.policy.rules, plan.beyond.extension.rules)
        self._indexes: dict[str, list[Image]] = {}
        for decision in plan.decisions:
            for digest in decision.image.references:
                self._indexes.setdefault(digest, []).append(decision.image)

    def chain(self, decision: Decision) -> list[Decision]:
        """The image, its subject, the subject's subject, to one that follows none."""
        chain, seen = [decision], {decision.image.digest}
        while (subject := chain[-1].follows) is not None and subject not in seen:
            chain.append(self._plan.decisions[self._numbers[subject]])
            seen.add(subject)
        return chain

    def explanation(self, chain: Sequence[Decision], alone: Mapping[str, Sequence[Decision]]) -> Explanation:
        decision, root, now = chain[0], chain[-1], self._plan.now
        deciding = list(self._deciding(root, alone[root.image.digest]))
        rule, eligible_at = _first(root, deciding, now)
        if rule is not None and not all(_can_follow(each.image, rule.action.type) for each in chain[:-1]):
            eligible_at = None
        counting, newer_needed = _count_in_the_way(root, deciding)
        held_by = [digest for member in chain for digest in self._holding(member.image, rule)]
        return Explanation(
            decision,
            now,
            self._findings(decision, alone[decision.image.digest]),
            root,
            rule,
            eligible_at,
            counting,
            newer_needed,
            tuple(dict.fromkeys(held_by)),
            self._plan.protected.get(root.image.digest),
        )

    def _deciding(self, root: Decision, alone: Sequence[Decision]) -> Iterator[tuple[Rule, Decision]]:
        """The rule of each document that decides on an image, with what it says."""
        # In a circle of subjects, which no real digests can form, nobody decides.
        if root.follows is None:
            says = iter(alone)
            for rules in self._documents:
                identifying = [(rule, each) for rule in rules if (each := next(says)).rule is not None]
                yield from identifying[:1]

    def _findings(self, decision: Decision, alone: Sequence[Decision]) -> tuple[Finding, ...]:
        findings = []
        says = iter(alone)
        for rules in self._documents:
            decider = None
            for rule in rules:
                finding = _finding(rule, decision, next(says), decider)
                findings.append(finding)
                if decider is None and finding.miss is None:
                    decider = rule
        return tuple(findings)

    def _holding(self, image: Image, rule: Rule | None) -> list[str]:
        """The indexes that keep an image from this; one in the archive lets what it lists follow it there."""
        if rule is None or rule.action.type is ActionType.UNTAG:
            return []
        return [
            index.digest
            for index in self._indexes.get(image.digest, ())
            if rule.action.type is ActionType.EXPIRE or index.status != ImageStatus.ARCHIVED
        ]


def _can_follow(image: Image, effect: ActionType) -> bool:
    return effect is ActionType.EXPIRE or image.status == ImageStatus.ACTIVE


def _first(
    root: Decision, deciding: Sequence[tuple[Rule, Decision]], now: Instant
) -> tuple[Rule | None, Instant | None]:
    """The rule that marks an image, or will mark it before the others, and when."""
    eligible = [(rule, _eligible_at(rule, says, now)) for rule, says in deciding]
    if root.action is not Action.KEEP:
        return next((rule, at) for rule, at in eligible if rule is root.rule)
    by_time = [(at, position) for position, (_, at) in enumerate(eligible) if at is not None]
    if by_time:
        return eligible[min(by_time)[1]]
    return eligible[0] if eligible else (None, None)


def _eligible_at(rule: Rule, decision: Decision, now: Instant) -> Instant | None:
    """The first instant at which the rule marks the image."""
    if rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
        return None if decision.action is Action.KEEP else now
    return due_at(rule, decision.image)


def _count_in_the_way(
    root: Decision, deciding: Sequence[tuple[Rule, Decision]]
) -> tuple[Rule | None, int | None]:
    """Of the rules whose counts keep an image the one that needs the fewest newer ones to let it go."""
    if root.action is not Action.KEEP:
        return None, None
    needed = [
        (rule.selection.count_number - says.rank + 1, position)
        for position, (rule, says) in enumerate(deciding)
        if rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN
    ]
    if not needed:
        return None, None
    newer, position = min(needed)
    return deciding[position][0], newer


def _finding(rule: Rule, decision: Decision, says: Decision, decider: Rule | None) -> Finding:
    matches = tag_matches(rule.selection, decision.image.tags)
    miss = _miss(rule, says)
    return Finding(rule, miss, matches, says, decider if miss is None else None)


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
    return Miss.UNMET if entries_of(rule.selection) else Miss.TAGGED
