"""Temporary credentials: of a user itself, of a role that a user assumed, of a role that a web identity assumed.

Nothing of them is stored. The session token carries, sealed, who acts and until when; what the role may do is read at each
request, so that a change of its policies holds at once and its deletion ends them (``careen.registry.callers``; docs/adr/0021).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec

from careen.clock import SECOND, Instant
from careen.db import principals
from careen.db.principals import PrincipalRow
from careen.ecr.arn import parse_role_arn, provider_arn, session_arn
from careen.ecr.common_errors import AccessDenied
from careen.iam import errors, keys, policy, tokens, trust
from careen.iam.evaluate import Request
from careen.iam.managed import ManagedPolicy
from careen.iam.policy import Caller, NamedDocument, Reach
from careen.registry import access
from careen.registry.access import Action, Circumstances
from careen.registry.callers import Principal, SessionPolicies
from careen.registry.identities import DEFAULT_SESSION, Kind, arn_of
from careen.registry.registry import Registry, Transaction

OWN_SESSION = 12 * 3600
"""Seconds of a user's own session that asks for no others (STS API reference, GetSessionToken)."""

ROOT_SESSION = 3600
"""The most that the account's own session lasts (the same)."""

CHAINED_SESSION = 3600
"""The most seconds of a role assumed by somebody who has assumed a role (IAM user guide, "Role chaining")."""

MAX_MANAGED = 10
"""Managed policies that a session can be limited to (STS API reference, AssumeRole, PolicyArns)."""

MAX_DOCUMENT = 2048
"""Characters of a session policy (the same, Policy)."""


class WebIdentity(Protocol):
    """Who a verified token says its bearer is: ``careen.iam.oidc.Identity``, which cannot be imported without an extra."""

    @property
    def issuer(self) -> str:
        """The provider's URL without ``https://``."""

    @property
    def context(self) -> Mapping[str, tuple[str, ...]]:
        """The condition keys that the token answers."""


class Credentials(NamedTuple):
    """What signs requests until it ends."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: Instant
    """By the system's clock."""


class Asked(NamedTuple):
    """What somebody who wants to assume a role asks for."""

    role_arn: str
    session: str
    """The session's name."""
    seconds: int | None
    """How long it shall last; None: an hour."""
    limits: SessionPolicies
    """Session policies."""
    external_id: str | None = None
    """What the role's owner told the one who assumes it, for ``sts:ExternalId``."""


class Assumed(NamedTuple):
    """A role's session."""

    credentials: Credentials
    arn: str
    user_id: str
    """The role's unique id and the session's name."""


def own(
    _: Transaction, registry: Registry, principal: Principal, seconds: int | None, now: Instant
) -> Credentials:
    """GetSessionToken: credentials of a user, or of the account itself, that end with the key that asked for them.

    Raises:
        AccessDenied: whoever asks has temporary credentials already.
    """
    if principal.session is not None:
        raise errors.AccessDenied("Cannot call GetSessionToken with session credentials")
    lasting = seconds or OWN_SESSION
    if not principal.is_user:
        lasting = min(lasting, ROOT_SESSION)
    session = tokens.Session(
        keys.new_temporary_key_id(), principal.user_id, "", principal.access_key_id, str(now)
    )
    return _credentials(registry, session, now + lasting * SECOND)


def assume(
    tx: Transaction, registry: Registry, principal: Principal, asked: Asked, circumstances: Circumstances
) -> Assumed:
    """AssumeRole: the role's trust policy must admit the caller; if it names the account only, a policy of the caller's as well.

    Raises:
        AccessDenied: there is no such role, or the caller may not assume it.
        ValidationError: it would last too long.
        MalformedPolicyDocument, PackedPolicyTooLarge: the session policies are none, or too much.
    """
    if not principal.is_user and not principal.is_role:
        raise errors.AccessDenied("Roles may not be assumed by root accounts.")
    more = {"sts:rolesessionname": (asked.session,)}
    if asked.external_id is not None:
        more["sts:externalid"] = (asked.external_id,)
    circumstances = replace(circumstances, more=more)
    role = _role(tx, asked.role_arn)
    if role is None or not _may_assume(tx, principal, role, circumstances):
        raise AccessDenied(
            principal.arn,
            Action.ASSUME_ROLE,
            asked.role_arn,
            f"because no resource-based policy allows the {Action.ASSUME_ROLE} action",
        )
    trusting = (NamedDocument(role.name, _trust_policy(role)),)
    decision = access.judge_by(tx, principal, Action.ASSUME_ROLE, asked.role_arn, circumstances, trusting)
    if not decision.allowed:
        raise access.denied(principal, Action.ASSUME_ROLE, asked.role_arn, decision)
    if principal.is_role and (asked.seconds or 0) > CHAINED_SESSION:
        raise errors.ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    return _assumed(registry, role, asked, circumstances.at)


