"""A policy document: who may do what on what, and when.

    >>> document = parse(text, Kind.REPOSITORY)      # InvalidPolicy carries AWS's sentence
    >>> [statement.effect for statement in document.statements]
    [<Effect.DENY: 'Deny'>]
    >>> document.text                                # what GetRepositoryPolicy answers

The kinds differ in what they must and must not say: a policy of a principal names no principal, one of a resource does; a
repository's names no resource, for the repository it stands on is the one (IAM user guide, "IAM JSON policy element reference";
ECR user guide, "Private repository policies"). A ``Document`` that came from ``parse`` is one that AWS accepts.

The sentences are IAM's where they are known (moto's authors recorded them); ECR says the same of every invalid policy, so what is
wrong is in ``advice``.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from careen.iam.actions import SERVICES_OF_USERS, Action
from careen.iam.conditions import Condition, InvalidCondition
from careen.iam.patterns import Context, Pattern

MAX_LENGTH = 10_240
"""Characters of a repository's or the registry's policy (API model, ``RepositoryPolicyText``, ``RegistryPolicyText``)."""

VERSION = "2012-10-17"
_OLD_VERSION = "2008-10-17"
"""What a document without a version has: it knows no variables."""

_SYNTAX = "Syntax errors in policy."


class Kind(Enum):
    """Where a policy stands."""

    IDENTITY = "identity-based policy"
    """On a user or a role: what it may do."""
    SESSION = "session policy"
    """Handed over when a role is assumed: the most that the session may do."""
    REPOSITORY = "repository policy"
    REGISTRY = "registry policy"
    TRUST = "trust policy"
    """On a role: who may assume it."""

    @property
    def on_a_resource(self) -> bool:
        """Whether it says who may, beside what."""
        return self not in {Kind.IDENTITY, Kind.SESSION}

    @property
    def in_refusals(self) -> str:
        """What AWS calls it when it says why a request was denied."""
        return "resource-based policy" if self.on_a_resource else self.value


class InvalidPolicy(ValueError):
    """A text that is no policy of its kind."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """IAM's sentence."""
        self.advice = advice
        """Where it is and what to change: ours."""


class Effect(StrEnum):
    """What follows when a statement applies."""

    ALLOW = "Allow"
    DENY = "Deny"


class Caller(NamedTuple):
    """Who asks, as policies name it."""

    arn: str
    """``arn:aws:iam::<account>:user/alice``, ``…:root``, or a role's session: ``arn:aws:sts::<account>:assumed-role/ci/run-7``; of
    a web identity its provider, ``arn:aws:iam::<account>:oidc-provider/…``."""
    account: str
    role_arn: str | None = None
    """Of a session, the role: ``arn:aws:iam::<account>:role/ci``."""

    @property
    def is_root(self) -> bool:
        """Whether it is the account itself."""
        return self.arn.endswith(":root")


class Reach(IntEnum):
    """How a Principal element means a caller. What it may decide grows with the number."""

    NONE = 0
    ACCOUNT = 1
    """By its account: a deny holds; an allow leaves it to the account, whose policies of principals must allow as well."""
    ROLE = 2
    """By the role of its session, or as everybody: a session policy still limits it."""
    SELF = 3
    """By its own name."""


