"""Does a rule's description say what its numbers say?

Only two kinds of phrase are read: a duration (``10 days``, ``a week``), and a number after a word such as keep or
newest. A description that states the rule's own number anywhere is taken at its word.
"""

import re

from careen.lifecycle.rule import CountType, Rule

_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBER = rf"(\d+|{'|'.join(_WORDS)})"
_DURATION = re.compile(rf"\b(?:{_NUMBER}|an?)[ -](day|week|month|year)s?\b", re.IGNORECASE)
_COUNT = re.compile(
    rf"\b(?:keeps?|last|newest|latest|only|recent|retain|more than) {_NUMBER}\b"
    r"(?![.\d%*-]|,\d| (?:day|week|month|year|hour|hundred|thousand))",
    re.IGNORECASE,
)
_DAYS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "year": (365, 366)}


def contradiction(rule: Rule) -> str | None:
    """What the description says and the rule does not, as a sentence; None if they agree or it says nothing."""
    text, number = rule.description or "", rule.selection.count_number
    counts = [_number(match[1]) for match in _COUNT.finditer(text)]
    durations = list(_DURATION.finditer(text))
    if rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN:
        if counts and number not in counts:
            return f"the description says {counts[0]} images, the rule counts {number}"
        if "older than" in text.lower() and durations and not counts:
            return f"the description says {durations[0][0]}, the rule counts {number} images"
        return None
    if durations and not any(_spans(match, number) for match in durations):
        return f"the description says {durations[0][0]}, the rule {number} days"
    if counts and not durations:
        return f"the description says {counts[0]} images, the rule goes by an age of {number} days"
    return None


def _number(word: str | None) -> int:
    """The value of a number, or of the article before a unit."""
    if word is None:
        return 1
    return int(word) if word.isdecimal() else _WORDS.index(word.lower()) + 1


def _spans(duration: re.Match[str], days: int) -> bool:
    least, most = _DAYS[duration[2].lower()]
    count = _number(duration[1])
    return least * count <= days <= most * count
