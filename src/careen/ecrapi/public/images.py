"""Images of public repositories, where ECR Public tells less of them than ECR, or tells it by tag."""

from typing import Any

from careen.ecr.pages import Listing
from careen.ecrapi import images, layers
from careen.ecrapi.call import Call
from careen.registry import public
from careen.registry.public import TaggedImage

Parameters = dict[str, Any]
Result = dict[str, Any]

_OF_AN_IMAGE = (
    "imageDigest",
    "imageSizeInBytes",
    "imagePushedAt",
    "imageManifestMediaType",
    "artifactMediaType",
)
_DETAIL = ("registryId", "repositoryName", "imageTags", *_OF_AN_IMAGE)


async def batch_check_layer_availability(call: Call, parameters: Parameters) -> Result:
    """BatchCheckLayerAvailability. ECR Public has no archive: a layer of archived images is there for a push as any other."""
    result = await layers.batch_check_layer_availability(call, parameters)
    for layer in result["layers"]:
        if layer["layerAvailability"] == "ARCHIVED":
            layer["layerAvailability"] = "AVAILABLE"
    return result


async def describe_images(call: Call, parameters: Parameters) -> Result:
    """DescribeImages, without what ECR Public knows nothing of."""
    result = await images.describe_images(call, parameters)
    details = [{member: detail.get(member) for member in _DETAIL} for detail in result["imageDetails"]]
    return {**result, "imageDetails": details}


async def describe_image_tags(call: Call, parameters: Parameters) -> Result:
    """DescribeImageTags: one entry per tag, by name."""
    name = parameters["repositoryName"]
    listing: Listing[str, TaggedImage] = Listing(f"DescribeImageTags {name}", str, lambda found: found.tag)
    page = await call.registry.in_thread(
        lambda: listing.page(
            lambda after, limit: call.registry.read(public.tagged, name, after or "", limit),
            next_token=parameters.get("nextToken"),
            max_results=parameters.get("maxResults"),
        )
    )
    return {"imageTagDetails": [_tag(found) for found in page.items], "nextToken": page.next_token}


def _tag(found: TaggedImage) -> Result:
    row = found.row
    return {
        "imageTag": found.tag,
        "createdAt": found.tagged_at,
        "imageDetail": {
            "imageDigest": row.digest,
            "imageSizeInBytes": row.image_size,
            "imagePushedAt": row.pushed_at,
            "imageManifestMediaType": row.media_type,
            "artifactMediaType": row.artifact_type,
        },
    }
