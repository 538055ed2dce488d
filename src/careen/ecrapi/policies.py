"""Who may do what: the policies of repositories and of the registry; and of our own service, why."""

from typing import Any

from careen.clock import system_now
from careen.ecrapi.call import Call
from careen.registry import policies, verdicts
from careen.registry.access import Action, Circumstances

Parameters = dict[str, Any]
Result = dict[str, Any]


async def set_repository_policy(
    call: Call, parameters: Parameters, action: Action = Action.SET_REPOSITORY_POLICY
) -> Result:
    """SetRepositoryPolicy; ``action`` is ECR's or ECR Public's, by which the caller is to be able to set another."""
    name = parameters["repositoryName"]
    text = await call.registry.write(
        policies.set_repository_policy,
        name,
        parameters["policyText"],
        call.principal,
        call.circumstances,
        force=parameters.get("force", False),
        action=action,
    )
    return _of_repository(call, name, text)


async def get_repository_policy(call: Call, parameters: Parameters) -> Result:
    """GetRepositoryPolicy."""
    name = parameters["repositoryName"]
    return _of_repository(call, name, call.registry.read(policies.get_repository_policy, name))


async def delete_repository_policy(call: Call, parameters: Parameters) -> Result:
    """DeleteRepositoryPolicy."""
    name = parameters["repositoryName"]
    return _of_repository(call, name, await call.registry.write(policies.delete_repository_policy, name))


async def put_registry_policy(call: Call, parameters: Parameters) -> Result:
    """PutRegistryPolicy."""
    text = await call.registry.write(policies.put_registry_policy, parameters["policyText"])
    return {"registryId": call.registry.id, "policyText": text}


async def get_registry_policy(call: Call, _: Parameters) -> Result:
    """GetRegistryPolicy."""
    return {"registryId": call.registry.id, "policyText": call.registry.read(policies.get_registry_policy)}


async def delete_registry_policy(call: Call, _: Parameters) -> Result:
    """DeleteRegistryPolicy."""
    text = await call.registry.write(policies.delete_registry_policy)
    return {"registryId": call.registry.id, "policyText": text}


async def explain_access(call: Call, parameters: Parameters) -> Result:
    """Our own service: ExplainAccess."""
    entries = parameters.get("contextEntries", [])
    given = {entry["key"].lower(): tuple(entry["values"]) for entry in entries}
    found = call.registry.read(
        verdicts.explain,
        call.registry,
        parameters["principal"],
        parameters["action"],
        parameters.get("resource", "*"),
        Circumstances(system_now(), more=given),
    )
    decision, deciding = found.decision, found.decision.deciding
    return {
        "principalArn": found.principal_arn,
        "action": found.action,
        "resource": found.resource,
        "verdict": decision.verdict,
        "reason": decision.sentence(found.action),
        "policyType": None if deciding is None else deciding.source.document.kind.value,
        "policyName": None if deciding is None else deciding.source.name,
        "statementNumber": None if deciding is None else deciding.statement.number,
        "statementId": None if deciding is None else deciding.statement.sid or None,
        "statementText": None if deciding is None else deciding.statement.text,
        "askedKeys": sorted(decision.asked),
        "absentKeys": sorted(decision.absent),
        "consideredPolicies": [
            {"policyType": each.document.kind.value, "policyName": each.name} for each in found.considered
        ],
    }


def _of_repository(call: Call, name: str, text: str) -> Result:
    return {"registryId": call.registry.id, "repositoryName": name, "policyText": text}
