"""Repository policies through boto3: set, read, taken away, and what they do to callers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from careen.ecr import model
from careen.ecrapi import permissions
from careen.ecrapi.call import Call
from careen.iam.actions import action_of
from careen.iam.policy import Kind, parse
from careen.pull_through.importer import Importer
from careen.pull_through.secrets import Secrets
from careen.registry.access import Circumstances
from careen.registry.callers import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry
from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import ABSENT, REPOSITORY_POLICY
from tests.images import image
from tests.server import REGION, REGISTRY_ID

PULLER = f"arn:aws:iam::{REGISTRY_ID}:user/has-PullOnly"
READER = f"arn:aws:iam::{REGISTRY_ID}:user/has-ReadOnly"
OWNER = f"arn:aws:iam::{REGISTRY_ID}:user/has-FullAccess"


def policy(*statements: dict[str, Any]) -> str:
    """A repository policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect: str, action: str | list[str], principal: Any = "*", **members: Any) -> dict[str, Any]:
    """One of its statements."""
    return {"Effect": effect, "Principal": principal, "Action": action} | members


def on(repository: str, action: str, who: str, why: str) -> str:
    """ECR's sentence."""
    resource = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{repository}"
    return f"User: {who} is not authorized to perform: {action} on resource: {resource} {why}"


def test_a_policy_is_set_read_and_taken_away(ecr: Any, repository: str) -> None:
    """Each answer has the policy in ECR's layout; after that there is none."""
    expected = {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "policyText": parse(REPOSITORY_POLICY, Kind.REPOSITORY).text,
    }
    for operation, parameters in (
        (ecr.set_repository_policy, {"policyText": REPOSITORY_POLICY}),
        (ecr.get_repository_policy, {}),
        (ecr.delete_repository_policy, {}),
    ):
        answer = operation(repositoryName=repository, **parameters)
        assert {name: answer[name] for name in expected} == expected
    for operation in (ecr.get_repository_policy, ecr.delete_repository_policy):
        refused = refusal(operation, repositoryName=repository)
        assert refused.code == "RepositoryPolicyNotFoundException"
        assert refused.message == (
            f"Repository policy does not exist for the repository with name '{repository}'"
            f" in the registry with id '{REGISTRY_ID}'"
        )


def test_setting_it_again_replaces_it(ecr: Any, repository: str) -> None:
    """There is one policy on a repository; deleting the repository takes it along."""
    first, second = (
        policy(statement("Allow", action, PULLER_ONLY)) for action in ("ecr:PutImage", "ecr:ListImages")
    )
    ecr.set_repository_policy(repositoryName=repository, policyText=first)
    ecr.set_repository_policy(repositoryName=repository, policyText=second)
    found = ecr.get_repository_policy(repositoryName=repository)["policyText"]
    assert json.loads(found) == json.loads(second)
    ecr.delete_repository(repositoryName=repository)
    ecr.create_repository(repositoryName=repository)
    refused = refusal(ecr.get_repository_policy, repositoryName=repository)
    assert refused.code == "RepositoryPolicyNotFoundException"


PULLER_ONLY = {"AWS": PULLER}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        policy(),
        policy(statement("Allow", "ecr:PutImages")),
        policy({"Effect": "Allow", "Action": "ecr:*"}),
    ],
    ids=["nothing", "no statement", "an empty list", "no such action", "no principal"],
)
def test_what_is_no_policy_is_refused(ecr: Any, repository: str, text: str) -> None:
    """With the one sentence that ECR has for it, and the old policy stays."""
    ecr.set_repository_policy(repositoryName=repository, policyText=REPOSITORY_POLICY)
    refused = refusal(ecr.set_repository_policy, repositoryName=repository, policyText=text)
    assert (refused.code, refused.message) == (
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
    )
    kept = ecr.get_repository_policy(repositoryName=repository)["policyText"]
    assert json.loads(kept) == json.loads(REPOSITORY_POLICY)


def test_a_policy_may_have_10240_characters(ecr: Any, repository: str) -> None:
    """The model says so; one more is refused before anything is read."""
    room = 10_240 - len(policy(statement("Allow", "ecr:*", PULLER_ONLY, Sid="")))
    text = policy(statement("Allow", "ecr:*", PULLER_ONLY, Sid="s" * room))
    ecr.set_repository_policy(repositoryName=repository, policyText=text)
    refused = refusal(ecr.set_repository_policy, repositoryName=repository, policyText=f"{text} ")
    assert refused.code == "InvalidParameterException"


