"""Whether a request is allowed, and which statement says so.

As AWS decides (IAM user guide, "Policy evaluation logic"): an explicit deny in any policy ends it; otherwise something must
allow it. In one account that is a policy of the principal or of the resource; across accounts it takes both. A session policy
limits what the role's policies allow, and what a resource's policy allows unless that names the session itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from careen.iam.actions import Action
from careen.iam.conditions import depends_on_the_request
from careen.iam.patterns import Context
from careen.iam.policy import Caller, Effect, Kind, NamedDocument, Reach, Statement

IDENTITY_ONLY = frozenset({Action.GET_AUTHORIZATION_TOKEN})
"""What no policy of a resource can allow: the token is for a principal, not for a repository (ECR user guide, "Private repository
policies": "must have permission to make calls to the GetAuthorizationToken API through an IAM policy")."""


class Verdict(StrEnum):
    """How it ends, in the words of IAM's policy simulator."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


_NOTHING: frozenset[str] = frozenset()
"""One for all: an empty set is two hundred bytes, and decisions are remembered by the thousand."""


class Request(NamedTuple):
    """What is asked."""

    caller: Caller
    action: Action
    resource: str
    """An ARN, or ``*`` if the action is on no resource."""
    account: str
    """Whose the resource is."""
    context: Context


class Deciding(NamedTuple):
    """The statement that decided, and where it stands."""

    source: NamedDocument
    statement: Statement


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with its reason."""

    verdict: Verdict
    deciding: Deciding | None
    """None if nothing was said: an implicit deny."""
    kind: Kind
    """The deciding policy's; of an implicit deny, that of the policy that would have had to allow it."""
    asked: frozenset[str]
    """The condition keys that statements about this action ask, in small letters."""
    absent: frozenset[str]
    """Those of them that the request does not have."""

    @property
    def allowed(self) -> bool:
        """Whether the request may pass."""
        return self.verdict is Verdict.ALLOWED

    @property
    def is_this_requests_alone(self) -> bool:
        """Whether the next one of the same principal, action and resource may end otherwise, by its address or the time."""
        return any(map(depends_on_the_request, self.asked))

    def sentence(self, action: Action) -> str:
        """Why, in AWS's words (IAM user guide, "Troubleshoot access denied error messages")."""
        match self.verdict:
            case Verdict.EXPLICIT_DENY:
                return f"with an explicit deny in {_an(self.kind.in_refusals)}"
            case Verdict.IMPLICIT_DENY:
                return f"because no {self.kind.in_refusals} allows the {action} action"
            case Verdict.ALLOWED:
                return f"because {_an(self.kind.in_refusals)} allows the {action} action"


def _an(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def decide(
    request: Request,
    *,
    identity: Sequence[NamedDocument],
    resource: Sequence[NamedDocument] = (),
    session: Sequence[NamedDocument] | None = None,
) -> Decision:
    """Decide a request.

    Args:
        request: what is asked.
        identity: the policies of the principal; of a session, of its role.
        resource: those of the repository and of the registry.
        session: those that were handed over when the role was assumed; None: none were, and so none limits.
    """
    asked: set[str] = set()
    allowing: dict[Reach | Kind, Deciding] = {}
    for source, statement in _about(request.action, (*identity, *(session or ()), *resource)):
        asked |= statement.keys
        reach = statement.reach(request.caller, request.resource, request.context)
        if reach is Reach.NONE:
            continue
        kind = source.document.kind
        if statement.effect is Effect.DENY:
            # What else is asked cannot change this, so only what this statement asks may.
            absent = statement.keys - request.context.keys()
            return Decision(Verdict.EXPLICIT_DENY, Deciding(source, statement), kind, statement.keys, absent)
        if not kind.on_a_resource:
            allowing.setdefault(kind, Deciding(source, statement))
        elif request.action not in IDENTITY_ONLY:
            allowing.setdefault(reach, Deciding(source, statement))
    return _without_a_deny(
        request, allowing, frozenset(asked) if asked else _NOTHING, limited=session is not None
    )


def _about(action: Action, sources: Iterable[NamedDocument]) -> Iterable[Deciding]:
    for source in sources:
        for statement in source.document.statements:
            if action in statement.actions:
                yield Deciding(source, statement)


def _without_a_deny(
    request: Request, allowing: dict[Reach | Kind, Deciding], asked: frozenset[str], *, limited: bool
) -> Decision:
    absent = asked - request.context.keys() if asked else asked

    def allow(deciding: Deciding) -> Decision:
        return Decision(Verdict.ALLOWED, deciding, deciding.source.document.kind, asked, absent)

    def silence(kind: Kind) -> Decision:
        return Decision(Verdict.IMPLICIT_DENY, None, kind, asked, absent)

    identity = allowing.get(Kind.IDENTITY)
    itself, as_role, by_account = map(allowing.get, (Reach.SELF, Reach.ROLE, Reach.ACCOUNT))
    if request.caller.account != request.account:
        if identity is None:
            return silence(Kind.IDENTITY)
        if limited and Kind.SESSION not in allowing:
            return silence(Kind.SESSION)
        resources = itself or as_role or by_account
        return silence(Kind.REPOSITORY) if resources is None else allow(resources)
    if itself is not None:
        return allow(itself)
    enough = identity or as_role
    if enough is None:
        return silence(Kind.IDENTITY)
    if limited and Kind.SESSION not in allowing:
        return silence(Kind.SESSION)
    return allow(enough)
