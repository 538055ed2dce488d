"""Results to JSON values: one writer per shape, compiled once.

:func:`writer` turns a shape of the service model into a function from what a handler returns to what is
encoded: bytes become base64, an :data:`~careen.clock.Instant` becomes epoch seconds with milliseconds, a
member that is None is left out. A member the model does not know, or a value of another type, is our own
bug: TypeError, never a wrong answer.
"""

import binascii
from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

Writer = Callable[[Any], Any]


def writer(shape: Shape) -> Writer:
    """The writer of a shape. It raises TypeError for what is not of the shape."""
    match shape:
        case StructureShape():
            return _structure(shape)
        case ListShape():
            return _list(writer(shape.member))
        case MapShape():
            return _map(writer(shape.key), writer(shape.value))
    return _SCALARS[shape.type_name]


def _structure(shape: StructureShape) -> Writer:
    members = {name: writer(inner) for name, inner in shape.members.items()}

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        result = {}
        for name, item in value.items():
            if (inner := members.get(name)) is None:
                raise TypeError(f"{shape.name} has no member {name!r}")
            if item is not None:
                result[name] = inner(item)
        return result

    return write


def _list(inner: Writer) -> Writer:
    def write(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise _mismatch(value, "a list")
        return [inner(item) for item in value]

    return write


def _map(key: Writer, inner: Writer) -> Writer:
    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        return {key(name): inner(item) for name, item in value.items()}

    return write


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, "a string")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(value, "a boolean")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _mismatch(value, "an integer")
    return value


def _double(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _mismatch(value, "a number")
    return value


def _timestamp(value: Any) -> float:
    # Rounded down: no time an answer carries is later than it was.
    return _integer(value) // 1000 / 1000


def _blob(value: Any) -> str:
    return binascii.b2a_base64(value, newline=False).decode()


_SCALARS: dict[str, Writer] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "double": _double,
    "float": _double,
    "timestamp": _timestamp,
    "blob": _blob,
}


def _mismatch(value: Any, wanted: str) -> TypeError:
    return TypeError(f"{value!r:.80} is not {wanted}")