def test_a_policy_allows_what_the_caller_s_own_does_not(
    ecr: Any, as_holder: Callable[..., Any], repository: str
) -> None:
    """In one account either is enough; it is for the repository it stands on, and for whom it names."""
    text = policy(statement("Allow", ["ecr:ListImages", "ecr:PutImage", "ecr:*Layer*"], PULLER_ONLY))
    puller = as_holder("PullOnly")
    assert refusal(puller.list_images, repositoryName=repository).code == "AccessDeniedException"
    ecr.set_repository_policy(repositoryName=repository, policyText=text)
    push(puller, repository, image("by whom the policy names"), "1")
    assert puller.list_images(repositoryName=repository)["imageIds"][0]["imageTag"] == "1"
    assert refusal(puller.list_images, repositoryName=ABSENT).code == "AccessDeniedException"
    assert (
        refusal(as_holder("PinReporter").list_images, repositoryName=repository).code
        == "AccessDeniedException"
    )
    ecr.delete_repository_policy(repositoryName=repository)
    assert refusal(puller.list_images, repositoryName=repository).code == "AccessDeniedException"


def test_a_policy_denies_what_the_caller_s_own_allows(
    ecr: Any, as_holder: Callable[..., Any], repository: str
) -> None:
    """Whoever asks, the account's root too, and the sentence says where it is written."""
    ecr.set_repository_policy(
        repositoryName=repository, policyText=policy(statement("Deny", "ecr:ListImages", Sid="DenyPull"))
    )
    explicit = "with an explicit deny in a resource-based policy"
    refused = refusal(as_holder("ReadOnly").list_images, repositoryName=repository)
    assert refused.message == on(repository, "ecr:ListImages", READER, explicit)
    root = f"arn:aws:iam::{REGISTRY_ID}:root"
    assert refusal(ecr.list_images, repositoryName=repository).message == on(
        repository, "ecr:ListImages", root, explicit
    )
    assert ecr.describe_images(repositoryName=repository)["imageDetails"] == []


def test_a_list_of_repositories_asks_each(ecr: Any, as_holder: Callable[..., Any], repository: str) -> None:
    """By name each has to be allowed; without names it is about all, which a repository's policy does not speak of."""
    text = policy(statement("Deny", "ecr:DescribeRepositories", {"AWS": READER}))
    ecr.set_repository_policy(repositoryName=repository, policyText=text)
    reader = as_holder("ReadOnly")
    refused = refusal(reader.describe_repositories, repositoryNames=[repository])
    assert refused.code == "AccessDeniedException"
    assert reader.describe_repositories(maxResults=1)["repositories"]
    refused = refusal(as_holder("PullOnly").describe_repositories)
    assert f"on resource: arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/* because" in refused.message


def test_nobody_locks_himself_out_by_accident(
    ecr: Any, as_holder: Callable[..., Any], repository: str
) -> None:
    """A policy after which its author could not set another needs ``force``."""
    owner = as_holder("FullAccess")
    text = policy(statement("Deny", "ecr:SetRepositoryPolicy"))
    refused = refusal(owner.set_repository_policy, repositoryName=repository, policyText=text)
    assert refused.code == "InvalidParameterException"
    assert refused.message == (
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'The policy would lock"
        f" {OWNER} out of setting another, with an explicit deny in a resource-based policy; force sets it nevertheless'"
    )
    assert (
        refusal(ecr.get_repository_policy, repositoryName=repository).code
        == "RepositoryPolicyNotFoundException"
    )
    owner.set_repository_policy(repositoryName=repository, policyText=text, force=True)
    refused = refusal(owner.set_repository_policy, repositoryName=repository, policyText=REPOSITORY_POLICY)
    assert refused.code == "AccessDeniedException"
    owner.delete_repository_policy(repositoryName=repository)
    owner.set_repository_policy(repositoryName=repository, policyText=REPOSITORY_POLICY)


