"""The shape of a policy document: which properties it may have, of which types.

ECR checks this with a JSON schema before anything else, and answers with the schema validator's own sentences,
one a line. Ours say the same, so the checks below are written like that schema; each fault also carries what to
do about it. The sentences were observed in cloudposse/terraform-aws-ecr#158 (``oneOf``) and
simple-container-com/api#34 (types, several lines), or are those of the same validator.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from careen.lifecycle.rule import ActionType, CountType, CountUnit, StorageClass, TagStatus


class Fault(NamedTuple):
    """One thing that is wrong with a document."""

    where: str
    """Such as ``rules[0].selection.countUnit``."""
    reason: str
    """ECR's sentence."""
    advice: str
    """Ours: what to change."""


Check = Callable[[Any, str], Iterator[Fault]]
"""Looks at a JSON value and where it stands."""

_COUNT_TYPES = (
    CountType.IMAGE_COUNT_MORE_THAN,
    CountType.SINCE_IMAGE_PUSHED,
    CountType.SINCE_IMAGE_PULLED,
    CountType.SINCE_IMAGE_TRANSITIONED,
)
_ACTION_TYPES = (ActionType.EXPIRE, ActionType.TRANSITION)
_MOST = 2**31 - 1  # the API model's integers have 32 bits
_JSON_TYPES: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def faults(document: Any) -> Iterator[Fault]:
    """Everything that is wrong with the shape of a decoded policy, rule by rule."""
    return _POLICY(document, "")


def _quoted(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _wrong_type(value: Any, where: str, allowed: str) -> Fault:
    found = _JSON_TYPES[type(value)]
    reason = f'instance type ({found}) does not match any allowed primitive type (allowed: ["{allowed}"])'
    advice = "remove it: ECR refuses null" if value is None else f"must be of type {allowed}, is {found}"
    return Fault(where, reason, advice)


def _typed(kind: type) -> Check:
    def check(value: Any, where: str) -> Iterator[Fault]:
        if type(value) is not kind:
            yield _wrong_type(value, where, _JSON_TYPES[kind])

    return check


def _anything(_value: Any, _where: str) -> Iterator[Fault]:
    return iter(())


def _positive(value: Any, where: str) -> Iterator[Fault]:
    if type(value) is not int:
        yield _wrong_type(value, where, "integer")
    elif value < 1:
        reason = f"numeric instance is lower than the required minimum (minimum: 1, found: {value})"
        yield Fault(where, reason, "must be 1 or more")
    elif value > _MOST:
        reason = f"numeric instance is greater than the required maximum (maximum: {_MOST}, found: {value})"
        yield Fault(where, reason, f"must be {_MOST} or less")


def _enum(*allowed: str) -> Check:
    def check(value: Any, where: str) -> Iterator[Fault]:
        if value not in allowed:
            possible = f"(possible values: {_quoted(allowed)})"
            reason = f"instance value ({_quoted(value)}) not found in enum {possible}"
            yield Fault(where, reason, f"must be one of {', '.join(allowed)}")

    return check


def _array(item: Check) -> Check:
    def check(value: Any, where: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield _wrong_type(value, where, "array")
            return
        for position, element in enumerate(value):
            yield from item(element, f"{where}[{position}]")

    return check


def _object(required: tuple[str, ...], properties: Mapping[str, Check], one_of: Check = _anything) -> Check:
    def check(value: Any, where: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield _wrong_type(value, where, "object")
            return
        if missing := sorted(set(required) - value.keys()):
            reason = f"object has missing required properties ({_quoted(missing)})"
            yield Fault(where, reason, f"add {', '.join(missing)}")
        elif unknown := sorted(value.keys() - properties.keys()):
            reason = f"object instance has properties which are not allowed by the schema: {_quoted(unknown)}"
            yield Fault(where, reason, f"remove {', '.join(unknown)}; known here: {', '.join(properties)}")
        if not missing:
            yield from one_of(value, where)
        for name, part in properties.items():
            if name in value:
                yield from part(value[name], f"{where}.{name}".lstrip("."))

    return check


def _no_branch(where: str, advice: str) -> Fault:
    return Fault(where, "instance failed to match exactly one schema (matched 0 out of 2)", advice)


def _count_branches(selection: dict[str, Any], where: str) -> Iterator[Fault]:
    """Either a count without a unit, or an age in days."""
    kind = selection["countType"]
    if kind not in _COUNT_TYPES:
        yield _no_branch(f"{where}.countType", f"must be one of {', '.join(_COUNT_TYPES)}")
    elif kind == CountType.IMAGE_COUNT_MORE_THAN:
        if "countUnit" in selection:
            yield _no_branch(f"{where}.countUnit", f"remove it: {kind} takes no unit")
    elif selection.get("countUnit") != CountUnit.DAYS:
        yield _no_branch(f"{where}.countUnit", f'must be "days" with {kind}')


def _action_branches(action: dict[str, Any], where: str) -> Iterator[Fault]:
    """Either ``expire`` alone, or ``transition`` with its target."""
    kind = action["type"]
    if kind not in _ACTION_TYPES:
        yield _no_branch(f"{where}.type", f"must be one of {', '.join(_ACTION_TYPES)}")
    elif kind == ActionType.EXPIRE:
        if "targetStorageClass" in action:
            yield _no_branch(f"{where}.targetStorageClass", "remove it: expire has no target")
    elif action.get("targetStorageClass") != StorageClass.ARCHIVE:
        yield _no_branch(f"{where}.targetStorageClass", 'must be "archive" with transition')


_SELECTION = _object(
    required=("tagStatus", "countType", "countNumber"),
    properties={
        "tagStatus": _enum(*TagStatus),
        "tagPatternList": _array(_typed(str)),
        "tagPrefixList": _array(_typed(str)),
        "storageClass": _enum(*StorageClass),
        "countType": _anything,
        "countUnit": _anything,
        "countNumber": _positive,
    },
    one_of=_count_branches,
)
_ACTION = _object(
    required=("type",),
    properties={"type": _anything, "targetStorageClass": _anything},
    one_of=_action_branches,
)
_RULE = _object(
    required=("rulePriority", "selection", "action"),
    properties={
        "rulePriority": _positive,
        "description": _typed(str),
        "selection": _SELECTION,
        "action": _ACTION,
    },
)
_POLICY = _object(required=("rules",), properties={"rules": _array(_RULE)})
