"""Managed policies: four ways to use a registry."""

import pytest

from careen.ecr.model import careen, ecr
from careen.iam.actions import Action, action_of
from careen.iam.managed import ALLOWED, ManagedPolicy, allows, denied

P = ManagedPolicy

CAN = [
    (P.PULL_ONLY, Action.GET_AUTHORIZATION_TOKEN, True),
    (P.PULL_ONLY, Action.BATCH_GET_IMAGE, True),
    (P.PULL_ONLY, Action.GET_DOWNLOAD_URL_FOR_LAYER, True),
    (P.PULL_ONLY, Action.DESCRIBE_IMAGES, False),
    (P.PULL_ONLY, Action.PUT_IMAGE, False),
    (P.READ_ONLY, Action.DESCRIBE_IMAGES, True),
    (P.READ_ONLY, Action.GET_LIFECYCLE_POLICY_PREVIEW, True),
    (P.READ_ONLY, Action.START_LIFECYCLE_POLICY_PREVIEW, False),
    (P.READ_ONLY, Action.PUT_IMAGE, False),
    (P.POWER_USER, Action.PUT_IMAGE, True),
    (P.POWER_USER, Action.LIST_IMAGES, True),
    (P.POWER_USER, Action.BATCH_DELETE_IMAGE, False),
    (P.POWER_USER, Action.PUT_LIFECYCLE_POLICY, False),
    (P.POWER_USER, Action.CREATE_REPOSITORY, False),
    (P.FULL_ACCESS, Action.BATCH_DELETE_IMAGE, True),
    (P.FULL_ACCESS, Action.REPLICATE_IMAGE, True),
    ("AdministratorAccess", Action.BATCH_GET_IMAGE, False),
    ("", Action.BATCH_GET_IMAGE, False),
]


@pytest.mark.parametrize(("policy", "action", "can"), CAN)
def test_a_policy_allows_what_aws_says(policy: str, action: Action, can: bool) -> None:
    """Pull, look, push, own; a policy of another name allows nothing."""
    assert allows(policy, action) is can


def test_full_access_is_every_action() -> None:
    """Its statement is ecr:*, so a new action is in it at once."""
    assert all(allows(P.FULL_ACCESS, action) for action in Action)


def test_a_power_user_can_do_all_a_reader_can() -> None:
    """The policies of AWS are nested so."""
    assert ALLOWED[P.READ_ONLY] < ALLOWED[P.POWER_USER] < ALLOWED[P.FULL_ACCESS]


def test_every_operation_has_an_action_and_every_action_a_use() -> None:
    """The vocabulary is both models' operations, the three permissions of ECR without one, and that of a page of ours."""
    permissions = {"ecr:BatchImportUpstreamImage", "ecr:ReplicateImage", "ecr:GetImageCopyStatus"}
    permissions |= {"careen:GetMetrics"}
    actions = {
        action_of(name, service.signing_name)
        for service in (ecr(), careen())
        for name in service.model.operation_names
    }
    assert actions | permissions == set(Action)


def test_listing_referrers_is_reading_images() -> None:
    """The one operation without an action of its own."""
    assert action_of("ListImageReferrers") is Action.BATCH_GET_IMAGE
    assert action_of("PutImage") is Action.PUT_IMAGE


def test_a_policy_has_an_arn() -> None:
    """AWS's own."""
    assert P.PULL_ONLY.arn == "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"


def test_a_denial_reads_as_on_amazon() -> None:
    """The sentence that tools and people look for."""
    error = denied(
        "arn:aws:iam::123456789012:user/ci",
        Action.INITIATE_LAYER_UPLOAD,
        "arn:aws:ecr:eu-west-1:123456789012:repository/app",
    )
    assert error.code == "AccessDeniedException"
    assert error.message == (
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:InitiateLayerUpload "
        "on resource: arn:aws:ecr:eu-west-1:123456789012:repository/app "
        "because no identity-based policy allows the ecr:InitiateLayerUpload action"
    )
