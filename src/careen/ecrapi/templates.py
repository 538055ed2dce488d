"""Repository creation templates."""

from typing import Any

from careen.ecr import errors
from careen.ecr.mutability import Mutability
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.ecrapi.lifecycle import refused
from careen.ecrapi.repositories import exclusion_filters, resource_tags, written_filters, written_tags
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.registry import repositories, templates
from careen.registry.templates import AppliedFor, Change, Template

Parameters = dict[str, Any]
Result = dict[str, Any]


async def create_repository_creation_template(call: Call, parameters: Parameters) -> Result:
    """CreateRepositoryCreationTemplate."""
    try:
        created = await call.registry.write(templates.create, parameters["prefix"], _change(parameters))
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return _answer(call, created)


async def update_repository_creation_template(call: Call, parameters: Parameters) -> Result:
    """UpdateRepositoryCreationTemplate: what is left out stays."""
    try:
        updated = await call.registry.write(templates.update, parameters["prefix"], _change(parameters))
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return _answer(call, updated)


async def delete_repository_creation_template(call: Call, parameters: Parameters) -> Result:
    """DeleteRepositoryCreationTemplate."""
    return _answer(call, await call.registry.write(templates.delete, parameters["prefix"]))


async def describe_repository_creation_templates(call: Call, parameters: Parameters) -> Result:
    """DescribeRepositoryCreationTemplates: those of the prefixes that are there, or all."""
    listing: Listing[str, Template] = Listing(
        "DescribeRepositoryCreationTemplates", str, lambda template: template.prefix
    )
    page = listing.page(
        listing.of(call.registry.read(templates.describe, parameters.get("prefixes"))),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "registryId": call.registry.id,
        "repositoryCreationTemplates": [_template(found) for found in page.items],
        "nextToken": page.next_token,
    }


def _change(parameters: Parameters) -> Change:
    """What is asked for. These operations declare neither KmsException nor the exceptions for tags, so it is InvalidParameter.

    Raises:
        careen.ecr.errors.InvalidParameter: tags that no repository may have, or encryption with a key.
    """
    encryption, mutability = parameters.get("encryptionConfiguration"), parameters.get("imageTagMutability")
    if encryption is not None and encryption["encryptionType"] != "AES256":
        raise errors.InvalidParameter(
            "encryptionConfiguration", errors.KeyUnavailable(encryption["encryptionType"]).message
        )
    return Change(
        description=parameters.get("description"),
        encryption=encryption,
        resource_tags=_tags(parameters),
        tag_mutability=None if mutability is None else Mutability(mutability),
        filters=exclusion_filters(parameters),
        repository_policy=parameters.get("repositoryPolicy"),
        lifecycle_policy=parameters.get("lifecyclePolicy"),
        applied_for=[AppliedFor(each) for each in parameters["appliedFor"]]
        if "appliedFor" in parameters
        else None,
        custom_role_arn=parameters.get("customRoleArn"),
    )


def _tags(parameters: Parameters) -> dict[str, str] | None:
    if "resourceTags" not in parameters:
        return None
    try:
        tags = resource_tags(parameters["resourceTags"])
        repositories.check_tags(tags)
    except (errors.InvalidTagParameter, errors.TooManyTags) as error:
        raise errors.InvalidParameter("resourceTags", error.message) from None
    return tags


def _answer(call: Call, template: Template) -> Result:
    return {"registryId": call.registry.id, "repositoryCreationTemplate": _template(template)}


def _template(template: Template) -> Result:
    return {
        "prefix": template.prefix,
        "description": template.description,
        "encryptionConfiguration": templates.encryption_of(template),
        "resourceTags": written_tags(templates.resource_tags_of(template)) or None,
        "imageTagMutability": template.tag_mutability,
        "imageTagMutabilityExclusionFilters": written_filters(templates.filters_of(template) or ()),
        "repositoryPolicy": template.repository_policy,
        "lifecyclePolicy": template.lifecycle_policy,
        "appliedFor": templates.applied_for_of(template),
        "customRoleArn": template.custom_role_arn,
        "createdAt": template.created_at,
        "updatedAt": template.updated_at,
    }
