"""What the linter says: a finding, and the code it is an instance of."""

from enum import StrEnum

import msgspec

from careen.lifecycle.rule import Rule


class Severity(StrEnum):
    """How sure it is that something is wrong, in SARIF's words for levels."""

    ERROR = "error"
    """The rule cannot do what any author could have meant."""
    WARNING = "warning"
    """A fact about these images, or a contradiction in the text, that somebody should look at."""
    NOTE = "note"
    """How ECR reads the rule, where people have read it otherwise."""


class Code(msgspec.Struct, frozen=True):
    """A kind of mistake. Names are stable: people list them in their pipelines."""

    name: str
    severity: Severity
    finds: str
    """What is found, as a noun phrase."""
    why: str
    """Why it matters."""
    source: str
    """Where in public that can be read."""
    mend: str
    """What to change."""
    needs_images: bool = False


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One mistake in one policy."""

    code: str
    severity: Severity
    rule_priority: int | None
    """None if it is the policy as a whole."""
    sentence: str
    """What was found, without a full stop."""
    advice: str
    """How to mend it."""


def found(code: Code, rule: Rule | None, sentence: str, advice: str | None = None) -> Finding:
    """An instance of ``code``; the advice is the code's unless there is better."""
    priority = None if rule is None else rule.rule_priority
    return Finding(code.name, code.severity, priority, sentence, advice or code.mend)
