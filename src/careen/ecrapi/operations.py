"""Every operation that is served, and the one way to run one: authorise → run. The wire and the console take it."""

from collections.abc import Awaitable, Callable
from typing import Any

from botocore.model import OperationModel

from careen.ecr import errors
from careen.ecrapi import (
    account,
    events,
    explanations,
    images,
    layers,
    lifecycle,
    permissions,
    pins,
    plans,
    policies,
    pull_through,
    pulls,
    replication,
    repositories,
    rules,
    runs,
    scanning,
    signing,
    storage,
    templates,
    trash,
    webhooks,
)
from careen.ecrapi.call import Call
from careen.ecrapi.public import images as public_images
from careen.ecrapi.public import registries
from careen.ecrapi.public import repositories as public_repositories
from careen.ecrapi.public.shared import public_operation
from careen.registry import access
from careen.registry.registry import Transaction

Operation = Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: dict[str, Operation] = {
    "BatchCheckLayerAvailability": layers.batch_check_layer_availability,
    "BatchDeleteImage": images.batch_delete_image,
    "BatchGetImage": images.batch_get_image,
    "BatchGetRepositoryScanningConfiguration": scanning.batch_get_repository_scanning_configuration,
    "CompleteLayerUpload": layers.complete_layer_upload,
    "CreatePullThroughCacheRule": pull_through.create_pull_through_cache_rule,
    "CreateRepository": repositories.create_repository,
    "CreateRepositoryCreationTemplate": templates.create_repository_creation_template,
    "DeleteLifecyclePolicy": lifecycle.delete_lifecycle_policy,
    "DeletePullThroughCacheRule": pull_through.delete_pull_through_cache_rule,
    "DeleteRegistryPolicy": policies.delete_registry_policy,
    "DeleteRepository": repositories.delete_repository,
    "DeleteRepositoryCreationTemplate": templates.delete_repository_creation_template,
    "DeleteRepositoryPolicy": policies.delete_repository_policy,
    "DeleteSigningConfiguration": signing.delete_signing_configuration,
    "DeregisterPullTimeUpdateExclusion": pulls.deregister_pull_time_update_exclusion,
    "DescribeImageReplicationStatus": replication.describe_image_replication_status,
    "DescribeImageScanFindings": scanning.describe_image_scan_findings,
    "DescribeImageSigningStatus": signing.describe_image_signing_status,
    "DescribeImages": images.describe_images,
    "DescribePullThroughCacheRules": pull_through.describe_pull_through_cache_rules,
    "DescribeRegistry": replication.describe_registry,
    "DescribeReplicationBackfillResults": replication.describe_replication_backfill_results,
    "DescribeRepositories": repositories.describe_repositories,
    "DescribeRepositoryCreationTemplates": templates.describe_repository_creation_templates,
    "GetAccountSetting": account.get_account_setting,
    "GetAuthorizationToken": account.get_authorization_token,
    "GetDownloadUrlForLayer": layers.get_download_url_for_layer,
    "GetLifecyclePolicy": lifecycle.get_lifecycle_policy,
    "GetLifecyclePolicyPreview": lifecycle.get_lifecycle_policy_preview,
    "GetRegistryPolicy": policies.get_registry_policy,
    "GetRegistryScanningConfiguration": scanning.get_registry_scanning_configuration,
    "GetRepositoryPolicy": policies.get_repository_policy,
    "GetSigningConfiguration": signing.get_signing_configuration,
    "InitiateLayerUpload": layers.initiate_layer_upload,
    "ListImageReferrers": images.list_image_referrers,
    "ListImages": images.list_images,
    "ListPullTimeUpdateExclusions": pulls.list_pull_time_update_exclusions,
    "ListReplicationBackfills": replication.list_replication_backfills,
    "ListTagsForResource": repositories.list_tags_for_resource,
    "PutAccountSetting": account.put_account_setting,
    "PutImage": images.put_image,
    "PutImageScanningConfiguration": scanning.put_image_scanning_configuration,
    "PutImageTagMutability": repositories.put_image_tag_mutability,
    "PutLifecyclePolicy": lifecycle.put_lifecycle_policy,
    "PutRegistryPolicy": policies.put_registry_policy,
    "PutRegistryScanningConfiguration": scanning.put_registry_scanning_configuration,
    "PutReplicationConfiguration": replication.put_replication_configuration,
    "PutSigningConfiguration": signing.put_signing_configuration,
    "RegisterPullTimeUpdateExclusion": pulls.register_pull_time_update_exclusion,
    "SetRepositoryPolicy": policies.set_repository_policy,
    "StartImageScan": scanning.start_image_scan,
    "StartLifecyclePolicyPreview": lifecycle.start_lifecycle_policy_preview,
    "StartReplicationBackfill": replication.start_replication_backfill,
    "StopReplicationBackfill": replication.stop_replication_backfill,
    "TagResource": repositories.tag_resource,
    "UntagResource": repositories.untag_resource,
    "UpdateImageStorageClass": images.update_image_storage_class,
    "UpdatePullThroughCacheRule": pull_through.update_pull_through_cache_rule,
    "UpdateRepositoryCreationTemplate": templates.update_repository_creation_template,
    "UploadLayerPart": layers.upload_layer_part,
    "ValidatePullThroughCacheRule": pull_through.validate_pull_through_cache_rule,
}
"""All of ECR's; what a later botocore's model has beyond them answers a modelled error."""

