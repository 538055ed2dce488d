"""Repositories and their resource tags."""

from collections.abc import Sequence
from typing import Any

import msgspec

from careen.clock import Instant
from careen.ecr import arn, errors
from careen.ecr.mutability import Mutability
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.registry import repositories
from careen.registry.deletions import Cause
from careen.registry.repositories import Repository

Parameters = dict[str, Any]
Result = dict[str, Any]

MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
"""Characters (service model, documentation of Tag)."""

_LISTING: Listing[str, Repository] = Listing("DescribeRepositories", str, lambda repository: repository.name)


async def create_repository(call: Call, parameters: Parameters) -> Result:
    """CreateRepository."""
    encryption = parameters.get("encryptionConfiguration", {}).get("encryptionType", "AES256")
    if encryption != "AES256":
        raise errors.KeyUnavailable(encryption)
    created = await call.registry.write(
        repositories.create,
        parameters["repositoryName"],
        tag_mutability=Mutability(parameters.get("imageTagMutability", "MUTABLE")),
        filters=exclusion_filters(parameters),
        scan_on_push=parameters.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        encryption=parameters.get("encryptionConfiguration"),
        tags=resource_tags(parameters.get("tags", [])),
    )
    return {"repository": _repository(call, created)}


async def describe_repositories(call: Call, parameters: Parameters) -> Result:
    """DescribeRepositories."""
    wanted = parameters.get("repositoryNames")
    if wanted is not None:
        if "nextToken" in parameters or "maxResults" in parameters:
            raise errors.InvalidParameter("repositoryNames", "cannot be used with nextToken or maxResults")
        return {
            "repositories": [
                _repository(call, found) for found in call.registry.read(repositories.describe, wanted)
            ]
        }
    page = _LISTING.page(
        lambda after, limit: call.registry.read(repositories.page, after or "", limit),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {"repositories": [_repository(call, found) for found in page.items], "nextToken": page.next_token}


async def delete_repository(call: Call, parameters: Parameters) -> Result:
    """DeleteRepository."""
    deleted = await call.registry.write(
        repositories.delete,
        parameters["repositoryName"],
        Cause(call.principal.arn, "DeleteRepository"),
        force=parameters.get("force", False),
    )
    return {"repository": _repository(call, deleted)}


async def put_image_tag_mutability(call: Call, parameters: Parameters) -> Result:
    """PutImageTagMutability."""
    changed = await call.registry.write(
        repositories.put_mutability,
        parameters["repositoryName"],
        Mutability(parameters["imageTagMutability"]),
        exclusion_filters(parameters),
    )
    return {
        "registryId": call.registry.id,
        "repositoryName": changed.name,
        "imageTagMutability": changed.tag_mutability,
        "imageTagMutabilityExclusionFilters": written_filters(repositories.filters_of(changed)),
    }


async def tag_resource(call: Call, parameters: Parameters) -> Result:
    """TagResource."""
    await call.registry.write(
        repositories.tag_resource, _named(call, parameters), resource_tags(parameters["tags"])
    )
    return {}


async def untag_resource(call: Call, parameters: Parameters) -> Result:
    """UntagResource."""
    await call.registry.write(repositories.untag_resource, _named(call, parameters), parameters["tagKeys"])
    return {}


async def list_tags_for_resource(call: Call, parameters: Parameters) -> Result:
    """ListTagsForResource."""
    tags = call.registry.read(repositories.resource_tags, _named(call, parameters))
    return {"tags": written_tags(tags)}


def _named(call: Call, parameters: Parameters) -> str:
    """The repository that ``resourceArn`` names."""
    named = arn.parse_repository_arn(parameters["resourceArn"])
    if (named.registry_id, named.region) != (call.registry.id, call.registry.region):
        raise errors.RepositoryNotFound(named.repository, named.registry_id)
    return named.repository


def exclusion_filters(parameters: Parameters) -> list[str] | None:
    """The values of ``imageTagMutabilityExclusionFilters``; None if there is no such member."""
    sent = parameters.get("imageTagMutabilityExclusionFilters")
    return None if sent is None else [one["filter"] for one in sent]


def written_filters(filters: Sequence[str]) -> list[dict[str, str]] | None:
    """``imageTagMutabilityExclusionFilters``, or None: no such member."""
    return [{"filterType": "WILDCARD", "filter": text} for text in filters] or None


def written_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """Resource tags, as the model has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def resource_tags(sent: list[dict[str, str]]) -> dict[str, str]:
    """Resource tags by key.

    Raises:
        careen.ecr.errors.InvalidTagParameter: a key twice, or one that is missing, too long or reserved.
    """
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in sent}  # ECR Public's model lets it be missing
    if len(tags) < len(sent):
        raise errors.InvalidTagParameter("A tag key is given more than once")
    if any(not 1 <= len(key) <= MAX_TAG_KEY or len(value) > MAX_TAG_VALUE for key, value in tags.items()):
        raise errors.InvalidTagParameter(
            f"A tag key has 1 to {MAX_TAG_KEY} characters, a tag value at most {MAX_TAG_VALUE}"
        )
    if any(key.lower().startswith("aws:") for key in tags):
        raise errors.InvalidTagParameter("Tag keys that begin with aws: are reserved")
    return tags


def _repository(call: Call, repository: Repository) -> dict[str, Any]:
    created_at: Instant = repository.created_at
    return {
        "repositoryArn": call.arn(repository.name),
        "registryId": call.registry.id,
        "repositoryName": repository.name,
        "repositoryUri": arn.repository_uri(call.host, repository.name),
        "createdAt": created_at,
        "imageTagMutability": repository.tag_mutability,
        "imageTagMutabilityExclusionFilters": written_filters(repositories.filters_of(repository)),
        "imageScanningConfiguration": {"scanOnPush": bool(repository.scan_on_push)},
        "encryptionConfiguration": msgspec.json.decode(repository.encryption),
    }
