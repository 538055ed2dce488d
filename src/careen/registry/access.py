"""Who is calling, and may they? Asked once per request, before the use case runs.

What decides is the caller's own policies, and the one that stands on the repository and the registry's (``careen.iam.evaluate``).
"""

import hmac
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import structlog

from careen.clock import SECOND, Instant, isoformat
from careen.db import policies, principals, repositories
from careen.ecr import arn
from careen.ecr.arn import ECR_PUBLIC, RepositoryArn, public_repository_arn
from careen.ecr.common_errors import AccessDenied
from careen.iam import keys, managed, policy, tokens
from careen.iam.actions import Action as Action
from careen.iam.conditions import RESOURCE_TAGS
from careen.iam.evaluate import Decision as Decision
from careen.iam.evaluate import Request, decide
from careen.iam.managed import ManagedPolicy
from careen.iam.patterns import Context
from careen.iam.policy import Caller, Kind, NamedDocument, parse
from careen.registry import account_settings
from careen.registry.registry import Registry, Transaction

ROOT = "root"

EVERY_REPOSITORY = "*"
"""Stands for the name where an action is on repositories, and none is named: ``…:repository/*``."""

TOKEN_USER = "AWS"  # noqa: S105 the name of a user
"""The user that goes with a token for a password."""

SCANNER = "careen:scanner"
"""The name of whoever comes with a token of :func:`mint_pull`; no user can have it."""

Documents = tuple[NamedDocument, ...]

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
class Principal:
    """An authenticated caller."""

    registry_id: str
    name: str
    access_key_id: str
    policies: Documents
    """What it may do: identity-based policies, parsed and shared by all who have them."""

    @property
    def arn(self) -> str:
        """``arn:aws:iam::<registry id>:user/<name>``, or the account's own for the settings' root key."""
        return (
            arn.root_arn(self.registry_id) if self.name == ROOT else arn.user_arn(self.registry_id, self.name)
        )

    @property
    def caller(self) -> Caller:
        """As policies name it."""
        return Caller(self.arn, self.registry_id)


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


ANONYMOUS = Principal("anonymous", "anonymous", "", ())
"""Whoever brings no credential: no account's, so that nothing that is said of this registry's users is said of it."""


def holder_of(tx: Transaction, registry: Registry, access_key_id: str) -> Principal | None:
    """The principal that holds an access key."""
    if registry.root_key is not None and access_key_id == registry.root_key.access_key_id:
        return Principal(registry.id, ROOT, access_key_id, managed.documents(ManagedPolicy.FULL_ACCESS))
    held = principals.by_key(tx.rows, access_key_id)
    return (
        None
        if held is None
        else Principal(registry.id, held.name, access_key_id, managed.documents(held.policy))
    )


def principal_called(tx: Transaction, registry: Registry, called: str) -> Principal | None:
    """The principal of that name or ARN, as whichever of its keys; None if there is none here."""
    if called in {ROOT, arn.root_arn(registry.id)}:
        return Principal(registry.id, ROOT, "", managed.documents(ManagedPolicy.FULL_ACCESS))
    name = called.removeprefix(arn.user_arn(registry.id, ""))
    found = principals.by_name(tx.rows, name)
    return None if found is None else Principal(registry.id, name, "", managed.documents(found[1]))


def secret_of(tx: Transaction, registry: Registry, access_key_id: str) -> str | None:
    """The secret of an access key, derived anew: it is stored nowhere."""
    if registry.root_key is not None and access_key_id == registry.root_key.access_key_id:
        return registry.root_key.secret_access_key
    held = principals.by_key(tx.rows, access_key_id)
    return (
        None if held is None else keys.secret_access_key(registry.master_key, access_key_id, held.generation)
    )


def by_password(
    tx: Transaction, registry: Registry, user: str, password: str, security_now: Instant
) -> Principal | None:
    """The principal behind a Basic credential: ``AWS`` with an authorization token, or an access key with its secret.

    Args:
        tx: where keys and principals are read.
        registry: whose master key seals the tokens.
        user: what the client sent before the colon.
        password: what it sent after it.
        security_now: the system clock's instant; the registry's own clock may be set by a test, security's may not.

    Raises:
        careen.iam.tokens.TokenExpired: the token was good once.
    """
    if user == TOKEN_USER:
        return _by_token(tx, registry, password, security_now)
    secret = secret_of(tx, registry, user)
    # An unknown key takes the same comparison as a wrong secret.
    matches = hmac.compare_digest((secret or "").encode(), password.encode())
    return holder_of(tx, registry, user) if matches and secret is not None else None


