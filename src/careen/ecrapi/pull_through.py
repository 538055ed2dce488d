"""Pull-through cache rules; and what the operations on images do about images of other registries."""

from typing import Any

from careen.ecr import errors
from careen.ecr.errors import EcrError
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.oci import digest as digests
from careen.oci import names
from careen.pull_through import registries
from careen.registry import pull_through
from careen.registry.pull_through import Rule
from careen.upstream.errors import Denied, NotFound, TooManyRequests, UpstreamError

Parameters = dict[str, Any]
Result = dict[str, Any]

_OF_SECRETS = {
    errors.SecretNotFound.code,
    errors.UnableToAccessSecret.code,
    errors.UnableToDecryptSecretValue.code,
}


async def create_pull_through_cache_rule(call: Call, parameters: Parameters) -> Result:
    """CreatePullThroughCacheRule."""
    url, secret = parameters["upstreamRegistryUrl"], parameters.get("credentialArn")
    registry_name = registries.recognise(url, parameters.get("upstreamRegistry"))
    if secret is not None:
        call.importer.secrets.read(secret, registries.parse(url))
    rule = await call.registry.write(
        pull_through.create_rule,
        parameters["ecrRepositoryPrefix"],
        url,
        upstream_registry=registry_name,
        upstream_prefix=parameters.get("upstreamRepositoryPrefix"),
        credential_arn=secret,
        custom_role_arn=parameters.get("customRoleArn"),
    )
    return _rule(rule) | {"registryId": call.registry.id, "createdAt": rule.created_at}


async def describe_pull_through_cache_rules(call: Call, parameters: Parameters) -> Result:
    """DescribePullThroughCacheRules."""
    prefixes = parameters.get("ecrRepositoryPrefixes")
    found = call.registry.read(pull_through.rules, prefixes)
    scope = "DescribePullThroughCacheRules" + "".join(f" {each.prefix}" for each in found if prefixes)
    listing: Listing[str, Rule] = Listing(scope, str, lambda each: each.prefix)
    page = listing.page(
        listing.of(found), next_token=parameters.get("nextToken"), max_results=parameters.get("maxResults")
    )
    return {
        "pullThroughCacheRules": [
            _rule(each)
            | {"registryId": call.registry.id, "createdAt": each.created_at, "updatedAt": each.updated_at}
            for each in page.items
        ],
        "nextToken": page.next_token,
    }


async def update_pull_through_cache_rule(call: Call, parameters: Parameters) -> Result:
    """UpdatePullThroughCacheRule: the credential or the role."""
    secret, role = parameters.get("credentialArn"), parameters.get("customRoleArn")
    prefix = parameters["ecrRepositoryPrefix"]
    known = call.registry.read(pull_through.require_rule, prefix)
    if secret is None and role is None:
        raise errors.InvalidParameter("credentialArn", "it or customRoleArn must be given")
    if secret is not None:
        call.importer.secrets.read(secret, registries.parse(known.upstream_url))
    rule = await call.registry.write(pull_through.update_rule, prefix, secret, role)
    return {
        "ecrRepositoryPrefix": rule.prefix,
        "registryId": call.registry.id,
        "updatedAt": rule.updated_at,
        "credentialArn": rule.credential_arn,
        "customRoleArn": rule.custom_role_arn,
        "upstreamRepositoryPrefix": rule.upstream_prefix,
    }


async def delete_pull_through_cache_rule(call: Call, parameters: Parameters) -> Result:
    """DeletePullThroughCacheRule. What was cached stays."""
    rule = await call.registry.write(pull_through.delete_rule, parameters["ecrRepositoryPrefix"])
    return _without_name(rule) | {"registryId": call.registry.id, "createdAt": rule.created_at}


async def validate_pull_through_cache_rule(call: Call, parameters: Parameters) -> Result:
    """ValidatePullThroughCacheRule: read the secret, and knock at the upstream with it."""
    rule = call.registry.read(pull_through.require_rule, parameters["ecrRepositoryPrefix"])
    failure = await call.importer.validate(rule)
    return _without_name(rule) | {
        "registryId": call.registry.id,
        "isValid": failure is None,
        "failure": failure,
    }


async def refresh(call: Call, name: str, image_ids: list[dict[str, str]]) -> dict[str, UpstreamError]:
    """Import the images that are asked for, where a rule says so.

    Returns:
        By tag or digest, why there is none: what the upstream said of those that are not there.

    Raises:
        careen.ecr.errors.UnableToGetUpstreamImage: the rule's secret is missing or unreadable, or the repository would have to
            be made and the upstream gave nothing to put into it.
    """
    failures: dict[str, UpstreamError] = {}
    if pull_through.upstream_of(call.registry.read(pull_through.rules), name) is None:
        return failures
    for image_id in image_ids:
        reference = image_id.get("imageDigest") or image_id.get("imageTag", "")
        if not digests.is_digest(reference) and not names.is_tag(reference):
            continue
        standing = call.registry.read(pull_through.standing, name, reference)
        try:
            await call.importer.refresh(standing, name, reference, lambda action: call.may(action, name))
        except UpstreamError as error:
            if error.code in _OF_SECRETS or not (standing.has_repository or isinstance(error, NotFound)):
                raise errors.UnableToGetUpstreamImage(str(error)) from None
            failures[reference] = error
    return failures


def failure_of(error: UpstreamError) -> tuple[str, str] | None:
    """The failure code and reason of an image that its upstream did not give; None: it has none, as nobody knows of any."""
    match error:
        case NotFound():
            return None
        case Denied():
            return "UpstreamAccessDenied", str(error)
        case TooManyRequests():
            return "UpstreamTooManyRequests", str(error)
        case _:
            return "UpstreamUnavailable", str(error)


async def refresh_referrers(call: Call, name: str, subject: str) -> EcrError | None:
    """Import what refers to an image, where a rule says so. Returns what to answer if nothing is known; None: all went well."""
    standing = call.registry.read(pull_through.referrers_standing, name, subject)
    try:
        await call.importer.refresh_referrers(standing, name, subject, lambda action: call.may(action, name))
    except UpstreamError as error:
        return errors.UnableToListUpstreamImageReferrers(str(error))
    return None


def _rule(rule: Rule) -> Result:
    return _without_name(rule) | {"upstreamRegistry": rule.upstream_registry}


def _without_name(rule: Rule) -> Result:
    return {
        "ecrRepositoryPrefix": rule.prefix,
        "upstreamRegistryUrl": rule.upstream_url,
        "credentialArn": rule.credential_arn,
        "customRoleArn": rule.custom_role_arn,
        "upstreamRepositoryPrefix": rule.upstream_prefix,
    }
