"""Policies in words, rule by rule: so that what changes is a line of its own."""

from difflib import ndiff

from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.reason import VERBS, label
from careen.lifecycle.rule import CountType, Rule


def sentence(rule: Rule) -> str:
    """``rule 1 (untagged): expire what was pushed more than 14 days ago``."""
    number, verb = rule.selection.count_number, VERBS[rule.action.type]
    days = "1 day" if number == 1 else f"{number:,} days"
    match rule.selection.count_type:
        case CountType.IMAGE_COUNT_MORE_THAN:
            what = f"keep the newest {number:,}, {verb} the others"
        case CountType.SINCE_IMAGE_PULLED:
            what = f"{verb} what was not pulled for {days}"
        case CountType.SINCE_IMAGE_TRANSITIONED:
            what = f"{verb} what was archived more than {days} ago"
        case _:
            what = f"{verb} what was pushed more than {days} ago"
    return f"{label(rule)}: {what}"


def changed(old: LifecyclePolicy, new: LifecyclePolicy) -> list[str]:
    """The rules of both, each behind ``-``, ``+`` or a blank, as a difference shows lines."""
    before, after = ([sentence(rule) for rule in policy.rules] for policy in (old, new))
    return [line for line in ndiff(before, after) if not line.startswith("?")]
