"""Rules in words, for people who read a list of them and not their JSON.

deletes untagged images that were pushed more than 14 days ago
archives images tagged v* that nobody pulled for 90 days
takes tags pr-[0-9]+ off images after 14 days
keeps, in team-a/*, the newest 3 of every tag family
"""

from collections.abc import Iterator, Sequence

from careen.lifecycle.protection import ProtectionRule
from careen.lifecycle.rule import ActionType, CountType, Rule, Selection, StorageClass

_VERBS = {ActionType.EXPIRE: "deletes", ActionType.TRANSITION: "archives"}


def of_rule(rule: Rule) -> str:
    """What a rule of a policy, or of an extension document, does. Without a full stop."""
    selection, days = rule.selection, _days(rule.selection.count_number)
    if rule.action.type is ActionType.UNTAG:
        return f"takes tags {_tags_of(selection)} off {_plain(rule)} {_age(selection, days)}"
    verb = _VERBS[rule.action.type]
    if selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
        return f"{verb} all but the newest {selection.count_number:,} {_images(rule)}"
    return f"{verb} {_images(rule)} {_age(selection, days)}"


def of_protection(rule: ProtectionRule) -> str:
    """Which images a protection rule keeps. Without a full stop."""
    where = f", in {_any(rule.any_repository)}," if rule.any_repository else ""
    which = _all(list(_conditions(rule)))
    if rule.newest is None:
        return f"keeps{where} images that {which}"
    of_those = f" of images that {which}" if which else ""
    return f"keeps{where} the newest {rule.newest:,} of every tag family{of_those}"


def _conditions(rule: ProtectionRule) -> Iterator[str]:
    if rule.any_tag_pattern:
        yield f"are tagged {_any(rule.any_tag_pattern)}"
    if rule.any_tag_regex:
        yield f"have a tag that matches {_any(rule.any_tag_regex)}"
    if rule.semver_range is not None:
        yield f"have a version {rule.semver_range}"
    if rule.pulled_within_days is not None:
        yield f"were pulled within {_days(rule.pulled_within_days)}"
    if rule.pushed_within_days is not None:
        yield f"were pushed within {_days(rule.pushed_within_days)}"
    if rule.in_use:
        yield "are in use"
    if rule.signed:
        yield "are signed"
    for noun, pairs in (("label", rule.labels), ("annotation", rule.annotations)):
        for key, value in pairs.items():
            yield f"have the {noun} {key}={value}"


def _images(rule: Rule) -> str:
    selection = rule.selection
    untagged = "untagged " if selection.tag_status == "untagged" else ""
    tags = _tags_of(selection)
    tagged = f" tagged {tags}" if tags else " with a tag" if selection.tag_status == "tagged" else ""
    return f"{untagged}{_plain(rule)}{tagged}"


def _plain(rule: Rule) -> str:
    return "archived images" if rule.storage_class is StorageClass.ARCHIVE else "images"


def _tags_of(selection: Selection) -> str:
    """The list, whose entries must all be met."""
    prefixes = [f"{prefix}*" for prefix in selection.tag_prefix_list or ()]
    return _all(selection.tag_pattern_list or prefixes or selection.tag_regex_list or ())


def _age(selection: Selection, days: str) -> str:
    match selection.count_type:
        case CountType.SINCE_IMAGE_PUSHED:
            return f"that were pushed more than {days} ago"
        case CountType.SINCE_IMAGE_PULLED:
            return f"that nobody pulled for {days}"
        case CountType.SINCE_IMAGE_TRANSITIONED:
            return f"that were archived more than {days} ago"
        case CountType.SINCE_TAGGED:
            return f"after {days}"
        case CountType.IMAGE_COUNT_MORE_THAN:
            return f"beyond the newest {selection.count_number:,}"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _all(words: Sequence[str]) -> str:
    return " and ".join(words)


def _any(words: Sequence[str]) -> str:
    return " or ".join(words)
