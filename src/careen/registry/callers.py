"""Who is calling: the account, a user, a role in a session, a scanner, or nobody that is known. And the tokens they are given."""

import hmac
import json
from dataclasses import dataclass, field, replace

import msgspec

from careen.clock import Instant
from careen.db import access_keys, identity_policies, principals
from careen.ecr import arn
from careen.ecr.arn import RepositoryArn
from careen.iam import keys, managed, policy, tokens
from careen.iam.actions import Action
from careen.iam.managed import ManagedPolicy
from careen.iam.policy import Caller, Kind, NamedDocument, parse
from careen.iam.sigv4 import Claimant
from careen.registry.registry import Registry, Transaction

ROOT = "root"

TOKEN_USER = "AWS"  # noqa: S105 the name of a user
"""The user that goes with a token for a password."""

SCANNER = "careen:scanner"
"""The name of whoever comes with a token of :func:`mint_pull`; no user can have it."""

Documents = tuple[NamedDocument, ...]


class SessionPolicies(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session is limited to, as its token carries it."""

    document: str | None = None
    managed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    registry_id: str
    name: str
    """Of the user, or of the role that was assumed."""
    access_key_id: str
    policies: Documents
    """What it may do: identity-based policies, parsed and shared by all who have them."""
    unique_id: str = ""
    """AIDA… or AROA…; the account's own has none."""
    path: str = "/"
    session: tokens.Session | None = None
    """Of temporary credentials."""
    session_token: str = field(default="", repr=False)
    limits: Documents | None = None
    """Session policies, which must allow as well; None: none were handed over."""

    @property
    def is_user(self) -> bool:
        """Whether it is a user, with its own key or in a session of its own."""
        return self.name != ROOT and not self.is_role

    @property
    def is_role(self) -> bool:
        """Whether it has assumed a role."""
        return self.session is not None and self.session.name != ""

    @property
    def arn(self) -> str:
        """``arn:aws:iam::<registry id>:user/<name>``; in a role's session ``arn:aws:sts::…:assumed-role/<role>/<session>``.

        Of the settings' root key it is the account's own.
        """
        if self.session is not None and self.is_role:
            return arn.session_arn(self.registry_id, self.name, self.session.name)
        if not self.is_user:
            return arn.root_arn(self.registry_id)
        return arn.user_arn(self.registry_id, self.name, self.path)

    @property
    def identity_arn(self) -> str:
        """The ARN of the user, or of the role, whatever the session is called."""
        return arn.role_arn(self.registry_id, self.name, self.path) if self.is_role else self.arn

    @property
    def user_id(self) -> str:
        """What STS and ``aws:userid`` call it: the unique id, a role's with the session's name; or the account's number."""
        if self.session is not None and self.is_role:
            return f"{self.unique_id}:{self.session.name}"
        return self.unique_id if self.is_user else self.registry_id

    @property
    def expires_at(self) -> Instant | None:
        """When its temporary credentials end, by the system's clock; None: they are no temporary ones."""
        return None if self.session is None else tokens.expires_at(self.session_token)

    @property
    def documents(self) -> Documents:
        """All that its permissions come from: its policies, and those of its session."""
        return self.policies if self.limits is None else (*self.policies, *self.limits)

    @property
    def caller(self) -> Caller:
        """As policies name it."""
        return Caller(self.arn, self.registry_id, self.identity_arn if self.is_role else None)


ANONYMOUS = Principal("anonymous", "anonymous", "", ())
"""Whoever brings no credential: no account's, so that nothing that is said of this registry's users is said of it."""


def caller_of(
    tx: Transaction, registry: Registry, claimant: Claimant, security_now: Instant
) -> Principal | None:
    """Who acts with a key; None: nobody any more.

    Args:
        tx: where users, roles and their policies are read.
        registry: whose master key seals sessions.
        claimant: the key, with its session token if it is temporary.
        security_now: the system clock's instant.

    Raises:
        careen.iam.tokens.TokenExpired: the temporary credentials were good once.
    """
    if claimant.session_token:
        session = _session(registry, claimant, security_now)
        return None if session is None else _in_session(tx, registry, claimant, session, security_now)
    if registry.root_key is not None and claimant.access_key_id == registry.root_key.access_key_id:
        return root(registry, claimant.access_key_id)
    held = access_keys.holder(tx.rows, claimant.access_key_id)
    if held is None or not held.active:
        return None
    return Principal(
        registry.id,
        held.name,
        claimant.access_key_id,
        policies_of(tx, held.principal_id),
        held.unique_id,
        held.path,
    )


def root(registry: Registry, access_key_id: str = "") -> Principal:
    """The account itself, which may do everything."""
    return Principal(registry.id, ROOT, access_key_id, managed.documents(ManagedPolicy.ADMINISTRATOR))


def user(tx: Transaction, found: principals.PrincipalRow, access_key_id: str = "") -> Principal:
    """A user, with its own policies as they are now."""
    return Principal(
        tx.registry_id, found.name, access_key_id, policies_of(tx, found.id), found.unique_id, found.path
    )


def principal_called(tx: Transaction, registry: Registry, called: str) -> Principal | None:
    """Who is meant by a name or an ARN; None: nobody who is here.

    A user by its name or ARN, as whichever of its keys; a role by its ARN, in some session; or by the ARN that a refusal names,
    in that session. What session policies say is known from the session's token alone.
    """
    if called in {ROOT, arn.root_arn(registry.id)}:
        return root(registry)
    rest, _, name = called.rpartition("/")
    found = principals.by_name(tx.rows, principals.Kind.USER, name)
    if found is not None and called in {name, arn.user_arn(registry.id, name, found.path)}:
        return user(tx, found)
    session_name, assumed = "some-session", rest.rpartition("/")[2]
    is_session = name != "" and called == arn.session_arn(registry.id, assumed, name)
    if is_session:
        name, session_name = assumed, name
    role = principals.by_name(tx.rows, principals.Kind.ROLE, name)
    if role is None or not (is_session or called == arn.role_arn(registry.id, name, role.path)):
        return None
    session = tokens.Session("", role.unique_id, session_name, "", str(tx.now))
    return Principal(registry.id, name, "", policies_of(tx, role.id), role.unique_id, role.path, session)


def secret_of(tx: Transaction, registry: Registry, claimant: Claimant, security_now: Instant) -> str | None:
    """The secret of an access key, derived anew: it is stored nowhere. None: there is no such key, or it is switched off.

    Raises:
        careen.iam.tokens.TokenExpired: the temporary credentials were good once.
    """
    if claimant.session_token:
        session = _session(registry, claimant, security_now)
        return None if session is None else keys.temporary_secret(registry.master_key, session.access_key_id)
    if registry.root_key is not None and claimant.access_key_id == registry.root_key.access_key_id:
        return registry.root_key.secret_access_key
    held = access_keys.holder(tx.rows, claimant.access_key_id)
    if held is None or not held.active:
        return None
    return keys.secret_access_key(registry.master_key, held.access_key_id, held.generation)


def policies_of(tx: Transaction, principal_id: int) -> Documents:
    """What a user or a role may do: the managed policies attached to it, and documents of its own."""
    attached = identity_policies.attached(tx.rows, principal_id)
    own = identity_policies.inline(tx.rows, principal_id)
    return (
        *(document for name in attached for document in managed.documents(name)),
        *(NamedDocument(each.name, parse(each.document, Kind.IDENTITY)) for each in own),
    )


def _session(registry: Registry, claimant: Claimant, security_now: Instant) -> tokens.Session | None:
    """The session that a token stands for, if it belongs to the key."""
    try:
        session = tokens.read(
            keys.token_key(registry.master_key), tokens.Session, claimant.session_token, security_now
        )
    except tokens.TokenInvalid:
        return None
    return session if session.access_key_id == claimant.access_key_id else None


def _in_session(
    tx: Transaction,
    registry: Registry,
    claimant: Claimant,
    session: tokens.Session,
    security_now: Instant,
) -> Principal | None:
    """Who acts in a session: nobody, if the role is gone, or the user, or the key that a user's session was made with."""
    if session.name:
        role = principals.by_unique_id(tx.rows, session.principal)
        if role is None:
            return None
        acting = Principal(registry.id, role.name, "", policies_of(tx, role.id), role.unique_id, role.path)
    else:
        user = caller_of(tx, registry, Claimant(session.parent, ""), security_now)
        if user is None or user.user_id != session.principal:
            return None
        acting = user
    return replace(
        acting,
        access_key_id=claimant.access_key_id,
        session=session,
        session_token=claimant.session_token,
        limits=_limits(session),
    )


def _limits(session: tokens.Session) -> Documents | None:
    """The session policies: a text, and names of managed ones."""
    if not session.policy:
        return None
    limits = msgspec.json.decode(session.policy, type=SessionPolicies)
    own = () if limits.document is None else (NamedDocument("session", parse(limits.document, Kind.SESSION)),)
    return (*own, *(_as_limit(each) for name in limits.managed for each in managed.documents(name)))


def _as_limit(policy: NamedDocument) -> NamedDocument:
    return NamedDocument(policy.name, parse(policy.document.text, Kind.SESSION))


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
    return by_secret(tx, registry, user, password, security_now)


def by_secret(
    tx: Transaction, registry: Registry, access_key_id: str, shown: str, security_now: Instant
) -> Principal | None:
    """The principal whose access key it is, if ``shown`` is its secret. The key is no temporary one."""
    claimant = Claimant(access_key_id, "")
    secret = secret_of(tx, registry, claimant, security_now)
    # An unknown key takes the same comparison as a wrong secret.
    matches = hmac.compare_digest((secret or "").encode(), shown.encode())
    return caller_of(tx, registry, claimant, security_now) if matches and secret is not None else None


def _by_token(tx: Transaction, registry: Registry, token: str, security_now: Instant) -> Principal | None:
    key = keys.token_key(registry.master_key)
    try:
        claim = tokens.read(key, tokens.Authorization, token, security_now)
        return caller_of(tx, registry, Claimant(*claim), security_now)
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
    allowed, most = (
        (NamedDocument(SCANNER, policy.parse(text, kind)),) for kind in (Kind.IDENTITY, Kind.SESSION)
    )
    return Principal(registry.id, SCANNER, f"{SCANNER}:{repository}", allowed, limits=most)


def mint_authorization(registry: Registry, principal: Principal, expires_at: Instant) -> str:
    """The password that goes with the user name ``AWS`` until ``expires_at`` (system clock)."""
    claim = tokens.Authorization(principal.access_key_id, principal.session_token)
    return tokens.mint(keys.token_key(registry.master_key), claim, expires_at)


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
