"""Who may manage users: administrators, and whom a policy lets do so."""

from collections.abc import Callable
from typing import Any

import pytest

from careen.iamapi.app import OPERATIONS
from tests.ecrapi.client import push, refusal
from tests.ecrapi.test_own_service import policy
from tests.iamapi.conftest import allowing, arn, document
from tests.iamapi.samples import MANAGED, NOBODY, SAMPLES
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server


def test_there_is_a_call_of_every_operation() -> None:
    """The tables of these tests leave nothing out."""
    assert SAMPLES.keys() == OPERATIONS["iam"].keys()


@pytest.mark.parametrize("operation", sorted(SAMPLES))
def test_who_owns_all_images_owns_no_users(iam_of: Callable[[str], Any], operation: str) -> None:
    """Amazon's full access to ECR allows none of it; the refusal names the action and the resource."""
    sample = SAMPLES[operation]
    refused = refusal(getattr(iam_of("FullAccess"), sample.method), **sample.parameters)
    assert (refused.code, refused.status) == ("AccessDenied", 403)
    assert refused.message == (
        f"User: {arn('user/has-FullAccess')} is not authorized to perform: iam:{operation} on resource: {sample.resource}"
        f" because no identity-based policy allows the iam:{operation} action"
    )


@pytest.mark.parametrize(
    "operation",
    sorted(
        name
        for name, sample in SAMPLES.items()
        if not name.startswith("Create") and NOBODY in str(sample.parameters)
    ),
)
def test_an_administrator_is_told_that_nobody_is_there(iam_of: Callable[[str], Any], operation: str) -> None:
    """The same calls of somebody who may make them."""
    sample = SAMPLES[operation]
    refused = refusal(getattr(iam_of("AdministratorAccess"), sample.method), **sample.parameters)
    noun = "user" if "UserName" in sample.parameters else "role"
    assert (refused.code, refused.status) == ("NoSuchEntity", 404)
    assert refused.message == f"The {noun} with name {NOBODY} cannot be found."


def test_a_policy_can_let_somebody_manage_some(
    iam: Any, server: Server, user: str, new_key: Callable[[str], dict[str, str]]
) -> None:
    """By path, and with the policies that may be attached and no others."""
    iam.put_user_policy(
        UserName=user,
        PolicyName="robots",
        PolicyDocument=allowing("iam:CreateUser", "iam:DeleteUser", resource=arn("user/robots/*")),
    )
    holder = server.boto("iam", **new_key(user))
    robot = f"robot-of-{user}"
    holder.create_user(UserName=robot, Path="/robots/")
    assert refusal(holder.create_user, UserName=f"{robot}-2").code == "AccessDenied"
    assert refusal(holder.get_user, UserName=robot).code == "AccessDenied"
    attaching = {"UserName": robot, "PolicyArn": MANAGED}
    assert refusal(holder.attach_user_policy, **attaching).code == "AccessDenied"
    statement = {
        "Effect": "Allow",
        "Action": ["iam:AttachUserPolicy", "iam:DetachUserPolicy"],
        "Resource": arn("user/robots/*"),
        "Condition": {"ArnEquals": {"iam:PolicyARN": MANAGED}},
    }
    iam.put_user_policy(UserName=user, PolicyName="attaching", PolicyDocument=document(statement))
    holder.attach_user_policy(**attaching)
    assert (
        refusal(
            holder.attach_user_policy,
            UserName=robot,
            PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess",
        ).code
        == "AccessDenied"
    )
    holder.detach_user_policy(**attaching)
    holder.delete_user(UserName=robot)


def test_a_right_to_one_repository_brings_nothing_back_to_another(
    iam: Any,
    server: Server,
    user: str,
    new_key: Callable[[str], dict[str, str]],
    name: str,
) -> None:
    """A lifecycle run is not the repository's that is named beside it."""
    iam.put_user_policy(
        UserName=user,
        PolicyName="own",
        PolicyDocument=allowing(
            "careen:RestoreImages", resource=f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}/own"
        ),
    )
    ecr, careen = server.boto(), server.boto("careen")
    ecr.create_repository(repositoryName=f"{name}/other")
    for number in range(2):
        push(ecr, f"{name}/other", image(f"{name} {number}"), f"v{number}")
    careen.apply_lifecycle_policy(repositoryName=f"{name}/other", lifecyclePolicyText=policy(1))
    [deleted] = careen.list_trash(repositoryName=f"{name}/other")["deletions"]
    holder = server.boto("careen", **new_key(user))
    assert refusal(holder.restore_images, runId=deleted["runId"]).code == "AccessDeniedException"
    named = refusal(holder.restore_images, repositoryName=f"{name}/own", runId=deleted["runId"])
    assert named.code == "InvalidParameterException"
    assert len(ecr.list_images(repositoryName=f"{name}/other")["imageIds"]) == 1