def test_a_policy_for_others_locks_nobody_out(
    ecr: Any, as_holder: Callable[..., Any], repository: str
) -> None:
    """Who may by a policy of his own needs no place in this one."""
    text = policy(statement("Deny", "ecr:*", {"AWS": READER}))
    as_holder("FullAccess").set_repository_policy(repositoryName=repository, policyText=text)
    assert ecr.get_repository_policy(repositoryName=repository)


CONDITIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "from here": ({"IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}, True),
    "from elsewhere": ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, False),
    "before long": ({"DateLessThan": {"aws:CurrentTime": "2100-01-01T00:00:00Z"}}, True),
    "long ago": ({"DateLessThan": {"aws:EpochTime": 1_000_000_000}}, False),
    "in the clear": ({"Bool": {"aws:SecureTransport": "false"}}, True),
    "encrypted": ({"Bool": {"aws:SecureTransport": True}}, False),
    "by its name": ({"StringLike": {"aws:username": "has-*"}}, True),
    "by its ARN": ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{REGISTRY_ID}:user/*"}}, True),
    "of its account": ({"StringEquals": {"aws:PrincipalAccount": REGISTRY_ID}}, True),
    "of another account": ({"StringNotEquals": {"aws:PrincipalAccount": REGISTRY_ID}}, False),
    "with boto3": ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, True),
    "with a tag on the repository": ({"StringEquals": {"ecr:ResourceTag/Stage": "dev"}}, True),
    "with the same by its other name": ({"StringEquals": {"aws:ResourceTag/stage": "dev"}}, True),
    "with another tag": ({"StringEquals": {"aws:ResourceTag/stage": "prod"}}, False),
    "with what nobody knows": ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
}


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_conditions(
    ecr: Any, as_holder: Callable[..., Any], name: str, condition: dict[str, Any], expected: bool
) -> None:
    """The keys that make sense here, each answered by the request or by rows."""
    ecr.create_repository(repositoryName=name, tags=[{"Key": "Stage", "Value": "dev"}])
    text = policy(statement("Allow", "ecr:ListImages", PULLER_ONLY, Condition=condition))
    ecr.set_repository_policy(repositoryName=name, policyText=text)
    puller = as_holder("PullOnly")
    if expected:
        assert puller.list_images(repositoryName=name)["imageIds"] == []
    else:
        assert refusal(puller.list_images, repositoryName=name).code == "AccessDeniedException"


def test_tags_in_a_request_are_asked(ecr: Any, as_holder: Callable[..., Any], repository: str) -> None:
    """By their keys and by their values, when they are put and when they are taken."""
    arn = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{repository}"
    known = {"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}}
    stages = {"StringEqualsIfExists": {"aws:RequestTag/stage": ["dev", "test"]}}
    text = policy(
        statement("Allow", ["ecr:TagResource", "ecr:UntagResource"], PULLER_ONLY, Condition=known | stages)
    )
    ecr.set_repository_policy(repositoryName=repository, policyText=text)
    puller = as_holder("PullOnly")
    puller.tag_resource(
        resourceArn=arn, tags=[{"Key": "team", "Value": "a"}, {"Key": "stage", "Value": "dev"}]
    )
    for tags in ([{"Key": "stage", "Value": "prod"}], [{"Key": "owner", "Value": "me"}]):
        assert refusal(puller.tag_resource, resourceArn=arn, tags=tags).code == "AccessDeniedException"
    assert refusal(puller.untag_resource, resourceArn=arn, tagKeys=["owner"]).code == "AccessDeniedException"
    puller.untag_resource(resourceArn=arn, tagKeys=["stage"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "team", "Value": "a"}]


@pytest.mark.parametrize("service", [model.ecr(), model.careen()], ids=["ecr", "careen"])
def test_no_call_goes_without_permission(registry: Registry, service: model.Service) -> None:
    """Whatever a call leaves out or leaves empty, something is asked for it."""
    somebody = Principal(registry.id, "somebody", "AKIA", ())
    importer = Importer(registry, Secrets(registry.scratch_folder))
    call = Call(registry, PullTimes(registry), importer, somebody, "http://localhost:5000", Circumstances(0))
    for name in service.model.operation_names:
        for names in ({}, {"repositoryNames": list[str]()}):
            needed = list(permissions.needed(call, service.operation(name), dict(names)))
            assert [action for action, _ in needed] == [action_of(name, service.signing_name)]
