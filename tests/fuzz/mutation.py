"""Ways in which a message goes wrong: by its bytes, by its text, by the shape of its JSON."""

import json
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

TOKENS: tuple[bytes, ...] = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\\ud800", b"\\u0000", b"%00", b"%ff", b"%zz", b"\r\n",
    b"\r\n\r\n", b"9" * 25, b"-1", b"1e400", b"NaN", b"0x1", b"[" * 2000, b"{" * 2000, b'{"a":' * 2000, b"*" * 200, b"?" * 200,
    b"(" * 100, b"${", b"${aws:username}", b"}", b"]", b'"', b"'", b"\\", b",", b":", b";", b"=", b"/", b"//", b"../", b"@", b" ",
    b"\t", b"null", b"true", b'""', b"{}", b"[]", b"bytes=", b"sha256:", b"Bearer ", b"arn:aws:", b"\xc2\xb2", b"\xd9\xa1",
)  # fmt: skip
"""What parsers stumble over."""

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**64, 1e308, 1.5, "", "*", "\0", "\u202e", "a" * 5000, "${aws:username}", [], {}, [[]], [None],
    {"": {}}, {"a": "b"}, ["*"] * 300,
)  # fmt: skip
"""What stands in the place of a member."""


class Edit(NamedTuple):
    """One change. Places are parts of the whole, in millionths, so that they are somewhere in every message."""

    kind: int
    at: int
    other: int


KINDS = 8
PARTS = 1_000_000

edits = st.lists(
    st.builds(Edit, st.integers(0, KINDS - 1), st.integers(0, PARTS - 1), st.integers(0, PARTS - 1)),
    max_size=6,
)
"""Some changes, for Hypothesis, which finds the fewest and the smallest that make a test fail."""


def some(random: Random) -> list[Edit]:
    """Some changes, quickly."""
    return [
        Edit(random.randrange(KINDS), random.randrange(PARTS), random.randrange(PARTS))
        for _ in range(random.choice((1, 1, 2, 3, 6)))
    ]


def changed(data: bytes, by: list[Edit], corpus: list[bytes]) -> bytes:
    """A message with some changes.

    Args:
        data: the message.
        by: the changes, one after the other.
        corpus: others, of which parts may be joined to it.
    """
    for edit in by:
        data = _changed(data, edit, corpus)
    return data


def _changed(data: bytes, edit: Edit, corpus: list[bytes]) -> bytes:
    start = edit.at * (len(data) + 1) // PARTS
    end = min(len(data), start + edit.other % 32)
    match edit.kind:
        case 0:  # a bit
            flipped = bytes(each ^ (1 << edit.other % 8) for each in data[start : start + 1])
            return data[:start] + flipped + data[start + 1 :]
        case 1:  # fewer
            return data[:start] + data[end:]
        case 2:  # twice
            return data[:end] + data[start:end] * (1 + edit.other % 7) + data[end:]
        case 3:  # cut off
            return data[:start]
        case 4:  # something odd
            return data[:start] + TOKENS[edit.other % len(TOKENS)] + data[start:]
        case 5:  # something odd instead
            return data[:start] + TOKENS[edit.other % len(TOKENS)] + data[end:]
        case 6:  # the end of another
            other = corpus[edit.other % len(corpus)]
            return data[:start] + other[edit.at * len(other) // PARTS :]
    return _reshaped(data, edit)


def _reshaped(data: bytes, edit: Edit) -> bytes:
    """With another value somewhere in the JSON that is the message, or the rest of it behind its first line."""
    line, newline, body = data.partition(b"\n")
    head, text = (line + newline, body) if body[:1] in b"{[" and body else (b"", data)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return data
    places = list(_places(value))
    if not places:
        return data
    holder, key = places[edit.at * len(places) // PARTS]
    odd = ODD[edit.other % len(ODD)]
    if edit.other % 5 == 0:
        del holder[key]
    elif edit.other % 5 == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder[key]
    else:
        holder[key] = odd
    return head + json.dumps(value).encode()


def _places(value: Any) -> Any:
    found, rest = [], [value]
    while rest:
        each = rest.pop()
        items = each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ()
        for key, inner in items:
            found.append((each, key))
            rest.append(inner)
    return found
