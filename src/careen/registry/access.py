"""May they? Asked once per request, before the use case runs.

What decides is the caller's own policies, and the one that stands on the repository and the registry's (``careen.iam.evaluate``).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import structlog

from careen.clock import SECOND, Instant, isoformat
from careen.db import policies, repositories
from careen.ecr.arn import ECR_PUBLIC, RepositoryArn, public_repository_arn
from careen.ecr.common_errors import AccessDenied
from careen.iam.actions import Action as Action
from careen.iam.conditions import RESOURCE_TAGS
from careen.iam.evaluate import Decision as Decision
from careen.iam.evaluate import Request, decide
from careen.iam.patterns import Context
from careen.iam.policy import Caller, Kind, NamedDocument, parse
from careen.registry import account_settings
from careen.registry.callers import Documents, Principal
from careen.registry.registry import Transaction

EVERY_REPOSITORY = "*"
"""Stands for the name where an action is on repositories, and none is named: ``…:repository/*``."""

log = structlog.get_logger()


class Scope(StrEnum):
    """The account setting REGISTRY_POLICY_SCOPE: for which actions the registry's policy is asked."""

    V1 = "V1"
    """For those of :data:`V1_ACTIONS`."""
    V2 = "V2"
    """For all of ECR's (user guide, "Private registry permissions": the default of new registries)."""


V1_ACTIONS = frozenset({Action.REPLICATE_IMAGE, Action.BATCH_IMPORT_UPSTREAM_IMAGE, Action.CREATE_REPOSITORY})


def is_in_scope(action: Action, scope: Scope) -> bool:
    """Whether the registry's policy is asked for an action. ECR Public has no such policy."""
    return action in V1_ACTIONS or (scope is Scope.V2 and not action.startswith(ECR_PUBLIC))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a request tells beside who asks for what, for the conditions of policies."""

    at: Instant
    """The system clock's: no policy trusts a clock that a test may set."""
    source_ip: str | None = None
    """The address that the connection comes from."""
    secure: bool | None = None
    """Whether it came over TLS."""
    user_agent: str | None = None
    more: Context = field(default_factory=dict)
    """Further keys in small letters, such as ``aws:requesttag/team``."""

    def context(self) -> dict[str, tuple[str, ...]]:
        """The condition keys."""
        known = {
            "aws:currenttime": (isoformat(self.at),),
            "aws:epochtime": (str(self.at // SECOND),),
        }
        if self.secure is not None:
            known["aws:securetransport"] = ("true" if self.secure else "false",)
        if self.source_ip is not None:
            known["aws:sourceip"] = (self.source_ip,)
        if self.user_agent is not None:
            known["aws:useragent"] = (self.user_agent,)
        return {**known, **self.more}


class Judgement(NamedTuple):
    """A decision, and how long it is good."""

    decision: Decision
    keeps: bool
    """Whether it may be given again while no row changes: of what is there, and of nothing that the next request may say
    otherwise."""


def repository_arn(tx: Transaction, name: str) -> str:
    """The ARN that a request for a repository is on; of :data:`EVERY_REPOSITORY` that of all."""
    return str(RepositoryArn(tx.region, tx.registry_id, name))


def arn_asked(tx: Transaction, action: Action, name: str) -> str:
    """The ARN that an action on a repository is asked for: of ECR Public's actions, that which it has there."""
    if action.startswith(ECR_PUBLIC):
        return str(public_repository_arn(tx.registry_id, name.removeprefix(tx.public_prefix)))
    return repository_arn(tx, name)


def require(
    tx: Transaction, principal: Principal, action: Action, resource: str, circumstances: Circumstances
) -> None:
    """Let the call pass, or refuse it.

    Args:
        tx: where policies are read.
        principal: the caller.
        action: what it asks for.
        resource: the ARN it asks for it on, or ``*``.
        circumstances: of the request.

    Raises:
        careen.ecr.common_errors.AccessDenied: the policies do not allow it.
    """
    decision = judge(tx, principal, action, resource, circumstances).decision
    if not decision.allowed:
        raise denied(principal, action, resource, decision)


def judge(
    tx: Transaction, principal: Principal, action: Action, resource: str, circumstances: Circumstances
) -> Judgement:
    """Decide as :func:`require` does, and say why."""
    name = named(tx, resource)
    standing = policies.standing(tx.rows, name)
    documents = standing_on(tx, action, name, standing)
    # Names of what is not there could be of any length and number.
    keeps = standing.repository_id is not None or resource == "*" or name == EVERY_REPOSITORY
    if keeps and not _keys_asked(principal.documents, documents):
        decision = _unconditional(
            principal.caller,
            action,
            resource,
            tx.registry_id,
            principal.policies,
            principal.limits,
            documents,
        )
    else:
        decision = judge_by(tx, principal, action, resource, circumstances, documents, standing.repository_id)
    return Judgement(decision, keeps and not decision.is_this_requests_alone)


def judge_by(
    tx: Transaction,
    principal: Principal,
    action: Action,
    resource: str,
    circumstances: Circumstances,
    documents: Documents,
    repository_id: int | None = None,
) -> Decision:
    """Decide by other policies of resources than those that hold: by some that are about to.

    Args:
        tx: where resource tags are read.
        principal: the caller.
        action: what it asks for.
        resource: the ARN it asks for it on, or ``*``.
        circumstances: of the request.
        documents: what would stand on the repository and on the registry.
        repository_id: the repository's; None if there is none.
    """
    context: Context = {}
    if asked := _keys_asked(principal.documents, documents):
        context = context_of(tx, principal, circumstances)
        if repository_id is not None and any(key.startswith(RESOURCE_TAGS) for key in asked):
            context = context | _resource_tags(tx, repository_id)
    request = Request(principal.caller, action, resource, tx.registry_id, context)
    return decide(request, identity=principal.policies, resource=documents, session=principal.limits)


def context_of(
    tx: Transaction, principal: Principal, circumstances: Circumstances
) -> dict[str, tuple[str, ...]]:
    """The condition keys of a request, but for the tags of what it is on."""
    return circumstances.context() | _facts(principal, tx.registry_id)


@lru_cache(1024)
def _keys_asked(identity: Documents, standing: Documents) -> frozenset[str]:
    return frozenset[str]().union(*(source.document.keys for source in (*identity, *standing)))


@lru_cache(1024)
def _unconditional(
    caller: Caller,
    action: Action,
    resource: str,
    account: str,
    identity: Documents,
    limits: Documents | None,
    standing: Documents,
) -> Decision:
    """Most policies have no condition: then the same documents say the same, and whoever pushes asks after every commit."""
    request = Request(caller, action, resource, account, {})
    return decide(request, identity=identity, resource=standing, session=limits)


def denied(principal: Principal, action: Action, resource: str, decision: Decision) -> AccessDenied:
    """The refusal, in AWS's sentence. The log has the statement, which is not everybody's to know."""
    deciding = decision.deciding
    log.info(
        "access denied",
        principal=principal.arn,
        action=str(action),
        resource=resource,
        verdict=str(decision.verdict),
        policy=None if deciding is None else deciding.source.name,
        statement=None if deciding is None else deciding.statement.text,
    )
    return AccessDenied(principal.arn, action, resource, decision.sentence(action))


def registry_policy_scope(tx: Transaction) -> Scope:
    """The account setting REGISTRY_POLICY_SCOPE."""
    return Scope(account_settings.registry_policy_scope(tx))


def standing_on(tx: Transaction, action: Action, name: str, standing: policies.Standing) -> Documents:
    """The policies of resources that a request meets.

    Args:
        tx: says which registry this is, and for what it asks its policy.
        action: what is asked for.
        name: the repository's.
        standing: their texts.
    """
    documents: Documents = ()
    if standing.repository is not None:
        documents += (NamedDocument(name, parse(standing.repository, Kind.REPOSITORY)),)
    if standing.registry is not None and is_in_scope(action, registry_policy_scope(tx)):
        documents += (NamedDocument(tx.registry_id, parse(standing.registry, Kind.REGISTRY)),)
    return documents


def named(tx: Transaction, resource: str) -> str:
    """The name of the repository that an ARN of this registry means, of ECR or of ECR Public; empty if it means none."""
    for prefix, begins in (
        (repository_arn(tx, ""), ""),
        (str(public_repository_arn(tx.registry_id, "")), tx.public_prefix),
    ):
        if resource.startswith(prefix):
            return begins + resource[len(prefix) :]
    return ""


def _facts(principal: Principal, registry_id: str) -> dict[str, tuple[str, ...]]:
    """The condition keys that rows and the credential answer, so that they are the same in the key's next request."""
    caller = principal.caller
    kind = "AssumedRole" if principal.is_role else "User" if principal.is_user else "Account"
    facts: dict[str, tuple[str, ...]] = {
        "aws:principalaccount": (caller.account,),
        "aws:principalarn": (caller.role_arn or caller.arn,),
        "aws:principaltype": (kind,),
        "aws:resourceaccount": (registry_id,),
    }
    if principal.user_id:
        facts["aws:userid"] = (principal.user_id,)
    if principal.is_user:
        facts["aws:username"] = (principal.name,)
    if principal.session is not None:
        facts["aws:tokenissuetime"] = (isoformat(int(principal.session.issued_at)),)
    return facts


def _resource_tags(tx: Transaction, repository_id: int) -> dict[str, tuple[str, ...]]:
    tags = repositories.resource_tags(tx.rows, repository_id)
    return {f"{prefix}{key.lower()}": (value,) for prefix in RESOURCE_TAGS for key, value in tags.items()}
