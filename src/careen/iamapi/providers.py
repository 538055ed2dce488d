"""OpenID Connect providers."""

from careen.ecr.arn import provider_arn
from careen.iamapi import identities as shared
from careen.iamapi.call import Call, Parameters, Result
from careen.registry import providers


async def create_openid_connect_provider(call: Call, parameters: Parameters) -> Result:
    """CreateOpenIDConnectProvider. Nobody is asked yet whether there is such a provider."""
    shared.refuse_what_is_not_kept(parameters)
    made = await call.registry.write(
        providers.create,
        parameters["Url"],
        tuple(parameters.get("ClientIDList", ())),
        tuple(parameters.get("ThumbprintList", ())),
    )
    return {"OpenIDConnectProviderArn": provider_arn(call.registry.id, made.issuer)}


async def get_openid_connect_provider(call: Call, parameters: Parameters) -> Result:
    """GetOpenIDConnectProvider."""
    found = call.registry.read(providers.require, parameters["OpenIDConnectProviderArn"])
    return {
        "Url": found.issuer,
        "ClientIDList": found.audiences,
        "ThumbprintList": found.thumbprints,
        "CreateDate": found.created_at,
    }


async def list_openid_connect_providers(call: Call, _: Parameters) -> Result:
    """ListOpenIDConnectProviders."""
    found = call.registry.read(providers.every)
    return {
        "OpenIDConnectProviderList": [{"Arn": provider_arn(call.registry.id, each.issuer)} for each in found]
    }


async def delete_openid_connect_provider(call: Call, parameters: Parameters) -> Result:
    """DeleteOpenIDConnectProvider."""
    await call.registry.write(providers.delete, parameters["OpenIDConnectProviderArn"])
    return {}