CAREEN_OPERATIONS: dict[str, Operation] = {
    "ApplyLifecyclePolicy": plans.apply_lifecycle_policy,
    "DeleteDefaultLifecyclePolicy": rules.delete_default_lifecycle_policy,
    "DeleteExtensionRules": rules.delete_extension_rules,
    "DeleteImagePins": pins.delete_image_pins,
    "DeleteProtectionRules": rules.delete_protection_rules,
    "DeleteWebhook": webhooks.delete_webhook,
    "DescribeDefaultLifecyclePolicies": rules.describe_default_lifecycle_policies,
    "DescribeDeletions": trash.describe_deletions,
    "DescribeLifecycleRun": runs.describe_lifecycle_run,
    "DescribePinFeeds": pins.describe_pin_feeds,
    "DescribePulls": pulls.describe_pulls,
    "DiffLifecyclePolicy": plans.diff_lifecycle_policy,
    "EmptyTrash": trash.empty_trash,
    "ExplainAccess": policies.explain_access,
    "ExplainImage": explanations.explain_image,
    "ForecastLifecyclePolicy": plans.forecast_lifecycle_policy,
    "GetEffectiveLifecyclePolicy": rules.get_effective_lifecycle_policy,
    "GetExtensionRules": rules.get_extension_rules,
    "GetProtectionRules": rules.get_protection_rules,
    "LintLifecyclePolicy": explanations.lint_lifecycle_policy,
    "ListDeadLetters": webhooks.list_dead_letters,
    "ListEvents": events.list_events,
    "ListRepositorySummaries": storage.list_repository_summaries,
    "ListStorageSamples": storage.list_storage_samples,
    "ListLifecycleRuns": runs.list_lifecycle_runs,
    "ListTrash": trash.list_trash,
    "ListImagePins": pins.list_image_pins,
    "ListWebhooks": webhooks.list_webhooks,
    "PutDefaultLifecyclePolicy": rules.put_default_lifecycle_policy,
    "PutExtensionRules": rules.put_extension_rules,
    "PutImagePins": pins.put_image_pins,
    "PutProtectionRules": rules.put_protection_rules,
    "PutWebhook": webhooks.put_webhook,
    "RedeliverDeadLetters": webhooks.redeliver_dead_letters,
    "ReportImagesInUse": pins.report_images_in_use,
    "RestoreImages": trash.restore_images,
    "RunLifecyclePolicy": plans.run_lifecycle_policy,
    "SimulateLifecyclePolicy": plans.simulate_lifecycle_policy,
    "TestWebhook": webhooks.test_webhook,
}
"""The operations of our own service: all of its model."""

