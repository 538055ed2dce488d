"""Our own service: the documents beyond ECR, default policies, and what holds for a repository."""

from typing import Any

from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.ecrapi.lifecycle import refused
from careen.lifecycle import extension, protection
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.lifecycle.protection import ProtectionRules
from careen.registry import rules
from careen.registry.rules import Default

Parameters = dict[str, Any]
Result = dict[str, Any]


async def put_extension_rules(call: Call, parameters: Parameters) -> Result:
    """PutExtensionRules."""
    name = parameters["repositoryName"]
    text = await call.registry.write(rules.put_extension, name, parameters["extensionRulesText"])
    return {"repositoryName": name, "extensionRulesText": text}


async def get_extension_rules(call: Call, parameters: Parameters) -> Result:
    """GetExtensionRules."""
    name = parameters["repositoryName"]
    return {"repositoryName": name, "extensionRulesText": call.registry.read(rules.get_extension, name)}


async def delete_extension_rules(call: Call, parameters: Parameters) -> Result:
    """DeleteExtensionRules."""
    name = parameters["repositoryName"]
    return {
        "repositoryName": name,
        "extensionRulesText": await call.registry.write(rules.delete_extension, name),
    }


async def put_protection_rules(call: Call, parameters: Parameters) -> Result:
    """PutProtectionRules, of a repository or of the registry."""
    name = parameters.get("repositoryName")
    text = await call.registry.write(rules.put_protection, name, parameters["protectionRulesText"])
    return {"repositoryName": name, "protectionRulesText": text}


async def get_protection_rules(call: Call, parameters: Parameters) -> Result:
    """GetProtectionRules."""
    name = parameters.get("repositoryName")
    return {"repositoryName": name, "protectionRulesText": call.registry.read(rules.get_protection, name)}


async def delete_protection_rules(call: Call, parameters: Parameters) -> Result:
    """DeleteProtectionRules."""
    name = parameters.get("repositoryName")
    return {
        "repositoryName": name,
        "protectionRulesText": await call.registry.write(rules.delete_protection, name),
    }


async def put_default_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """PutDefaultLifecyclePolicy."""
    pattern = parameters["repositoryNamePattern"]
    try:
        text = await call.registry.write(rules.put_default, pattern, parameters["lifecyclePolicyText"])
    except InvalidLifecyclePolicy as error:
        raise refused(error) from None
    return {"repositoryNamePattern": pattern, "lifecyclePolicyText": text}


async def delete_default_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """DeleteDefaultLifecyclePolicy."""
    pattern = parameters["repositoryNamePattern"]
    text = await call.registry.write(rules.delete_default, pattern)
    return {"repositoryNamePattern": pattern, "lifecyclePolicyText": text}


async def describe_default_lifecycle_policies(call: Call, parameters: Parameters) -> Result:
    """DescribeDefaultLifecyclePolicies."""
    listing: Listing[str, Default] = Listing(
        "DescribeDefaultLifecyclePolicies", str, lambda each: each.pattern
    )
    page = listing.page(
        listing.of(call.registry.read(rules.defaults)),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    return {
        "defaultLifecyclePolicies": [
            {"repositoryNamePattern": each.pattern, "lifecyclePolicyText": each.policy} for each in page.items
        ],
        "nextToken": page.next_token,
    }


async def get_effective_lifecycle_policy(call: Call, parameters: Parameters) -> Result:
    """GetEffectiveLifecyclePolicy: what ECR's GetLifecyclePolicy must not tell."""
    name = parameters["repositoryName"]
    found = call.registry.read(rules.effective, name)
    return {
        "repositoryName": name,
        "lifecyclePolicyText": found.text,
        "origin": found.origin,
        "repositoryNamePattern": found.pattern,
        "extensionRulesText": extension.canonical(found.beyond.extension)
        if found.beyond.extension.rules
        else None,
        "protectionRulesText": protection.canonical(ProtectionRules(found.beyond.protection))
        if found.beyond.protection
        else None,
    }
