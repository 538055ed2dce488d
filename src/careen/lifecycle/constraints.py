"""What a policy's shape cannot say: how the parts of a rule go together, and the rules of a policy.

ECR checks these by hand after the schema. Where its sentence is public it is used word for word; the others
are ours. Sources: ECR user guide, pages LifecyclePolicies, lifecycle_policy_parameters,
lifecycle_policy_examples and service-quotas.
"""

from collections.abc import Iterator, Sequence

from careen.lifecycle.rule import ActionType, CountType, Rule, Selection, StorageClass, TagStatus

MAX_RULES = 50
MAX_WILDCARDS = 4
MIN_ARCHIVE_DAYS = 90
"""The minimum storage duration of the archive class; no policy may delete earlier."""


def broken(rules: Sequence[Rule]) -> Iterator[str]:
    """Every constraint the rules break, as sentences: of each rule by itself, then of all together."""
    if len(rules) > MAX_RULES:
        yield f"A policy can have at most {MAX_RULES} rules, this one has {len(rules)}."
    for rule in rules:
        yield from _lists(rule)
        yield from _wildcards(rule)
        yield from _storage(rule)
    yield from _priorities(rules)
    for storage_class in StorageClass:
        yield from _in_one_class([rule for rule in rules if rule.storage_class is storage_class])


def _lists(rule: Rule) -> Iterator[str]:
    """An empty list counts as none: Terraform's provider, for one, takes the two for the same policy."""
    selection = rule.selection
    given = bool(selection.tag_pattern_list) + bool(selection.tag_prefix_list)
    if selection.tag_status is not TagStatus.TAGGED and given:
        yield f"Rule {rule.rule_priority} can have tagPrefixList or tagPatternList only when tagStatus=TAGGED."
    elif selection.tag_status is TagStatus.TAGGED and given == 0:
        yield "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED."
    elif given > 1:
        yield f"Rule {rule.rule_priority} can have a tagPrefixList or a tagPatternList, not both."


def _wildcards(rule: Rule) -> Iterator[str]:
    for pattern in rule.selection.tag_pattern_list or ():
        if pattern.count("*") > MAX_WILDCARDS:
            yield f"Pattern '{pattern}' of rule {rule.rule_priority} has more than {MAX_WILDCARDS} wildcards."


def _storage(rule: Rule) -> Iterator[str]:
    """Which countType goes with which storage class and action (lifecycle_policy_parameters)."""
    name, kind = f"Rule {rule.rule_priority}", rule.selection.count_type
    archived = kind is CountType.SINCE_IMAGE_TRANSITIONED
    if archived and rule.storage_class is not StorageClass.ARCHIVE:
        yield f"{name} must have storageClass=archive, as countType={kind} looks at archived images."
    elif not archived and rule.storage_class is not StorageClass.STANDARD:
        yield f"{name} must have storageClass=standard or none, as countType={kind} looks at standard images."
    if archived and rule.action.type is not ActionType.EXPIRE:
        yield f"{name} can only expire, as countType={kind} looks at images that are archived already."
    if archived and rule.selection.count_number < MIN_ARCHIVE_DAYS:
        yield f"{name} must have a countNumber of {MIN_ARCHIVE_DAYS} or more: the archive keeps images that long."
    if kind is CountType.SINCE_IMAGE_PULLED and rule.action.type is ActionType.EXPIRE:
        yield f"{name} can only transition, as countType={kind} cannot be used to expire images."


def _priorities(rules: Sequence[Rule]) -> Iterator[str]:
    seen: set[int] = set()
    for rule in rules:
        if rule.rule_priority in seen:
            yield f"rulePriority must be unique, but {rule.rule_priority} is given to more than one rule."
        seen.add(rule.rule_priority)


def _in_one_class(rules: Sequence[Rule]) -> Iterator[str]:
    """What the rules that select one storage class owe each other."""
    lowest = max((rule.rule_priority for rule in rules), default=0)
    anys = [rule.rule_priority for rule in rules if rule.selection.tag_status is TagStatus.ANY]
    if len(anys) > 1 or any(priority != lowest for priority in anys):
        yield "Rule for tagStatus=ANY must have the lowest priority per storage class"
    if sum(rule.selection.tag_status is TagStatus.UNTAGGED for rule in rules) > 1:
        yield "Only one rule can select Untagged images per storage class."
    first: dict[tuple[str, frozenset[str]], int] = {}
    for rule in rules:
        if rule.selection.tag_status is TagStatus.TAGGED:
            earlier = first.setdefault(_tag_set(rule.selection), rule.rule_priority)
            if earlier != rule.rule_priority:
                yield (
                    f"Rules {earlier} and {rule.rule_priority} have the same set of prefixes or patterns,"
                    " which must be unique per storage class."
                )


def _tag_set(selection: Selection) -> tuple[str, frozenset[str]]:
    if selection.tag_pattern_list:
        return "patterns", frozenset(selection.tag_pattern_list)
    return "prefixes", frozenset(selection.tag_prefix_list or ())
