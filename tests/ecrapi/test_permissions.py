"""What the holders of Amazon's managed policies may do: every operation, with each of them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from careen.iam.actions import action_of
from tests.ecrapi.client import holders, push, refusal, strict
from tests.ecrapi.samples import ABSENT, SAMPLES
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server

PULL_ONLY = {"BatchGetImage", "GetAuthorizationToken", "GetDownloadUrlForLayer", "ListImageReferrers"}
READ_ONLY = PULL_ONLY | {
    "BatchCheckLayerAvailability",
    "DescribeImageScanFindings",
    "DescribeImages",
    "DescribeRepositories",
    "GetLifecyclePolicy",
    "GetLifecyclePolicyPreview",
    "GetRepositoryPolicy",
    "ListImages",
    "ListTagsForResource",
}
POWER_USER = READ_ONLY | {"CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart"}
ALLOWED = {"PullOnly": PULL_ONLY, "ReadOnly": READ_ONLY, "PowerUser": POWER_USER, "FullAccess": set(SAMPLES)}
"""From the AWS managed policy reference, operation by operation."""


ABSENCES = {
    "RepositoryNotFoundException",
    "LayersNotFoundException",
    "RegistryPolicyNotFoundException",
    "ExclusionNotFoundException",
    "ExclusionAlreadyExistsException",
    "TemplateAlreadyExistsException",
    "TemplateNotFoundException",
    "SigningConfigurationNotFoundException",
    "PullThroughCacheRuleNotFoundException",
    "SecretNotFoundException",
    "ReplicationBackfillNotFoundException",
    "ValidationException",
}


@pytest.fixture(scope="module")
def ecr(own: Server) -> Any:
    """The client of who owns it."""
    return strict(own.boto())


@pytest.fixture(scope="module")
def as_holder(own: Server) -> Callable[..., Any]:
    """A client of who holds a policy there."""
    return holders(own, lambda policy: own.key(f"has-{policy}", policy))


def denied(policy: str, action: str, resource: str) -> tuple[str, str]:
    """ECR's refusal."""
    return (
        "AccessDeniedException",
        (
            f"User: arn:aws:iam::{REGISTRY_ID}:user/has-{policy} is not authorized to perform: {action} on resource:"
            f" {resource} because no identity-based policy allows the {action} action"
        ),
    )


@pytest.mark.parametrize("operation", sorted(SAMPLES))
@pytest.mark.parametrize("policy", ALLOWED)
def test_a_policy_allows_what_it_does_on_amazon(
    as_holder: Callable[[str], Any], name: str, policy: str, operation: str
) -> None:
    """What is allowed goes on to find no such repository; the rest is refused in ECR's sentence."""
    method, sample = SAMPLES[operation]
    parameters = {key: _renamed(value, name) for key, value in sample.items()}
    call = getattr(as_holder(policy), method)
    about = {"repositoryName", "repositoryNames", "resourceArn"} & parameters.keys()
    resource = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}" if about else "*"
    answer = outcome(call, parameters)
    if operation not in ALLOWED[policy]:
        assert answer == denied(policy, action_of(operation), resource)
    elif policy == "PowerUser" and operation in {"InitiateLayerUpload", "PutImage"}:
        # This registry creates on push, which needs a permission of its own.
        assert answer == denied(policy, "ecr:CreateRepository", resource)
    else:
        assert answer[0] in {"", *ABSENCES}


def outcome(call: Callable[..., Any], parameters: dict[str, Any]) -> tuple[str, str]:
    """Code and message of the refusal; empty if there was none."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", ""


def _renamed(value: Any, name: str) -> Any:
    """The sample with a repository of this test's own."""
    if isinstance(value, list):
        return [_renamed(one, name) for one in value]
    return value.replace(ABSENT, name) if isinstance(value, str) else value


def test_a_power_user_pushes_and_cannot_delete(
    ecr: Any, as_holder: Callable[[str], Any], repository: str
) -> None:
    """To a repository that is there; the tag and the image stay."""
    holder = as_holder("PowerUser")
    push(holder, repository, image("pushed"), "1")
    by_tag = {"repositoryName": repository, "imageIds": [{"imageTag": "1"}]}
    resource = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{repository}"
    assert refusal(holder.batch_delete_image, **by_tag)[:2] == denied(
        "PowerUser", "ecr:BatchDeleteImage", resource
    )
    assert len(ecr.batch_get_image(**by_tag)["images"]) == 1


def test_who_may_create_creates_by_pushing(as_holder: Callable[[str], Any], name: str) -> None:
    """With ``create_on_push`` on, the first layer makes the repository."""
    holder = as_holder("FullAccess")
    push(holder, name, image("pushed"), "1")
    assert len(holder.list_images(repositoryName=name)["imageIds"]) == 1


def test_who_may_not_create_creates_nothing(ecr: Any, as_holder: Callable[[str], Any], name: str) -> None:
    """A push that is refused leaves no repository behind."""
    refused = refusal(as_holder("PowerUser").initiate_layer_upload, repositoryName=name)
    assert refused.code == "AccessDeniedException"
    assert refusal(ecr.list_images, repositoryName=name).code == "RepositoryNotFoundException"