def _by_token(tx: Transaction, registry: Registry, token: str, security_now: Instant) -> Principal | None:
    key = keys.token_key(registry.master_key)
    try:
        return holder_of(
            tx, registry, tokens.read(key, tokens.Authorization, token, security_now).principal_id
        )
    except tokens.TokenInvalid:
        pass
    try:
        pull = tokens.read(key, tokens.RepositoryPull, token, security_now)
    except tokens.TokenInvalid:
        return None
    return scanner(registry, pull.repository)


def scanner(registry: Registry, repository: str) -> Principal:
    """Whoever looks for vulnerabilities in the images of a repository, on the registry's own behalf.

    Its key's id, which opens nothing, is another for each repository, so that what is remembered of one is not taken for another's.
    """
    statement = {
        "Effect": "Allow",
        "Action": [
            Action.BATCH_CHECK_LAYER_AVAILABILITY,
            Action.BATCH_GET_IMAGE,
            Action.GET_DOWNLOAD_URL_FOR_LAYER,
        ],
        "Resource": str(RepositoryArn(registry.region, registry.id, repository)),
    }
    text = json.dumps({"Version": policy.VERSION, "Statement": statement})
    # As a session's policy it is also the most that it may do, whatever a repository's policy lets everybody do.
    allowed = tuple(
        NamedDocument(SCANNER, policy.parse(text, kind)) for kind in (Kind.IDENTITY, Kind.SESSION)
    )
    return Principal(registry.id, SCANNER, f"{SCANNER}:{repository}", allowed)


def mint_authorization(registry: Registry, principal: Principal, expires_at: Instant) -> str:
    """The password that goes with the user name ``AWS`` until ``expires_at`` (system clock)."""
    return tokens.mint(
        keys.token_key(registry.master_key), tokens.Authorization(principal.access_key_id), expires_at
    )


def mint_pull(registry: Registry, repository: str, expires_at: Instant) -> str:
    """The password that goes with :data:`TOKEN_USER` until ``expires_at`` (system clock): for pulls from one repository."""
    return tokens.mint(keys.token_key(registry.master_key), tokens.RepositoryPull(repository), expires_at)


def mint_download(registry: Registry, repository: str, digest: str, expires_at: Instant) -> str:
    """A grant to read one blob of one repository until ``expires_at`` (system clock)."""
    return tokens.mint(
        keys.token_key(registry.master_key), tokens.LayerDownload(repository, digest), expires_at
    )


def grants_download(
    registry: Registry, token: str, repository: str, digest: str, security_now: Instant
) -> bool:
    """Whether a token of :func:`mint_download` is for this blob, and not over."""
    try:
        claim = tokens.read(keys.token_key(registry.master_key), tokens.LayerDownload, token, security_now)
    except (tokens.TokenInvalid, tokens.TokenExpired):
        return False
    return claim == (repository, digest)


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
    if keeps and not _keys_asked(principal.policies, documents):
        decision = _unconditional(
            principal.caller, action, resource, tx.registry_id, principal.policies, documents
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
    if asked := _keys_asked(principal.policies, documents):
        context = circumstances.context() | _facts(principal, tx.registry_id)
        if repository_id is not None and any(key.startswith(RESOURCE_TAGS) for key in asked):
            context = context | _resource_tags(tx, repository_id)
    request = Request(principal.caller, action, resource, tx.registry_id, context)
    return decide(request, identity=principal.policies, resource=documents)


@lru_cache(1024)
def _keys_asked(identity: Documents, standing: Documents) -> frozenset[str]:
    return frozenset[str]().union(*(source.document.keys for source in (*identity, *standing)))


@lru_cache(4096)
def _unconditional(
    caller: Caller, action: Action, resource: str, account: str, identity: Documents, standing: Documents
) -> Decision:
    """Most policies have no condition: then the same documents say the same, and whoever pushes asks after every commit."""
    return decide(Request(caller, action, resource, account, {}), identity=identity, resource=standing)


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
    """The condition keys that rows answer, so that they are the same in the principal's next request."""
    caller = principal.caller
    facts: dict[str, tuple[str, ...]] = {
        "aws:principalaccount": (caller.account,),
        "aws:principalarn": (caller.role_arn or caller.arn,),
        "aws:principaltype": ("Account" if caller.is_root else "User",),
        "aws:resourceaccount": (registry_id,),
    }
    if principal.access_key_id:
        facts["aws:userid"] = (principal.access_key_id,)
    if not caller.is_root:
        facts["aws:username"] = (principal.name,)
    return facts


def _resource_tags(tx: Transaction, repository_id: int) -> dict[str, tuple[str, ...]]:
    tags = repositories.resource_tags(tx.rows, repository_id)
    return {f"{prefix}{key.lower()}": (value,) for prefix in RESOURCE_TAGS for key, value in tags.items()}
