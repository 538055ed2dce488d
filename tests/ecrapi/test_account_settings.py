"""Account settings: what they are, what they may be, and what BLOB_MOUNTING does."""

import json
from typing import Any

import pytest

from tests.distribution.client import Client
from tests.distribution.stock import LARGE, SMALL
from tests.ecrapi.client import refusal
from tests.server import REGISTRY_ID, Server


@pytest.mark.parametrize(
    ("name", "default", "others"),
    [
        ("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE", []),
        ("BLOB_MOUNTING", "ENABLED", ["DISABLED", "ENABLED"]),
        ("REGISTRY_POLICY_SCOPE", "V2", ["V1", "V2"]),
    ],
)
def test_a_setting_is_what_was_put(strict_ecr: Any, name: str, default: str, others: list[str]) -> None:
    """Until somebody puts it, it has its default."""
    assert strict_ecr.get_account_setting(name=name) | {"ResponseMetadata": 0} == {
        "name": name,
        "value": default,
        "ResponseMetadata": 0,
    }
    for value in [default, *others]:
        put = strict_ecr.put_account_setting(name=name, value=value)
        assert (put["name"], put["value"]) == (name, value)
        assert strict_ecr.get_account_setting(name=name)["value"] == value


@pytest.mark.parametrize(
    ("name", "value", "wrong", "values"),
    [
        ("BASIC_SCAN_TYPE_VERSION", "CLAIR", "value", "AWS_NATIVE"),
        ("BLOB_MOUNTING", "on", "value", "ENABLED, DISABLED"),
        ("REGISTRY_POLICY_SCOPE", "V3", "value", "V2, V1"),
        ("COLOUR", "blue", "name", "BASIC_SCAN_TYPE_VERSION, BLOB_MOUNTING, REGISTRY_POLICY_SCOPE"),
    ],
)
def test_what_no_setting_may_be_is_refused(
    strict_ecr: Any, name: str, value: str, wrong: str, values: str
) -> None:
    """In the words of ECR's own validation, and nothing changes."""
    refused = refusal(strict_ecr.put_account_setting, name=name, value=value)
    constraint = f"'Member must satisfy enum value set: [{values}]'"
    assert refused.code == "InvalidParameterException"
    assert refused.message == f"Invalid parameter at '{wrong}' failed to satisfy constraint: {constraint}"
    if wrong == "name":
        assert refusal(strict_ecr.get_account_setting, name=name).message == refused.message


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["row", "file"])
def test_mounts_can_be_forbidden(strict_server: Server, strict_ecr: Any, name: str, data: bytes) -> None:
    """A client that asks for a mount is told to upload, and can; allowed again, the next mount succeeds."""
    client = Client(strict_server)
    for each in ("source", "target", "other"):
        strict_ecr.create_repository(repositoryName=f"{name}/{each}")
    digest = client.push_blob(f"{name}/source", data)
    ask = f"blobs/uploads/?mount={digest}&from={name}/source"
    strict_ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")
    try:
        begun = client.send("POST", f"/v2/{name}/target/{ask}")
        assert begun.status == 202
        assert client.send("HEAD", f"/v2/{name}/target/blobs/{digest}").status == 404
        assert client.send("PUT", f"{begun.headers['location']}?digest={digest}", data).status == 201
    finally:
        strict_ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    assert client.send("POST", f"/v2/{name}/other/{ask}").status == 201


def test_a_scope_for_which_the_registry_policy_says_too_much_is_refused(strict_ecr: Any) -> None:
    """V1 asks the registry's policy for three actions only: one about others would hold for nothing without a word."""
    statement = {
        "Sid": "look",
        "Effect": "Allow",
        "Principal": {"AWS": REGISTRY_ID},
        "Action": "ecr:DescribeImages",
        "Resource": "*",
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    strict_ecr.put_registry_policy(policyText=text)
    try:
        refused = refusal(strict_ecr.put_account_setting, name="REGISTRY_POLICY_SCOPE", value="V1")
        assert refused.code == "InvalidParameterException"
        assert "Invalid registry policy provided" in refused.message
        assert strict_ecr.get_account_setting(name="REGISTRY_POLICY_SCOPE")["value"] == "V2"
    finally:
        strict_ecr.delete_registry_policy()
