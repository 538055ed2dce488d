"""Two policies as one: what a platform team wishes for all, put into what a repository has.

    its own                     the wish                    both
    1 tagged v*: keep 10        1 untagged: 7 days          1 tagged v*: keep 10
    2 untagged: 30 days         2 tagged pr-*: 14 days      2 untagged: 7 days
    3 any: keep 100                                         3 tagged pr-*: 14 days
                                                            4 any: keep 100

* A rule of the wish that asks for the same images as a rule of the repository's (the same storage class, ``tagStatus`` and
  list) takes its place, as ECR allows only one of the two. So merging a wish that was changed brings the change.
* The wish's other rules come behind the repository's: what a rule of its own identifies stays that rule's.
* A rule for ``any`` must be the last of its storage class, so the repository's moves behind what is added. Images that both it
  and an added rule identify are the only ones whose rule changes.
* Then ``rulePriority`` counts from 1. A policy that has all of the wish already stays as it is, its numbers too.
"""

from collections.abc import Sequence

import msgspec

from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import Rule, StorageClass, TagStatus


def merge(own: LifecyclePolicy, wish: LifecyclePolicy) -> LifecyclePolicy:
    """Put a wish into a repository's policy, as said above.

    Args:
        own: what the repository has.
        wish: what it is to have besides.

    Returns:
        What ECR accepts as far as its rules go together; it may be too long, or have too many rules.
    """
    wished = {_asks_for(rule): rule for rule in wish.rules}
    rules = [wished.pop(_asks_for(rule), rule) for rule in own.rules]
    rules += wished.values()
    # Stable: each storage class keeps its order, and so do those before its rule for any.
    rules.sort(key=lambda rule: rule.selection.tag_status is TagStatus.ANY)
    if _without_numbers(rules) == _without_numbers(own.rules):
        return own
    return LifecyclePolicy(
        tuple(msgspec.structs.replace(rule, rule_priority=number) for number, rule in enumerate(rules, 1))
    )


def _asks_for(rule: Rule) -> tuple[StorageClass, TagStatus, bool, frozenset[str]]:
    """Which images; of two rules for the same ones ECR refuses the second (see ``lifecycle.constraints``)."""
    selection = rule.selection
    entries = selection.tag_pattern_list or selection.tag_prefix_list or ()
    return rule.storage_class, selection.tag_status, bool(selection.tag_pattern_list), frozenset(entries)


def _without_numbers(rules: Sequence[Rule]) -> list[Rule]:
    return [msgspec.structs.replace(rule, rule_priority=0) for rule in rules]
