"""What policies match with: ``*`` for any characters, ``?`` for one, and variables such as ``${aws:username}``.

    >>> team = Pattern.read("team-${aws:username}/*", wildcards=True, variables=True)
    >>> team.matches("team-alice/app", {"aws:username": ("alice",)})
    True

A variable stands for what the request says, letter for letter: a star in a user's name is a star. One that the request does not
have lets the pattern match nothing, unless it has a default, ``${aws:username, 'nobody'}``. ``${*}``, ``${?}`` and ``${$}`` are the
characters themselves (IAM user guide, "IAM policy elements: Variables and tags").
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
from operator import eq, methodcaller
from typing import NamedTuple

import re2

Context = Mapping[str, tuple[str, ...]]
"""What is known of a request: condition keys in small letters, such as ``aws:sourceip``, and their values."""


class Wildcard(Enum):
    """A character that stands for others."""

    ANY = "*"
    ONE = "?"


class Variable(NamedTuple):
    """``${key, 'default'}``."""

    key: str
    """In small letters."""
    default: str | None


Part = str | Wildcard | Variable
Test = Callable[[str], bool]

_TOKEN = re.compile(
    r"\$\{(?P<character>[*?$])\}|\$\{\s*(?P<key>[^{},'\s][^{},']*?)\s*(?:,\s*'(?P<default>[^']*)'\s*)?\}|(?P<wildcard>[*?])"
)
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True
_OPTIONS.never_capture = True


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of a policy that texts of a request are compared with."""

    parts: tuple[Part, ...]
    keys: frozenset[str]
    """What its variables ask of a request."""
    fold: bool
    """Whether capital and small letters are the same."""

    @classmethod
    def read(cls, text: str, *, wildcards: bool, variables: bool, fold: bool = False) -> "Pattern":
        """The pattern that a text is.

        Args:
            text: as it stands in the policy.
            wildcards: whether stars and question marks stand for others, or for themselves.
            variables: whether there may be variables; a document of version 2008-10-17 has none.
            fold: whether capital and small letters are the same.
        """
        parts = tuple(_parts(_folded(text, fold), wildcards=wildcards, variables=variables))
        keys = frozenset(part.key for part in parts if isinstance(part, Variable))
        return cls(parts, keys, fold)

    def matches(self, text: str, context: Context) -> bool:
        """Whether a whole text matches, in time linear in the text, whoever wrote the pattern."""
        parts = self._resolved(context)
        return parts is not None and _test(parts)(_folded(text, self.fold))

    def _resolved(self, context: Context) -> tuple[str | Wildcard, ...] | None:
        """The parts with values for variables; None if one has none."""
        resolved: list[str | Wildcard] = []
        for part in self.parts:
            if not isinstance(part, Variable):
                resolved.append(part)
                continue
            values = context.get(part.key, ())
            # A key with several values has none that could stand here.
            value = values[0] if len(values) == 1 else part.default
            if value is None:
                return None
            resolved.append(_folded(value, self.fold))
        return tuple(resolved)


def _folded(text: str, fold: bool) -> str:
    return text.casefold() if fold else text


def _parts(text: str, *, wildcards: bool, variables: bool) -> Iterable[Part]:
    position = 0
    for token in _TOKEN.finditer(text):
        wildcard = token["wildcard"]
        if not (wildcards if wildcard else variables):
            continue
        yield text[position : token.start()]
        position = token.end()
        if wildcard:
            yield Wildcard(wildcard)
        else:
            yield token["character"] or Variable(token["key"].lower(), token["default"])
    yield text[position:]


MAX_REMEMBERED = 512
"""Characters of a pattern that is kept compiled. That takes a hundred times its text, and a policy may have ten thousand: whoever
may write policies could fill the memory with them."""


def _test(parts: tuple[str | Wildcard, ...]) -> Test:
    length = sum(len(part) if isinstance(part, str) else 1 for part in parts)
    return _remembered(parts) if length <= MAX_REMEMBERED else _compiled(parts)


# Not in the pattern itself: a policy may have a thousand, which are needed for a moment.
@lru_cache(4096)
def _remembered(parts: tuple[str | Wildcard, ...]) -> Test:
    return _compiled(parts)


def _compiled(parts: tuple[str | Wildcard, ...]) -> Test:
    texts = [part for part in parts if part != ""]
    match texts:
        case [Wildcard.ANY]:
            return lambda _: True
        case [str(head), Wildcard.ANY]:
            return methodcaller("startswith", head)
    if not any(isinstance(part, Wildcard) for part in texts):
        return partial(eq, "".join(map(str, texts)))
    written = {Wildcard.ANY: ".*", Wildcard.ONE: "."}
    expression = "".join(written[part] if isinstance(part, Wildcard) else re2.escape(part) for part in texts)
    compiled = re2.compile(expression, _OPTIONS)
    return lambda text: compiled.fullmatch(text) is not None
