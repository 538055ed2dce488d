"""The rule that keeps what runs on plain ECR: the first of a policy, for tags ``in-use-…``, with a count that is never reached.

Why it holds. ECR lets every rule identify images by their tags, and lets no rule act on an image that a rule of higher priority
identifies (user guide, LifecyclePolicies: "An image that matches the tagging requirements of a rule cannot be expired or archived
by a rule with a lower priority"). This rule identifies every image with such a tag, marks none as long as there are no more than
:data:`COUNT` of them, and comes before all others. So nothing acts on them: neither what deletes nor what archives, as both
select the storage class ``standard``, in which this rule is. Nobody is shielded in the archive, whose images nobody can run.
"""

import msgspec

from careen.fleet.errors import FleetError
from careen.lifecycle import policy as policies
from careen.lifecycle.constraints import MAX_RULES
from careen.lifecycle.policy import Action, InvalidLifecyclePolicy, LifecyclePolicy, Rule, Selection
from careen.lifecycle.rule import ActionType, CountType, StorageClass, TagStatus

PREFIX = "in-use-"
COUNT = 9_999
"""Images of one repository that run. ECR publishes no upper bound of ``countNumber``; this one is in use, and accepted."""


class NoRoom(FleetError):
    """A policy cannot take the rule."""


def is_keep_rule(rule: Rule) -> bool:
    """Whether a rule keeps what has a tag ``in-use-…``, whoever wrote it."""
    return _is_about_our_tags(rule) and (
        rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN and rule.selection.count_number >= COUNT
    )


def with_keep_rule(policy: LifecyclePolicy) -> LifecyclePolicy:
    """The policy with the rule in the first place; as it is, if the rule is there.

    The others keep their priorities, unless one has the first: then it makes room, and whoever is in its way makes room for it.

    Raises:
        NoRoom: a policy of ECR's can have no rule more, or has one about these tags that does not keep them.
    """
    others = tuple(rule for rule in policy.rules if not is_keep_rule(rule))
    if len(others) < len(policy.rules) and policy.rules[0] not in others:
        return policy
    for rule in others:
        if _is_about_our_tags(rule):
            raise NoRoom(
                f"rule {rule.rule_priority} is about tags {PREFIX}… already, and does not keep them",
                "remove it, or give it a countNumber of 9999",
            )
    if len(others) >= MAX_RULES:
        raise NoRoom(f"the policy has {len(others)} rules, and ECR allows no more", "put rules together")
    made = LifecyclePolicy((_RULE, *_making_room(others)))
    try:
        return policies.parse(policies.canonical(made))
    except InvalidLifecyclePolicy as invalid:
        raise NoRoom(f"with the rule the policy is none: {invalid.reason}") from None


def as_kept(text: str | None, like: str | None) -> str | None:
    """A policy's text with the rule, if another policy has it: what becomes of policies does not concern what runs.

    Raises:
        NoRoom: the policy cannot take the rule.
    """
    if text is None or like is None or not _has_keep_rule(like):
        return text
    try:
        return policies.canonical(with_keep_rule(policies.parse(text)))
    except InvalidLifecyclePolicy:
        return text


def _has_keep_rule(text: str) -> bool:
    try:
        return any(map(is_keep_rule, policies.parse(text).rules))
    except InvalidLifecyclePolicy:
        return False


def _is_about_our_tags(rule: Rule) -> bool:
    selection = rule.selection
    return rule.storage_class is StorageClass.STANDARD and (
        set(selection.tag_prefix_list or ()) == {PREFIX}
        or set(selection.tag_pattern_list or ()) == {f"{PREFIX}*"}
    )


def _making_room(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules with the first priority free: those that follow on each other from 1 move by one."""
    moved, taken = [], 1
    for rule in rules:
        if rule.rule_priority == taken:
            taken += 1
            moved.append(msgspec.structs.replace(rule, rule_priority=taken))
        else:
            moved.append(rule)
    return tuple(moved)


_RULE = Rule(
    rule_priority=1,
    description="Keep what runs: careen fleet protect tags it",
    selection=Selection(
        tag_status=TagStatus.TAGGED,
        tag_prefix_list=(PREFIX,),
        count_type=CountType.IMAGE_COUNT_MORE_THAN,
        count_number=COUNT,
    ),
    action=Action(type=ActionType.EXPIRE),
)
