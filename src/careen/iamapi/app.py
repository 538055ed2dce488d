"""The operations of IAM and STS that are served: authorise, run."""

from dataclasses import replace

from botocore.model import OperationModel

from careen.ecr import arn, model
from careen.ecr.common_errors import UnknownOperation
from careen.ecr.model import Service
from careen.iam.actions import action_of
from careen.iamapi import identities, login_profiles, policies, providers, roles, sessions, users
from careen.iamapi.call import Call as Call
from careen.iamapi.call import Parameters, Result
from careen.iamapi.identities import Operation
from careen.registry import access
from careen.registry.access import Circumstances
from careen.registry.identities import Kind, find
from careen.registry.registry import Transaction

OPERATIONS: dict[str, dict[str, Operation]] = {
    "iam": {
        "ChangePassword": login_profiles.change_password,
        "CreateAccessKey": users.create_access_key,
        "CreateLoginProfile": login_profiles.create_login_profile,
        "CreateOpenIDConnectProvider": providers.create_openid_connect_provider,
        "CreateRole": roles.create_role,
        "CreateUser": users.create_user,
        "DeleteAccessKey": users.delete_access_key,
        "DeleteLoginProfile": login_profiles.delete_login_profile,
        "DeleteOpenIDConnectProvider": providers.delete_openid_connect_provider,
        "DeleteRole": roles.delete_role,
        "DeleteUser": users.delete_user,
        "GetLoginProfile": login_profiles.get_login_profile,
        "GetOpenIDConnectProvider": providers.get_openid_connect_provider,
        "GetPolicy": policies.get_policy,
        "GetPolicyVersion": policies.get_policy_version,
        "GetRole": roles.get_role,
        "GetUser": users.get_user,
        "ListAccessKeys": users.list_access_keys,
        "ListGroupsForUser": users.list_groups_for_user,
        "ListInstanceProfilesForRole": roles.list_instance_profiles_for_role,
        "ListOpenIDConnectProviders": providers.list_openid_connect_providers,
        "ListPolicies": policies.list_policies,
        "ListRoles": roles.list_roles,
        "ListUsers": users.list_users,
        "UpdateAccessKey": users.update_access_key,
        "UpdateAssumeRolePolicy": roles.update_assume_role_policy,
        "UpdateLoginProfile": login_profiles.update_login_profile,
        "UpdateRole": roles.update_role,
        "UpdateRoleDescription": roles.update_role_description,
        **identities.operations(Kind.USER),
        **identities.operations(Kind.ROLE),
    },
    "sts": {
        "AssumeRole": sessions.assume_role,
        "AssumeRoleWithWebIdentity": sessions.assume_role_with_web_identity,
        "GetCallerIdentity": sessions.get_caller_identity,
        "GetSessionToken": sessions.get_session_token,
    },
}
"""By the services' signing names; the models have more."""


IAM_VERSION = "2010-05-08"
"""Of IAM's API. Forms name no service but this."""


def service_of(version: str) -> Service:
    """The service that a form is for: the version of its API tells. STS's, if it is not IAM's."""
    return model.iam() if version == IAM_VERSION else model.sts()


def goes_unsigned(service: Service, action: str) -> bool:
    """Whether an operation needs no signature, since what it is sent proves who asks."""
    return service is model.sts() and action == "AssumeRoleWithWebIdentity"


async def answer(call: Call, operation: OperationModel, parameters: Parameters) -> Result:
    """The answer of an operation.

    Raises:
        UnknownOperation: it is not served.
        AccessDenied: the caller's policies do not allow it. STS's operations need no permission or ask for it themselves.
    """
    service = operation.service_model.signing_name
    handler = OPERATIONS[service].get(operation.name)
    if handler is None:
        raise UnknownOperation(operation.name)
    if service == "iam":
        call.registry.read(_authorise, call, operation.name, parameters)
    return await handler(call, parameters)


def may(tx: Transaction, call: Call, operation: str, parameters: Parameters) -> bool:
    """Whether an operation of IAM would be let pass: for pages that offer it."""
    asked = action_of(operation, "iam"), _resource(tx, call, operation, parameters)
    return access.judge(tx, call.signer, *asked, _circumstances(call, parameters)).decision.allowed


def _authorise(tx: Transaction, call: Call, operation: str, parameters: Parameters) -> None:
    asked = action_of(operation, "iam"), _resource(tx, call, operation, parameters)
    access.require(tx, call.signer, *asked, _circumstances(call, parameters))


def _circumstances(call: Call, parameters: Parameters) -> Circumstances:
    """Those of the request, with the policy that is attached: so that somebody can be let attach these and no others."""
    if "PolicyArn" not in parameters:
        return call.circumstances
    return replace(call.circumstances, more={"iam:policyarn": (parameters["PolicyArn"],)})


def _resource(tx: Transaction, call: Call, operation: str, parameters: Parameters) -> str:
    """The ARN that an operation of IAM is on (Service Authorization Reference, "Actions defined by AWS IAM")."""
    if "RoleName" in parameters:
        return _identity_arn(tx, Kind.ROLE, parameters["RoleName"], parameters)
    if operation == "ChangePassword":
        return call.signer.identity_arn
    if "UserName" in parameters or operation in users.OWN_BY_DEFAULT:
        return _identity_arn(tx, Kind.USER, users.name_of(call, parameters), parameters)
    if "Url" in parameters:
        return arn.provider_arn(tx.registry_id, parameters["Url"].removeprefix("https://"))
    if operation == "ListOpenIDConnectProviders":
        return arn.provider_arn(tx.registry_id, "*")
    if operation == "ListPolicies":
        return f"arn:aws:iam::{tx.registry_id}:policy/"
    if operation in {"ListUsers", "ListRoles"}:
        make = arn.user_arn if operation == "ListUsers" else arn.role_arn
        return make(tx.registry_id, "", parameters.get("PathPrefix", "/"))
    return str(parameters.get("OpenIDConnectProviderArn") or parameters["PolicyArn"])


def _identity_arn(tx: Transaction, kind: Kind, name: str, parameters: Parameters) -> str:
    """Of a user or role that is there, or as it will be called."""
    make = arn.user_arn if kind is Kind.USER else arn.role_arn
    found = find(tx, kind, name)
    return make(tx.registry_id, name, parameters.get("Path", "/") if found is None else found.path)
