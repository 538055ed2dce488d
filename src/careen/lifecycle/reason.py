"""A decision in words, for whoever asks at three in the morning why an image went, or why it is still there.

    expires: rule 1 (untagged), pushed 15.2 days ago, limit 14 days
    kept: rule 2 (tagged v*), 3rd youngest of 37, keeps 10; so rule 3 (any) may not expire it
    blocked: rule 1 (untagged) would expire it, but index sha256:4b27c83d44a1 still lists it
    protected: rule 3 (any) would expire it, but protection rule releases keeps it
    protected: rule 3 (any) would expire it, but it is in use by ecs/prod/web, seen 2026-11-22T00:00:00Z
    loses tmp-7: extension rule 1 (tagged tmp-*), limit 7 days since it was tagged

Sentences are made when asked for, never in advance.
"""

from collections.abc import Sequence

from careen.clock import DAY, SECOND, Instant, isoformat
from careen.lifecycle.extension import ExtensionRule
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.pin import Pin
from careen.lifecycle.plan import Action, Decision
from careen.lifecycle.protection import Protection
from careen.lifecycle.rule import ActionType, CountType, Rule, StorageClass

SHORT = len("sha256:") + 12
"""Characters of a digest that people compare."""

VERBS = {ActionType.EXPIRE: "expire", ActionType.TRANSITION: "archive", ActionType.UNTAG: "untag"}
_ACTS = {
    ActionType.EXPIRE: "expires",
    ActionType.TRANSITION: "goes to the archive",
    ActionType.UNTAG: "is untagged",
}


def reason(decision: Decision, now: Instant) -> str:
    """Why the image goes or stays, in one sentence without a full stop.

    Args:
        decision: of a plan.
        now: the plan's.
    """
    if decision.follows is not None:
        return _following(decision, decision.follows)
    if decision.rule is None:
        return f"kept: {_unidentified(decision.image)}"
    rule, name = decision.rule, label(decision.rule)
    if decision.action is Action.BLOCKED:
        return f"blocked: {name} would {VERBS[rule.action.type]} it, but {_holder(decision)}"
    if decision.action is Action.PROTECTED:
        return f"protected: {name} would {VERBS[rule.action.type]} it, but {keeper(decision.protected_by)}"
    why = f"{name}, {measured(decision, rule, now)}"
    if decision.action is Action.UNTAG:
        return f"loses {' and '.join(decision.untagged)}: {why}"
    if decision.action is not Action.KEEP:
        return f"{_ACTS[rule.action.type]}: {why}"
    other = decision.shielded_from
    if other is None:
        return f"kept: {why}"
    return f"kept: {why}; so {label(other)} may not {VERBS[other.action.type]} it"


def label(rule: Rule) -> str:
    """A rule's number and what it looks at: ``rule 2 (tagged alpha* and beta*)``."""
    selection = rule.selection
    looks_at = selection.tag_status.value
    if selection.tag_pattern_list:
        looks_at += f" {' and '.join(selection.tag_pattern_list)}"
    elif selection.tag_prefix_list:
        looks_at += f", prefix {' and '.join(selection.tag_prefix_list)}"
    elif selection.tag_regex_list:
        looks_at += f", regex {' and '.join(selection.tag_regex_list)}"
    if rule.storage_class is StorageClass.ARCHIVE:
        looks_at += ", archived"
    document = "extension rule" if isinstance(rule, ExtensionRule) else "rule"
    return f"{document} {rule.rule_priority} ({looks_at})"


def keeper(protection: Protection | None) -> str:
    """What keeps an image: ``protection rule releases keeps it``."""
    if protection is None:
        return "it is in use"
    if protection.rule is None and protection.through is None:
        return f"it is {_in_use(protection.pins)}"
    if protection.through is None and protection.rule is not None:
        return f"protection rule {protection.rule.name} keeps it"
    other = (protection.through or "")[:SHORT]
    if protection.rule is None:
        return f"{other} is {_in_use(protection.pins)} and needs it"
    return f"protection rule {protection.rule.name} keeps {other}, which needs it"


def _in_use(pins: Sequence[Pin]) -> str:
    """``in use by ecs/prod/web, seen 2026-11-22T00:00:00Z, and 2 others``."""
    if not pins:
        return "in use"
    latest, others = pins[0], len(pins) - 1
    more = f", and {others:,} {'other' if others == 1 else 'others'}" if others else ""
    return f"in use by {latest.consumer}, seen {isoformat(latest.seen_at // SECOND * SECOND)}{more}"


def _following(decision: Decision, subject: str) -> str:
    name = subject[:SHORT]
    if decision.rule is None:
        return f"kept: it stays with {name}, to which it refers"
    act = _ACTS[decision.rule.action.type]
    if decision.action is Action.BLOCKED:
        return f"blocked: {name}, to which it refers, {act}, but {_holder(decision)}"
    if decision.action is Action.PROTECTED:
        return f"protected: {name}, to which it refers, {act}, but {keeper(decision.protected_by)}"
    return f"follows: {name}, to which it refers, {act}"


def _unidentified(image: Image) -> str:
    if image.status == ImageStatus.ACTIVATING:
        return "it is on its way out of the archive, no rule identifies it until it is active"
    if image.storage_class is None:
        return "nobody knows since when it is archived, so no rule identifies it"
    return "no rule identifies it"


def _holder(decision: Decision) -> str:
    return f"index {(decision.blocked_by or '')[:SHORT]} still lists it"


def measured(decision: Decision, rule: Rule, now: Instant) -> str:
    """What the rule measured of the image, and its limit: ``pushed 15.2 days ago, limit 14 days``."""
    limit = rule.selection.count_number
    if rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
        return f"{_place(decision.rank)} of {decision.identified:,}, keeps {limit:,}"
    if rule.selection.count_type is CountType.SINCE_TAGGED:
        return f"limit {_days(limit)} since it was tagged"
    event, since = _event(decision.image, rule.selection.count_type)
    return f"{event} {_age(now - since, limit)} ago, limit {_days(limit)}"


def _event(image: Image, kind: CountType) -> tuple[str, Instant]:
    """What an age is measured from, and when that was."""
    if kind is CountType.SINCE_IMAGE_TRANSITIONED:
        return "archived", image.entered_at
    event = "pushed" if image.activated_at is None else "restored"
    if kind is CountType.SINCE_IMAGE_PUSHED:
        return event, image.entered_at
    if image.pulled_at is not None and image.used_at == image.pulled_at:
        return "last pulled", image.pulled_at
    return f"not pulled since it was {event}", image.used_at


def _age(age: Instant, limit: int) -> str:
    """Days, cut and not rounded: an age below the limit must not read as the limit, nor one above it."""
    tenths = max(age, 0) * 10 // DAY
    if tenths == limit * 10:
        return f"{'exactly' if age == limit * DAY else 'just over'} {_days(limit)}"
    return f"{tenths // 10}.{tenths % 10} days"


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _place(rank: int) -> str:
    if rank == 1:
        return "youngest"
    suffix = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{suffix} youngest"
