"""Who is calling, and may they? Asked once per request, before the use case runs."""

import hmac
from dataclasses import dataclass

from careen.clock import Instant
from careen.db import principals
from careen.ecr import arn
from careen.iam import keys, managed, tokens
from careen.iam.actions import Action as Action
from careen.iam.managed import ManagedPolicy
from careen.registry.registry import Registry, Transaction

ROOT = "root"

TOKEN_USER = "AWS"  # noqa: S105 the name of a user
"""The user that goes with a token for a password."""

SCANNER = "careen:scanner"
"""The name of whoever comes with a token of :func:`mint_pull`; no user can have it."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    registry_id: str
    name: str
    access_key_id: str
    policy: str
    """Name of the managed policy that says what it may do."""
    repository: str | None = None
    """The only repository in which it may do that; None: every one."""

    @property
    def arn(self) -> str:
        """``arn:aws:iam::<registry id>:user/<name>``, or the account's own for the settings' root key."""
        return (
            arn.root_arn(self.registry_id) if self.name == ROOT else arn.user_arn(self.registry_id, self.name)
        )


def holder_of(tx: Transaction, registry: Registry, access_key_id: str) -> Principal | None:
    """The principal that holds an access key."""
    if registry.root_key is not None and access_key_id == registry.root_key.access_key_id:
        return Principal(registry.id, ROOT, access_key_id, ManagedPolicy.FULL_ACCESS)
    held = principals.by_key(tx.rows, access_key_id)
    return None if held is None else Principal(registry.id, held.name, access_key_id, held.policy)


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
    return scanner(registry.id, pull.repository)


def scanner(registry_id: str, repository: str) -> Principal:
    """Whoever looks for vulnerabilities in the images of a repository, on the registry's own behalf.

    Its key's id, which opens nothing, is another for each repository, so that what is remembered of one is not taken for another's.
    """
    return Principal(registry_id, SCANNER, f"{SCANNER}:{repository}", ManagedPolicy.PULL_ONLY, repository)


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


def may(principal: Principal, action: Action) -> bool:
    """Whether the principal's policy allows the action."""
    return managed.allows(principal.policy, action)


def reaches(principal: Principal, repository: str | None) -> bool:
    """Whether the principal may do anything there; None stands for the whole registry."""
    return principal.repository in {None, repository}


def require(principal: Principal, action: Action, resource: str) -> None:
    """Let the call pass, or refuse it.

    Args:
        principal: the caller.
        action: what it asks for.
        resource: the ARN it asks for it on, or ``*``.

    Raises:
        careen.ecr.common_errors.AccessDenied: its policy does not allow it.
    """
    if not may(principal, action):
        raise managed.denied(principal.arn, action, resource)
