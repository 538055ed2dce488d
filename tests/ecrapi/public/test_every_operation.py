"""All 23 operations of ECR Public's model: served, refused and permitted as the model and the managed policies say."""

from collections.abc import Callable
from typing import Any

import pytest

from careen.ecr import model
from careen.ecrapi.operations import PUBLIC_OPERATIONS
from careen.iam.actions import action_of
from tests.ecrapi.client import call, refusal
from tests.ecrapi.public.samples import ABSENT, SAMPLES
from tests.ecrapi.test_permissions import denied, outcome
from tests.server import REGION, REGISTRY_ID, Server


def test_every_operation_of_the_model_is_served() -> None:
    """A new botocore that knows a new operation, or a handler that is gone, shows here."""
    assert set(model.ecr_public().model.operation_names) == PUBLIC_OPERATIONS.keys()
    assert PUBLIC_OPERATIONS.keys() == SAMPLES.keys()


NAMES_ONE = sorted(operation for operation, (_, parameters) in SAMPLES.items() if ABSENT in str(parameters))


@pytest.mark.parametrize("operation", [name for name in NAMES_ONE if name != "CreateRepository"])
@pytest.mark.parametrize("kind", ["absent", "private"])
def test_what_is_not_public_is_not_there(
    ecr: Any, ecr_public: Any, name: str, operation: str, kind: str
) -> None:
    """Also a private repository, where a public one would be; the sentence has the name that was asked for."""
    if kind == "private":
        ecr.create_repository(repositoryName=f"public/{name}")
    method, parameters = SAMPLES[operation]
    refused = refusal(getattr(ecr_public, method), **renamed(parameters, name))
    assert (refused.code, refused.message) == (
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{REGISTRY_ID}'",
    )


HAS_REGISTRY = sorted(
    operation
    for operation in SAMPLES
    if "registryId" in model.ecr_public().operation(operation).input_shape.members  # type: ignore[union-attr]  # all have one
)


@pytest.mark.parametrize("operation", HAS_REGISTRY)
def test_another_registry_is_refused(ecr_public: Any, operation: str) -> None:
    """By RegistryNotFoundException where the model has it; else there is no such repository."""
    method, parameters = SAMPLES[operation]
    refused = refusal(getattr(ecr_public, method), **parameters, registryId="999999999999")
    declared = {shape.name for shape in model.ecr_public().operation(operation).error_shapes}
    if "RegistryNotFoundException" in declared:
        assert refused[:2] == (
            "RegistryNotFoundException",
            "The registry with id or alias '999999999999' does not exist",
        )
    else:
        assert refused.code == "RepositoryNotFoundException"


@pytest.mark.parametrize("registry", [REGISTRY_ID, "public"])
def test_a_registry_is_named_by_id_or_alias(ecr_public: Any, repository: str, registry: str) -> None:
    """The operations that the data plane stands on take both."""
    begun = ecr_public.initiate_layer_upload(repositoryName=repository, registryId=registry)
    assert begun["partSize"] > 0


READ_ONLY = {
    "BatchCheckLayerAvailability",
    "DescribeImages",
    "DescribeImageTags",
    "DescribeRegistries",
    "DescribeRepositories",
    "GetAuthorizationToken",
    "GetRegistryCatalogData",
    "GetRepositoryCatalogData",
    "GetRepositoryPolicy",
}
POWER_USER = READ_ONLY | {"CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart"}
ALLOWED = {
    "PublicReadOnly": READ_ONLY,
    "PublicPowerUser": POWER_USER,
    "PublicFullAccess": set(SAMPLES),
    "PowerUser": set[str](),
}
"""From the AWS managed policy reference, operation by operation. ECR's own policies say nothing of ECR Public."""


@pytest.mark.parametrize("operation", sorted(SAMPLES))
@pytest.mark.parametrize("policy", ALLOWED)
def test_a_policy_allows_what_it_does_on_amazon(
    as_holder: Callable[..., Any], name: str, policy: str, operation: str
) -> None:
    """What is allowed goes on to find no such repository; the rest is refused, by ECR Public's action and ARN."""
    method, sample = SAMPLES[operation]
    parameters = renamed(sample, name)
    about = {"repositoryName", "repositoryNames", "resourceArn"} & parameters.keys()
    resource = f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{name}" if about else "*"
    answer = outcome(getattr(as_holder(policy, "ecr-public"), method), parameters)
    if operation in ALLOWED[policy]:
        assert answer[0] in {"", "RepositoryNotFoundException"}
    else:
        assert answer == denied(policy, action_of(operation, "ecr-public"), resource)


def test_who_has_only_public_policies_sees_nothing_private(as_holder: Callable[..., Any]) -> None:
    """ECR's operations are other actions."""
    refused = refusal(as_holder("PublicFullAccess", "ecr").describe_repositories)
    every = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/*"
    assert refused[:2] == denied("PublicFullAccess", "ecr:DescribeRepositories", every)


@pytest.mark.parametrize(
    ("region", "service", "code"),
    [
        ("us-east-1", "ecr-public", ""),
        ("eu-central-1", "ecr-public", ""),
        ("us-west-2", "ecr-public", "InvalidSignatureException"),
        ("us-east-1", "ecr", "InvalidSignatureException"),
    ],
)
def test_a_signature_is_for_us_east_1_or_for_here(
    server: Server, region: str, service: str, code: str
) -> None:
    """ECR Public is one service for all Regions; a signature for ECR is none for it."""
    target = f"{model.ecr_public().target_prefix}.DescribeRegistries"
    answer = call(server, "DescribeRegistries", region=region, service=service, target=target)
    assert (answer.code if answer.status != 200 else "") == code


def renamed(value: Any, name: str) -> Any:
    """The sample with a repository of this test's own."""
    match value:
        case dict():
            return {key: renamed(inner, name) for key, inner in value.items()}
        case list():
            return [renamed(inner, name) for inner in value]
        case str():
            return value.replace(ABSENT, name)
    return value
