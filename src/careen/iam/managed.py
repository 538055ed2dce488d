"""AWS's managed policies for ECR, and what they allow; and two of our own.

Four policies cover the ways a registry is used: pull, look, push, own. Their actions are AWS's (AWS managed
policy reference, AmazonEC2ContainerRegistry…), so that an access key means here what it means on Amazon.
Note that a power user can push but neither delete images nor write lifecycle policies. The fifth and the sixth, of which Amazon
knows nothing, are for the feeds that report images in use and for other registries that replicate to this one, and let them do
nothing else.

Policies that users write are another matter, and another module's.
"""

from enum import StrEnum

from careen.ecr.common_errors import AccessDenied
from careen.iam.actions import Action

_PULL_ONLY = frozenset(
    {
        Action.GET_AUTHORIZATION_TOKEN,
        Action.BATCH_GET_IMAGE,
        Action.GET_DOWNLOAD_URL_FOR_LAYER,
        Action.BATCH_IMPORT_UPSTREAM_IMAGE,
    }
)
_READ_ONLY = frozenset(
    {
        Action.GET_AUTHORIZATION_TOKEN,
        Action.BATCH_CHECK_LAYER_AVAILABILITY,
        Action.GET_DOWNLOAD_URL_FOR_LAYER,
        Action.GET_REPOSITORY_POLICY,
        Action.DESCRIBE_REPOSITORIES,
        Action.LIST_IMAGES,
        Action.DESCRIBE_IMAGES,
        Action.BATCH_GET_IMAGE,
        Action.GET_LIFECYCLE_POLICY,
        Action.GET_LIFECYCLE_POLICY_PREVIEW,
        Action.LIST_TAGS_FOR_RESOURCE,
        Action.DESCRIBE_IMAGE_SCAN_FINDINGS,
        # Ours: who may read a policy may ask what it does, and who may see an image, how often it was pulled or who deleted it.
        Action.DESCRIBE_DEFAULT_LIFECYCLE_POLICIES,
        Action.DESCRIBE_DELETIONS,
        Action.DESCRIBE_PIN_FEEDS,
        Action.DESCRIBE_PULLS,
        Action.DIFF_LIFECYCLE_POLICY,
        Action.EXPLAIN_IMAGE,
        Action.FORECAST_LIFECYCLE_POLICY,
        Action.GET_EFFECTIVE_LIFECYCLE_POLICY,
        Action.GET_EXTENSION_RULES,
        Action.GET_METRICS,
        Action.GET_PROTECTION_RULES,
        Action.LINT_LIFECYCLE_POLICY,
        Action.LIST_TRASH,
        Action.LIST_IMAGE_PINS,
        Action.SIMULATE_LIFECYCLE_POLICY,
    }
)
_POWER_USER = _READ_ONLY | {
    Action.INITIATE_LAYER_UPLOAD,
    Action.UPLOAD_LAYER_PART,
    Action.COMPLETE_LAYER_UPLOAD,
    Action.PUT_IMAGE,
}


_PIN_REPORTER = frozenset(
    {
        Action.REPORT_IMAGES_IN_USE,
        Action.DESCRIBE_PIN_FEEDS,
        Action.LIST_IMAGE_PINS,
    }
)


_REPLICATOR = frozenset(
    {
        Action.GET_AUTHORIZATION_TOKEN,
        Action.BATCH_CHECK_LAYER_AVAILABILITY,
        Action.BATCH_DELETE_IMAGE,
        Action.BATCH_GET_IMAGE,
        Action.COMPLETE_LAYER_UPLOAD,
        Action.CREATE_REPOSITORY,
        Action.DESCRIBE_REPOSITORIES,
        Action.GET_DOWNLOAD_URL_FOR_LAYER,
        Action.INITIATE_LAYER_UPLOAD,
        Action.PUT_IMAGE,
        Action.REPLICATE_IMAGE,
        Action.UPLOAD_LAYER_PART,
    }
)


class ManagedPolicy(StrEnum):
    """A managed policy, by AWS's name if it is AWS's."""

    PULL_ONLY = "AmazonEC2ContainerRegistryPullOnly"
    READ_ONLY = "AmazonEC2ContainerRegistryReadOnly"
    POWER_USER = "AmazonEC2ContainerRegistryPowerUser"
    FULL_ACCESS = "AmazonEC2ContainerRegistryFullAccess"
    PIN_REPORTER = "CareenPinReporter"
    REPLICATOR = "CareenReplicator"

    @property
    def arn(self) -> str:
        """``arn:aws:iam::aws:policy/<name>``."""
        return f"arn:aws:iam::aws:policy/{self}"


ALLOWED: dict[str, frozenset[Action]] = {
    ManagedPolicy.PULL_ONLY: _PULL_ONLY,
    ManagedPolicy.READ_ONLY: _READ_ONLY,
    ManagedPolicy.POWER_USER: _POWER_USER,
    ManagedPolicy.PIN_REPORTER: _PIN_REPORTER,
    ManagedPolicy.REPLICATOR: _REPLICATOR,
    ManagedPolicy.FULL_ACCESS: frozenset(Action),  # its statement says ecr:*; here careen:* goes with it
}
"""The actions of ECR that each policy allows, on every resource."""


def allows(policy: str, action: Action) -> bool:
    """Whether a managed policy allows an action.

    Args:
        policy: the policy's name; a name that is none of AWS's four allows nothing.
        action: what is asked for.
    """
    return action in ALLOWED.get(policy, frozenset())


def denied(principal_arn: str, action: Action, resource: str) -> AccessDenied:
    """The refusal when none of the principal's policies allows an action.

    Args:
        principal_arn: who asked.
        action: what for.
        resource: the repository's ARN, or ``*`` for actions that are the whole registry's.
    """
    return AccessDenied(
        principal_arn, action, resource, f"no identity-based policy allows the {action} action"
    )
