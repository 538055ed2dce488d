"""Mistakes that show when a policy meets the images of a repository: facts about them, at one instant."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from careen.clock import DAY, Instant
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.lint import codes
from careen.lifecycle.lint.covering import identifies_something
from careen.lifecycle.lint.finding import Finding, found
from careen.lifecycle.lint.text import keeps
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.reason import label
from careen.lifecycle.roster import roster
from careen.lifecycle.rule import ActionType, CountType, Rule, StorageClass, TagStatus
from careen.lifecycle.selection import WILDCARD, Selector, tag_matches

MANY = 20
"""Half of fewer images is no great loss."""
RECENT = 7 * DAY


class _Identified(NamedTuple):
    rule: Rule
    decisions: Sequence[Decision]
    """Of the images that the rule identifies, the youngest first."""


def lint_images(policy: LifecyclePolicy, images: Sequence[Image], now: Instant) -> Iterator[Finding]:
    """What is wrong given these images; nothing can be said of an empty repository."""
    if not images:
        return
    plan = evaluate(policy, images, now)
    for storage_class in StorageClass:
        rules = [rule for rule in policy.rules if rule.storage_class is storage_class]
        here = _identified(rules, storage_class, plan)
        # DescribeImages lists active images only, unless it is asked for others.
        if storage_class is StorageClass.STANDARD or any(one.decisions for one in here):
            for position, one in enumerate(here):
                yield from _nothing(one, images, last=position == len(here) - 1)
        for position, one in enumerate(here):
            yield from _counts(one, here[:position])
            yield from _takes(one, now)
    yield from _most(plan)


def _identified(rules: Sequence[Rule], storage_class: StorageClass, plan: Plan) -> Sequence[_Identified]:
    repository = roster([decision.image for decision in plan.decisions])
    identified: list[list[Decision]] = [[] for _ in rules]
    selector = Selector(rules)
    for number in reversed(repository.oldest_first):
        if repository.storage_class[number] is storage_class:
            for position in selector.identifying(repository.images[number].tags):
                identified[position].append(plan.decisions[number])
    return [_Identified(rule, decisions) for rule, decisions in zip(rules, identified, strict=True)]


def _nothing(one: _Identified, images: Sequence[Image], *, last: bool) -> Iterator[Finding]:
    rule, decisions = one
    if decisions or not identifies_something(rule):
        return
    tags = {tag for image in images for tag in image.tags}
    partly = [match.entry for match in tag_matches(rule.selection, sorted(tags)) if match.tags]
    exact = [
        pattern
        for pattern in rule.selection.tag_pattern_list or ()
        if WILDCARD not in pattern and pattern not in tags and any(tag.startswith(pattern) for tag in tags)
    ]
    if keeps(rule) and not last:
        yield found(
            codes.PROTECTS_NOTHING, rule, f"none of {len(images):,} images is identified, so none is kept"
        )
    for pattern in exact:
        yield found(codes.PATTERN_IS_EXACT, rule, f"no image is tagged {pattern}, though tags begin with it")
    entries = rule.selection.tag_pattern_list or rule.selection.tag_prefix_list or ()
    if partly and len(entries) > 1:
        sentence = f"images meet {' or '.join(partly)}, none meets all of {', '.join(entries)}"
        yield found(codes.LIST_MET_IN_PART, rule, sentence)
    elif not exact and not (keeps(rule) and not last):
        yield found(codes.MATCHES_NOTHING, rule, f"none of {len(images):,} images is identified")


def _counts(one: _Identified, higher: Sequence[_Identified]) -> Iterator[Finding]:
    rule, decisions = one
    if rule.selection.count_type is not CountType.IMAGE_COUNT_MORE_THAN:
        return
    kept = decisions[: rule.selection.count_number]
    marks = any(decision.rule_priority == rule.rule_priority for decision in decisions)
    if marks and all(decision.rule is not rule for decision in kept):
        sentence = (
            f"the {len(kept):,} newest images it counts are all other rules' to decide on; it keeps none"
        )
        yield found(codes.COUNT_EATEN, rule, sentence)
    mine = {decision.image.digest for decision in decisions}
    for other in higher:
        counts = other.rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN
        both = sum(decision.image.digest in mine for decision in other.decisions)
        if counts and both and rule.selection.tag_status is TagStatus.TAGGED:
            sentence = f"{_plural(both)} counted by {label(other.rule)} too, which decides on them"
            yield found(codes.OVERLAPPING_COUNTS, rule, sentence)


def _takes(one: _Identified, now: Instant) -> Iterator[Finding]:
    rule, decisions = one
    taken = [decision for decision in decisions if decision.action is Action.EXPIRE]
    before = [decision for decision in taken if decision.rule is not rule]
    if keeps(rule) and before:
        names = sorted({label(decision.rule) for decision in before if decision.rule is not None})
        yield found(
            codes.TAKEN_BEFORE_KEEP, rule, f"{_plural(len(before))} taken by {' and '.join(names)} first"
        )
    mine = [decision for decision in decisions if decision.rule_priority == rule.rule_priority]
    blocked = sum(decision.action is Action.BLOCKED for decision in mine)
    if blocked:
        sentence = f"{_plural(blocked)} to go by this rule, but still listed by an index"
        yield found(codes.REACHES_CHILDREN, rule, sentence)
    pulls = [decision.image.pulled_at for decision in mine if decision.action is Action.EXPIRE]
    used = sum(pulled is not None and pulled >= now - RECENT for pulled in pulls)
    if used:
        yield found(codes.TAKES_USED, rule, f"{_plural(used)} to expire, though pulled in the last week")
    by_pull = rule.selection.count_type is CountType.SINCE_IMAGE_PULLED
    if by_pull and decisions and all(decision.image.pulled_at is None for decision in decisions):
        sentence = f"no pull is recorded of any of the {len(decisions):,} images it identifies"
        yield found(codes.NO_PULLS_RECORDED, rule, sentence)


def _most(plan: Plan) -> Iterator[Finding]:
    total = len(plan.decisions)
    gone = sum(decision.effect is ActionType.EXPIRE for decision in plan.acted_on)
    if total >= MANY and gone * 2 >= total:
        yield found(codes.TAKES_MOST, None, f"{gone:,} of {total:,} images would expire in one run")


def _plural(number: int) -> str:
    return "1 image is" if number == 1 else f"{number:,} images are"
