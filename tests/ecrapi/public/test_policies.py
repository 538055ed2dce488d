"""The policy of a public repository: who may push there and manage it. Pulling it cannot forbid."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.ecrapi.client import basic, oci_get, push, refusal, request
from tests.images import image
from tests.server import REGISTRY_ID, Server

PUSHING = [
    f"ecr-public:{action}"
    for action in (
        "BatchCheckLayerAvailability",
        "CompleteLayerUpload",
        "InitiateLayerUpload",
        "PutImage",
        "UploadLayerPart",
    )
]


def policy(effect: str, actions: list[str] | str, who: str = "*") -> str:
    """A document with one statement."""
    principal = who if who == "*" else {"AWS": f"arn:aws:iam::{REGISTRY_ID}:user/{who}"}
    statement = {"Effect": effect, "Principal": principal, "Action": actions}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_is_set_read_and_deleted(ecr: Any, ecr_public: Any, repository: str) -> None:
    """One stands on a repository: what ECR Public sets, ECR reads, and the other way round."""
    named, whole = {"repositoryName": repository}, {"repositoryName": f"public/{repository}"}
    assert refusal(ecr_public.get_repository_policy, **named)[:2] == (
        "RepositoryPolicyNotFoundException",
        f"Repository policy does not exist for the repository with name '{repository}' in the registry with id '{REGISTRY_ID}'",
    )
    answer = ecr_public.set_repository_policy(**named, policyText=policy("Allow", PUSHING))
    assert (answer["registryId"], answer["repositoryName"]) == (REGISTRY_ID, repository)
    for got in (ecr_public.get_repository_policy(**named), ecr.get_repository_policy(**whole)):
        assert got["policyText"] == answer["policyText"]
    ecr.set_repository_policy(**whole, policyText=policy("Allow", "ecr:BatchGetImage"))
    deleted = ecr_public.delete_repository_policy(**named)
    assert "ecr:BatchGetImage" in deleted["policyText"]
    assert refusal(ecr_public.delete_repository_policy, **named).code == "RepositoryPolicyNotFoundException"


def test_what_is_no_policy_is_refused(ecr_public: Any, repository: str) -> None:
    """In ECR's sentence."""
    refused = refusal(ecr_public.set_repository_policy, repositoryName=repository, policyText="{}")
    assert refused[:2] == (
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
    )


def test_who_would_lock_himself_out_must_insist(
    ecr_public: Any, as_holder: Callable[..., Any], repository: str
) -> None:
    """Judged by ECR Public's permission, which is all that the caller has."""
    holder = as_holder("PublicFullAccess", "ecr-public")
    harmless = {"repositoryName": repository, "policyText": policy("Deny", "ecr:SetRepositoryPolicy")}
    assert holder.set_repository_policy(**harmless)["repositoryName"] == repository
    fatal = {"repositoryName": repository, "policyText": policy("Deny", "ecr-public:SetRepositoryPolicy")}
    refused = refusal(holder.set_repository_policy, **fatal)
    assert (refused.code, "would lock" in refused.message) == ("InvalidParameterException", True)
    holder.set_repository_policy(**fatal, force=True)
    refused = refusal(ecr_public.set_repository_policy, **harmless)
    assert refused.code == "AccessDeniedException"
    assert refused.message.endswith("with an explicit deny in a resource-based policy")


def test_a_policy_lets_somebody_push(
    server: Server,
    ecr_public: Any,
    as_holder: Callable[..., Any],
    key_of: Callable[[str], dict[str, str]],
    repository: str,
) -> None:
    """By both APIs, who had no permission before; nobody else, and nothing more."""
    holder, key = as_holder("PublicReadOnly", "ecr-public"), key_of("PublicReadOnly")
    begin = (
        "POST",
        f"/v2/public/{repository}/blobs/uploads/",
        b"",
        basic(key["accessKeyId"], key["secretAccessKey"]),
    )
    assert request(server, *begin).status == 403
    ecr_public.set_repository_policy(
        repositoryName=repository, policyText=policy("Allow", PUSHING, "has-PublicReadOnly")
    )
    push(holder, repository, image("pushed by policy"), "1")
    assert request(server, *begin).status == 202
    images = {"repositoryName": repository, "imageIds": [{"imageTag": "1"}]}
    assert refusal(holder.batch_delete_image, **images).code == "AccessDeniedException"
    other = as_holder("ReadOnly", "ecr-public")
    refused = refusal(other.initiate_layer_upload, repositoryName=repository)
    assert refused.code == "AccessDeniedException"


@pytest.mark.parametrize("action", ["ecr-public:PutImage", "ecr:PutImage", "*"])
def test_what_forbids_one_permission_forbids_the_push(
    server: Server, ecr_public: Any, repository: str, action: str
) -> None:
    """Of the two that would allow it on the data plane, an explicit deny of either ends it, for the administrator too."""
    built = image("app")
    push(ecr_public, repository, built, "1")
    ecr_public.set_repository_policy(repositoryName=repository, policyText=policy("Deny", action), force=True)
    path, headers = f"/v2/public/{repository}/manifests/2", basic() | {"Content-Type": built.media_type}
    assert request(server, "PUT", path, built.manifest, headers).status == 403


@pytest.mark.parametrize("actions", ["ecr:*", "*"])
def test_pulling_is_not_to_be_forbidden(
    server: Server, ecr_public: Any, repository: str, actions: str
) -> None:
    """As on ECR Public: whoever is refused would pull without saying who it is."""
    push(ecr_public, repository, image("app"), "1")
    ecr_public.set_repository_policy(
        repositoryName=repository, policyText=policy("Deny", actions), force=True
    )
    assert oci_get(server, f"public/{repository}", "1").status == 200
    assert request(server, "GET", f"/v2/public/{repository}/manifests/1").status == 200


def test_the_registry_s_policy_is_not_asked(ecr: Any, ecr_public: Any, repository: str) -> None:
    """It is ECR's; ECR Public has none."""
    ecr.put_registry_policy(
        policyText=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "*",
                        "Resource": f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{repository}",
                    }
                ],
            }
        )
    )
    try:
        push(ecr_public, repository, image("app"), "1")
    finally:
        ecr.delete_registry_policy()


def test_why_is_told_of_ecr_public_too(
    ecr_public: Any, careen: Any, as_holder: Callable[..., Any], repository: str
) -> None:
    """`careen access explain` takes its actions, and a repository by its whole name, its short one or its ARN."""
    as_holder("PublicReadOnly", "ecr-public")
    ecr_public.set_repository_policy(
        repositoryName=repository, policyText=policy("Allow", PUSHING, "has-PublicReadOnly")
    )
    arn = f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{repository}"
    for named in (f"public/{repository}", repository, arn):
        told = careen.explain_access(
            principal="has-PublicReadOnly", action="ecr-public:PutImage", resource=named
        )
        assert (told["resource"], told["verdict"], told["policyType"]) == (
            arn,
            "allowed",
            "repository policy",
        )
    told = careen.explain_access(
        principal="has-PublicReadOnly", action="ecr:PutImage", resource=f"public/{repository}"
    )
    assert told["verdict"] == "implicitDeny"
