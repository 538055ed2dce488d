"""From when on evaluating a repository again may find something to do.

Almost always almost nothing is due. Whoever has evaluated a repository and found nothing to do need not look again
before :func:`next_due`, unless an image or a rule has changed: that is what makes a round over a large registry cheap.
"""

from collections.abc import Iterator, Sequence

from careen.clock import DAY, Instant
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.image import Image
from careen.lifecycle.plan import Action, Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import CountType, Rule
from careen.lifecycle.selection import tags_that_meet


def due_at(rule: Rule, image: Image) -> Instant | None:
    """The first instant at which a rule's age marks an image that it identifies; None if the rule counts."""
    selection = rule.selection
    match selection.count_type:
        case CountType.IMAGE_COUNT_MORE_THAN:
            return None
        case CountType.SINCE_IMAGE_PULLED:
            since = image.used_at
        case CountType.SINCE_TAGGED:
            put_on = dict(zip(image.tags, image.tagged_at, strict=True)) if image.tagged_at else {}
            since = min(put_on.get(tag, image.pushed_at) for tag in tags_that_meet(selection, image.tags))
        case _:
            since = image.entered_at
    # Exactly as old as the limit is not older.
    return since + selection.count_number * DAY + 1


def next_due(plan: Plan) -> Instant | None:
    """The earliest instant at which another evaluation may act, if nothing changes; never later than it would.

    Args:
        plan: one that acts on nothing.

    Returns:
        An instant after the plan's, or None: never by time alone.
    """
    return min((instant for instant in _instants(plan) if instant > plan.now), default=None)


def _instants(plan: Plan) -> Iterator[Instant]:
    if plan.beyond.extension.rules and plan.policy.rules:
        # Of an image that both documents identify a decision names one rule, and the other may act sooner.
        images = [decision.image for decision in plan.decisions]
        extension = Beyond(plan.beyond.extension)
        yield from _marks(evaluate(plan.policy, images, plan.now).decisions)
        yield from _marks(evaluate(LifecyclePolicy(()), images, plan.now, extension).decisions)
    else:
        yield from _marks(plan.decisions)
    if plan.tallies[Action.PROTECTED].images:
        yield from _ends_of_protection(plan)


def _marks(decisions: Sequence[Decision]) -> Iterator[Instant]:
    """When the rules that decide on images mark them by age."""
    for decision in decisions:
        if decision.rule is not None and decision.follows is None:
            instant = due_at(decision.rule, decision.image)
            if instant is not None:
                yield instant


def _ends_of_protection(plan: Plan) -> Iterator[Instant]:
    """When conditions on ages end to be met, of whatever image: one may keep another."""
    for rule in plan.beyond.protection:
        for decision in plan.decisions:
            image = decision.image
            if rule.pulled_within_days is not None and image.pulled_at is not None:
                yield image.pulled_at + rule.pulled_within_days * DAY + 1
            if rule.pushed_within_days is not None:
                yield image.pushed_at + rule.pushed_within_days * DAY + 1
