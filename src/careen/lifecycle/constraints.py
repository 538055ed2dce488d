"""What a policy's shape cannot say: how the parts of a rule go together, and the rules of a policy.

ECR checks these by hand after the schema. Where its sentence is public it is used word for word; the others are
ours. Sources: ECR user guide, pages LifecyclePolicies, lifecycle_policy_parameters, lifecycle_policy_examples
and service-quotas.
"""

from collections.abc import Iterator, Sequence

from careen.lifecycle.grammar import Fault
from careen.lifecycle.rule import ActionType, CountType, Rule, Selection, StorageClass, TagStatus

MAX_RULES = 50
MAX_WILDCARDS = 4
MIN_ARCHIVE_DAYS = 90
"""The minimum storage duration of the archive class; no policy may delete earlier."""


def faults(rules: Sequence[Rule]) -> Iterator[Fault]:
    """Every constraint that rules, sorted by priority, break: each rule by itself, then all together."""
    if len(rules) > MAX_RULES:
        reason = f"A policy can have at most {MAX_RULES} rules, this one has {len(rules)}."
        yield Fault("rules", reason, f"remove {len(rules) - MAX_RULES}")
    for rule in rules:
        yield from _lists(rule)
        yield from _wildcards(rule)
        yield from _storage(rule)
    yield from _priorities(rules)
    for storage_class in StorageClass:
        yield from _in_one_class([rule for rule in rules if rule.storage_class is storage_class])


def _name(rule: Rule) -> str:
    return f"rule {rule.rule_priority}"


def _lists(rule: Rule) -> Iterator[Fault]:
    """An empty list counts as none: Terraform's provider, for one, takes the two for the same policy."""
    selection, name = rule.selection, _name(rule)
    given = bool(selection.tag_pattern_list) + bool(selection.tag_prefix_list)
    if selection.tag_status is not TagStatus.TAGGED and given:
        reason = "tagPrefixList and tagPatternList can only be specified when tagStatus=TAGGED."
        yield Fault(name, reason, "remove the list, or make tagStatus tagged")
    elif selection.tag_status is TagStatus.TAGGED and not given:
        reason = "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED."
        yield Fault(name, reason, 'add tagPatternList, ["*"] for every tagged image')
    elif given > 1:
        reason = "A rule can specify either tagPrefixList or tagPatternList, not both."
        yield Fault(name, reason, "remove one of the lists")


def _wildcards(rule: Rule) -> Iterator[Fault]:
    for pattern in rule.selection.tag_pattern_list or ():
        if pattern.count("*") > MAX_WILDCARDS:
            reason = f"A pattern can have at most {MAX_WILDCARDS} wildcards, this one has more: {pattern}"
            yield Fault(_name(rule), reason, f"use * at most {MAX_WILDCARDS} times in a pattern")


def _storage(rule: Rule) -> Iterator[Fault]:
    """Which countType goes with which storage class and action (lifecycle_policy_parameters)."""
    name, kind, action = _name(rule), rule.selection.count_type, rule.action.type
    if kind is CountType.SINCE_IMAGE_TRANSITIONED:
        if rule.storage_class is not StorageClass.ARCHIVE:
            yield Fault(
                name, f"storageClass must be archive with countType={kind}.", "add storageClass archive"
            )
        if action is not ActionType.EXPIRE:
            yield Fault(name, f"Action must be expire with countType={kind}.", "make action.type expire")
        if rule.selection.count_number < MIN_ARCHIVE_DAYS:
            reason = f"countNumber must be at least {MIN_ARCHIVE_DAYS} with countType={kind}."
            yield Fault(name, reason, f"archived images stay {MIN_ARCHIVE_DAYS} days or more")
    elif rule.storage_class is not StorageClass.STANDARD:
        yield Fault(name, f"storageClass must be standard with countType={kind}.", "remove storageClass")
    if kind is CountType.SINCE_IMAGE_PULLED and action is not ActionType.TRANSITION:
        advice = "transition by this rule, and expire by another with sinceImageTransitioned"
        yield Fault(name, f"Action must be transition with countType={kind}.", advice)


def _priorities(rules: Sequence[Rule]) -> Iterator[Fault]:
    seen: set[int] = set()
    for rule in rules:
        if rule.rule_priority in seen:
            reason = f"rulePriority must be unique, more than one rule has {rule.rule_priority}."
            yield Fault("rules", reason, "give each rule a rulePriority of its own")
        seen.add(rule.rule_priority)


def _in_one_class(rules: Sequence[Rule]) -> Iterator[Fault]:
    """What the rules that select one storage class owe each other."""
    statuses = [rule.selection.tag_status for rule in rules]
    if TagStatus.ANY in statuses[:-1]:
        reason = "Rule for tagStatus=ANY must have the lowest priority per storage class"
        advice = "let it be one rule, with the highest rulePriority of those that select its storage class"
        yield Fault("rule for any", reason, advice)
    if statuses.count(TagStatus.UNTAGGED) > 1:
        reason = "Only one rule can select Untagged images per storage class."
        yield Fault("rules for untagged", reason, "choose a count or an age")
    first: dict[tuple[str, frozenset[str]], Rule] = {}
    for rule in rules:
        if rule.selection.tag_status is TagStatus.TAGGED:
            other = first.setdefault(_tag_set(rule.selection), rule)
            if other is not rule:
                reason = "Each rule must have a unique set of prefixes or patterns per storage class."
                yield Fault(f"{_name(other)} and {_name(rule)}", reason, "choose a count or an age")


def _tag_set(selection: Selection) -> tuple[str, frozenset[str]]:
    if selection.tag_pattern_list:
        return "patterns", frozenset(selection.tag_pattern_list)
    return "prefixes", frozenset(selection.tag_prefix_list or ())
