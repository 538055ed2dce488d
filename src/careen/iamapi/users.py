"""Users and their access keys."""

from careen.ecr.pages import Listing
from careen.iam.errors import ValidationError
from careen.iamapi import identities as shared
from careen.iamapi.call import Call, Parameters, Result, page
from careen.registry import identities, principals
from careen.registry.identities import Kind, PrincipalRow
from careen.registry.principals import KeyHolder

OWN_BY_DEFAULT = frozenset(
    {
        "CreateAccessKey",
        "CreateLoginProfile",
        "DeleteAccessKey",
        "DeleteLoginProfile",
        "GetLoginProfile",
        "GetUser",
        "ListAccessKeys",
        "UpdateAccessKey",
    }
)
"""Operations that are about the caller itself if they name no user."""

_USERS: Listing[str, PrincipalRow] = Listing("ListUsers", str, lambda user: user.name)


async def create_user(call: Call, parameters: Parameters) -> Result:
    """CreateUser."""
    shared.refuse_what_is_not_kept(parameters)
    made = await call.registry.write(
        identities.create_user, parameters["UserName"], parameters.get("Path", "/")
    )
    return {"User": _user(call, made)}


async def get_user(call: Call, parameters: Parameters) -> Result:
    """GetUser."""
    found = call.registry.read(identities.require, Kind.USER, name_of(call, parameters))
    return {"User": _user(call, found)}


async def list_users(call: Call, parameters: Parameters) -> Result:
    """ListUsers."""
    prefix = parameters.get("PathPrefix", "/")
    return page(
        "Users",
        _USERS,
        lambda after, limit: call.registry.read(identities.page, Kind.USER, prefix, after, limit),
        lambda user: _user(call, user),
        parameters,
    )


async def delete_user(call: Call, parameters: Parameters) -> Result:
    """DeleteUser."""
    await call.registry.write(identities.delete, Kind.USER, parameters["UserName"])
    return {}


async def list_groups_for_user(call: Call, parameters: Parameters) -> Result:
    """ListGroupsForUser: there are no groups here. Terraform asks before it deletes a user."""
    call.registry.read(identities.require, Kind.USER, parameters["UserName"])
    return {"Groups": [], "IsTruncated": False}


async def create_access_key(call: Call, parameters: Parameters) -> Result:
    """CreateAccessKey: the only answer that has the secret."""
    made, secret = await call.registry.write(
        principals.create_key_of, call.registry.master_key, name_of(call, parameters)
    )
    return {"AccessKey": {**_key(made), "SecretAccessKey": secret}}


async def list_access_keys(call: Call, parameters: Parameters) -> Result:
    """ListAccessKeys."""
    name = name_of(call, parameters)
    listing: Listing[str, KeyHolder] = Listing(f"ListAccessKeys {name}", str, lambda key: key.access_key_id)
    found = call.registry.read(principals.keys_of, name)
    return page("AccessKeyMetadata", listing, listing.of(found), _key, parameters)


async def update_access_key(call: Call, parameters: Parameters) -> Result:
    """UpdateAccessKey: Active or Inactive."""
    if parameters["Status"] == "Expired":
        raise ValidationError("An access key is made Active or Inactive.")
    await call.registry.write(
        principals.set_active,
        parameters["AccessKeyId"],
        active=parameters["Status"] == "Active",
        of=name_of(call, parameters),
    )
    return {}


async def delete_access_key(call: Call, parameters: Parameters) -> Result:
    """DeleteAccessKey."""
    await call.registry.write(principals.delete_key_of, parameters["AccessKeyId"], name_of(call, parameters))
    return {}


def name_of(call: Call, parameters: Parameters) -> str:
    """The user that a call is about; the caller itself, if it names none.

    Raises:
        ValidationError: it names none, and the caller is no user.
    """
    if "UserName" in parameters:
        return str(parameters["UserName"])
    if not call.signer.is_user:
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return call.signer.name


def _user(call: Call, user: PrincipalRow) -> Result:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.unique_id,
        "Arn": identities.arn_of(call.registry.id, user),
        "CreateDate": user.created_at,
    }


def _key(key: KeyHolder) -> Result:
    return {
        "UserName": key.name,
        "AccessKeyId": key.access_key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": key.created_at,
    }
