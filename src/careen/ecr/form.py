"""Form fields to JSON values: one reader per shape, compiled once.

The query protocol flattens parameters into names with dots, and knows text alone::

    UserName=ci&Tags.member.1.Key=team&Tags.member.1.Value=build    {"UserName": "ci", "Tags": [{"Key": "team", …}]}

:func:`reader` turns a shape of a service model into a function from the fields beneath a name to the value that JSON
would have carried; ``careen.ecr.parser`` checks it, the same for both protocols. Sources: Smithy 2.0, "AWS query protocol".
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from careen.ecr.constraints import Refused

Node = str | dict[str, Any]
"""The text of a field, or the fields beneath a name, by the next part of their names."""

Reader = Callable[[Node], Any]

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_INDEX = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)


def tree(fields: Iterable[tuple[str, str]]) -> dict[str, Node]:
    """The fields by the parts of their names.

    Raises:
        Refused: a name stands both for a text and for what is beneath it.
    """
    root: dict[str, Node] = {}
    for name, value in fields:
        *way, last = name.split(".")
        at: Any = root
        for part in way:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise Refused(f"Unexpected field {name}", malformed=True)
        if at.setdefault(last, value) != value:
            raise Refused(f"Unexpected field {name}", malformed=True)
    return root


def reader(shape: Shape) -> Reader:
    """The reader of a shape. It raises :class:`~careen.ecr.constraints.Refused` for fields of another form."""
    match shape:
        case StructureShape():
            return _structure(shape)
        case ListShape():
            return _list(shape)
        case MapShape():
            return _map(shape)
    return _SCALARS[shape.type_name]


def _structure(shape: StructureShape) -> Reader:
    members = [
        (name, inner.serialization.get("name", name), reader(inner)) for name, inner in shape.members.items()
    ]

    def read(node: Node) -> dict[str, Any]:
        beneath = _fields(node)
        result = {}
        for name, wire_name, inner in members:
            if (given := beneath.get(wire_name)) is None:
                continue
            try:
                result[name] = inner(given)
            except Refused as refused:
                refused.steps.append(name)
                raise
        return result

    return read


def _list(shape: ListShape) -> Reader:
    inner = reader(shape.member)
    element = shape.member.serialization.get("name", "member")

    def read(node: Node) -> list[Any]:
        return [] if node == "" else [inner(item) for item in _numbered(node, element)]

    return read


def _map(shape: MapShape) -> Reader:
    key, value = reader(shape.key), reader(shape.value)
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")

    def read(node: Node) -> dict[str, Any]:
        if node == "":
            return {}
        entries = [_fields(entry) for entry in _numbered(node, "entry")]
        return {key(entry.get(key_name, "")): value(entry.get(value_name, "")) for entry in entries}

    return read


def _numbered(node: Node, element: str) -> list[Node]:
    """What is beneath ``member.1``, ``member.2``, …, in the order of the numbers."""
    beneath = _fields(_fields(node).get(element, {}))
    if not all(map(_INDEX.fullmatch, beneath)):
        raise Refused("Unexpected list element", malformed=True)
    return [beneath[index] for index in sorted(beneath, key=int)]


def _fields(node: Node) -> dict[str, Any]:
    if isinstance(node, str):
        raise Refused("Start of structure or list expected", malformed=True)
    return node


def _string(node: Node) -> str:
    if not isinstance(node, str):
        raise Refused("Unexpected structure or list", malformed=True)
    return node


def _integer(node: Node) -> int:
    text = _string(node)
    if not _INTEGER.fullmatch(text):
        raise Refused("must be an integer", malformed=True)
    return int(text)


def _boolean(node: Node) -> bool:
    match _string(node):
        case "true":
            return True
        case "false":
            return False
    raise Refused("must be true or false", malformed=True)


_SCALARS: dict[str, Reader] = {"string": _string, "integer": _integer, "boolean": _boolean}
