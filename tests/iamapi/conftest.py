"""Fixtures: clients of IAM and STS, and users and roles of one's own."""

import json
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.server import REGISTRY_ID, Server


@pytest.fixture(scope="session")
def iam(server: Server) -> Any:
    """boto3's IAM client, with the account's own key."""
    return server.boto("iam")


@pytest.fixture(scope="session")
def iam_of(server: Server, key_of: Callable[[str], dict[str, str]]) -> Callable[[str], Any]:
    """A client of IAM that signs with a key of a managed policy: ``iam_of("FullAccess")``."""

    @cache
    def client(policy: str) -> Any:
        key = key_of(policy)
        return server.boto(
            "iam", aws_access_key_id=key["accessKeyId"], aws_secret_access_key=key["secretAccessKey"]
        )

    return client


@pytest.fixture
def user(iam: Any) -> str:
    """A user that no other test uses, and that may do nothing."""
    name = f"user-{uuid.uuid4().hex[:10]}"
    iam.create_user(UserName=name)
    return name


@pytest.fixture
def new_key(iam: Any) -> Callable[[str], dict[str, str]]:
    """Make an access key for a user: what a client signs with."""

    def key(name: str) -> dict[str, str]:
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
        }

    return key


@pytest.fixture
def role_for(iam: Any) -> Callable[..., str]:
    """Make a role that a principal may assume; ``role_for({"AWS": arn})``. Returns its name."""

    def role(principal: Any, condition: Any = None, action: str = "sts:AssumeRole", **more: Any) -> str:
        name = f"role-{uuid.uuid4().hex[:10]}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(principal, condition, action), **more)
        return name

    return role


def trust(principal: Any, condition: Any = None, action: str = "sts:AssumeRole") -> str:
    """A trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return document(statement if condition is None else {**statement, "Condition": condition})


def document(*statements: dict[str, Any]) -> str:
    """A policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allowing(*actions: str, resource: str | list[str] = "*") -> str:
    """A policy that allows something."""
    return document({"Effect": "Allow", "Action": list(actions), "Resource": resource})


def in_session(credentials: dict[str, Any]) -> dict[str, str]:
    """What a client signs with, from an answer of STS."""
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def arn(resource: str) -> str:
    """The ARN of something of IAM's."""
    return f"arn:aws:iam::{REGISTRY_ID}:{resource}"
