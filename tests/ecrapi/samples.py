"""One request for each operation: complete, well-formed, about a repository that does not exist."""

from typing import Any

from tests.images import image
from tests.server import REGION, REGISTRY_ID

ABSENT = "never/created"
DIGEST = f"sha256:{0:064x}"
UPLOAD_ID = "00000000-0000-4000-8000-000000000000"

KEEP_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},'
    '"action":{"type":"expire"}}]}'
)
"""A policy that keeps the newest image."""

_THERE = {"repositoryName": ABSENT}
_ARN = {"resourceArn": f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{ABSENT}"}
_PRINCIPAL = {"principalArn": f"arn:aws:iam::{REGISTRY_ID}:user/scanner"}
_PREFIX = {"ecrRepositoryPrefix": "never-made"}
_SECRET = {
    "credentialArn": f"arn:aws:secretsmanager:{REGION}:{REGISTRY_ID}:secret:ecr-pullthroughcache/never-kept"
}
_BY_DIGEST = [{"imageDigest": DIGEST}]

SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "BatchCheckLayerAvailability": ("batch_check_layer_availability", _THERE | {"layerDigests": [DIGEST]}),
    "BatchDeleteImage": ("batch_delete_image", _THERE | {"imageIds": _BY_DIGEST}),
    "BatchGetImage": ("batch_get_image", _THERE | {"imageIds": _BY_DIGEST}),
    "CompleteLayerUpload": (
        "complete_layer_upload",
        _THERE | {"uploadId": UPLOAD_ID, "layerDigests": [DIGEST]},
    ),
    "CreatePullThroughCacheRule": (
        "create_pull_through_cache_rule",
        _PREFIX | {"upstreamRegistryUrl": "quay.io"} | _SECRET,
    ),
    "CreateRepository": ("create_repository", _THERE),
    "DeleteLifecyclePolicy": ("delete_lifecycle_policy", _THERE),
    "DeletePullThroughCacheRule": ("delete_pull_through_cache_rule", _PREFIX),
    "DeleteRepository": ("delete_repository", _THERE),
    "DeregisterPullTimeUpdateExclusion": ("deregister_pull_time_update_exclusion", _PRINCIPAL),
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
    "GetAuthorizationToken": ("get_authorization_token", {}),
    "GetDownloadUrlForLayer": ("get_download_url_for_layer", _THERE | {"layerDigest": DIGEST}),
    "GetLifecyclePolicy": ("get_lifecycle_policy", _THERE),
    "GetLifecyclePolicyPreview": ("get_lifecycle_policy_preview", _THERE),
    "InitiateLayerUpload": ("initiate_layer_upload", _THERE),
    "ListImageReferrers": ("list_image_referrers", _THERE | {"subjectId": {"imageDigest": DIGEST}}),
    "ListImages": ("list_images", _THERE),
    "ListPullTimeUpdateExclusions": ("list_pull_time_update_exclusions", {}),
    "ListReplicationBackfills": ("list_replication_backfills", {}),
    "ListTagsForResource": ("list_tags_for_resource", _ARN),
    "PutImage": ("put_image", _THERE | {"imageManifest": image("layer").manifest.decode()}),
    "PutImageTagMutability": ("put_image_tag_mutability", _THERE | {"imageTagMutability": "IMMUTABLE"}),
    "PutLifecyclePolicy": ("put_lifecycle_policy", _THERE | {"lifecyclePolicyText": KEEP_ONE}),
    "PutReplicationConfiguration": (
        "put_replication_configuration",
        {"replicationConfiguration": {"rules": []}},
    ),
    "RegisterPullTimeUpdateExclusion": ("register_pull_time_update_exclusion", _PRINCIPAL),
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
    "UpdatePullThroughCacheRule": ("update_pull_through_cache_rule", _PREFIX | _SECRET),
    "UploadLayerPart": (
        "upload_layer_part",
        _THERE | {"uploadId": UPLOAD_ID, "partFirstByte": 0, "partLastByte": 4, "layerPartBlob": b"layer"},
    ),
    "ValidatePullThroughCacheRule": ("validate_pull_through_cache_rule", _PREFIX),
}
"""Operation to boto3's method and parameters."""
