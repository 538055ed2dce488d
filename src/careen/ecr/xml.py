"""Results to XML: one writer per shape, compiled once.

:func:`writer` turns a shape of a service model into a function from what a handler returns to the elements that stand for it:
a list is ``member`` elements, a map ``entry`` elements, an :data:`~careen.clock.Instant` ISO 8601 in whole seconds. As in
``careen.ecr.writer``, a member that is None is left out, and what is not of the shape is our own bug: TypeError.
"""

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, Shape, StructureShape

from careen.clock import to_datetime

Writer = Callable[[Any], str]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document can hold, escaped or not."""


def text(value: str) -> str:
    """Text as it stands in a document; a character that XML cannot hold is replaced, a carriage return kept from readers."""
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value), {"\r": "&#13;"})


def element(name: str, content: str, attributes: str = "") -> str:
    """One element around what is XML already."""
    return f"<{name}{attributes}>{content}</{name}>"


def writer(shape: Shape) -> Writer:
    """The writer of a shape's content. It raises TypeError for what is not of the shape."""
    match shape:
        case StructureShape():
            return _structure(shape)
        case ListShape():
            inner = writer(shape.member)
            return lambda value: "".join(element("member", inner(item)) for item in value)
        case MapShape():
            return _map(writer(shape.key), writer(shape.value))
    return _SCALARS[shape.type_name]


def _structure(shape: StructureShape) -> Writer:
    members = {name: writer(inner) for name, inner in shape.members.items()}

    def write(value: Mapping[str, Any]) -> str:
        if unknown := value.keys() - members.keys():
            raise TypeError(f"{shape.name} has no member {min(unknown)!r}")
        return "".join(element(name, members[name](item)) for name, item in value.items() if item is not None)

    return write


def _map(key: Writer, inner: Writer) -> Writer:
    def write(value: Mapping[str, Any]) -> str:
        return "".join(
            element("entry", element("key", key(name)) + element("value", inner(item)))
            for name, item in value.items()
        )

    return write


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is not a string")
    return text(value)


def _boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is not a boolean")
    return "true" if value else "false"


def _integer(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is not an integer")
    return str(value)


def _timestamp(value: Any) -> str:
    # Rounded down: no time an answer carries is later than it was.
    return to_datetime(int(_integer(value))).strftime("%Y-%m-%dT%H:%M:%SZ")


def _blob(value: Any) -> str:
    return binascii.b2a_base64(value, newline=False).decode()


_SCALARS: dict[str, Writer] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "timestamp": _timestamp,
    "blob": _blob,
}
