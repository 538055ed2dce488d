"""AWS's managed policies for ECR and ECR Public, AWS's for administrators, and two of our own.

Four policies cover the ways a registry is used: pull, look, push, own; three are the last three for public
repositories, which anybody may pull from. Their actions are AWS's (AWS managed policy reference,
AmazonEC2ContainerRegistry… and AmazonElasticContainerRegistryPublic…), so that an access key means here what it
means on Amazon. Note that a power user can push but neither delete images nor write lifecycle policies. Two, of which
Amazon knows nothing, are for the feeds that report images in use and for other registries that replicate to this one,
and let them do nothing else. Who owns all images owns no users: that takes the administrators'.

They are documents like those that people write, and are evaluated like them.
"""

import json
from collections.abc import Iterable
from enum import StrEnum

from careen.iam.actions import Action
from careen.iam.policy import VERSION, Kind, NamedDocument, parse

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
        Action.DESCRIBE_LIFECYCLE_RUN,
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
        Action.LIST_EVENTS,
        Action.LIST_REPOSITORY_SUMMARIES,
        Action.LIST_STORAGE_SAMPLES,
        Action.LIST_LIFECYCLE_RUNS,
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


_PUBLIC_READ_ONLY = frozenset(
    {
        Action.PUBLIC_GET_AUTHORIZATION_TOKEN,
        Action.PUBLIC_BATCH_CHECK_LAYER_AVAILABILITY,
        Action.PUBLIC_GET_REPOSITORY_POLICY,
        Action.PUBLIC_DESCRIBE_REPOSITORIES,
        Action.PUBLIC_DESCRIBE_REGISTRIES,
        Action.PUBLIC_DESCRIBE_IMAGES,
        Action.PUBLIC_DESCRIBE_IMAGE_TAGS,
        Action.PUBLIC_GET_REPOSITORY_CATALOG_DATA,
        Action.PUBLIC_GET_REGISTRY_CATALOG_DATA,
    }
)
_PUBLIC_POWER_USER = _PUBLIC_READ_ONLY | {
    Action.PUBLIC_INITIATE_LAYER_UPLOAD,
    Action.PUBLIC_UPLOAD_LAYER_PART,
    Action.PUBLIC_COMPLETE_LAYER_UPLOAD,
    Action.PUBLIC_PUT_IMAGE,
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

    ADMINISTRATOR = "AdministratorAccess"
    PULL_ONLY = "AmazonEC2ContainerRegistryPullOnly"
    READ_ONLY = "AmazonEC2ContainerRegistryReadOnly"
    POWER_USER = "AmazonEC2ContainerRegistryPowerUser"
    FULL_ACCESS = "AmazonEC2ContainerRegistryFullAccess"
    PIN_REPORTER = "CareenPinReporter"
    REPLICATOR = "CareenReplicator"
    PUBLIC_READ_ONLY = "AmazonElasticContainerRegistryPublicReadOnly"
    PUBLIC_POWER_USER = "AmazonElasticContainerRegistryPublicPowerUser"
    PUBLIC_FULL_ACCESS = "AmazonElasticContainerRegistryPublicFullAccess"

    @property
    def arn(self) -> str:
        """``arn:aws:iam::aws:policy/<name>``."""
        return f"arn:aws:iam::aws:policy/{self}"


def _allowing(policy: ManagedPolicy, actions: Iterable[str]) -> tuple[NamedDocument]:
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    text = json.dumps({"Version": VERSION, "Statement": [statement]})
    return (NamedDocument(policy, parse(text, Kind.IDENTITY)),)


_DOCUMENTS: dict[str, tuple[NamedDocument]] = {
    policy: _allowing(policy, actions)
    for policy, actions in (
        (ManagedPolicy.ADMINISTRATOR, ("*",)),
        (ManagedPolicy.PULL_ONLY, _PULL_ONLY),
        (ManagedPolicy.READ_ONLY, _READ_ONLY),
        (ManagedPolicy.POWER_USER, _POWER_USER),
        (ManagedPolicy.FULL_ACCESS, ("ecr:*", "ecr-public:*", "careen:*")),  # here the other two go with it
        (ManagedPolicy.PIN_REPORTER, _PIN_REPORTER),
        (ManagedPolicy.REPLICATOR, _REPLICATOR),
        (ManagedPolicy.PUBLIC_READ_ONLY, _PUBLIC_READ_ONLY),
        (ManagedPolicy.PUBLIC_POWER_USER, _PUBLIC_POWER_USER),
        (ManagedPolicy.PUBLIC_FULL_ACCESS, ("ecr-public:*",)),
    )
}


def documents(policy: str) -> tuple[NamedDocument, ...]:
    """The policies of a principal that has this managed one; none, which allows nothing, if there is none of that name.

    Args:
        policy: the managed policy's name.
    """
    return _DOCUMENTS.get(policy, ())
