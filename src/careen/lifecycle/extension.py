"""Rules beyond ECR: a document of Careen's own beside the lifecycle policy, in the policy's own grammar.

It may say what ECR refuses:

- ``countType`` ``sinceImagePulled`` with ``expire``; an image that was never pulled counts from its push;
- ``tagRegexList``, regular expressions (RE2) that must match a whole tag; all must be met, as in every list;
- action ``untag`` takes the tags that meet the list off and leaves the image, with ``sinceTagged`` those that were
  put on it too long ago.

The two documents do not mix: an image goes if either takes it, each counts for itself, and no rule of one shields
from the other. If both act on an image, the policy does. What must stay is the business of protection rules.
"""

from collections.abc import Iterator, Sequence

import msgspec

from careen.lifecycle.constraints import MAX_RULES, MAX_WILDCARDS
from careen.lifecycle.policy import MAX_LENGTH, LifecyclePolicy
from careen.lifecycle.rule import ActionType, CountType, CountUnit, Rule, StorageClass, TagStatus
from careen.lifecycle.selection import InvalidRegex, regex_test


class ExtensionRule(Rule, frozen=True, kw_only=True):
    """A rule of an extension document."""


class ExtensionRules(LifecyclePolicy, frozen=True, forbid_unknown_fields=True):
    """The rules of an extension document, the highest priority first."""

    rules: tuple[ExtensionRule, ...] = ()


class InvalidExtensionRules(ValueError):
    """A text that is no extension document; the message says where and why."""


def parse(text: str) -> ExtensionRules:
    """Read an extension document.

    Raises:
        InvalidExtensionRules: it is none.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidExtensionRules(f"the text must have at most {MAX_LENGTH} characters, it has {len(text)}")
    try:
        document = msgspec.json.decode(text.encode(), type=ExtensionRules)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as wrong:
        raise InvalidExtensionRules(str(wrong)) from None
    for fault in _faults(document.rules):
        raise InvalidExtensionRules(fault)
    return document


def canonical(rules: ExtensionRules) -> str:
    """The document in compact JSON, rules by priority."""
    return msgspec.json.encode(rules).decode()


def _faults(rules: Sequence[Rule]) -> Iterator[str]:
    if len(rules) > MAX_RULES:
        yield f"a document can have at most {MAX_RULES} rules, this one has {len(rules)}"
    seen: set[int] = set()
    for rule in rules:
        name = f"rule {rule.rule_priority}"
        if rule.rule_priority in seen:
            yield f"rulePriority must be unique, more than one rule has {rule.rule_priority}"
        seen.add(rule.rule_priority)
        for fault in (*_numbers(rule), *_lists(rule), *_goes_together(rule)):
            yield f"{name}: {fault}"


def _numbers(rule: Rule) -> Iterator[str]:
    selection = rule.selection
    if rule.rule_priority < 1 or selection.count_number < 1:
        yield "rulePriority and countNumber must be 1 or more"
    counts = selection.count_type is CountType.IMAGE_COUNT_MORE_THAN
    if counts and selection.count_unit is not None:
        yield f"remove countUnit: {selection.count_type} takes none"
    if not counts and selection.count_unit is not CountUnit.DAYS:
        yield f'countUnit must be "days" with {selection.count_type}'


def _lists(rule: Rule) -> Iterator[str]:
    selection = rule.selection
    lists = (selection.tag_pattern_list, selection.tag_prefix_list, selection.tag_regex_list)
    given = sum(map(bool, lists))
    if selection.tag_status is TagStatus.TAGGED and given != 1:
        yield "with tagStatus tagged, give one of tagPatternList, tagPrefixList and tagRegexList"
    if selection.tag_status is not TagStatus.TAGGED and given:
        yield f"remove the list: it goes with tagStatus tagged, not with {selection.tag_status}"
    for pattern in selection.tag_pattern_list or ():
        if pattern.count("*") > MAX_WILDCARDS:
            yield f"use * at most {MAX_WILDCARDS} times in a pattern: {pattern}"
    for expression in selection.tag_regex_list or ():
        try:
            regex_test(expression)
        except InvalidRegex as wrong:
            yield str(wrong)


def _goes_together(rule: Rule) -> Iterator[str]:
    kind, action = rule.selection.count_type, rule.action
    if (action.type is ActionType.TRANSITION) != (action.target_storage_class is StorageClass.ARCHIVE):
        yield 'targetStorageClass must be "archive" with transition, and absent otherwise'
    if action.type is ActionType.UNTAG and rule.selection.tag_status is not TagStatus.TAGGED:
        yield "untag goes with tagStatus tagged: it takes off the tags that meet the list"
    if kind is CountType.SINCE_TAGGED and action.type is not ActionType.UNTAG:
        yield "sinceTagged goes with action untag: tags have that age, not images"
    archived = kind is CountType.SINCE_IMAGE_TRANSITIONED
    if archived != (rule.storage_class is StorageClass.ARCHIVE):
        yield "storageClass archive and sinceImageTransitioned go together"
    if archived and action.type is not ActionType.EXPIRE:
        yield "what is archived can only expire"