def assume_by_web_identity(
    tx: Transaction, registry: Registry, identity: WebIdentity, asked: Asked, circumstances: Circumstances
) -> Assumed:
    """AssumeRoleWithWebIdentity: the role's trust policy must name the provider, and its conditions hold for the token.

    Raises:
        AccessDenied: there is no such role, or it does not trust this identity.
        ValidationError: it would last too long.
        MalformedPolicyDocument, PackedPolicyTooLarge: the session policies are none, or too much.
    """
    role = _role(tx, asked.role_arn)
    ours = replace(circumstances, more={"sts:rolesessionname": (asked.session,)}).context()
    context = {**identity.context, **ours}  # whatever a provider is called, it says nothing of the request
    provider = Caller(provider_arn(tx.registry_id, identity.issuer), tx.registry_id)
    if role is None or Reach.SELF is not trust.admits(
        _trust_policy(role),
        Request(provider, Action.ASSUME_ROLE_WITH_WEB_IDENTITY, asked.role_arn, tx.registry_id, context),
    ):
        raise errors.AccessDenied("Not authorized to perform sts:AssumeRoleWithWebIdentity")
    return _assumed(registry, role, asked, circumstances.at)


def _may_assume(
    tx: Transaction, principal: Principal, role: PrincipalRow, circumstances: Circumstances
) -> bool:
    """Whether the trust policy admits the caller, be it by the account's name."""
    context = access.context_of(tx, principal, circumstances)
    request = Request(
        principal.caller, Action.ASSUME_ROLE, arn_of(tx.registry_id, role), tx.registry_id, context
    )
    return trust.admits(_trust_policy(role), request) is not Reach.NONE


def _role(tx: Transaction, role_arn: str) -> PrincipalRow | None:
    """The role of an ARN, path and all."""
    name = parse_role_arn(role_arn, tx.registry_id)
    role = None if name is None else principals.by_name(tx.rows, Kind.ROLE, name)
    return role if role is not None and arn_of(tx.registry_id, role) == role_arn else None


def _trust_policy(role: PrincipalRow) -> policy.Document:
    return policy.parse(role.trust_policy or "", policy.Kind.TRUST)


def _assumed(registry: Registry, role: PrincipalRow, asked: Asked, now: Instant) -> Assumed:
    lasting = asked.seconds or DEFAULT_SESSION
    if lasting > (role.max_session or DEFAULT_SESSION):
        raise errors.ValidationError(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    session = tokens.Session(
        keys.new_temporary_key_id(), role.unique_id, asked.session, "", str(now), _sealed(asked.limits)
    )
    return Assumed(
        _credentials(registry, session, now + lasting * SECOND),
        session_arn(registry.id, role.name, asked.session),
        f"{role.unique_id}:{asked.session}",
    )


def _sealed(limits: SessionPolicies) -> str:
    """Session policies for a token, if there are any and they are policies."""
    if limits == SessionPolicies():
        return ""
    if len(limits.managed) > MAX_MANAGED or len(limits.document or "") > MAX_DOCUMENT:
        raise errors.PackedPolicyTooLarge(
            f"A session takes {MAX_MANAGED} managed policies and a policy of {MAX_DOCUMENT} characters at most"
        )
    if limits.document is not None:
        try:
            policy.parse(limits.document, policy.Kind.SESSION)
        except policy.InvalidPolicy as invalid:
            raise errors.MalformedPolicyDocument(f"{invalid.reason} ({invalid.advice})") from None
    if unknown := set(limits.managed) - set(ManagedPolicy):
        raise errors.MalformedPolicyDocument(f"There is no managed policy {min(unknown)}")
    return msgspec.json.encode(limits).decode()


def _credentials(registry: Registry, session: tokens.Session, expires_at: Instant) -> Credentials:
    return Credentials(
        session.access_key_id,
        keys.temporary_secret(registry.master_key, session.access_key_id),
        tokens.mint(keys.token_key(registry.master_key), session, expires_at),
        expires_at,
    )