class Principals(NamedTuple):
    """A Principal or NotPrincipal element."""

    everybody: bool
    accounts: frozenset[str]
    names: frozenset[str]
    """ARNs of users, roles and sessions, and of providers of web identities."""
    all_but: bool
    """Whether those named are the ones that are not meant."""

    def reach(self, caller: Caller) -> Reach:
        """How it means a caller."""
        found = self._names(caller)
        if not self.all_but:
            return found
        # As on AWS, an account in NotPrincipal excepts its root and nobody else in it.
        return Reach.NONE if found > Reach.ACCOUNT else Reach.ROLE

    def _names(self, caller: Caller) -> Reach:
        if caller.arn in self.names or (caller.is_root and caller.account in self.accounts):
            return Reach.SELF
        if self.everybody or caller.role_arn in self.names:
            return Reach.ROLE
        return Reach.ACCOUNT if caller.account in self.accounts else Reach.NONE


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement of a document."""

    number: int
    """Its place in the document, from 1."""
    sid: str
    """Empty if it has none."""
    effect: Effect
    principals: Principals | None
    """None in a policy of a principal."""
    actions: frozenset[Action]
    """What Action or NotAction comes to."""
    resources: tuple[Pattern, ...]
    all_but: bool
    """Whether the resources are those of NotResource."""
    conditions: tuple[Condition, ...]
    keys: frozenset[str]
    """The condition keys that it asks, in small letters."""
    text: str
    """As it was written, compact."""

    def reach(self, caller: Caller, resource: str, context: Context) -> Reach:
        """How the statement means a request for one of its :attr:`actions`; ``Reach.NONE`` if it does not apply.

        Args:
            caller: who asks.
            resource: the ARN it asks for it on, or ``*``.
            context: what else is known.
        """
        reach = Reach.SELF if self.principals is None else self.principals.reach(caller)
        if reach is Reach.NONE:
            return reach
        named = any(pattern.matches(resource, context) for pattern in self.resources)
        if named is self.all_but or not all(condition.holds(context) for condition in self.conditions):
            return Reach.NONE
        return reach


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A policy."""

    kind: Kind
    statements: tuple[Statement, ...]
    keys: frozenset[str]
    """The condition keys that its statements ask."""
    text: str
    """As ECR answers it."""


class NamedDocument(NamedTuple):
    """A policy, and what people know it by."""

    name: str
    """Such as ``AmazonEC2ContainerRegistryReadOnly``, or the name of the repository that it stands on."""
    document: Document


@lru_cache(512)
def parse(text: str, kind: Kind) -> Document:
    """Read a policy. The same text of the same kind is the same document.

    Args:
        text: JSON.
        kind: where it shall stand.

    Raises:
        InvalidPolicy: AWS would refuse it there.
    """
    raw = _decoded(text)
    _check_members(raw, "the policy", {"Version", "Id", "Statement"})
    version = raw.get("Version", _OLD_VERSION)
    if str(version) not in {VERSION, _OLD_VERSION} or not isinstance(raw.get("Id", ""), str):
        _refuse(_SYNTAX, f"the version is {VERSION}, and Id a text")
    if version != VERSION and kind not in {Kind.REPOSITORY, Kind.TRUST}:
        _refuse("Policy document must be version 2012-10-17 or greater.", f'write "Version": "{VERSION}"')
    written = raw.get("Statement")
    statements = written if isinstance(written, list) else [written]
    if not statements:
        _refuse(_SYNTAX, "a policy has at least one statement")
    read = tuple(
        _statement(each, number, kind, variables=version == VERSION)
        for number, each in enumerate(statements, 1)
    )
    if kind is not Kind.REPOSITORY:
        _check_sids(read)
    keys = frozenset[str]().union(*(statement.keys for statement in read))
    return Document(kind, read, keys, _as_ecr_writes(raw))


def _refuse(reason: str, advice: str) -> NoReturn:
    raise InvalidPolicy(reason, advice)


def _decoded(text: str) -> dict[str, Any]:
    try:
        text.encode()  # a lone surrogate could not be stored or matched
        raw = json.loads(text, object_pairs_hook=_object)
        json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as wrong:
        raise InvalidPolicy(_SYNTAX, f"this is not JSON: {wrong}") from None
    if not isinstance(raw, dict):
        _refuse(_SYNTAX, "a policy is a JSON object")
    return raw


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: of two, readers would believe one or the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _check_members(raw: Any, where: str, known: Iterable[str]) -> None:
    if not isinstance(raw, dict):
        _refuse(_SYNTAX, f"{where} is an object")
    for name in raw:
        if name not in known:
            _refuse(_SYNTAX, f"{where} knows no {name}")


def _check_sids(statements: Sequence[Statement]) -> None:
    twice = [sid for sid, times in Counter(one.sid for one in statements).items() if sid and times > 1]
    if twice:
        _refuse("Statement IDs (SID) in a single policy must be unique.", f"{twice[0]} is there twice")