PUBLIC_OPERATIONS: dict[str, Operation] = {
    "BatchCheckLayerAvailability": public_operation(public_images.batch_check_layer_availability),
    "BatchDeleteImage": public_operation(images.batch_delete_image),
    "CompleteLayerUpload": public_operation(layers.complete_layer_upload),
    "CreateRepository": public_operation(public_repositories.create_repository, creates=True),
    "DeleteRepository": public_operation(public_repositories.delete_repository),
    "DeleteRepositoryPolicy": public_operation(policies.delete_repository_policy),
    "DescribeImages": public_operation(public_images.describe_images),
    "DescribeImageTags": public_operation(public_images.describe_image_tags),
    "DescribeRegistries": registries.describe_registries,
    "DescribeRepositories": public_operation(public_repositories.describe_repositories),
    "GetAuthorizationToken": registries.get_authorization_token,
    "GetRegistryCatalogData": registries.get_registry_catalog_data,
    "GetRepositoryCatalogData": public_operation(public_repositories.get_repository_catalog_data),
    "GetRepositoryPolicy": public_operation(policies.get_repository_policy),
    "InitiateLayerUpload": public_operation(layers.initiate_layer_upload),
    "ListTagsForResource": public_operation(repositories.list_tags_for_resource),
    "PutImage": public_operation(images.put_image),
    "PutRegistryCatalogData": registries.put_registry_catalog_data,
    "PutRepositoryCatalogData": public_operation(public_repositories.put_repository_catalog_data),
    "SetRepositoryPolicy": public_operation(public_repositories.set_repository_policy),
    "TagResource": public_operation(repositories.tag_resource),
    "UntagResource": public_operation(repositories.untag_resource),
    "UploadLayerPart": public_operation(layers.upload_layer_part),
}
"""The operations of ECR Public."""

SERVED = {"ecr": OPERATIONS, "ecr-public": PUBLIC_OPERATIONS, "careen": CAREEN_OPERATIONS}
"""Each service's operations, by its signing name."""


def check_served(operation: OperationModel) -> None:
    """Refuse an operation of a model that is newer than we are.

    Raises:
        careen.ecr.errors.OperationNotServed: it is one of those.
    """
    if operation.name not in SERVED[operation.service_model.signing_name]:
        raise errors.OperationNotServed(operation.name, [shape.name for shape in operation.error_shapes])


async def answer(call: Call, operation: OperationModel, parameters: dict[str, Any]) -> dict[str, Any]:
    """The answer of an operation, if the caller may have it.

    Args:
        call: who asks, and where.
        operation: one that is served.
        parameters: its input, which :func:`careen.ecr.wire.parse` has found to fit the model.

    Raises:
        careen.ecr.common_errors.AccessDenied: the policies do not allow it.
        careen.ecr.errors.EcrError: whatever the operation refuses.
    """
    call.registry.read(_authorise, call, operation, parameters)
    _check_registry_id(call, operation, parameters)
    return await SERVED[operation.service_model.signing_name][operation.name](call, parameters)


def _authorise(tx: Transaction, call: Call, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """Let the call pass, or raise ECR's refusal."""
    for action, resource in permissions.needed(call, operation, parameters):
        access.require(tx, call.principal, action, resource, call.circumstances)


def _check_registry_id(call: Call, operation: OperationModel, parameters: dict[str, Any]) -> None:
    """There is one registry here; a repository of another does not exist, and cannot be created."""
    wanted = parameters.get("registryId", call.registry.id)
    if wanted in {
        call.registry.id,
        call.registry.public_alias,
    }:  # the models let ECR Public's clients say the alias
        return
    declared = {shape.name for shape in operation.error_shapes}
    if errors.RegistryNotFound.code in declared:
        raise errors.RegistryNotFound(wanted)
    if errors.RepositoryNotFound.code in declared:
        raise errors.RepositoryNotFound(parameters.get("repositoryName", "*"), wanted)
    raise errors.InvalidParameter("registryId", f"This is registry {call.registry.id}")
