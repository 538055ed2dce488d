"""``careen policy images``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from careen.cli.output import print_json

if TYPE_CHECKING:
    from botocore.client import BaseClient

Output = Annotated[str | None, Parameter(name="--output", help="The file; without it standard output.")]

AT_ONCE = 100
"""How many images BatchGetImage answers."""


def images(*, repository: str, output: Output = None) -> None:
    """Save a repository's images for the other commands, from Amazon ECR or from a registry: whatever the AWS configuration names.

    It is what `aws ecr describe-images` prints, archived images included, with what each index lists beside it.

    Args:
        repository: The repository's name.
    """
    from careen.cli.policy.service import call, ecr, refusing

    with refusing(json=False):
        client = ecr()
        asked = {"repositoryName": repository, "filter": {"imageStatus": "ANY"}}
        details = call(client, "describe_images", **asked)["imageDetails"]
        listed = dict(_references(client, repository, details))
    for detail in details:
        if detail["imageDigest"] in listed:
            detail["imageReferences"] = listed[detail["imageDigest"]]
    if output is None:
        print_json({"imageDetails": details})
        return
    import msgspec

    Path(output).write_bytes(msgspec.json.format(msgspec.json.encode({"imageDetails": details}), indent=2))


def _references(
    client: "BaseClient", repository: str, details: list[dict[str, Any]]
) -> Iterator[tuple[str, list[str]]]:
    """Of each index: what it lists. The list of an archived one cannot be read."""
    from careen.cli.policy.service import call
    from careen.oci import manifest, media_types

    indexes = [
        {"imageDigest": detail["imageDigest"]}
        for detail in details
        if detail.get("imageManifestMediaType") in media_types.INDEXES
    ]
    for start in range(0, len(indexes), AT_ONCE):
        answer = call(
            client,
            "batch_get_image",
            repositoryName=repository,
            imageIds=indexes[start : start + AT_ONCE],
            acceptedMediaTypes=sorted(media_types.INDEXES),
        )
        for image in answer["images"]:
            found = manifest.parse(image["imageManifest"].encode(), image.get("imageManifestMediaType"))
            yield image["imageId"]["imageDigest"], [child.digest for child in found.children]
