"""One request for each operation of ECR Public: complete, well-formed, about a repository that does not exist."""

from typing import Any

from tests.ecrapi.samples import DIGEST, UPLOAD_ID
from tests.images import image
from tests.server import REGISTRY_ID

ABSENT = "never/created"

ANYBODY_MAY_LOOK = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr-public:DescribeImages"}]}'

_THERE = {"repositoryName": ABSENT}
_ARN = {"resourceArn": f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{ABSENT}"}
_BY_DIGEST = [{"imageDigest": DIGEST}]

SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "BatchCheckLayerAvailability": ("batch_check_layer_availability", _THERE | {"layerDigests": [DIGEST]}),
    "BatchDeleteImage": ("batch_delete_image", _THERE | {"imageIds": _BY_DIGEST}),
    "CompleteLayerUpload": (
        "complete_layer_upload",
        _THERE | {"uploadId": UPLOAD_ID, "layerDigests": [DIGEST]},
    ),
    "CreateRepository": ("create_repository", _THERE),
    "DeleteRepository": ("delete_repository", _THERE),
    "DeleteRepositoryPolicy": ("delete_repository_policy", _THERE),
    "DescribeImages": ("describe_images", _THERE),
    "DescribeImageTags": ("describe_image_tags", _THERE),
    "DescribeRegistries": ("describe_registries", {}),
    "DescribeRepositories": ("describe_repositories", {"repositoryNames": [ABSENT]}),
    "GetAuthorizationToken": ("get_authorization_token", {}),
    "GetRegistryCatalogData": ("get_registry_catalog_data", {}),
    "GetRepositoryCatalogData": ("get_repository_catalog_data", _THERE),
    "GetRepositoryPolicy": ("get_repository_policy", _THERE),
    "InitiateLayerUpload": ("initiate_layer_upload", _THERE),
    "ListTagsForResource": ("list_tags_for_resource", _ARN),
    "PutImage": ("put_image", _THERE | {"imageManifest": image("layer").manifest.decode()}),
    "PutRegistryCatalogData": ("put_registry_catalog_data", {"displayName": "Somebody"}),
    "PutRepositoryCatalogData": (
        "put_repository_catalog_data",
        _THERE | {"catalogData": {"description": "a"}},
    ),
    "SetRepositoryPolicy": ("set_repository_policy", _THERE | {"policyText": ANYBODY_MAY_LOOK}),
    "TagResource": ("tag_resource", _ARN | {"tags": [{"Key": "team", "Value": "web"}]}),
    "UntagResource": ("untag_resource", _ARN | {"tagKeys": ["team"]}),
    "UploadLayerPart": (
        "upload_layer_part",
        _THERE | {"uploadId": UPLOAD_ID, "partFirstByte": 0, "partLastByte": 4, "layerPartBlob": b"layer"},
    ),
}
"""Operation to boto3's method and parameters."""
