"""A decision in words."""

from careen.clock import Instant
from careen.lifecycle.plan import Decision


def reason(decision: Decision, now: Instant) -> str:
    """One sentence."""
    return f"{decision.action} {now}"
