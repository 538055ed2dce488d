"""What a look found."""

from dataclasses import dataclass
from enum import IntEnum


class Verdict(IntEnum):
    """How bad it is. The worst is the exit status of ``careen doctor``."""

    OK = 0
    WARNING = 1
    """It works, and will not for long, or not as somebody may think."""
    PROBLEM = 2
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them."""

    check: str
    """What was looked at, in a word or two."""
    verdict: Verdict
    message: str
    """How it is."""
    advice: str = ""
    """What to do; empty if there is nothing to do."""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """See :attr:`Verdict.WARNING`."""
    return Finding(check, Verdict.WARNING, message, advice)


def problem(check: str, message: str, advice: str) -> Finding:
    """See :attr:`Verdict.PROBLEM`."""
    return Finding(check, Verdict.PROBLEM, message, advice)
