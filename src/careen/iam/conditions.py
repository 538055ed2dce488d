"""The Condition element: operators, and the keys that a request answers.

    >>> inside = Condition.read("IpAddress", "aws:SourceIp", ("10.0.0.0/8",), variables=True)
    >>> inside.holds({"aws:sourceip": ("10.1.2.3",)})
    True

A key that the request does not have fails a condition, unless its operator is a negated one (``StringNotEquals``, ``NotIpAddress``)
or ends in ``IfExists``. Several values of a policy are alternatives; with a negated operator none of them may match. A key with
several values is asked by ``ForAnyValue:`` or ``ForAllValues:`` (IAM user guide, "IAM JSON policy elements: Condition operators"
and "Set operators for multivalued context keys").
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from typing import Any

from careen.clock import Instant, parse_instant
from careen.iam.patterns import Context, Pattern

Match = Callable[[str, Context], bool]
"""Whether a value of the request meets one value of the policy."""

PRINCIPAL_AND_RESOURCE = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principaltype",
        "aws:resourceaccount",
        "aws:tokenissuetime",
        "aws:userid",
        "aws:username",
    }
)
"""Keys that rows answer: who the principal is."""
RESOURCE_TAGS = ("aws:resourcetag/", "ecr:resourcetag/", "ecr-public:resourcetag/")
"""What resource tags are asked by, the tag's key behind it."""

_COLON = re.compile(r":(?![^{}]*\})")
"""A colon between the parts of an ARN, not one in a variable."""
_ARN_PARTS = 6


class InvalidCondition(ValueError):
    """No operator, or a value that it cannot compare with."""


def depends_on_the_request(key: str) -> bool:
    """Whether a key (in small letters) may have another value in the next request of the same principal, action and resource.

    What a principal is called and a repository's tags stand in rows. Everything else, an unknown key included, is the request's.
    """
    return key not in PRINCIPAL_AND_RESOURCE and not key.startswith(RESOURCE_TAGS)


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator with one key and its values."""

    key: str
    """In small letters."""
    quantifier: str
    """``ForAllValues``, ``ForAnyValue`` or nothing."""
    if_exists: bool
    negated: bool
    asks_absence: bool
    """Whether this is the operator ``Null``, which asks only whether the key is there."""
    matches: tuple[Match, ...]
    keys: frozenset[str]
    """What it asks of a request: its key, and those of its variables."""

    @classmethod
    def read(cls, operator: str, key: str, values: Sequence[str], *, variables: bool) -> "Condition":
        """The condition that an operator, a key and values are.

        Args:
            operator: such as ``ForAllValues:StringLikeIfExists``.
            key: such as ``aws:SourceIp``.
            values: what the request's values are compared with.
            variables: whether the document's version has policy variables.

        Raises:
            InvalidCondition: there is no such operator, or it cannot compare with a value.
        """
        quantifier, colon, rest = operator.rpartition(":")
        if colon and quantifier not in {"ForAllValues", "ForAnyValue"}:
            raise InvalidCondition(f"there is no condition operator {operator}")
        base = rest.removesuffix("IfExists")
        negated = base in _NEGATED
        reader = _READERS.get(_NEGATED.get(base, base))
        if reader is None or (base == "Null" and base != operator):
            raise InvalidCondition(f"there is no condition operator {operator}")
        matches, keys = [], {key.lower()}
        for value in values:
            try:
                match, asked = reader(value, variables)
            except ValueError:
                raise InvalidCondition(f"{operator} cannot compare with '{value}'") from None
            matches.append(match)
            keys |= asked
        return cls(
            key.lower(),
            quantifier,
            rest != base,
            negated,
            base == "Null",
            tuple(matches),
            frozenset(keys),
        )

    def holds(self, context: Context) -> bool:
        """Whether a request meets the condition."""
        given = context.get(self.key, ())
        if self.asks_absence:
            return self._meets("false" if given else "true", context)
        if not given:
            if self.if_exists or self.quantifier == "ForAllValues":
                return True
            return self.negated and self.quantifier != "ForAnyValue"
        met = (self._meets(value, context) for value in given)
        every = self.quantifier == "ForAllValues" or (self.negated and not self.quantifier)
        return all(met) if every else any(met)

    def _meets(self, value: str, context: Context) -> bool:
        return any(match(value, context) for match in self.matches) is not self.negated


Reader = Callable[[str, bool], tuple[Match, frozenset[str]]]
"""Makes a comparison of a policy's value, and says which keys its variables ask. Raises ValueError for what it cannot read."""


