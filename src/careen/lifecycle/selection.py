"""Which images a rule identifies, from their tags alone.

untagged: images without a tag. any: all. tagged: images that meet *every* entry of the rule's list, each with
any of their tags (ECR user guide, LifecyclePolicies). A prefix is literal. In a pattern ``*`` stands for any
characters or none, everything else for itself; the whole tag must match, and case counts.

All rules ask at once: every entry of every list has a bit, a tag's bits say which entries it meets, and two
images whose tags meet the same entries are identified by the same rules.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import eq, methodcaller
from typing import NamedTuple

import re2

from careen.lifecycle.rule import Rule, Selection, TagStatus

Test = Callable[[str], bool]
"""A question to one tag."""

WILDCARD = "*"


def prefix_test(prefix: str) -> Test:
    """Does a tag begin with the prefix?"""
    return methodcaller("startswith", prefix)


def pattern_test(pattern: str) -> Test:
    """Does a whole tag match the pattern? The answer takes time linear in the tag, whatever the pattern."""
    head, *rest = pattern.split(WILDCARD)
    if not rest:
        return partial(eq, pattern)
    *middle, tail = rest
    # Most patterns have one literal. They need no frame of Python.
    match head, [part for part in middle if part], tail:
        case head, [], "":
            return prefix_test(head)
        case "", [part], "":
            return methodcaller("__contains__", part)
        case "", [], tail:
            return methodcaller("endswith", tail)
        case head, parts, tail:
            return partial(_in_order, head, parts, tail)


def _in_order(head: str, middle: Sequence[str], tail: str, tag: str) -> bool:
    """Does the tag begin with the head, end with the tail, and have the rest in between, in this order?"""
    position, end = len(head), len(tag) - len(tail)
    if position > end or not tag.startswith(head) or not tag.endswith(tail):
        return False
    # Taking the leftmost place for each part leaves the most room for the next: no need to try again.
    for part in middle:
        found = tag.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


class InvalidRegex(ValueError):
    """An expression that is no regular expression, or not one of RE2's."""


_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def regex_test(expression: str) -> Test:
    """Does a whole tag match the regular expression? RE2 answers in time linear in the tag, whoever wrote it.

    Raises:
        InvalidRegex: it is none.
    """
    try:
        compiled = re2.compile(expression, _OPTIONS)
    except re2.error as wrong:
        raise InvalidRegex(f"RE2 knows no such regular expression: {expression} ({wrong})") from None
    return lambda tag: compiled.fullmatch(tag) is not None


class _Entry(NamedTuple):
    """One entry of a rule's list, and how tags that meet it begin and end."""

    head: str
    tail: str
    test: Test
    by_ends: bool = False
    """Whether every tag with this head and tail meets it."""


def _entries(selection: Selection) -> Iterator[_Entry]:
    for pattern in selection.tag_pattern_list or ():
        head, *rest = pattern.split(WILDCARD)
        tail = rest[-1] if rest else pattern
        yield _Entry(head, tail, pattern_test(pattern), by_ends=len(rest) == 1 and "" in (head, tail))
    for prefix in selection.tag_prefix_list or ():
        yield _Entry(prefix, "", prefix_test(prefix), by_ends=True)
    for expression in selection.tag_regex_list or ():
        yield _Entry("", "", regex_test(expression))


class TagMatch(NamedTuple):
    """One entry of a rule's list, and those of an image's tags that meet it."""

    entry: str
    tags: tuple[str, ...]


def entries_of(selection: Selection) -> tuple[str, ...]:
    """The entries of the rule's list, whichever list it has."""
    return selection.tag_pattern_list or selection.tag_prefix_list or selection.tag_regex_list or ()


def tags_that_meet(selection: Selection, tags: Sequence[str]) -> tuple[str, ...]:
    """The tags that meet at least one entry of the rule's list."""
    tests = [entry.test for entry in _entries(selection)]
    return tuple(tag for tag in tags if any(test(tag) for test in tests))


def tag_matches(selection: Selection, tags: Sequence[str]) -> tuple[TagMatch, ...]:
    """Which tags meet which entry of the rule's list, in the order of the list."""
    entries = entries_of(selection)
    tests = [entry.test for entry in _entries(selection)]
    return tuple(
        TagMatch(entry, tuple(filter(test, tags))) for entry, test in zip(entries, tests, strict=True)
    )


class Selector:
    """The rules of one storage class, asked together."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._statuses = [rule.selection.tag_status for rule in rules]
        self._entries: list[tuple[int, _Entry]] = []
        self._needs = [self._enter(rule.selection) for rule in rules]
        self._untagged = self._rules(TagStatus.UNTAGGED, 0)
        # What a tag's first character and an image's bits lead to, found when first asked for.
        self._candidates: dict[str, list[tuple[int, str, str, Test | None]]] = {}
        self._tagged: dict[int, tuple[int, ...]] = {}

    def identifying(self, tags: Sequence[str]) -> tuple[int, ...]:
        """The positions of the rules that identify an image with these tags, in order."""
        if not tags:
            return self._untagged
        met = 0
        for tag in tags:
            candidates = self._candidates.get(tag[:1])
            if candidates is None:
                candidates = self._candidates[tag[:1]] = self._candidates_for(tag[:1])
            for bit, head, tail, test in candidates:
                # Calling a test costs more than all the rest of this loop, and most entries need none.
                if tag.startswith(head) and tag.endswith(tail) and (test is None or test(tag)):
                    met |= bit
        rules = self._tagged.get(met)
        if rules is None:
            rules = self._tagged[met] = self._rules(TagStatus.TAGGED, met)
        return rules

    def _enter(self, selection: Selection) -> int:
        """Give each entry of a rule's list its bit. Returns all of them: what an image needs to meet."""
        need = 0
        for entry in _entries(selection):
            bit = 1 << len(self._entries)
            self._entries.append((bit, entry))
            need |= bit
        return need

    def _candidates_for(self, first: str) -> list[tuple[int, str, str, Test | None]]:
        """The entries that tags with this first character may meet: usually one or none of many."""
        return [
            (bit, entry.head, entry.tail, None if entry.by_ends else entry.test)
            for bit, entry in self._entries
            if entry.head[:1] in ("", first)
        ]

    def _rules(self, status: TagStatus, met: int) -> tuple[int, ...]:
        """The rules for images with tags or without, whose tags have met these entries."""
        wanted = (status, TagStatus.ANY)
        pairs = enumerate(zip(self._statuses, self._needs, strict=True))
        return tuple(rule for rule, (asked, need) in pairs if asked in wanted and met & need == need)
