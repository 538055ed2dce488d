"""What a policy makes of a repository's images at one instant: a decision for each of them.

A plan is a value. Printing it is the dry run; carrying it out is doing what ``acted_on`` says, in that order.
Decisions keep what they were made from instead of a text, so that a hundred thousand of them stay cheap;
``reason.reason`` puts one into words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.image import Image
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.protection import Protection
from careen.lifecycle.rule import ActionType, Rule


class Action(StrEnum):
    """What is decided for an image; what a rule asks for is ``rule.Action``."""

    EXPIRE = "EXPIRE"
    TRANSITION = "TRANSITION"
    CASCADE = "CASCADE"
    """It goes where its subject goes, right after it."""
    BLOCKED = "BLOCKED"
    """A rule marks it, but an index that lists it is still there at its turn."""
    UNTAG = "UNTAG"
    """Beyond ECR: it loses tags and stays."""
    PROTECTED = "PROTECTED"
    """Beyond ECR: a rule marks it, but it is protected."""
    KEEP = "KEEP"


ACTED_ON = frozenset({Action.EXPIRE, Action.TRANSITION, Action.CASCADE, Action.UNTAG})


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What happens to one image, and what that was decided from."""

    image: Image
    action: Action
    rule_priority: int | None = None
    """``appliedRulePriority``: of the rule that marks the image, of whichever document. None if it is kept or
    follows its subject."""
    rule: Rule | None = None
    """The rule of highest priority that identifies the image: the only one that may act on it, if it does or
    not. For an image that follows its subject: the rule that acts on the subject."""
    rank: int = 0
    """Its place among the images which ``rule`` identifies, 1 for the youngest. 0: none does."""
    identified: int = 0
    """How many images ``rule`` identifies."""
    shielded_from: Rule | None = None
    """The rule that would act on the image, had ``rule`` not identified it first and kept it."""
    blocked_by: str | None = None
    """The digest of an index that lists it and was still there at its turn."""
    follows: str | None = None
    """The digest of its subject, if that is in the repository: it goes where the subject goes."""
    protected_by: Protection | None = None
    """What keeps the image, although ``rule`` marks it."""
    untagged: tuple[str, ...] = ()
    """The tags it loses."""

    @property
    def effect(self) -> ActionType | None:
        """What an executor does to the image, None if nothing."""
        return self.rule.action.type if self.rule is not None and self.action in ACTED_ON else None


class Tally(NamedTuple):
    """Some images and their size."""

    images: int
    size: int
    """Sum of the images' own sizes in bytes. Layers they share count once for each: storage frees less."""


@dataclass(frozen=True)
class Plan:
    """One evaluation of a policy."""

    policy: LifecyclePolicy
    now: Instant
    decisions: Sequence[Decision]
    """One for each image, in the order the images came."""
    acted_on: Sequence[Decision]
    """Those that change something, in the order to do them: oldest first, followers right after their subject."""
    beyond: Beyond = NOTHING
    """What stood beside the policy."""
    protected: Mapping[str, Protection] = field(default_factory=dict)
    """By digest: every image that is protected, marked or not."""

    @cached_property
    def tallies(self) -> Mapping[Action, Tally]:
        """How many images and bytes each action concerns."""
        counts = dict.fromkeys(Action, 0)
        sizes = dict.fromkeys(Action, 0)
        for decision in self.decisions:
            counts[decision.action] += 1
            sizes[decision.action] += decision.image.size
        return {action: Tally(counts[action], sizes[action]) for action in Action}
