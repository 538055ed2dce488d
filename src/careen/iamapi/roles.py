"""Roles, and the policies that say who may assume them."""

from careen.ecr.pages import Listing
from careen.iamapi import identities as shared
from careen.iamapi.call import Call, Parameters, Result, page
from careen.registry import identities
from careen.registry.identities import DEFAULT_SESSION, Kind, PrincipalRow

_ROLES: Listing[str, PrincipalRow] = Listing("ListRoles", str, lambda role: role.name)


async def create_role(call: Call, parameters: Parameters) -> Result:
    """CreateRole."""
    shared.refuse_what_is_not_kept(parameters)
    made = await call.registry.write(
        identities.create_role,
        parameters["RoleName"],
        parameters["AssumeRolePolicyDocument"],
        path=parameters.get("Path", "/"),
        description=parameters.get("Description"),
        max_session=parameters.get("MaxSessionDuration", DEFAULT_SESSION),
    )
    return {"Role": _role(call, made)}


async def get_role(call: Call, parameters: Parameters) -> Result:
    """GetRole."""
    return {"Role": _role(call, call.registry.read(identities.require, Kind.ROLE, parameters["RoleName"]))}


async def list_roles(call: Call, parameters: Parameters) -> Result:
    """ListRoles."""
    prefix = parameters.get("PathPrefix", "/")
    return page(
        "Roles",
        _ROLES,
        lambda after, limit: call.registry.read(identities.page, Kind.ROLE, prefix, after, limit),
        lambda role: _role(call, role),
        parameters,
    )


async def update_role(call: Call, parameters: Parameters) -> Result:
    """UpdateRole."""
    await call.registry.write(
        identities.update_role,
        parameters["RoleName"],
        description=parameters.get("Description"),
        max_session=parameters.get("MaxSessionDuration"),
    )
    return {}


async def update_role_description(call: Call, parameters: Parameters) -> Result:
    """UpdateRoleDescription, which UpdateRole replaced and Terraform uses."""
    await update_role(call, parameters)
    return await get_role(call, parameters)


async def update_assume_role_policy(call: Call, parameters: Parameters) -> Result:
    """UpdateAssumeRolePolicy."""
    await call.registry.write(
        identities.update_role, parameters["RoleName"], trust_policy=parameters["PolicyDocument"]
    )
    return {}


async def delete_role(call: Call, parameters: Parameters) -> Result:
    """DeleteRole."""
    await call.registry.write(identities.delete, Kind.ROLE, parameters["RoleName"])
    return {}


async def list_instance_profiles_for_role(call: Call, parameters: Parameters) -> Result:
    """ListInstanceProfilesForRole: there are no instances here. Terraform asks before it deletes a role."""
    call.registry.read(identities.require, Kind.ROLE, parameters["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}


def _role(call: Call, role: PrincipalRow) -> Result:
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.unique_id,
        "Arn": identities.arn_of(call.registry.id, role),
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": shared.written(role.trust_policy or ""),
        "Description": role.description,
        "MaxSessionDuration": role.max_session,
    }
