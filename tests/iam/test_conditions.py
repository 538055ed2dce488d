"""Condition operators: AWS's tables, row by row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.iam.conditions import Condition, InvalidCondition, depends_on_the_request

REQUEST = {
    "aws:username": ("alice",),
    "aws:sourceip": ("203.0.113.7",),
    "aws:currenttime": ("2026-11-26T12:00:00Z",),
    "aws:epochtime": ("1795694400",),
    "aws:securetransport": ("true",),
    "aws:principalarn": ("arn:aws:iam::123456789012:user/team/alice",),
    "aws:tagkeys": ("team", "stage"),
    "aws:requesttag/size": ("10",),
    "aws:requesttag/data": ("QUJD",),
}
V6 = {"aws:sourceip": ("::ffff:10.1.2.3",)}


def holds(operator: str, key: str, *values: str, request: Any = None) -> bool:
    """Whether a request meets a condition."""
    condition = Condition.read(operator, key, values, variables=True)
    return condition.holds(REQUEST if request is None else request)


HOLDS: list[tuple[str, str, tuple[str, ...], bool]] = [
    ("StringEquals", "aws:username", ("alice",), True),
    ("StringEquals", "AWS:UserName", ("bob", "alice"), True),
    ("StringEquals", "aws:username", ("ALICE",), False),
    ("StringEquals", "aws:username", ("al*",), False),
    ("StringEquals", "aws:username", ("${aws:username}",), True),
    ("StringNotEquals", "aws:username", ("bob",), True),
    ("StringNotEquals", "aws:username", ("bob", "alice"), False),
    ("StringEqualsIgnoreCase", "aws:username", ("ALICE",), True),
    ("StringNotEqualsIgnoreCase", "aws:username", ("ALICE",), False),
    ("StringLike", "aws:username", ("a?i*",), True),
    ("StringNotLike", "aws:username", ("a?i*",), False),
    ("NumericEquals", "aws:RequestTag/size", ("10.0",), True),
    ("NumericNotEquals", "aws:RequestTag/size", ("10",), False),
    ("NumericLessThan", "aws:RequestTag/size", ("10",), False),
    ("NumericLessThanEquals", "aws:RequestTag/size", ("10",), True),
    ("NumericGreaterThan", "aws:RequestTag/size", ("9",), True),
    ("NumericGreaterThanEquals", "aws:RequestTag/size", ("11",), False),
    ("NumericEquals", "aws:username", ("1",), False),
    ("DateGreaterThan", "aws:CurrentTime", ("2026-11-26T11:59:59Z",), True),
    ("DateLessThan", "aws:CurrentTime", ("2026-11-26",), False),
    ("DateLessThanEquals", "aws:EpochTime", ("1795694400",), True),
    ("DateGreaterThanEquals", "aws:EpochTime", ("2026-11-26T12:00:00Z",), True),
    ("DateEquals", "aws:CurrentTime", ("1795694400",), True),
    ("DateNotEquals", "aws:CurrentTime", ("1795694400",), False),
    ("Bool", "aws:SecureTransport", ("true",), True),
    ("Bool", "aws:SecureTransport", ("false",), False),
    ("BinaryEquals", "aws:RequestTag/data", ("QUJD",), True),
    ("IpAddress", "aws:SourceIp", ("203.0.113.0/24",), True),
    ("IpAddress", "aws:SourceIp", ("10.0.0.0/8", "203.0.113.7"), True),
    ("IpAddress", "aws:SourceIp", ("2001:db8::/32",), False),
    ("NotIpAddress", "aws:SourceIp", ("203.0.113.0/24",), False),
    ("NotIpAddress", "aws:SourceIp", ("10.0.0.0/8", "192.168.0.0/16"), True),
    ("ArnEquals", "aws:PrincipalArn", ("arn:aws:iam::123456789012:user/team/*",), True),
    ("ArnLike", "aws:PrincipalArn", ("arn:aws:iam::*:user/${aws:username}",), False),
    ("ArnLike", "aws:PrincipalArn", ("arn:*:iam::*:user/*/${aws:username}",), True),
    ("ArnLike", "aws:PrincipalArn", ("arn:aws:*:123456789012:user/*:*",), False),
    ("ArnEquals", "aws:PrincipalArn", ("${aws:PrincipalArn}",), True),
    ("ArnLike", "aws:PrincipalArn", ("*",), True),
    ("ArnNotEquals", "aws:PrincipalArn", ("arn:aws:iam::123456789012:root",), True),
    ("ArnNotLike", "aws:PrincipalArn", ("arn:aws:iam::1234567890??:*",), False),
    ("Null", "aws:username", ("false",), True),
    ("Null", "aws:username", ("true",), False),
    ("Null", "aws:MultiFactorAuthPresent", ("true",), True),
    # A key that the request does not have.
    ("StringEquals", "aws:Referer", ("x",), False),
    ("StringLike", "aws:Referer", ("*",), False),
    ("StringNotEquals", "aws:Referer", ("x",), True),
    ("NotIpAddress", "aws:VpcSourceIp", ("10.0.0.0/8",), True),
    ("StringEqualsIfExists", "aws:Referer", ("x",), True),
    ("StringEqualsIfExists", "aws:username", ("bob",), False),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", ("true",), True),
    # Keys with several values.
    ("ForAllValues:StringEquals", "aws:TagKeys", ("team", "stage", "owner"), True),
    ("ForAllValues:StringEquals", "aws:TagKeys", ("team",), False),
    ("ForAllValues:StringEquals", "aws:PrincipalOrgPaths", ("x",), True),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ("team", "owner"), True),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ("owner",), False),
    ("ForAnyValue:StringEquals", "aws:PrincipalOrgPaths", ("x",), False),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", ("team",), True),
    ("ForAnyValue:StringNotEquals", "aws:PrincipalOrgPaths", ("x",), False),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ("owner",), True),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ("team",), False),
    ("ForAnyValue:StringLikeIfExists", "aws:PrincipalOrgPaths", ("x",), True),
]


@pytest.mark.parametrize(("operator", "key", "values", "expected"), HOLDS)
def test_condition(operator: str, key: str, values: tuple[str, ...], expected: bool) -> None:
    """IAM user guide, "Condition operators", "Multivalued context keys"."""
    assert holds(operator, key, *values) is expected


def test_an_address_in_ipv6s_clothes_is_ipv4() -> None:
    """A socket that listens for both tells IPv4 clients so; a rule for them must still mean them."""
    assert holds("IpAddress", "aws:SourceIp", "10.0.0.0/8", request=V6)
    assert not holds("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", request=V6)


INVALID = [
    ("StringMatches", "x"),
    ("NotStringLike", "x"),
    ("ForSomeValues:StringEquals", "x"),
    ("ForAllValues:", "x"),
    ("NullIfExists", "true"),
    ("ForAnyValue:Null", "true"),
    ("IpAddress", "everywhere"),
    ("IpAddress", "10.0.0.0/33"),
    ("NumericEquals", "ten"),
    ("NumericEquals", "NaN"),
    ("DateEquals", "yesterday"),
    ("DateLessThan", "1" * 400),
    ("Bool", "yes"),
    ("ArnLike", "arn:aws:*:user/*"),
    ("BinaryEquals", "%"),
]


@pytest.mark.parametrize(("operator", "value"), INVALID)
def test_what_could_never_hold_is_refused(operator: str, value: str) -> None:
    """When the policy is set, not when somebody is let in or kept out by it."""
    with pytest.raises(InvalidCondition):
        Condition.read(operator, "aws:SourceIp", [value], variables=True)


def test_which_keys_a_condition_asks() -> None:
    """Its own, and its variables'."""
    read = Condition.read("StringLike", "ecr:ResourceTag/Team", ["${aws:username}*"], variables=True)
    assert read.keys == {"ecr:resourcetag/team", "aws:username"}


