"""The registry's policy through boto3, on a registry of its own: it holds for all repositories and all callers."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from careen.ecr import errors
from careen.iam.policy import Kind, parse
from careen.registry import policies
from careen.registry.access import V1_ACTIONS, Action, Scope, is_in_scope
from tests.distribution.client import Client, careen, new_key
from tests.ecrapi.client import refusal, strict
from tests.ecrapi.samples import REGISTRY_POLICY
from tests.server import REGION, REGISTRY_ID, Server


@pytest.fixture(scope="module")
def reader(own: Server) -> Client:
    """Who may read, by a policy of its own."""
    return new_key(own, "reader", "ReadOnly")


@pytest.fixture
def ecr(own: Server) -> Iterator[Any]:
    """The root's client; whatever policy there is afterwards is taken away."""
    client = strict(own.boto())
    yield client
    with contextlib.suppress(client.exceptions.RegistryPolicyNotFoundException):
        client.delete_registry_policy()


def policy(effect: str, action: str | list[str], resource: str = "*", principal: Any = "*") -> str:
    """A registry policy of one statement."""
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_is_put_read_and_taken_away(ecr: Any) -> None:
    """Each answer has it in ECR's layout; after that there is none."""
    expected = {"registryId": REGISTRY_ID, "policyText": parse(REGISTRY_POLICY, Kind.REGISTRY).text}
    for answer in (
        ecr.put_registry_policy(policyText=REGISTRY_POLICY),
        ecr.get_registry_policy(),
        ecr.delete_registry_policy(),
    ):
        assert {name: answer[name] for name in expected} == expected
    for operation in (ecr.get_registry_policy, ecr.delete_registry_policy):
        refused = refusal(operation)
        assert refused.code == "RegistryPolicyNotFoundException"
        assert refused.message == f"Registry policy does not exist in the registry with id '{REGISTRY_ID}'"


@pytest.mark.parametrize("text", ["", policy("Allow", "ecr:Nothing"), policy("Allow", "ecr:*", "team/app")])
def test_what_is_no_policy_is_refused(ecr: Any, text: str) -> None:
    """With the one sentence that ECR has for it."""
    refused = refusal(ecr.put_registry_policy, policyText=text)
    assert (refused.code, refused.message) == (
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid registry policy provided'",
    )


def test_it_holds_for_the_repositories_it_names(ecr: Any, own: Server, reader: Client) -> None:
    """Scope V2: every action of ECR, on both surfaces, from the next request on."""
    for name in ("prod-web", "test-web"):
        ecr.create_repository(repositoryName=name)
    holder = own.boto(aws_access_key_id=reader.user, aws_secret_access_key=reader.password)
    prod = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/prod-*"
    ecr.put_registry_policy(policyText=policy("Deny", ["ecr:ListImages", "ecr:BatchGetImage"], prod))
    assert refusal(holder.list_images, repositoryName="prod-web").code == "AccessDeniedException"
    assert holder.list_images(repositoryName="test-web")["imageIds"] == []
    denied = reader.send("GET", "/v2/prod-web/tags/list")
    assert (denied.status, denied.code) == (403, "DENIED")
    assert denied.message.endswith("with an explicit deny in a resource-based policy")
    assert reader.send("GET", "/v2/test-web/tags/list").status == 200
    ecr.delete_registry_policy()
    assert reader.send("GET", "/v2/prod-web/tags/list").status == 200


def test_it_allows_what_nobody_has_by_himself(ecr: Any, own: Server, reader: Client) -> None:
    """Such as creating repositories of a prefix; a token it cannot allow."""
    holder = own.boto(aws_access_key_id=reader.user, aws_secret_access_key=reader.password)
    team = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/team/*"
    ecr.put_registry_policy(
        policyText=policy(
            "Allow", "ecr:CreateRepository", team, {"AWS": f"arn:aws:iam::{REGISTRY_ID}:user/reader"}
        )
    )
    holder.create_repository(repositoryName="team/app")
    refused = refusal(holder.create_repository, repositoryName="other/app")
    assert refused.message.endswith("because no identity-based policy allows the ecr:CreateRepository action")
    # Tags at the beginning are a second permission.
    tagged = {"repositoryName": "team/tagged", "tags": [{"Key": "a", "Value": "b"}]}
    assert "ecr:TagResource" in refusal(holder.create_repository, **tagged).message


def test_who_is_shut_out_is_let_in_again_on_the_data_folder(ecr: Any, own: Server) -> None:
    """A policy that denies everything to everybody shuts out its author; ``careen access unlock`` asks nobody."""
    ecr.put_registry_policy(policyText=policy("Deny", "*"))
    assert refusal(ecr.delete_registry_policy).code == "AccessDeniedException"
    removed = careen(own, "access", "unlock", "--registry")
    assert json.loads(removed)["Statement"][0]["Effect"] == "Deny"
    assert refusal(ecr.get_registry_policy).code == "RegistryPolicyNotFoundException"


@pytest.mark.parametrize("action", [Action.CREATE_REPOSITORY, Action.REPLICATE_IMAGE, Action.PUT_IMAGE])
def test_scope_v1_is_about_three_actions(action: Action) -> None:
    """For others the policy is not asked, and one about others is refused."""
    assert is_in_scope(action, Scope.V1) is (action in V1_ACTIONS)
    assert is_in_scope(action, Scope.V2)
    document = parse(policy("Allow", [action, "ecr:ReplicateImage"]), Kind.REGISTRY)
    policies.check_scope(document, Scope.V2)
    if action in V1_ACTIONS:
        policies.check_scope(document, Scope.V1)
    else:
        with pytest.raises(errors.InvalidPolicyText):
            policies.check_scope(document, Scope.V1)
