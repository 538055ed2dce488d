"""Tag families: the tags that one habit of naming makes, told by what they have in common.

A tag's family is the pattern that remains when everything that counts, dates or hashes becomes ``*``. It is written as
``tagPatternList`` writes patterns, and every tag matches the pattern of its own family:

    >>> [family(tag) for tag in ("v1.2.3", "pr-1204-3f2a1b9", "3.19-alpine3.20", "prod-2026-11-22T0900", "latest")]
    ['v*', 'pr-*', '*-alpine*', 'prod-*', 'latest']
"""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[A-Za-z0-9]+")
_HASH = re.compile(r"[0-9a-f]{7,}")
_STARS = re.compile(r"\*(?:[._-]*\*)+")


def family(tag: str) -> str:
    """The family of a tag, as a pattern."""
    return _STARS.sub("*", _WORD.sub(_generalised, tag))


def families(tags: Iterable[str]) -> frozenset[str]:
    """The families of an image's tags; none if it has no tag."""
    return frozenset(map(family, tags))


def _generalised(word: re.Match[str]) -> str:
    """A word up to its first digit, the rest as a star; a hash is a star from its beginning."""
    text = word[0]
    if _HASH.fullmatch(text):
        return "*"
    first_digit = next((place for place, character in enumerate(text) if character.isdecimal()), None)
    return text if first_digit is None else text[:first_digit] + "*"
