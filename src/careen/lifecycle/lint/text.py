"""Mistakes that the policy alone shows."""

from collections.abc import Iterator, Sequence

from careen.lifecycle.lint import codes
from careen.lifecycle.lint.covering import covering, identifies_something, possible, redundant, within
from careen.lifecycle.lint.description import contradiction
from careen.lifecycle.lint.finding import Finding, found
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.reason import label
from careen.lifecycle.rule import ActionType, CountType, Rule, StorageClass, TagStatus
from careen.lifecycle.selection import WILDCARD

KEEPS_IMAGES = 1000
KEEPS_DAYS = 3650
"""From these numbers on a rule is there to keep: few repositories ever reach them."""


def keeps(rule: Rule) -> bool:
    """Is the rule there to shield images, not to take them?"""
    counts = rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN
    return rule.selection.count_number >= (KEEPS_IMAGES if counts else KEEPS_DAYS)


def lint_text(policy: LifecyclePolicy) -> Iterator[Finding]:
    """What is wrong whatever images there are."""
    for storage_class in StorageClass:
        rules = [rule for rule in policy.rules if rule.storage_class is storage_class]
        for position, rule in enumerate(rules):
            yield from _list(rule)
            yield from _among(rule, rules[:position], last=position == len(rules) - 1)
    for rule in policy.rules:
        yield from _alone(rule)
    yield from _archive(policy.rules)


def _list(rule: Rule) -> Iterator[Finding]:
    selection = rule.selection
    for prefix in selection.tag_prefix_list or ():
        if WILDCARD in prefix:
            yield found(codes.WILDCARD_IN_PREFIX, rule, f"the prefix {prefix} contains *, which no tag does")
        elif not possible(prefix + WILDCARD):
            yield found(codes.IMPOSSIBLE_ENTRY, rule, f"no tag can begin with {prefix}")
    for pattern in selection.tag_pattern_list or ():
        if not possible(pattern):
            yield found(codes.IMPOSSIBLE_ENTRY, rule, f"no tag can match {pattern or 'an empty pattern'}")
    entries = selection.tag_pattern_list or selection.tag_prefix_list or ()
    if len(entries) > 1:
        sentence = f"only images that meet all of {', '.join(entries)} are identified"
        yield found(codes.LIST_MEANS_ALL, rule, sentence)
    for broad, narrow in redundant(selection):
        yield found(
            codes.REDUNDANT_ENTRY, rule, f"{broad} adds nothing: whatever matches {narrow} matches it"
        )


def _among(rule: Rule, higher: Sequence[Rule], *, last: bool) -> Iterator[Finding]:
    """What is wrong with a rule among those of its storage class."""
    live = [other for other in higher if identifies_something(other)]
    shadows = covering(rule, live) if identifies_something(rule) else ()
    if shadows:
        names = " and ".join(map(label, shadows))
        yield found(codes.SHADOWED_RULE, rule, f"it never acts: {names} identifies all of its images first")
        return
    if last and keeps(rule):
        yield found(codes.KEEPS_LAST, rule, "it keeps what no rule after it would take")
    inside = [other for other in live if within(other, rule)]
    if inside and rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
        names = " and ".join(map(label, inside))
        yield found(
            codes.COUNTS_SHIELDED, rule, f"it also counts the images of {names}, which it may not take"
        )
    for other in live:
        if _stays_longer(other, rule):
            days = f"{rule.selection.count_number} to {other.selection.count_number} days"
            yield found(
                codes.UNTAGGED_STAYS_LONGER,
                other,
                f"untagged images of {days} are out of reach of {label(rule)}",
            )


def _stays_longer(untagged: Rule, rule: Rule) -> bool:
    statuses = (untagged.selection.tag_status, rule.selection.tag_status)
    ages = {untagged.selection.count_type, rule.selection.count_type} == {CountType.SINCE_IMAGE_PUSHED}
    longer = untagged.selection.count_number > rule.selection.count_number
    return statuses == (TagStatus.UNTAGGED, TagStatus.ANY) and ages and longer


def _alone(rule: Rule) -> Iterator[Finding]:
    selection, action = rule.selection, rule.action.type
    wrong = contradiction(rule)
    if wrong is not None:
        yield found(codes.DESCRIPTION_CONTRADICTS, rule, wrong)
    by_push = selection.count_type is CountType.SINCE_IMAGE_PUSHED and action is ActionType.EXPIRE
    if by_push and selection.tag_status is not TagStatus.UNTAGGED and not keeps(rule):
        sentence = f"{selection.count_number} days without a push, and no image it identifies is left"
        yield found(codes.AGE_WITHOUT_FLOOR, rule, sentence)
    if selection.count_type is CountType.SINCE_IMAGE_PULLED:
        yield found(codes.PULLS_UNSEEN, rule, "a pull that a cache answers does not reach the registry")


def _archive(rules: Sequence[Rule]) -> Iterator[Finding]:
    emptied = any(rule.storage_class is StorageClass.ARCHIVE for rule in rules)
    for rule in rules:
        if rule.action.type is ActionType.TRANSITION:
            sentence = "below 150 TB the archive of Amazon ECR costs what standard storage costs"
            yield found(codes.ARCHIVE_BELOW_BREAK_EVEN, rule, sentence)
            if not emptied:
                yield found(codes.ARCHIVE_NEVER_EMPTIED, rule, "nothing ever expires what it archives")
