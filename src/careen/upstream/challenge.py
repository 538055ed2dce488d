"""What a registry asks for in ``WWW-Authenticate`` (RFC 9110, section 11.6.1)."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"\s*({_WORD})(?=\s|,|$)(?!\s*=)[ \t]*")
_PARAMETER = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))\s*')
_SEPARATORS = re.compile(r"[\s,]*")


class Challenge(NamedTuple):
    """One way to authenticate."""

    scheme: str
    """In small letters: ``basic``, ``bearer``."""
    parameters: dict[str, str]
    """By names in small letters: ``realm``, ``service``, ``scope``."""


def parse(headers: Iterable[str]) -> list[Challenge]:
    """Read the values of the header, each of which may hold several challenges. What cannot be read ends its value."""
    challenges = []
    for value in headers:
        position = _skip(value, 0)
        while found := _SCHEME.match(value, position):
            position = found.end()
            parameters: dict[str, str] = {}
            while each := _PARAMETER.match(value, _skip(value, position)):
                name, quoted, bare = each.groups()
                parameters[name.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                position = each.end()
            challenges.append(Challenge(found[1].lower(), parameters))
            position = _skip(value, position)
    return challenges


def _skip(value: str, position: int) -> int:
    found = _SEPARATORS.match(value, position)
    return found.end() if found else position
