"""Managed policies: four ways to use a registry."""

import pytest

from careen.ecr.model import careen, ecr, ecr_public
from careen.iam.actions import Action, action_of, public_twin
from careen.iam.evaluate import Request, decide
from careen.iam.managed import ManagedPolicy, documents
from careen.iam.policy import Caller
from careen.iamapi.app import OPERATIONS

P = ManagedPolicy
REPOSITORY = "arn:aws:ecr:eu-west-1:123456789012:repository/app"


def allowed(policy: str) -> set[Action]:
    """What the holder of a policy may do on a repository that has none of its own."""
    ci = Caller("arn:aws:iam::123456789012:user/ci", "123456789012")
    requests = (Request(ci, action, REPOSITORY, ci.account, {}) for action in Action)
    return {one.action for one in requests if decide(one, identity=documents(policy)).allowed}


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
    (P.FULL_ACCESS, Action.CREATE_USER, False),
    (P.FULL_ACCESS, Action.ASSUME_ROLE, False),
    (P.ADMINISTRATOR, Action.CREATE_USER, True),
    (P.ADMINISTRATOR, Action.BATCH_GET_IMAGE, True),
    ("IAMFullAccess", Action.BATCH_GET_IMAGE, False),
    (P.FULL_ACCESS, Action.PUBLIC_CREATE_REPOSITORY, True),
    (P.PUBLIC_READ_ONLY, Action.PUBLIC_DESCRIBE_IMAGE_TAGS, True),
    (P.PUBLIC_READ_ONLY, Action.PUBLIC_PUT_IMAGE, False),
    (P.PUBLIC_READ_ONLY, Action.DESCRIBE_IMAGES, False),
    (P.PUBLIC_POWER_USER, Action.PUBLIC_PUT_IMAGE, True),
    (P.PUBLIC_POWER_USER, Action.PUT_IMAGE, False),
    (P.PUBLIC_POWER_USER, Action.PUBLIC_CREATE_REPOSITORY, False),
    (P.PUBLIC_FULL_ACCESS, Action.PUBLIC_DELETE_REPOSITORY, True),
    (P.PUBLIC_FULL_ACCESS, Action.DELETE_REPOSITORY, False),
    ("", Action.BATCH_GET_IMAGE, False),
]


@pytest.mark.parametrize(("policy", "action", "can"), CAN)
def test_a_policy_allows_what_aws_says(policy: str, action: Action, can: bool) -> None:
    """Pull, look, push, own; a policy of another name allows nothing."""
    assert (action in allowed(policy)) is can


def test_full_access_is_every_action_on_images_and_the_administrators_every_one() -> None:
    """Statements are ecr:* and *, so a new action is in them at once. Who owns images does not own users."""
    assert allowed(P.FULL_ACCESS) == {each for each in Action if not each.startswith(("iam:", "sts:"))}
    assert allowed(P.ADMINISTRATOR) == set(Action)


def test_a_power_user_can_do_all_a_reader_can() -> None:
    """The policies of AWS are nested so."""
    assert allowed(P.READ_ONLY) < allowed(P.POWER_USER) < allowed(P.FULL_ACCESS)
    assert allowed(P.PUBLIC_READ_ONLY) < allowed(P.PUBLIC_POWER_USER) < allowed(P.PUBLIC_FULL_ACCESS)


def test_every_operation_has_an_action_and_every_action_a_use() -> None:
    """The models' operations, the three permissions of ECR without one, that of a page of ours, and what IAM and STS serve."""
    permissions = {"ecr:BatchImportUpstreamImage", "ecr:ReplicateImage", "ecr:GetImageCopyStatus"}
    permissions |= {"careen:GetMetrics", "sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"}
    permissions |= {f"iam:{name}" for name in OPERATIONS["iam"]}
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
