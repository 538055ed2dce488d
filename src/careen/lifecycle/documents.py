"""Plans, forecasts and explanations as documents: what ``--json`` prints and what the ``careen`` service answers, member by member.

Members are ECR's where ECR has them. How a time is written is the caller's matter: text for people's files,
whatever the model says on the wire.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from careen.clock import Instant, isoformat_or_none
from careen.lifecycle.arrivals import Stream
from careen.lifecycle.blast import Limits, breaches
from careen.lifecycle.cost import DOLLARS_PER_GIB_MONTH, monthly_dollars
from careen.lifecycle.difference import Difference, tally
from careen.lifecycle.explain import Explanation, Finding
from careen.lifecycle.extension import ExtensionRule
from careen.lifecycle.forecast import Day, Forecast
from careen.lifecycle.narrate import finding_in_words, outlook
from careen.lifecycle.plan import Decision, Plan, Tally
from careen.lifecycle.plan_hash import plan_hash
from careen.lifecycle.protection import Protection
from careen.lifecycle.reason import keeper, label, reason
from careen.lifecycle.rule import Rule

Document = dict[str, Any]

Time = Callable[[Instant], Any]
"""Writes a time."""


def plan(of: Plan, time: Time) -> Document:
    """A decision for every image, in the order the images came."""
    return {
        "now": time(of.now),
        "planHash": plan_hash(of),
        "summary": summary(of),
        "deciders": deciders(of),
        "decisions": decisions(of, of.decisions),
    }


def deciders(of: Plan) -> list[Document]:
    """The same by what decides: a rule, the fate of a subject, or nothing, as no rule identifies the image."""
    found: dict[tuple[str, bool, Rule | None], list[Decision]] = {}
    for each in of.decisions:
        follows = each.follows is not None
        found.setdefault((each.action, follows, None if follows else each.rule), []).append(each)
    return [
        {"action": action, "rule": rule and label(rule), "follows": follows, **_tally(tally(some))}
        for (action, follows, rule), some in sorted(found.items(), key=lambda each: _precedence(*each[0]))
    ]


def _precedence(action: str, follows: bool, rule: Rule | None) -> tuple[object, ...]:
    return action, follows, rule is None, isinstance(rule, ExtensionRule), rule and rule.rule_priority


def decisions(of: Plan, some: Sequence[Decision]) -> list[Document]:
    """What happens to some of a plan's images; those acted on say as how manieth, 1 for the first."""
    orders = {each.image.digest: order for order, each in enumerate(of.acted_on, start=1)}
    return [decision(each, of.now) | _order(orders.get(each.image.digest)) for each in some]


def _order(order: int | None) -> Document:
    return {} if order is None else {"order": order}


def summary(of: Plan) -> Document:
    """How many images and bytes each action concerns."""
    return {action: _tally(tally) for action, tally in of.tallies.items()}


def difference(of: Difference, time: Time, *, limits: Limits, listed: int | None = None) -> Document:
    """What a change of rules changes, and the limits that the new plan exceeds.

    Args:
        of: the difference.
        time: writes a time.
        limits: what a plan may do unseen.
        listed: how many images each list has at most; None for all.
    """
    now, changed = of.new.now, [change.new for change in of.changed]
    document: Document = {
        "now": time(now),
        "planHash": plan_hash(of.new),
        "images": len(of.new.decisions),
        "share": of.share,
    }
    for name, concerned in (("doomed", of.doomed), ("saved", of.saved), ("changed", changed)):
        document[name] = [decision(each, now) for each in concerned[:listed]]
        document[f"{name}Total"] = _tally(tally(concerned))
    return document | {"breaches": [msgspec.to_builtins(each) for each in breaches(of.new, limits)]}


