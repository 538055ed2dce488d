"""What lists of tags have to do with each other, whatever images there are.

A prefix is the pattern that ends with ``*``. One pattern implies another if every tag that matches the one matches the
other: that is so when the other matches the one's own text with each ``*`` read as a character that nothing
but a ``*`` can match.
"""

from collections.abc import Iterator, Sequence

from careen.lifecycle.rule import Rule, Selection, TagStatus
from careen.lifecycle.selection import WILDCARD, pattern_test
from careen.oci.names import is_tag

_ANYTHING = "\0"


def patterns(selection: Selection) -> tuple[str, ...]:
    """The entries of a rule's list, all as patterns."""
    prefixes = tuple(prefix + WILDCARD for prefix in selection.tag_prefix_list or ())
    return (selection.tag_pattern_list or ()) + prefixes


def implies(narrow: str, broad: str) -> bool:
    """Does every tag that matches ``narrow`` match ``broad``?"""
    return pattern_test(broad)(narrow.replace(WILDCARD, _ANYTHING))


def possible(pattern: str) -> bool:
    """Is there a tag that matches the pattern?"""
    # The shortest candidate fills each star with nothing; a star at the beginning may have to bring a first letter.
    bare = pattern.replace(WILDCARD, "")
    return is_tag(bare) or (pattern.startswith(WILDCARD) and is_tag("a" + bare)) or set(pattern) == {WILDCARD}


def identifies_something(rule: Rule) -> bool:
    """Can there be an image that the rule identifies?"""
    prefixes = rule.selection.tag_prefix_list or ()
    return all(WILDCARD not in prefix for prefix in prefixes) and all(map(possible, patterns(rule.selection)))


def redundant(selection: Selection) -> Iterator[tuple[str, str]]:
    """Pairs of an entry that adds nothing and the narrower entry of the list that implies it."""
    entries = patterns(selection)
    for position, broad in enumerate(entries):
        for other, narrow in enumerate(entries):
            same = implies(narrow, broad) and implies(broad, narrow)
            if other != position and implies(narrow, broad) and (not same or other < position):
                yield broad, narrow
                break


def covering(rule: Rule, higher: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules among ``higher`` that between them identify every image ``rule`` identifies; none if they do not.

    Args:
        rule: one that can identify an image.
        higher: rules of the same storage class that can, too.
    """
    tagged = [other for other in higher if other.selection.tag_status is TagStatus.TAGGED]
    if rule.selection.tag_status is TagStatus.TAGGED:
        return tuple(other for other in tagged if _within(patterns(rule.selection), other))[:1]
    if rule.selection.tag_status is TagStatus.ANY:
        untagged = [other for other in higher if other.selection.tag_status is TagStatus.UNTAGGED]
        every = [other for other in tagged if _within((WILDCARD,), other)]
        if untagged and every:
            return untagged[0], every[0]
    return ()


def within(rule: Rule, other: Rule) -> bool:
    """Does ``other`` identify every image that ``rule`` identifies?"""
    if other.selection.tag_status is TagStatus.ANY:
        return True
    if TagStatus.TAGGED in (rule.selection.tag_status, other.selection.tag_status):
        both = rule.selection.tag_status is other.selection.tag_status
        return both and _within(patterns(rule.selection), other)
    return rule.selection.tag_status is other.selection.tag_status


def _within(entries: Sequence[str], other: Rule) -> bool:
    return all(any(implies(entry, asked) for entry in entries) for asked in patterns(other.selection))
