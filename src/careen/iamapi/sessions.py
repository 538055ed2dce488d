"""STS: who is calling, and temporary credentials."""

from types import ModuleType
from typing import TYPE_CHECKING

import structlog

from careen.clock import system_now
from careen.ecr.arn import provider_arn
from careen.iam.errors import IdpCommunicationError, InvalidIdentityToken
from careen.iamapi.call import Call, Parameters, Result
from careen.iamapi.identities import refuse_what_is_not_kept
from careen.issuers import Unreachable
from careen.registry import providers, sessions
from careen.registry.callers import SessionPolicies
from careen.registry.identity_policies import by_arn
from careen.registry.providers import Provider
from careen.registry.sessions import Asked, Assumed, Credentials

if TYPE_CHECKING:
    from careen.iam.oidc import Identity

log = structlog.get_logger()

NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,"
    " please reference AssumeRoleWithWebIdentity documentation for requirements"
)
"""STS's sentence (aws-actions/configure-aws-credentials#357)."""


async def get_caller_identity(call: Call, _: Parameters) -> Result:
    """GetCallerIdentity. Nobody needs a permission to know who it is."""
    signer = call.signer
    return {"Arn": signer.arn, "UserId": signer.user_id, "Account": signer.registry_id}


async def get_session_token(call: Call, parameters: Parameters) -> Result:
    """GetSessionToken: credentials of the user itself."""
    refuse_what_is_not_kept(parameters)
    made = call.registry.read(
        sessions.own, call.registry, call.signer, parameters.get("DurationSeconds"), system_now()
    )
    return {"Credentials": _credentials(made)}


async def assume_role(call: Call, parameters: Parameters) -> Result:
    """AssumeRole."""
    made = call.registry.read(
        sessions.assume, call.registry, call.signer, _asked(parameters), call.circumstances
    )
    return _assumed(made)


async def assume_role_with_web_identity(call: Call, parameters: Parameters) -> Result:
    """AssumeRoleWithWebIdentity: the token of an OpenID Connect provider stands for a signature."""
    token = parameters["WebIdentityToken"]
    issuer = _oidc().issuer_of(token)
    provider = call.registry.read(providers.find, issuer)
    if provider is None:
        raise InvalidIdentityToken(f"No OpenIDConnect provider found in your account for {issuer}")
    identity = await _verify(call, token, provider)
    made = call.registry.read(
        sessions.assume_by_web_identity, call.registry, identity, _asked(parameters), call.circumstances
    )
    return {
        **_assumed(made),
        "SubjectFromWebIdentityToken": identity.subject,
        "Audience": identity.audiences[0],
        "Provider": provider_arn(call.registry.id, identity.issuer),
    }


async def _verify(call: Call, token: str, provider: Provider) -> "Identity":
    """Whom a token identifies. Keys that are remembered and do not include the token's are asked for again."""
    oidc = _oidc()
    for anew in (False, True):
        try:
            keys = provider.keys or await call.issuers.keys(provider.issuer, anew=anew)
            identity: Identity = oidc.verify(
                token, keys, issuer=provider.issuer, audiences=provider.audiences, now=system_now()
            )
        except oidc.UnknownKey:
            continue
        except Unreachable as error:
            log.warning("the keys of a provider cannot be had", issuer=provider.issuer, why=str(error))
            break
        return identity
    raise InvalidIdentityToken(NO_KEY)


def _oidc() -> ModuleType:
    """The module that reads tokens: an extra, and a quarter of a second to import, so only when somebody brings one.

    Raises:
        IdpCommunicationError: the extra is not installed.
    """
    try:
        from careen.iam import oidc  # noqa: PLC0415
    except ImportError:
        raise IdpCommunicationError(
            "This registry cannot read the tokens of web identities: install careen[oidc]"
        ) from None
    return oidc


def _asked(parameters: Parameters) -> Asked:
    refuse_what_is_not_kept(parameters)
    policies = [each.get("arn", "") for each in parameters.get("PolicyArns", [])]
    return Asked(
        parameters["RoleArn"],
        parameters["RoleSessionName"],
        parameters.get("DurationSeconds"),
        SessionPolicies(parameters.get("Policy"), tuple(by_arn(each) or each for each in policies)),
        parameters.get("ExternalId"),
    )


def _credentials(made: Credentials) -> Result:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expires_at,
    }


def _assumed(made: Assumed) -> Result:
    return {
        "Credentials": _credentials(made.credentials),
        "AssumedRoleUser": {"AssumedRoleId": made.user_id, "Arn": made.arn},
    }
