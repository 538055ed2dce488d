"""One request for each operation: complete, well-formed, about a repository that does not exist."""

from typing import Any

from tests.images import image
from tests.server import REGION, REGISTRY_ID

ABSENT = "never/created"
ABSENT_PREFIX = "never-a-prefix"
DIGEST = f"sha256:{0:064x}"
UPLOAD_ID = "00000000-0000-4000-8000-000000000000"

KEEP_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},'
    '"action":{"type":"expire"}}]}'
)
"""A policy that keeps the newest image."""

REPOSITORY_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"pull","Effect":"Allow","Principal":{"AWS":"999999999999"},'
    '"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"]}]}'
)
REGISTRY_POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"replicate","Effect":"Allow","Principal":{"AWS":"999999999999"},'
    '"Action":"ecr:ReplicateImage","Resource":"*"}]}'
)
"""Policies for another account, so that they change nothing for the callers of tests."""

_THERE = {"repositoryName": ABSENT}
_ARN = {"resourceArn": f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{ABSENT}"}
_PRINCIPAL = {"principalArn": f"arn:aws:iam::{REGISTRY_ID}:user/scanner"}
_PREFIX = {"prefix": ABSENT_PREFIX}
_SETTING = {"name": "REGISTRY_POLICY_SCOPE"}
_CACHE_PREFIX = {"ecrRepositoryPrefix": "never-made"}
_SECRET = {
    "credentialArn": f"arn:aws:secretsmanager:{REGION}:{REGISTRY_ID}:secret:ecr-pullthroughcache/never-kept"
}
_BY_DIGEST = [{"imageDigest": DIGEST}]

SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "BatchCheckLayerAvailability": ("batch_check_layer_availability", _THERE | {"layerDigests": [DIGEST]}),
    "BatchDeleteImage": ("batch_delete_image", _THERE | {"imageIds": _BY_DIGEST}),
    "BatchGetImage": ("batch_get_image", _THERE | {"imageIds": _BY_DIGEST}),
    "BatchGetRepositoryScanningConfiguration": (
        "batch_get_repository_scanning_configuration",
        {"repositoryNames": [ABSENT]},
    ),
    "CompleteLayerUpload": (
        "complete_layer_upload",
        _THERE | {"uploadId": UPLOAD_ID, "layerDigests": [DIGEST]},
    ),
    "CreatePullThroughCacheRule": (
        "create_pull_through_cache_rule",
        _CACHE_PREFIX | {"upstreamRegistryUrl": "quay.io"} | _SECRET,
    ),
    "CreateRepository": ("create_repository", _THERE),
    "CreateRepositoryCreationTemplate": (
        "create_repository_creation_template",
        _PREFIX | {"appliedFor": ["CREATE_ON_PUSH"]},
    ),
    "DeleteLifecyclePolicy": ("delete_lifecycle_policy", _THERE),
    "DeleteRegistryPolicy": ("delete_registry_policy", {}),
    "DeletePullThroughCacheRule": ("delete_pull_through_cache_rule", _CACHE_PREFIX),
    "DeleteRepository": ("delete_repository", _THERE),
    "DeleteRepositoryPolicy": ("delete_repository_policy", _THERE),
    "DeleteRepositoryCreationTemplate": ("delete_repository_creation_template", _PREFIX),
    "DeleteSigningConfiguration": ("delete_signing_configuration", {}),
    "DeregisterPullTimeUpdateExclusion": ("deregister_pull_time_update_exclusion", _PRINCIPAL),
    "DescribeImageScanFindings": ("describe_image_scan_findings", _THERE | {"imageId": _BY_DIGEST[0]}),
    "DescribeImageSigningStatus": ("describe_image_signing_status", _THERE | {"imageId": _BY_DIGEST[0]}),
    "DescribeImageReplicationStatus": (
        "describe_image_replication_status",
        _THERE | {"imageId": _BY_DIGEST[0]},
    ),
    "DescribeImages": ("describe_images", _THERE),
    "DescribeRegistry": ("describe_registry", {}),
    "DescribeReplicationBackfillResults": (
        "describe_replication_backfill_results",
        {"replicationBackfillId": UPLOAD_ID},
    ),
    "DescribePullThroughCacheRules": (
        "describe_pull_through_cache_rules",
        {"ecrRepositoryPrefixes": ["never-made"]},
    ),
    "DescribeRepositories": ("describe_repositories", {"repositoryNames": [ABSENT]}),
    "DescribeRepositoryCreationTemplates": ("describe_repository_creation_templates", {}),
    "GetAccountSetting": ("get_account_setting", _SETTING),
    "GetAuthorizationToken": ("get_authorization_token", {}),
    "GetDownloadUrlForLayer": ("get_download_url_for_layer", _THERE | {"layerDigest": DIGEST}),
    "GetLifecyclePolicy": ("get_lifecycle_policy", _THERE),
    "GetLifecyclePolicyPreview": ("get_lifecycle_policy_preview", _THERE),
    "GetRegistryPolicy": ("get_registry_policy", {}),
    "GetRepositoryPolicy": ("get_repository_policy", _THERE),
    "GetRegistryScanningConfiguration": ("get_registry_scanning_configuration", {}),
    "GetSigningConfiguration": ("get_signing_configuration", {}),
    "InitiateLayerUpload": ("initiate_layer_upload", _THERE),
    "ListImageReferrers": ("list_image_referrers", _THERE | {"subjectId": {"imageDigest": DIGEST}}),
    "ListImages": ("list_images", _THERE),
    "ListPullTimeUpdateExclusions": ("list_pull_time_update_exclusions", {}),
    "ListReplicationBackfills": ("list_replication_backfills", {}),
    "ListTagsForResource": ("list_tags_for_resource", _ARN),
    "PutAccountSetting": ("put_account_setting", _SETTING | {"value": "V2"}),
    "PutImage": ("put_image", _THERE | {"imageManifest": image("layer").manifest.decode()}),
    "PutImageScanningConfiguration": (
        "put_image_scanning_configuration",
        _THERE | {"imageScanningConfiguration": {"scanOnPush": True}},
    ),
    "PutImageTagMutability": ("put_image_tag_mutability", _THERE | {"imageTagMutability": "IMMUTABLE"}),
    "PutLifecyclePolicy": ("put_lifecycle_policy", _THERE | {"lifecyclePolicyText": KEEP_ONE}),
    "PutRegistryPolicy": ("put_registry_policy", {"policyText": REGISTRY_POLICY}),
    "SetRepositoryPolicy": ("set_repository_policy", _THERE | {"policyText": REPOSITORY_POLICY}),
    "PutRegistryScanningConfiguration": (
        "put_registry_scanning_configuration",
        {"scanType": "BASIC", "rules": []},
    ),
    "PutSigningConfiguration": ("put_signing_configuration", {"signingConfiguration": {"rules": []}}),
    "PutReplicationConfiguration": (
        "put_replication_configuration",
        {"replicationConfiguration": {"rules": []}},
    ),
    "RegisterPullTimeUpdateExclusion": ("register_pull_time_update_exclusion", _PRINCIPAL),
    "StartImageScan": ("start_image_scan", _THERE | {"imageId": _BY_DIGEST[0]}),
    "StartLifecyclePolicyPreview": (
        "start_lifecycle_policy_preview",
        _THERE | {"lifecyclePolicyText": KEEP_ONE},
    ),
    "StartReplicationBackfill": (
        "start_replication_backfill",
        {"destination": {"region": "eu-west-1", "registryId": "210987654321"}},
    ),
    "StopReplicationBackfill": ("stop_replication_backfill", {"replicationBackfillId": UPLOAD_ID}),
    "TagResource": ("tag_resource", _ARN | {"tags": [{"Key": "team", "Value": "web"}]}),
    "UntagResource": ("untag_resource", _ARN | {"tagKeys": ["team"]}),
    "UpdateImageStorageClass": (
        "update_image_storage_class",
        _THERE | {"imageId": _BY_DIGEST[0], "targetStorageClass": "ARCHIVE"},
    ),
    "UpdateRepositoryCreationTemplate": ("update_repository_creation_template", _PREFIX),
    "UpdatePullThroughCacheRule": ("update_pull_through_cache_rule", _CACHE_PREFIX | _SECRET),
    "UploadLayerPart": (
        "upload_layer_part",
        _THERE | {"uploadId": UPLOAD_ID, "partFirstByte": 0, "partLastByte": 4, "layerPartBlob": b"layer"},
    ),
    "ValidatePullThroughCacheRule": ("validate_pull_through_cache_rule", _CACHE_PREFIX),
}
"""Operation to boto3's method and parameters."""
