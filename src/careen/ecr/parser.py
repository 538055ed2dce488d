"""JSON values to parameters: one parser per shape, compiled once.

:func:`parser` turns a shape of the service model into a function from decoded JSON (msgspec's: exact
built-in types) to the value our handlers see: blobs are bytes, timestamps :data:`~careen.clock.Instant`, all
else itself. It refuses what the shape does not admit, at the first offence in the order of the model's
members. Members that the model does not know are ignored, as AWS does, so that a newer client can talk to an
older registry; a null is an absent member.

Shapes that contain themselves are not supported; ECR has none.
"""

import binascii
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from careen.clock import Instant, parse_instant
from careen.ecr.constraints import REQUIRED, Check, Refused, checks, worded

Parser = Callable[[Any], Any]

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: the last second that dates can name."""


def parser(shape: Shape) -> Parser:
    """The parser of a shape. It raises :class:`~careen.ecr.constraints.Refused`."""
    match shape:
        case StructureShape():
            return _structure(shape)
        case ListShape():
            return _list(shape)
        case MapShape():
            return _map(shape)
    return _checked(_SCALARS[shape.type_name], checks(shape))


def _structure(shape: StructureShape) -> Parser:
    required = frozenset(shape.required_members)
    members = [(name, name in required, parser(inner), inner) for name, inner in shape.members.items()]

    def parse(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mismatch(value, "a Structure")
        result = {}
        for name, needed, inner, member in members:
            if (given := value.get(name)) is None:
                if needed:
                    raise Refused(worded(member, REQUIRED), step=name)
                continue
            try:
                result[name] = inner(given)
            except Refused as refused:
                refused.steps.append(name)
                raise
        return result

    return parse


def _list(shape: ListShape) -> Parser:
    inner, limits = _element(shape.member, "Member"), checks(shape)

    def parse(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _mismatch(value, "a List")
        for check in limits:
            check(value)
        result = []
        for index, item in enumerate(value, start=1):
            try:
                result.append(inner(item))
            except Refused as refused:
                if refused.steps:  # of a structure: which one matters; of a scalar, AWS names the list alone
                    refused.steps += ["member", str(index)]
                raise
        return result

    return parse


def _map(shape: MapShape) -> Parser:
    key, inner = _element(shape.key, "Map keys"), _element(shape.value, "Map value")
    limits = checks(shape)

    def parse(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mismatch(value, "a Map")
        for check in limits:
            check(value)
        return {key(name): inner(item) for name, item in value.items()}

    return parse


def _element(shape: Shape, subject: str) -> Parser:
    """The parser of an element: never null, and a scalar's refusal is worded as its container's."""
    inner = parser(shape)
    null = f"{subject} must satisfy constraint: [{worded(shape, REQUIRED)}]"

    def parse(value: Any) -> Any:
        if value is None:
            raise Refused(null)
        try:
            return inner(value)
        except Refused as refused:
            if not refused.steps and not refused.malformed:
                refused.reason = f"{subject} must satisfy constraint: [{refused.reason}]"
            raise

    return parse


def _checked(read: Parser, limits: tuple[Check, ...]) -> Parser:
    if not limits:
        return read

    def parse(value: Any) -> Any:
        value = read(value)
        for check in limits:
            check(value)
        return value

    return parse


def _string(value: Any) -> str:
    if type(value) is not str:
        raise _mismatch(value, "a String")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _mismatch(value, "a Boolean")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise _mismatch(value, "an Integer")
    return value


def _long(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise _mismatch(value, "a Long")
    return value


def _double(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise _mismatch(value, "a Double")
    try:
        return float(value)
    except OverflowError:
        raise _mismatch(value, "a Double") from None


def _timestamp(value: Any) -> Instant:
    if type(value) not in {int, float} or not 0 <= value <= _LAST_SECOND:
        raise _mismatch(value, "a Timestamp")
    return parse_instant(value)


def _blob(value: Any) -> bytes:
    try:
        return binascii.a2b_base64(_string(value), strict_mode=True)
    except ValueError:
        raise Refused("STRING_VALUE is not base64", malformed=True) from None


_SCALARS: dict[str, Parser] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "long": _long,
    "double": _double,
    "float": _double,
    "timestamp": _timestamp,
    "blob": _blob,
}


def _mismatch(value: Any, wanted: str) -> Refused:
    """A value of another type, in the words of AWS's JSON reader."""
    match value:
        case dict():
            reason = "Start of structure or map found where not expected"
        case list():
            reason = "Start of list found where not expected"
        case bool():
            reason = f"{str(value).upper()}_VALUE can not be converted to {wanted}"
        case str():
            reason = f"STRING_VALUE can not be converted to {wanted}"
        case _:
            reason = f"NUMBER_VALUE can not be converted to {wanted}"
    return Refused(reason, malformed=True)
