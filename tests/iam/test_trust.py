"""Whom trust policies admit."""

import json
from typing import Any

import pytest

from careen.iam.actions import Action
from careen.iam.evaluate import Request
from careen.iam.policy import Caller, Kind, Reach, parse
from careen.iam.trust import admits

ACCOUNT = "123456789012"
ALICE = Caller(f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT)
RUN = Caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/ci")
GITHUB = Caller(f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com", ACCOUNT)


def statement(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """A statement about assuming a role in either way."""
    return {"Effect": effect, "Principal": principal, "Action": "sts:*", **more}


CASES: dict[str, tuple[list[dict[str, Any]], Caller, Reach]] = {
    "by name": ([statement({"AWS": ALICE.arn})], ALICE, Reach.SELF),
    "by the account": ([statement({"AWS": ACCOUNT})], ALICE, Reach.ACCOUNT),
    "by both": ([statement({"AWS": ACCOUNT}), statement({"AWS": ALICE.arn})], ALICE, Reach.SELF),
    "everybody": ([statement("*")], ALICE, Reach.ROLE),
    "nobody that asks": ([statement({"AWS": f"{ALICE.arn}-2"})], ALICE, Reach.NONE),
    "another account": ([statement({"AWS": "999999999999"})], ALICE, Reach.NONE),
    "a session by its role": ([statement({"AWS": str(RUN.role_arn)})], RUN, Reach.ROLE),
    "a session by its name": ([statement({"AWS": RUN.arn})], RUN, Reach.SELF),
    "a provider": ([statement({"Federated": GITHUB.arn})], GITHUB, Reach.SELF),
    "a provider among others": (
        [statement({"Federated": ["accounts.google.com", GITHUB.arn]})],
        GITHUB,
        Reach.SELF,
    ),
    "another provider": ([statement({"Federated": f"{GITHUB.arn}x"})], GITHUB, Reach.NONE),
    "a user under a provider's element": ([statement({"Federated": ALICE.arn})], ALICE, Reach.NONE),
    "denied by the account": (
        [statement({"AWS": ALICE.arn}), statement({"AWS": ACCOUNT}, "Deny")],
        ALICE,
        Reach.NONE,
    ),
    "denied first": ([statement("*", "Deny"), statement("*")], ALICE, Reach.NONE),
    "another's deny": ([statement("*"), statement({"AWS": RUN.arn}, "Deny")], ALICE, Reach.ROLE),
    "another action": ([{**statement("*"), "Action": "sts:TagSession"}], ALICE, Reach.NONE),
    "a condition that holds": (
        [statement("*", Condition={"StringEquals": {"sts:ExternalId": "x"}})],
        ALICE,
        Reach.ROLE,
    ),
    "a condition that does not": (
        [statement("*", Condition={"StringEquals": {"sts:ExternalId": "y"}})],
        ALICE,
        Reach.NONE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_whom_a_trust_policy_admits(case: str) -> None:
    """By name, by the role, by the account, or not; a deny that means the caller ends it."""
    statements, caller, expected = CASES[case]
    document = parse(json.dumps({"Version": "2012-10-17", "Statement": statements}), Kind.TRUST)
    resource = f"arn:aws:iam::{ACCOUNT}:role/wanted"
    request = Request(caller, Action.ASSUME_ROLE, resource, ACCOUNT, {"sts:externalid": ("x",)})
    assert admits(document, request) is expected
