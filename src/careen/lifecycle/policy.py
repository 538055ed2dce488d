"""A lifecycle policy: reading the text ECR takes, writing the text ECR answers.

    >>> policy = parse(text)            # InvalidLifecyclePolicy carries ECR's message
    >>> [rule.rule_priority for rule in policy.rules]
    [1, 2]
    >>> canonical(policy)               # what GetLifecyclePolicy answers

A ``LifecyclePolicy`` that came from ``parse`` is one that ECR accepts.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from careen.lifecycle import constraints, grammar
from careen.lifecycle.grammar import Fault
from careen.lifecycle.rule import Action, Rule, Selection

__all__ = ["Action", "InvalidLifecyclePolicy", "LifecyclePolicy", "Rule", "Selection", "canonical", "parse"]

MIN_LENGTH = 100
MAX_LENGTH = 30_720
"""Characters of text (API model, ``LifecyclePolicyText``)."""

_UNREADABLE = "Could not map policyString into LifecyclePolicy."


class LifecyclePolicy(msgspec.Struct, frozen=True):
    """The rules of a repository, the highest priority first."""

    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.rules, key=lambda rule: rule.rule_priority))
        msgspec.structs.force_setattr(self, "rules", ordered)


class InvalidLifecyclePolicy(ValueError):
    """A text that is no lifecycle policy, with ECR's reason and, where we have one, advice of our own."""

    def __init__(self, reason: str, advice: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        """Where it is and what to change. Not part of ECR's message."""

    @property
    def message(self) -> str:
        """The complete message of ECR's InvalidParameterException."""
        return (
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
            f"'Lifecycle policy validation failure: {self.reason}'"
        )


def parse(text: str) -> LifecyclePolicy:
    """Read a policy document as PutLifecyclePolicy does.

    Checks go from the outside in: length, JSON, shape, then how the parts go together. All faults of the shape
    are told at once, of the rest the first.

    Raises:
        InvalidLifecyclePolicy: ECR would refuse the text.
    """
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        limits = f"{MIN_LENGTH} to {MAX_LENGTH} characters"
        raise InvalidLifecyclePolicy(f"The text must have {limits}, it has {len(text)}.")
    document = _decode(text)
    _refuse(list(grammar.faults(document)))
    policy = msgspec.convert(document, LifecyclePolicy)
    _refuse(list(islice(constraints.faults(policy.rules), 1)))
    return policy


def canonical(policy: LifecyclePolicy) -> str:
    """The policy as ECR answers it: compact JSON, rules by priority, only the properties that were sent."""
    return msgspec.json.encode(policy).decode()


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        advice = "; ".join(f"{fault.where or 'the policy'}: {fault.advice}" for fault in faults)
        raise InvalidLifecyclePolicy("\n".join(fault.reason for fault in faults), advice)


def _decode(text: str) -> Any:
    try:
        document = msgspec.json.decode(text.encode())
    # A lone surrogate cannot be encoded; nesting deeper than the decoder's stack is no policy either.
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as wrong:
        raise InvalidLifecyclePolicy(_UNREADABLE, str(wrong)) from None
    if not isinstance(document, dict):
        raise InvalidLifecyclePolicy(_UNREADABLE, "a policy is a JSON object with rules")
    return document
