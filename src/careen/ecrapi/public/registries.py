"""The public registry itself: its alias, its name, and tokens for it."""

from typing import Any

from careen.ecr.arn import public_registry_arn
from careen.ecr.pages import Listing
from careen.ecrapi import account
from careen.ecrapi.call import Call
from careen.registry import public

Parameters = dict[str, Any]
Result = dict[str, Any]

_LISTING: Listing[str, str] = Listing("DescribeRegistries", str, lambda alias: alias)


async def describe_registries(call: Call, parameters: Parameters) -> Result:
    """DescribeRegistries. There is one, and it has one alias."""
    page = _LISTING.page(
        _LISTING.of([call.registry.public_alias]),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {"registries": [_registry(call, alias) for alias in page.items], "nextToken": page.next_token}


def _registry(call: Call, alias: str) -> Result:
    return {
        "registryId": call.registry.id,
        "registryArn": public_registry_arn(call.registry.id),
        "registryUri": f"{call.public_host}/{alias}",
        "verified": False,  # by AWS Marketplace, of which a registry of one's own knows nothing
        "aliases": [
            {"name": alias, "status": "ACTIVE", "primaryRegistryAlias": True, "defaultRegistryAlias": True}
        ],
    }


async def get_authorization_token(call: Call, _: Parameters) -> Result:
    """GetAuthorizationToken: the same token as ECR's. What it is good for is the principal's permissions' business."""
    (data,) = (await account.get_authorization_token(call, {}))["authorizationData"]
    return {"authorizationData": {member: data[member] for member in ("authorizationToken", "expiresAt")}}


async def get_registry_catalog_data(call: Call, _: Parameters) -> Result:
    """GetRegistryCatalogData."""
    return {"registryCatalogData": {"displayName": call.registry.read(public.display_name)}}


async def put_registry_catalog_data(call: Call, parameters: Parameters) -> Result:
    """PutRegistryCatalogData. Without a name, or with an empty one, it has none."""
    name = parameters.get("displayName") or None
    await call.registry.write(public.put_display_name, name)
    return {"registryCatalogData": {"displayName": name}}
