"""ExplainAccess: what decides, why, and by which statement; and that it tells what happens."""

import json
from typing import Any

import pytest

from careen.ecr.model import careen as careen_service
from careen.iam.policy import Kind
from tests.ecrapi.client import refusal
from tests.server import REGION, REGISTRY_ID

PULLER = f"arn:aws:iam::{REGISTRY_ID}:user/has-PullOnly"
MANAGED = "AmazonEC2ContainerRegistryPullOnly"


@pytest.fixture(autouse=True)
def _puller(as_holder: Any) -> None:
    """The principal that is asked about has a key."""
    as_holder("PullOnly")


def put(ecr: Any, repository: str, *statements: dict[str, Any]) -> None:
    """A repository policy of these statements."""
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    ecr.set_repository_policy(repositoryName=repository, policyText=text, force=True)


def test_an_allow_is_told(careen: Any, repository: str) -> None:
    """By the principal's name, the action in any letters, the repository's name."""
    told = careen.explain_access(principal="has-PullOnly", action="ecr:batchgetimage", resource=repository)
    assert told["principalArn"] == PULLER
    assert told["action"] == "ecr:BatchGetImage"
    assert told["resource"] == f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{repository}"
    assert told["verdict"] == "allowed"
    assert told["reason"] == "because an identity-based policy allows the ecr:BatchGetImage action"
    assert (told["policyType"], told["policyName"], told["statementNumber"]) == (
        "identity-based policy",
        MANAGED,
        1,
    )
    assert "ecr:BatchGetImage" in json.loads(told["statementText"])["Action"]
    assert told["consideredPolicies"] == [{"policyType": "identity-based policy", "policyName": MANAGED}]


def test_silence_is_told(careen: Any, repository: str) -> None:
    """No statement decides, and what was looked at is listed."""
    told = careen.explain_access(principal=PULLER, action="ecr:PutImage", resource=repository)
    assert told["verdict"] == "implicitDeny"
    assert told["reason"] == "because no identity-based policy allows the ecr:PutImage action"
    assert not {"policyType", "policyName", "statementText"} & told.keys()


def test_a_deny_is_quoted(careen: Any, ecr: Any, repository: str) -> None:
    """With its Sid and its place; the keys that it asks are named, and those that have no value."""
    deny = {
        "Sid": "NotFromOutside",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:*",
        "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }
    allow = {"Effect": "Allow", "Principal": {"AWS": PULLER}, "Action": "ecr:PutImage"}
    put(ecr, repository, allow, deny)
    asked = {"principal": PULLER, "action": "ecr:PutImage", "resource": repository}
    told = careen.explain_access(**asked)
    assert (told["verdict"], told["statementId"], told["statementNumber"]) == (
        "explicitDeny",
        "NotFromOutside",
        2,
    )
    assert json.loads(told["statementText"]) == deny
    assert (told["policyType"], told["policyName"]) == ("repository policy", repository)
    assert told["askedKeys"] == told["absentKeys"] == ["aws:sourceip"]
    inside = [{"key": "AWS:SourceIp", "values": ["10.1.2.3"]}]
    told = careen.explain_access(**asked, contextEntries=inside)
    assert (told["verdict"], told["statementNumber"], told["absentKeys"]) == ("allowed", 1, [])


def test_what_is_explained_is_what_happens(careen: Any, ecr: Any, as_holder: Any, repository: str) -> None:
    """The verdict of every action on a repository is that of the request."""
    put(
        ecr,
        repository,
        {"Effect": "Allow", "Principal": "*", "Action": ["ecr:ListImages", "ecr:DescribeImages"]},
        {"Effect": "Deny", "Principal": {"AWS": REGISTRY_ID}, "Action": "ecr:Describe*"},
    )
    holder = as_holder("PullOnly")
    for action, call in {
        "ecr:ListImages": holder.list_images,
        "ecr:DescribeImages": holder.describe_images,
        "ecr:GetRepositoryPolicy": holder.get_repository_policy,
    }.items():
        told = careen.explain_access(principal=PULLER, action=action, resource=repository)
        if told["verdict"] == "allowed":
            call(repositoryName=repository)
        else:
            assert refusal(call, repositoryName=repository).message.endswith(told["reason"])


INVALID = [
    ({"principal": "nobody", "action": "ecr:PutImage"}, "There is no principal 'nobody' in this registry"),
    (
        {"principal": "arn:aws:iam::999999999999:user/has-PullOnly", "action": "ecr:PutImage"},
        "There is no principal 'arn:aws:iam::999999999999:user/has-PullOnly' in this registry",
    ),
    ({"principal": "root", "action": "ecr:*"}, "There is no action 'ecr:*'"),
    (
        {"principal": "root", "action": "ecr:PutImage", "resource": "No Such"},
        "'No Such' is no ARN, no repository's name and not *",
    ),
]


@pytest.mark.parametrize(("parameters", "constraint"), INVALID)
def test_what_is_not_here_is_refused(careen: Any, parameters: dict[str, str], constraint: str) -> None:
    """A principal, an action, a resource: it says which."""
    refused = refusal(careen.explain_access, **parameters)
    assert refused.code == "InvalidParameterException"
    assert refused.message.endswith(f"constraint: '{constraint}'")


def test_the_types_of_policies_are_the_model_s() -> None:
    """All that a principal and a resource may have; a role's trust is asked by nobody who explains."""
    types = careen_service().description["shapes"]["PolicyType"]["enum"]
    assert set(types) == {kind.value for kind in Kind} - {Kind.TRUST.value}
