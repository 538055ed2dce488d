"""Tag families: the tags that one habit of naming makes, told by what they have in common.

A tag's family is the pattern that remains when everything that counts, dates or hashes becomes ``*``. It is written as
``tagPatternList`` writes patterns, and every tag matches the pattern of its own family:

    >>> [family(tag) for tag in ("v1.2.3", "pr-1204-3f2a1b9", "3.19-alpine3.20", "prod-2026-11-22T0900", "latest")]
    ['v*', 'pr-*', '*-alpine*', 'prod-*', 'latest']
"""

import hashlib
import re
from collections.abc import Iterable

_WORD = re.compile(r"[A-Za-z0-9]+")
_HASH = re.compile(r"[0-9a-f]{7,}")
_COUNTING = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{7,}(?![A-Za-z0-9])|[0-9][A-Za-z0-9]*")
"""A word that is a hash, or what a word has from its first digit on."""
_STARS = re.compile(r"\*(?:[._-]*\*)+")
_NUMBER = re.compile(r"[0-9]+")


def family(tag: str) -> str:
    """The family of a tag, as a pattern."""
    return _STARS.sub("*", _COUNTING.sub("*", tag))


def families(tags: Iterable[str]) -> frozenset[str]:
    """The families of an image's tags; none if it has no tag."""
    return frozenset(map(family, tags))


def counts(family: str) -> bool:
    """Whether a family has more than one tag."""
    return "*" in family


def following(tag: str) -> str:
    """The tag that may come after this one in its family: the last word that counts counts on, a hash is another hash.

    Args:
        tag: of a family that counts.
    """
    word = _last_to_count(tag)
    text = word[0]
    if _HASH.fullmatch(text) and not text.isdecimal():
        further = hashlib.sha256(text.encode()).hexdigest()[: len(text)]
    else:
        further = _NUMBER.sub(_one_more, text, count=1)
    made = tag[: word.start()] + further + tag[word.end() :]
    # abc999 counts on to abc1000, which reads as a hash.
    return made if family(made) == family(tag) else f"{tag[: word.end()]}-1{tag[word.end() :]}"


def stem(tag: str) -> str:
    """What tags that follow each other have in common: ``v1.4.*`` of ``v1.4.2``."""
    word = _last_to_count(tag)
    return tag[: word.start()] + _COUNTING.sub("*", word[0]) + tag[word.end() :]


def _last_to_count(tag: str) -> re.Match[str]:
    return [word for word in _WORD.finditer(tag) if _COUNTING.search(word[0])][-1]


def _one_more(number: re.Match[str]) -> str:
    return f"{int(number[0]) + 1:0{len(number[0])}}"
