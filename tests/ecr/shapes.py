"""Values drawn from the shapes of a service model, and how a client sees them."""

import re
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import strategies as st

from careen.clock import to_datetime
from careen.ecr.model import operation

_MILLISECOND = 1000

_NAMES = st.lists(
    st.sampled_from(["app", "a0", "x-y", "0--1", "a__b", "c_d", "w.v"]), min_size=1, max_size=4
).map("/".join)
"""Repository names and prefixes; drawing them from their pattern takes ten times as long as all the rest."""


TEXT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""What texts are made of: a NUL is refused, because no database keeps it."""


def input_of(name: str) -> StructureShape:
    """The input of an operation of ECR, which they all have."""
    shape = operation(name).input_shape
    assert shape is not None
    return shape


def output_of(name: str) -> StructureShape:
    """The output of an operation of ECR, which they all have."""
    shape = operation(name).output_shape
    assert shape is not None
    return shape


Strings = Callable[[Shape, int, int | None], st.SearchStrategy[str]]
"""Texts of a shape, of so many characters at least and at most."""


def values(shape: Shape, depth: int = 0, strings: Strings | None = None) -> st.SearchStrategy[Any]:
    """Values of a shape as our handlers hold them: bytes, instants, and all that its traits allow."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    match shape:
        case StructureShape():
            members = {name: values(inner, depth + 1, strings) for name, inner in shape.members.items()}
            required = {name: members.pop(name) for name in shape.required_members}
            return st.fixed_dictionaries(required, optional=members if depth < 3 else {})
        case ListShape():
            return st.lists(values(shape.member, depth + 1, strings), min_size=least, max_size=max(least, 2))
        case MapShape():
            return st.dictionaries(values(shape.key), values(shape.value), max_size=2)
    match shape.type_name:
        case "string":
            return (strings or _strings)(shape, least, most)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(least, most or 2**31 - 1)
        case "long":
            return st.integers(least, most or 2**63 - 1)
        case "float" | "double":
            return st.floats(0, 10)
        case "timestamp":
            return st.integers(0, 4_000_000_000_000).map(_MILLISECOND.__mul__)
        case "blob":
            return st.binary(min_size=least, max_size=20)
    raise AssertionError(shape.type_name)


def as_client(shape: Shape, value: Any) -> Any:
    """The value as a client of botocore holds it: datetimes for instants."""
    match shape:
        case StructureShape():
            return {name: as_client(shape.members[name], item) for name, item in value.items()}
        case ListShape():
            return [as_client(shape.member, item) for item in value]
        case MapShape():
            return {name: as_client(shape.value, item) for name, item in value.items()}
    return to_datetime(value) if shape.type_name == "timestamp" else value


def _strings(shape: Shape, least: int, most: int | None) -> st.SearchStrategy[str]:
    if allowed := getattr(shape, "enum", None):
        return st.sampled_from(allowed)
    if shape.name in {"RepositoryName", "Prefix", "PullThroughCacheRuleRepositoryPrefix"}:
        return _NAMES
    if pattern := shape.metadata.get("pattern"):
        drawn = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
        return drawn.filter(lambda text: least <= len(text) <= (most or 1000))
    return st.text(TEXT, min_size=least, max_size=max(least, min(most or 20, 20)))