def _pattern(*, wildcards: bool, fold: bool = False) -> Reader:
    def read(value: str, variables: bool) -> tuple[Match, frozenset[str]]:
        pattern = Pattern.read(value, wildcards=wildcards, variables=variables, fold=fold)
        return pattern.matches, pattern.keys

    return read


def _arn(value: str, variables: bool) -> tuple[Match, frozenset[str]]:
    """Each of an ARN's six parts is compared for itself, so that no star reaches beyond a colon before the last part.

    A star or a variable may stand for the whole. With other numbers of parts nothing could ever match.
    """
    patterns = [
        Pattern.read(part, wildcards=True, variables=variables)
        for part in _COLON.split(value, maxsplit=_ARN_PARTS - 1)
    ]
    keys = frozenset[str]().union(*(pattern.keys for pattern in patterns))
    if len(patterns) == 1:
        return patterns[0].matches, keys
    if len(patterns) < _ARN_PARTS:
        raise ValueError(value)

    def match(given: str, context: Context) -> bool:
        parts = given.split(":", _ARN_PARTS - 1)
        return len(parts) == _ARN_PARTS and all(
            pattern.matches(part, context) for pattern, part in zip(patterns, parts, strict=True)
        )

    return match, keys


def _compared(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Reader:
    """A comparison of what texts stand for. A request's value that stands for nothing meets nothing."""

    def read(value: str, variables: bool) -> tuple[Match, frozenset[str]]:  # noqa: ARG001 - only texts have variables
        wanted = parse(value)

        def match(given: str, _: Context) -> bool:
            try:
                return compare(parse(given), wanted)
            except ValueError:
                return False

        return match, frozenset()

    return read


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError(text)
    return number


def _date(text: str) -> Instant:
    """ISO 8601, or seconds since the epoch (IAM user guide, "Date condition operators")."""
    try:
        return parse_instant(
            float(_number(text)) if text.lstrip("-").replace(".", "", 1).isdecimal() else text
        )
    except OverflowError:
        raise ValueError(text) from None


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(text) from None


Address = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(4096)  # a dozen microseconds, and the same clients come again
def _network(text: str) -> Address:
    """An address is a network of one. IPv4 in IPv6's clothes, as a socket for both tells it, is IPv4."""
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.num_addresses == 1:
        mapped = network.network_address.ipv4_mapped
        return network if mapped is None else ipaddress.ip_network(mapped)
    return network


def _within(inner: Address, outer: Address) -> bool:
    return (
        inner.version == outer.version and inner.network_address in outer and inner.broadcast_address in outer
    )


_READERS: dict[str, Reader] = {
    "StringEquals": _pattern(wildcards=False),
    "StringEqualsIgnoreCase": _pattern(wildcards=False, fold=True),
    "StringLike": _pattern(wildcards=True),
    "NumericEquals": _compared(_number, eq),
    "NumericLessThan": _compared(_number, lt),
    "NumericLessThanEquals": _compared(_number, le),
    "NumericGreaterThan": _compared(_number, gt),
    "NumericGreaterThanEquals": _compared(_number, ge),
    "DateEquals": _compared(_date, eq),
    "DateLessThan": _compared(_date, lt),
    "DateLessThanEquals": _compared(_date, le),
    "DateGreaterThan": _compared(_date, gt),
    "DateGreaterThanEquals": _compared(_date, ge),
    "Bool": _compared(_boolean, eq),
    "BinaryEquals": _compared(_bytes, eq),
    "IpAddress": _compared(_network, _within),
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Null": _compared(_boolean, eq),
}

_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
