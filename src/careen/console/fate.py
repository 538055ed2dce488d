"""What the lifecycle rules make of an image, in the few words that a row of a list has."""

from typing import NamedTuple

from careen.clock import Instant, isoformat_or_none
from careen.console import words
from careen.lifecycle.explain import Explanation
from careen.lifecycle.extension import ExtensionRule
from careen.lifecycle.narrate import outlook
from careen.lifecycle.plan import ACTED_ON, Action
from careen.lifecycle.protection import Protection
from careen.lifecycle.reason import SHORT, keeper, measured, reason
from careen.lifecycle.rule import ActionType, Rule
from careen.registry.trash import RESTORED

_ACTS = {
    ActionType.EXPIRE: "goes",
    ActionType.TRANSITION: "goes to the archive",
    ActionType.UNTAG: "loses tags",
}


class Fate(NamedTuple):
    """What becomes of an image."""

    text: str
    """``goes on 3 Dec 2026, by rule 2``."""
    why: str
    """The engine's own sentences."""
    tone: str
    """How it is marked: ``danger`` goes with the next run, ``warning`` on a day, ``success`` is kept whatever rules say; else
    ``secondary``."""


def fate(of: Explanation) -> Fate:
    """The fate of an image that has been explained."""
    why = f"{reason(of.decision, of.now)}; {outlook(of)}"
    decision, at = of.decision, of.eligible_at
    if decision.action in ACTED_ON and decision.rule is not None:
        act = (
            "loses " + " and ".join(decision.untagged)
            if decision.untagged
            else _ACTS[decision.rule.action.type]
        )
        return Fate(f"{act} with the next run, by {_name(decision.rule)}", why, "danger")
    if decision.action is Action.PROTECTED or of.protection is not None:
        return Fate(f"protected: {_keeper(of.protection or decision.protected_by)}", why, "success")
    if decision.action is Action.BLOCKED:
        return Fate(f"stays as long as index {(decision.blocked_by or '')[:SHORT]} does", why, "secondary")
    if decision.follows is not None:
        return Fate(f"stays with {decision.follows[:SHORT]}", why, "secondary")
    if of.rule is None or decision.rule is None:
        return Fate("kept: no rule identifies it", why, "secondary")
    if at is not None and _is_on_the_calendar(at):
        return Fate(f"{_ACTS[of.rule.action.type]} on {words.day(at)}, by {_name(of.rule)}", why, "warning")
    return Fate(
        f"kept by {_name(decision.rule)}: {measured(decision, decision.rule, of.now)}", why, "secondary"
    )


def _keeper(protection: Protection | None) -> str:
    """Shorter than :func:`careen.lifecycle.reason.keeper`, which says when it was seen."""
    if protection is None or protection.rule is not None or not protection.pins:
        return keeper(protection)
    users = [pin.consumer for pin in protection.pins if pin.source != RESTORED]
    if not users:
        return "it was brought back from the trash"
    others = f" and {words.plural(len(users) - 1, 'other')}" if users[1:] else ""
    needs = "" if protection.through is None else f", through {words.short_digest(protection.through)}"
    return f"in use by {users[0]}{others}{needs}"


def _name(rule: Rule) -> str:
    return f"{'extension rule' if isinstance(rule, ExtensionRule) else 'rule'} {rule.rule_priority}"


def _is_on_the_calendar(instant: Instant) -> bool:
    return isoformat_or_none(instant) is not None