_MEMBERS = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip


def _statement(raw: Any, number: int, kind: Kind, *, variables: bool) -> Statement:
    where = f"statement {number}"
    _check_members(raw, where, _MEMBERS)
    for name in ("Principal", "Action", "Resource"):
        if name in raw and f"Not{name}" in raw:
            _refuse(_SYNTAX, f"{where} has {name} and Not{name}")
    sid, effect = raw.get("Sid", ""), raw.get("Effect")
    if not isinstance(sid, str) or str(effect) not in set(Effect):
        _refuse(_SYNTAX, f"the Effect of {where} is Allow or Deny, and its Sid a text")
    principals = _principals(raw, where, kind, Effect(effect))
    actions = _actions(raw, where, kind)
    resources = _resources(raw, where, kind, variables=variables)
    conditions = tuple(_conditions(raw.get("Condition", {}), where, variables=variables))
    asked = [*(pattern.keys for pattern in resources), *(condition.keys for condition in conditions)]
    return Statement(
        number=number,
        sid=sid,
        effect=Effect(effect),
        principals=principals,
        actions=actions,
        resources=resources,
        all_but="NotResource" in raw,
        conditions=conditions,
        keys=frozenset[str]().union(*asked),
        text=json.dumps(raw, ensure_ascii=False, separators=(",", ":")),
    )


def _texts(value: Any, where: str) -> list[str]:
    """A text or a list of texts."""
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        _refuse(_SYNTAX, f"{where} is a text or a list of texts")
    return texts


# Principal.
_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?([0-9]{12})(?::root)?")
_NAME = re.compile(
    r"arn:aws[a-z-]*:(?:iam::[0-9]{12}:(?:user|role)|sts::[0-9]{12}:(?:assumed-role|federated-user))/[^*?\s]+"
    r"|A[A-Z]{2}A[A-Z0-9]{12,}"
)
"""A user, a role or a session; or the id that AWS writes for one that was deleted."""
_PRINCIPAL_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")


def _principals(raw: dict[str, Any], where: str, kind: Kind, effect: Effect) -> Principals | None:
    all_but = "NotPrincipal" in raw
    element = raw.get("NotPrincipal", raw.get("Principal"))
    if not kind.on_a_resource:
        if element is not None:
            _refuse("Policy document should not specify a principal.", f"{where}: leave Principal out")
        return None
    if element is None:
        _refuse("Missing required field Principal", f"{where}: say whom it is about")
    if all_but and effect is Effect.ALLOW:
        _refuse(_SYNTAX, f"{where}: NotPrincipal goes with Deny, for Allow would be for everybody else")
    if element == "*":
        return Principals(everybody=True, accounts=frozenset(), names=frozenset(), all_but=all_but)
    _check_members(element, f"the Principal of {where}", _PRINCIPAL_TYPES)
    if not element:
        _refuse("Missing required field Principal", f"{where}: say whom it is about")
    named = {type_: _texts(value, f"the Principal of {where}") for type_, value in element.items()}
    aws = named.get("AWS", [])
    accounts = {match[1] for match in map(_ACCOUNT.fullmatch, aws) if match}
    names = {text for text in aws if _NAME.fullmatch(text)}
    for text in aws:
        if text != "*" and text not in names and not _ACCOUNT.fullmatch(text):
            _refuse("Invalid principal in policy", f"{where}: '{text}' is no account, user, role or session")
    federated = {text for text in named.get("Federated", []) if ":oidc-provider/" in text}
    return Principals("*" in aws, frozenset(accounts), frozenset(names | federated), all_but)


