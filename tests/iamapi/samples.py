"""A call of every operation of IAM that is served, about what is not there, and the resource that it is on."""

from typing import Any, NamedTuple

from tests.iamapi.conftest import allowing, arn, trust

NOBODY = "nobody-of-this-name"
MANAGED = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
ISSUER = "issuer.example.com/nobody"


class Sample(NamedTuple):
    """One call."""

    method: str
    resource: str
    parameters: dict[str, Any]


USER, ROLE, PROVIDER = arn(f"user/{NOBODY}"), arn(f"role/{NOBODY}"), arn(f"oidc-provider/{ISSUER}")
_USER, _ROLE = {"UserName": NOBODY}, {"RoleName": NOBODY}
_NAMED, _TEXT = {"PolicyName": "p"}, {"PolicyDocument": allowing("ecr:ListImages")}
_KEY, _ARN = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, {"PolicyArn": MANAGED}

SAMPLES: dict[str, Sample] = {
    "AttachRolePolicy": Sample("attach_role_policy", ROLE, _ROLE | _ARN),
    "AttachUserPolicy": Sample("attach_user_policy", USER, _USER | _ARN),
    "ChangePassword": Sample(
        "change_password", arn("user/has-FullAccess"), {"OldPassword": "o", "NewPassword": "n"}
    ),
    "CreateAccessKey": Sample("create_access_key", USER, _USER),
    "CreateLoginProfile": Sample("create_login_profile", USER, _USER | {"Password": "Tr0ub4dor&3"}),
    "CreateOpenIDConnectProvider": Sample(
        "create_open_id_connect_provider", PROVIDER, {"Url": f"https://{ISSUER}"}
    ),
    "CreateRole": Sample(
        "create_role",
        arn(f"role/of/nobody/{NOBODY}"),
        _ROLE | {"Path": "/of/nobody/", "AssumeRolePolicyDocument": trust("*")},
    ),
    "CreateUser": Sample("create_user", arn(f"user/of/nobody/{NOBODY}"), _USER | {"Path": "/of/nobody/"}),
    "DeleteAccessKey": Sample("delete_access_key", USER, _USER | _KEY),
    "DeleteLoginProfile": Sample("delete_login_profile", USER, _USER),
    "DeleteOpenIDConnectProvider": Sample(
        "delete_open_id_connect_provider", PROVIDER, {"OpenIDConnectProviderArn": PROVIDER}
    ),
    "DeleteRole": Sample("delete_role", ROLE, _ROLE),
    "DeleteRolePolicy": Sample("delete_role_policy", ROLE, _ROLE | _NAMED),
    "DeleteUser": Sample("delete_user", USER, _USER),
    "DeleteUserPolicy": Sample("delete_user_policy", USER, _USER | _NAMED),
    "DetachRolePolicy": Sample("detach_role_policy", ROLE, _ROLE | _ARN),
    "DetachUserPolicy": Sample("detach_user_policy", USER, _USER | _ARN),
    "GetLoginProfile": Sample("get_login_profile", USER, _USER),
    "GetOpenIDConnectProvider": Sample(
        "get_open_id_connect_provider", PROVIDER, {"OpenIDConnectProviderArn": PROVIDER}
    ),
    "GetPolicy": Sample("get_policy", MANAGED, _ARN),
    "GetPolicyVersion": Sample("get_policy_version", MANAGED, _ARN | {"VersionId": "v1"}),
    "GetRole": Sample("get_role", ROLE, _ROLE),
    "GetRolePolicy": Sample("get_role_policy", ROLE, _ROLE | _NAMED),
    "GetUser": Sample("get_user", USER, _USER),
    "GetUserPolicy": Sample("get_user_policy", USER, _USER | _NAMED),
    "ListAccessKeys": Sample("list_access_keys", USER, _USER),
    "ListAttachedRolePolicies": Sample("list_attached_role_policies", ROLE, _ROLE),
    "ListAttachedUserPolicies": Sample("list_attached_user_policies", USER, _USER),
    "ListGroupsForUser": Sample("list_groups_for_user", USER, _USER),
    "ListInstanceProfilesForRole": Sample("list_instance_profiles_for_role", ROLE, _ROLE),
    "ListOpenIDConnectProviders": Sample("list_open_id_connect_providers", arn("oidc-provider/*"), {}),
    "ListPolicies": Sample("list_policies", arn("policy/"), {}),
    "ListRolePolicies": Sample("list_role_policies", ROLE, _ROLE),
    "ListRoles": Sample("list_roles", arn("role/"), {}),
    "ListUserPolicies": Sample("list_user_policies", USER, _USER),
    "ListUsers": Sample("list_users", arn("user/"), {}),
    "PutRolePolicy": Sample("put_role_policy", ROLE, _ROLE | _NAMED | _TEXT),
    "PutUserPolicy": Sample("put_user_policy", USER, _USER | _NAMED | _TEXT),
    "UpdateAccessKey": Sample("update_access_key", USER, _USER | _KEY | {"Status": "Inactive"}),
    "UpdateAssumeRolePolicy": Sample(
        "update_assume_role_policy", ROLE, _ROLE | {"PolicyDocument": trust("*")}
    ),
    "UpdateLoginProfile": Sample("update_login_profile", USER, _USER | {"PasswordResetRequired": True}),
    "UpdateRole": Sample("update_role", ROLE, _ROLE | {"Description": "of nobody"}),
    "UpdateRoleDescription": Sample("update_role_description", ROLE, _ROLE | {"Description": "of nobody"}),
}
