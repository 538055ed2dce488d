"""Public repositories, and what their catalogue says. Repositories have their whole names here (``shared.py``)."""

from typing import Any

from careen.ecr import arn, errors
from careen.ecr.pages import Listing
from careen.ecrapi import policies
from careen.ecrapi.call import Call
from careen.ecrapi.repositories import resource_tags
from careen.registry import public, repositories
from careen.registry.access import Action
from careen.registry.deletions import Cause
from careen.registry.public import Catalogue, Described
from careen.registry.repositories import Repository

Parameters = dict[str, Any]
Result = dict[str, Any]

_LISTING: Listing[str, Repository] = Listing("ecr-public DescribeRepositories", str, lambda found: found.name)


async def create_repository(call: Call, parameters: Parameters) -> Result:
    """CreateRepository."""
    sent = parameters.get("catalogData")
    catalogue = None if sent is None else _catalogue(sent)
    logo = None if sent is None else sent.get("logoImageBlob")
    created = await call.registry.write(
        public.create,
        parameters["repositoryName"],
        tags=resource_tags(parameters.get("tags", [])),
        catalogue=catalogue,
        logo=logo,
    )
    result = {"repository": _repository(call, created)}
    if catalogue is not None:
        result["catalogData"] = _catalogue_data(call, created.name, Described(catalogue, bool(logo)))
    return result


async def describe_repositories(call: Call, parameters: Parameters) -> Result:
    """DescribeRepositories."""
    wanted = parameters.get("repositoryNames")
    if wanted is not None:
        if "nextToken" in parameters or "maxResults" in parameters:
            raise errors.InvalidParameter("repositoryNames", "cannot be used with nextToken or maxResults")
        found = call.registry.read(public.describe, wanted)
        return {"repositories": [_repository(call, each) for each in found]}
    page = _LISTING.page(
        lambda after, limit: call.registry.read(public.page, call.registry.public_prefix, after or "", limit),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {"repositories": [_repository(call, each) for each in page.items], "nextToken": page.next_token}


async def delete_repository(call: Call, parameters: Parameters) -> Result:
    """DeleteRepository."""
    deleted = await call.registry.write(
        repositories.delete,
        parameters["repositoryName"],
        Cause(call.principal.arn, "DeleteRepository"),
        force=parameters.get("force", False),
    )
    return {"repository": _repository(call, deleted)}


async def set_repository_policy(call: Call, parameters: Parameters) -> Result:
    """SetRepositoryPolicy. ECR has the same policy: one stands on a repository, and may speak of the actions of both."""
    return await policies.set_repository_policy(call, parameters, Action.PUBLIC_SET_REPOSITORY_POLICY)


async def get_repository_catalog_data(call: Call, parameters: Parameters) -> Result:
    """GetRepositoryCatalogData."""
    name = parameters["repositoryName"]
    return {"catalogData": _catalogue_data(call, name, call.registry.read(public.catalogue_of, name))}


async def put_repository_catalog_data(call: Call, parameters: Parameters) -> Result:
    """PutRepositoryCatalogData. What was there before is gone, the logo too."""
    name, sent = parameters["repositoryName"], parameters["catalogData"]
    described = await call.registry.write(
        public.put_catalogue, name, _catalogue(sent), sent.get("logoImageBlob")
    )
    return {"catalogData": _catalogue_data(call, name, described)}


def _catalogue(sent: dict[str, Any]) -> Catalogue:
    return Catalogue(
        description=sent.get("description"),
        architectures=sent.get("architectures"),
        operating_systems=sent.get("operatingSystems"),
        about_text=sent.get("aboutText"),
        usage_text=sent.get("usageText"),
    )


def _catalogue_data(call: Call, name: str, found: Described) -> Result:
    said = found.catalogue
    return {
        "description": said.description,
        "architectures": said.architectures,
        "operatingSystems": said.operating_systems,
        "logoUrl": f"{call.base_url}{public.LOGOS}{name}" if found.has_logo else None,
        "aboutText": said.about_text,
        "usageText": said.usage_text,
        "marketplaceCertified": False,
    }


def _repository(call: Call, found: Repository) -> Result:
    return {
        "repositoryArn": call.public_arn(found.name.removeprefix(call.registry.public_prefix)),
        "registryId": call.registry.id,
        "repositoryName": found.name,
        "repositoryUri": arn.repository_uri(call.public_host, found.name),
        "createdAt": found.created_at,
    }
