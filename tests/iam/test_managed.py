"""Managed policies: four ways to use a registry."""

import pytest

from careen.ecr.model import careen, ecr, ecr_public
from careen.iam.actions import Action, action_of, public_twin
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
    (P.FULL_ACCESS, Action.PUBLIC_CREATE_REPOSITORY, True),
    (P.PUBLIC_READ_ONLY, Action.PUBLIC_DESCRIBE_IMAGE_TAGS, True),
    (P.PUBLIC_READ_ONLY, Action.PUBLIC_PUT_IMAGE, False),
    (P.PUBLIC_READ_ONLY, Action.DESCRIBE_IMAGES, False),
    (P.PUBLIC_POWER_USER, Action.PUBLIC_PUT_IMAGE, True),
    (P.PUBLIC_POWER_USER, Action.PUT_IMAGE, False),
    (P.PUBLIC_POWER_USER, Action.PUBLIC_CREATE_REPOSITORY, False),
    (P.PUBLIC_FULL_ACCESS, Action.PUBLIC_DELETE_REPOSITORY, True),
    (P.PUBLIC_FULL_ACCESS, Action.DELETE_REPOSITORY, False),
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
    assert ALLOWED[P.PUBLIC_READ_ONLY] < ALLOWED[P.PUBLIC_POWER_USER] < ALLOWED[P.PUBLIC_FULL_ACCESS]


def test_every_operation_has_an_action_and_every_action_a_use() -> None:
    """The vocabulary is the models' operations and the three permissions of ECR without one."""
    permissions = {"ecr:BatchImportUpstreamImage", "ecr:ReplicateImage", "ecr:GetImageCopyStatus"}
    actions = {
        action_of(name, service.signing_name)
        for service in (ecr(), ecr_public(), careen())
        for name in service.model.operation_names
    }
    assert actions | permissions == set(Action)


def test_listing_referrers_is_reading_images() -> None:
    """The one operation without an action of its own."""
    assert action_of("ListImageReferrers") is Action.BATCH_GET_IMAGE
    assert action_of("PutImage") is Action.PUT_IMAGE


@pytest.mark.parametrize(
    ("action", "twin"),
    [
        (Action.PUT_IMAGE, Action.PUBLIC_PUT_IMAGE),
        (Action.BATCH_DELETE_IMAGE, Action.PUBLIC_BATCH_DELETE_IMAGE),
        (Action.BATCH_GET_IMAGE, None),
        (Action.PUBLIC_PUT_IMAGE, None),
    ],
)
def test_ecr_public_has_actions_of_the_same_name(action: Action, twin: Action | None) -> None:
    """Those of pushing and deleting; pulling asks for none there."""
    assert public_twin(action) is twin


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
