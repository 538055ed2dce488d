"""Policies in words, rule by rule: so that what changes is a line of its own."""

from difflib import ndiff

from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import Rule
from careen.lifecycle.wording import of_rule


def sentence(rule: Rule) -> str:
    """``rule 1: deletes untagged images that were pushed more than 14 days ago``."""
    return f"rule {rule.rule_priority}: {of_rule(rule)}"


def changed(old: LifecyclePolicy, new: LifecyclePolicy) -> list[str]:
    """The rules of both, each behind ``-``, ``+`` or a blank, as a difference shows lines."""
    before, after = ([sentence(rule) for rule in policy.rules] for policy in (old, new))
    return [line for line in ndiff(before, after) if not line.startswith("?")]