def forecast(
    of: Forecast,
    time: Time,
    streams: Sequence[Stream] | None = None,
    price: float = DOLLARS_PER_GIB_MONTH,
) -> Document:
    """What happens day by day, and what is lost on the way.

    Args:
        of: the forecast.
        time: writes a time.
        streams: the pushes that were replayed; None if there were none to be.
        price: US dollars for a GiB and a month.
    """
    document = {
        "now": time(of.now),
        "exactBytes": of.exact,
        "expired": of.expired,
        "freedBytes": of.freed,
        "freedDollarsPerMonth": monthly_dollars(of.freed, price),
        "days": [_day(each, time, price) for each in of.days],
        "losses": [
            {"family": each.family, "day": each.day, "at": time(each.at), **decision(each.decision, each.at)}
            for each in of.losses
        ],
        "risks": [
            {"day": each.day, "at": time(each.at), **decision(each.decision, each.at)} for each in of.risks
        ],
    }
    if streams is not None:
        document["streams"] = [
            {"families": each.families, "pushesPerDay": each.per_day} for each in streams if each.pushes
        ]
    return document


def _day(of: Day, time: Time, price: float) -> Document:
    return {
        "day": of.day,
        "at": time(of.at),
        "arrived": of.arrived,
        "expired": of.expired,
        "archived": of.archived,
        "freedBytes": of.freed,
        "freedDollarsPerMonth": monthly_dollars(of.freed, price),
        "storedImages": of.stored.images,
        "storedBytes": of.stored.size,
        "storedDollarsPerMonth": monthly_dollars(of.stored.size, price),
    }


def on_the_calendar(instant: Instant) -> Instant | None:
    """Writes a time for the wire; nothing for what lies beyond the calendar."""
    return None if isoformat_or_none(instant) is None else instant


def _tally(of: Tally) -> Document:
    return {"images": of.images, "imageSizeInBytes": of.size}


def decision(of: Decision, now: Instant) -> Document:
    """What happens to one image, and why. What only happens beyond ECR is a member only where it happens."""
    image = of.image
    document = {
        "imageDigest": image.digest,
        "imageTags": image.tags,
        "imageSizeInBytes": image.size,
        "action": of.action,
        "appliedRulePriority": of.rule_priority,
        "rule": None if of.rule is None else label(of.rule),
        "reason": reason(of, now),
    }
    if of.rule_priority is not None and isinstance(of.rule, ExtensionRule):
        document["appliedByExtension"] = True
    if of.untagged:
        document["untaggedTags"] = of.untagged
    return document


def explanations(now: Instant, of: Sequence[Explanation], time: Time) -> Document:
    """Everything that bears on some images at one time."""
    return {"now": time(now), "explanations": [explanation(each, time) for each in of]}


def explanation(of: Explanation, time: Time) -> Document:
    """Everything that bears on one image."""
    return decision(of.decision, of.now) | {
        "eligibleAt": None if of.eligible_at is None else time(of.eligible_at),
        "outlook": outlook(of),
        "newerImagesNeeded": of.newer_needed,
        "heldBy": of.held_by,
        "protection": None if of.protection is None else protection(of.protection, time),
        "follows": of.decision.follows,
        "rules": [finding(each, of.now) for each in of.findings],
    }


def protection(of: Protection, time: Time) -> Document:
    """What keeps an image. Who uses it is a member only where somebody does."""
    document = {
        "rule": None if of.rule is None else of.rule.name,
        "through": of.through,
        "reason": keeper(of),
    }
    uses = [
        {"consumer": pin.consumer, "source": pin.source, "lastSeenAt": time(pin.seen_at)} for pin in of.pins
    ]
    return document | ({"uses": uses} if uses else {})


def finding(of: Finding, now: Instant) -> Document:
    """What one rule says of an image."""
    identified, shielded_by = of.miss is None, of.shielded_by
    return {
        "rulePriority": of.rule.rule_priority,
        "extension": isinstance(of.rule, ExtensionRule),
        "identified": identified,
        "miss": of.miss,
        "tagMatches": [{"entry": match.entry, "imageTags": match.tags} for match in of.matches],
        "rank": of.alone.rank if identified else None,
        "identifiedImages": of.alone.identified if identified else None,
        "due": of.due,
        "shieldedByRulePriority": None if shielded_by is None else shielded_by.rule_priority,
        "finding": finding_in_words(of, now),
    }
