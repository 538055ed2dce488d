"""Carrying marks out on paper: in which order, what an index holds back, and what follows its subject.

ECR acts on the oldest image first and refuses to delete or archive an image while an index that lists it is
there: the attempt fails with ImageReferencedByManifestList, nothing is taken in its stead, and the next
evaluation tries again (user guide, LifecyclePolicies and logging-using-cloudtrail). Artifacts follow their
subject (LifecyclePolicies, first evaluation rule).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from careen.lifecycle.image import ImageStatus
from careen.lifecycle.plan import Action
from careen.lifecycle.roster import Roster
from careen.lifecycle.rule import ActionType, Rule

_EXPIRE = ActionType.EXPIRE
FAILED = (Action.BLOCKED, Action.PROTECTED)
"""After these an image is what it was."""
_BLOCKED, _PROTECTED = FAILED
_UNTAG = Action.UNTAG
_ACTIONS = {
    ActionType.EXPIRE: Action.EXPIRE,
    ActionType.TRANSITION: Action.TRANSITION,
    ActionType.UNTAG: Action.UNTAG,
}


class Outcome(NamedTuple):
    """How the attempt on an image ended."""

    action: Action
    rule: Rule
    """The rule that marks the image, or its subject."""
    blocked_by: str | None = None
    """The digest of the index that held it."""

    @property
    def failed(self) -> bool:
        """Whether the image is what it was."""
        return self.action in FAILED


def success(rule: Rule) -> Outcome:
    """How an attempt ends when nothing is in the way of the rule."""
    return Outcome(_ACTIONS[rule.action.type], rule)


def execute(
    repository: Roster, marks: Mapping[int, Outcome], protected: Collection[int] = ()
) -> Mapping[int, Outcome]:
    """Carry marks out, in the order given.

    Args:
        repository: the images as they are.
        marks: an image's number, and the :func:`success` of the rule that marks it.
        protected: the numbers of images that stay as they are.

    Returns:
        The outcome for each image on which something was tried, in the order of trying.
    """
    if not (protected or repository.indexes or repository.referrers):
        # Nothing can be in the way, and nothing follows: as in most repositories.
        return marks
    execution = _Execution(repository, protected)
    for number, intended in marks.items():
        followers = execution.attempt(number, intended)
        if followers:
            execution.cascade(followers, intended.rule)
    return execution.outcomes


class _Execution:
    """A repository in the course of one run: what it was, and what has become of it."""

    def __init__(self, repository: Roster, protected: Collection[int]) -> None:
        self._repository = repository
        self._protected = protected
        self.outcomes: dict[int, Outcome] = {}

    def attempt(self, number: int, intended: Outcome) -> Sequence[int]:
        """Act on an image unless it is protected or an index holds it. Returns what now follows the image."""
        action, rule, _ = intended
        if number in self._protected:
            self.outcomes[number] = Outcome(_PROTECTED, rule)
            return ()
        if action is _UNTAG:
            self.outcomes[number] = intended
            return ()
        for index in self._repository.indexes.get(number, ()):
            if self._holds(index, rule.action.type):
                held_by = self._repository.images[index].digest
                self.outcomes[number] = Outcome(_BLOCKED, rule, held_by)
                return ()
        self.outcomes[number] = intended
        return self._repository.referrers.get(number, ())

    def cascade(self, followers: Sequence[int], rule: Rule) -> None:
        """Let the followers go where their subject went, each before those that refer to it in turn."""
        waiting = list(reversed(followers))
        while waiting:
            number = waiting.pop()
            # An artifact has one subject, so it is reached once, and no circle is reached at all.
            if self._can(number, rule.action.type):
                waiting += reversed(self.attempt(number, Outcome(Action.CASCADE, rule)))

    def _can(self, number: int, effect: ActionType) -> bool:
        """Whatever is there can be deleted; only what is active can be archived."""
        return effect is _EXPIRE or self._repository.images[number].status == ImageStatus.ACTIVE

    def _holds(self, index: int, effect: ActionType) -> bool:
        """An index holds its children while it is there; in the archive it lets them follow, not be deleted."""
        outcome = self.outcomes.get(index)
        done = None if outcome is None or outcome.failed else outcome.rule.action.type
        if done is _EXPIRE:
            return False
        archived = (
            done is ActionType.TRANSITION or self._repository.images[index].status == ImageStatus.ARCHIVED
        )
        return effect is _EXPIRE or not archived
