"""Passwords for the console, which IAM calls login profiles."""

from careen.iam import errors
from careen.iam.errors import InvalidUserType, NoSuchEntity, ValidationError
from careen.iamapi.call import Call, Parameters, Result
from careen.iamapi.users import name_of
from careen.registry import login_profiles, sign_in_attempts
from careen.registry.login_profiles import LoginProfileRow


async def create_login_profile(call: Call, parameters: Parameters) -> Result:
    """CreateLoginProfile."""
    if "Password" not in parameters:
        raise ValidationError("Must specify a password")
    name = name_of(call, parameters)
    made = await call.registry.write(
        login_profiles.create,
        name,
        await login_profiles.hashed(parameters["Password"], name),
        reset_required=parameters.get("PasswordResetRequired", False),
    )
    return {"LoginProfile": _profile(made)}


async def get_login_profile(call: Call, parameters: Parameters) -> Result:
    """GetLoginProfile."""
    return {"LoginProfile": _profile(call.registry.read(login_profiles.require, name_of(call, parameters)))}


async def update_login_profile(call: Call, parameters: Parameters) -> Result:
    """UpdateLoginProfile: another password, or the wish for one at the next sign-in."""
    name, password = parameters["UserName"], parameters.get("Password")
    call.registry.read(login_profiles.require, name)
    await call.registry.write(
        login_profiles.update,
        name,
        password=None if password is None else await login_profiles.hashed(password, name),
        reset_required=parameters.get("PasswordResetRequired"),
    )
    return {}


async def delete_login_profile(call: Call, parameters: Parameters) -> Result:
    """DeleteLoginProfile."""
    await call.registry.write(login_profiles.delete, name_of(call, parameters))
    return {}


async def change_password(call: Call, parameters: Parameters) -> Result:
    """ChangePassword: of the user who asks. Wrong ones are counted as at the sign-in: a key must not try out the password."""
    if not call.signer.is_user:
        raise InvalidUserType("Only IAM Users can change their own password")
    registry, name, asked = call.registry, call.signer.name, call.circumstances
    old, new = parameters["OldPassword"], parameters["NewPassword"]
    known = registry.read(login_profiles.require, name)
    attempt = sign_in_attempts.attempt_of(registry, name, asked)
    await registry.write(sign_in_attempts.count, attempt, asked.at)
    if not await login_profiles.matches(known.password, old):
        raise errors.AccessDenied("The old password is wrong.")
    await registry.write(sign_in_attempts.forgive, attempt, asked.at)
    login_profiles.check_other(old, new)
    if not await registry.write(login_profiles.replace, known, await login_profiles.hashed(new, name)):
        raise NoSuchEntity(f"Login Profile for User {name} has been changed meanwhile.")
    return {}


def _profile(profile: LoginProfileRow) -> Result:
    return {
        "UserName": profile.name,
        "CreateDate": profile.created_at,
        "PasswordResetRequired": profile.reset_required,
    }