# Action.
_VENDOR = re.compile(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
_BY_NAME = {action.lower(): action for action in Action}
_OF_IMAGES = frozenset(action for action in Action if not action.startswith(SERVICES_OF_USERS))
_ABOUT = {
    Kind.IDENTITY: frozenset(Action),
    Kind.SESSION: frozenset(Action),
    Kind.REPOSITORY: _OF_IMAGES,
    Kind.REGISTRY: _OF_IMAGES,
    Kind.TRUST: frozenset(action for action in Action if action.startswith("sts:")),
}
"""What a policy can speak of where it stands. Who may write the registry's policy must not become who may make administrators."""


def _actions(raw: dict[str, Any], where: str, kind: Kind) -> frozenset[Action]:
    if "Action" not in raw and "NotAction" not in raw:
        _refuse("Policy statement must contain actions.", f"{where}: write Action")
    about, covered = _ABOUT[kind], set[Action]()
    for text in _texts(raw.get("NotAction", raw.get("Action")), f"the Action of {where}"):
        if _VENDOR.fullmatch(text) is None:
            _refuse(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                f"{where}: '{text}' is no action",
            )
        found = _covered(text) & about
        if not found and kind in {Kind.REPOSITORY, Kind.REGISTRY}:
            _refuse("Policy has invalid action", f"{where}: there is no action '{text}' here")
        covered |= found
    return about - covered if "NotAction" in raw else frozenset(covered)


def _covered(text: str) -> set[Action]:
    exact = _BY_NAME.get(text.lower())
    if exact is not None:
        return {exact}
    pattern = Pattern.read(text, wildcards=True, variables=False, fold=True)
    return {action for action in Action if pattern.matches(action, {})}


# Resource.
_ANYTHING = (Pattern.read("*", wildcards=True, variables=False),)
_ARN = re.compile(r"arn:[^:]*:[^:]+:[^:]*:[^:]*:.+", re.DOTALL)


def _resources(raw: dict[str, Any], where: str, kind: Kind, *, variables: bool) -> tuple[Pattern, ...]:
    element = raw.get("NotResource", raw.get("Resource"))
    if kind in {Kind.REPOSITORY, Kind.TRUST}:
        if "NotResource" in raw or (element is not None and element not in ["*", ["*"]]):
            _refuse(
                "Has prohibited field Resource", f"{where}: leave Resource out, the policy is where it is"
            )
        return _ANYTHING
    if element is None:
        _refuse("Policy statement must contain resources.", f"{where}: write Resource")
    texts = _texts(element, f"the Resource of {where}")
    for text in texts:
        # ${aws:username} has a colon of its own.
        if text != "*" and _ARN.fullmatch(re.sub(r"\$\{[^}]*\}", "x", text)) is None:
            _refuse(f'Resource {text} must be in ARN format or "*".', f"{where}: write an ARN")
    return tuple(Pattern.read(text, wildcards=True, variables=variables) for text in texts)


# Condition.
def _conditions(raw: Any, where: str, *, variables: bool) -> Iterable[Condition]:
    if not isinstance(raw, dict):
        _refuse(_SYNTAX, f"the Condition of {where} is an object")
    for operator, asked in raw.items():
        if not isinstance(asked, dict):
            _refuse(_SYNTAX, f"{operator} in {where} is an object of condition keys")
        for key, value in asked.items():
            values = [_value(each, where) for each in (value if isinstance(value, list) else [value])]
            if ":" not in key or not values:
                _refuse(
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                    f"{where}: '{key}' is no condition key, or has no value",
                )
            try:
                yield Condition.read(operator, key, values, variables=variables)
            except InvalidCondition as wrong:
                raise InvalidPolicy(_SYNTAX, f"{where}: {wrong}") from None


def _value(value: Any, where: str) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            _refuse(_SYNTAX, f"a value in the Condition of {where} is a text, a number or a boolean")


def _as_ecr_writes(value: Any, indent: str = "") -> str:
    """JSON as ECR answers policies, which is as Jackson prints it: lists on one line, objects indented."""
    match value:
        case dict() if value:
            inner = indent + "  "
            members = [
                f"{inner}{json.dumps(name, ensure_ascii=False)} : {_as_ecr_writes(each, inner)}"
                for name, each in value.items()
            ]
            return "{\n" + ",\n".join(members) + f"\n{indent}}}"
        case list() if value:
            return "[ " + ", ".join(_as_ecr_writes(each, indent) for each in value) + " ]"
        case dict():
            return "{ }"
        case list():
            return "[ ]"
        case _:
            return json.dumps(value, ensure_ascii=False)
