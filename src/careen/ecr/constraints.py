"""What the service model demands of a value beyond its type: length, range, enum and pattern, in ECR's words.

:func:`checks` compiles a shape's traits into functions that return or raise :class:`Refused`. The wording is
that of AWS's request validation, as ECR relays it (observed: "Member must have value less than or equal to
1000", google/go-containerregistry#1091; "Member must have length greater than or equal to 100"; "Member must
satisfy enum value set: […]", moto). Repository names have an older wording of their own (jenkins-x/jx#1344,
aws/aws-dotnet-deploy#549).
"""

import re
from collections.abc import Callable, Iterator, Sized
from typing import Any

import re2
from botocore.model import Shape

Check = Callable[[Any], None]

REQUIRED = "must not be null"

_LINEAR = {
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*]+(?:[._\-/][a-z0-9*]+)*",
}
"""Patterns of the model that take exponential time on a long near miss, and the same language without the
ambiguity.

The one here (ScanningRepositoryFilterValue) can split a run of letters between its two classes in 2^n ways:
40 letters and a space would keep a core busy for hours, and any caller may send them.
"""


class Refused(Exception):
    """A value that its shape does not admit.

    Attributes:
        reason: the constraint, or what is wrong with the type.
        malformed: the type is wrong (SerializationException) rather than the value
            (InvalidParameterException).
        steps: the way to the value, innermost first: containers append their part while the exception passes
            them, so a good request never builds a path.
    """

    def __init__(self, reason: str, *, malformed: bool = False, step: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.malformed = malformed
        self.steps: list[str] = [] if step is None else [step]

    @property
    def path(self) -> str:
        """``tags.2.member.key``, as AWS's validation writes it: indices from one, small first letters."""
        return ".".join(step[:1].lower() + step[1:] for step in reversed(self.steps))


def checks(shape: Shape) -> tuple[Check, ...]:
    """The checks of a shape's traits, in the order they are reported: length or range, enum, pattern."""
    return tuple(_checks(shape))


def worded(shape: Shape, constraint: str) -> str:
    """The constraint as ECR words it for this shape: "Member must …", for repository names "must …"."""
    return constraint if shape.name == "RepositoryName" else f"Member {constraint}"


def _checks(shape: Shape) -> Iterator[Check]:
    number = shape.type_name in {"integer", "long", "float", "double"}
    for trait in ("min", "max"):
        if trait in shape.metadata:
            yield (_bound if number else _length)(shape, trait, shape.metadata[trait])
    if values := getattr(shape, "enum", None):
        yield _enum(shape, values)
    if pattern := shape.metadata.get("pattern"):
        yield _pattern(shape, pattern)
    if shape.type_name == "string":
        yield _text(shape)


def _text(shape: Shape) -> Check:
    """Every character but NUL, which is none in XML and in PostgreSQL."""
    reason = worded(shape, r"must satisfy regular expression pattern: [^\x00]*")

    def check(value: str) -> None:
        if "\0" in value:
            raise Refused(reason)

    return check


def _length(shape: Shape, trait: str, limit: int) -> Check:
    least = trait == "min"
    reason = worded(shape, f"must have length {'greater' if least else 'less'} than or equal to {limit}")

    def check(value: Sized) -> None:
        if len(value) < limit if least else len(value) > limit:
            raise Refused(reason)

    return check


def _bound(shape: Shape, trait: str, limit: float) -> Check:
    least = trait == "min"
    reason = worded(shape, f"must have value {'greater' if least else 'less'} than or equal to {limit}")

    def check(value: float) -> None:
        if value < limit if least else value > limit:
            raise Refused(reason)

    return check


def _enum(shape: Shape, values: list[str]) -> Check:
    allowed = frozenset(values)
    reason = worded(shape, f"must satisfy enum value set: [{', '.join(values)}]")

    def check(value: str) -> None:
        if value not in allowed:
            raise Refused(reason)

    return check


def _pattern(shape: Shape, pattern: str) -> Check:
    # AWS matches the whole value and knows only ASCII classes, anchored or not; where a pattern asks for all letters there
    # are, as those of IAM's tags do, it names Unicode's categories, which re does not know.
    is_unicode = r"\p{" in pattern
    compiled = re2.compile(pattern) if is_unicode else re.compile(_LINEAR.get(pattern, pattern), re.ASCII)
    matches = compiled.fullmatch
    quoted = f"'{pattern}'" if shape.name == "RepositoryName" else f"pattern: {pattern}"
    reason = worded(shape, f"must satisfy regular expression {quoted}")

    def check(value: str) -> None:
        if matches(value) is None:
            raise Refused(reason)

    return check
