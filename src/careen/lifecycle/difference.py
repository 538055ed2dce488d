"""What a change of rules changes: two plans for the same images, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from careen.lifecycle.plan import Decision, Plan, Tally


@dataclass(frozen=True)
class Change:
    """An image whose fate changes."""

    old: Decision
    new: Decision


@dataclass(frozen=True)
class Difference:
    """The images that a change of rules concerns; all others have the same fate under both plans."""

    old: Plan
    new: Plan
    doomed: Sequence[Decision]
    """Acted on by the new plan alone, in the order the new plan does it."""
    saved: Sequence[Decision]
    """Acted on by the old plan alone: the new plan's decisions, in the order the old plan would have done it."""
    changed: Sequence[Change]
    """Acted on by both, but not with the same effect, or by another rule; in the new plan's order."""

    @property
    def share(self) -> float:
        """The newly doomed images as a part of all, 0 to 1; 0 of an empty repository."""
        return len(self.doomed) / len(self.new.decisions) if self.new.decisions else 0.0


def difference(old: Plan, new: Plan) -> Difference:
    """Compare two plans.

    Args:
        old: what holds.
        new: what would hold, for the same images in any order.

    Raises:
        ValueError: the plans are not for the same images.
    """
    before = {decision.image.digest: decision for decision in old.decisions}
    after = {decision.image.digest: decision for decision in new.decisions}
    if before.keys() != after.keys():
        raise ValueError("the plans are for different images")
    doomed = []
    changed = []
    for decision in new.acted_on:
        other = before[decision.image.digest]
        if other.effect is None:
            doomed.append(decision)
        elif not _same(other, decision):
            changed.append(Change(other, decision))
    saved = [after[each.image.digest] for each in old.acted_on if after[each.image.digest].effect is None]
    return Difference(old, new, doomed, saved, changed)


def tally(decisions: Sequence[Decision]) -> Tally:
    """How many images, and the sum of their sizes."""
    return Tally(len(decisions), sum(decision.image.size for decision in decisions))


def _same(old: Decision, new: Decision) -> bool:
    """Whether an image meets the same fate, by a rule that says the same (its number may be another)."""
    return (
        old.effect is new.effect
        and old.untagged == new.untagged
        and (old.rule is None or new.rule is None or old.rule.selection == new.rule.selection)
    )