OPPOSITES = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}
TEXTS = {
    "Numeric": st.integers(-3, 3).map(str),
    "Date": st.sampled_from(["2026-01-01", "2026-01-01T00:00:00Z", "1767225600", "2027-01-01"]),
    "Ip": st.sampled_from(["10.0.0.1", "10.0.0.0/8", "::1", "192.0.2.0/24", "10.0.0.0/31"]),
    "Arn": st.sampled_from(["arn:aws:iam::1:user/a", "arn:aws:iam::*:user/?", "arn:*:iam::1:role/a"]),
    "String": st.text("aAb*?", max_size=3),
}


@given(st.data(), st.sampled_from(sorted(OPPOSITES)))
def test_an_operator_and_its_negation_are_opposites(data: st.DataObject, operator: str) -> None:
    """Of a request that has the key, once, exactly one of them holds; of one that has it not, the negated one alone."""
    texts = next(texts for kind, texts in TEXTS.items() if operator.startswith(kind))
    values = data.draw(st.lists(texts, min_size=1, max_size=3))
    request = {"aws:key": (data.draw(texts),)}
    asked = [
        Condition.read(each, "aws:Key", values, variables=True) for each in (operator, OPPOSITES[operator])
    ]
    assert asked[0].holds(request) is not asked[1].holds(request)
    assert [one.holds({}) for one in asked] == [False, True]


DEPENDS = {
    "aws:sourceip": True,
    "aws:currenttime": True,
    "aws:useragent": True,
    "aws:requesttag/team": True,
    "aws:somethingnew": True,
    "aws:username": False,
    "aws:principalarn": False,
    "aws:resourcetag/team": False,
    "ecr:resourcetag/team": False,
}


@pytest.mark.parametrize(("key", "expected"), DEPENDS.items())
def test_which_keys_the_next_request_may_answer_otherwise(key: str, expected: bool) -> None:
    """Those that no row answers; of an unknown one it is assumed."""
    assert depends_on_the_request(key) is expected
