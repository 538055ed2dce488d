"""Decisions: AWS's evaluation logic and ECR's own examples as tables, and what always holds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.iam.actions import Action
from careen.iam.evaluate import Decision, Request, Verdict, decide
from careen.iam.managed import ManagedPolicy, documents
from careen.iam.policy import Caller, Kind, NamedDocument, parse

HERE, THERE = "123456789012", "444455556666"
APP = f"arn:aws:ecr:us-west-2:{HERE}:repository/team/app"
ALICE = Caller(f"arn:aws:iam::{HERE}:user/alice", HERE)
BOB = Caller(f"arn:aws:iam::{HERE}:user/bob", HERE)
STRANGER = Caller(f"arn:aws:iam::{THERE}:user/eve", THERE)
ROLE = f"arn:aws:iam::{HERE}:role/ci"
RUN = Caller(f"arn:aws:sts::{HERE}:assumed-role/ci/run-7", HERE, role_arn=ROLE)

ALLOWED, DENIED, NOTHING = Verdict.ALLOWED, Verdict.EXPLICIT_DENY, Verdict.IMPLICIT_DENY


def policy(kind: Kind, *statements: dict[str, Any]) -> NamedDocument:
    """A policy with these statements; what a kind must say and a test does not is added."""
    must: dict[str, Any] = {} if kind is Kind.REPOSITORY else {"Resource": "*"}
    if kind.on_a_resource:
        must["Principal"] = "*"
    written = [{name: must[name] for name in must if f"Not{name}" not in one} | one for one in statements]
    text = json.dumps({"Version": "2012-10-17", "Statement": written})
    return NamedDocument(kind.value, parse(text, kind))


def allow(action: str = "ecr:*", **members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action} | members


def deny(action: str = "ecr:*", **members: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action} | members


def whom(*names: str) -> dict[str, Any]:
    """A Principal element's value."""
    return {"AWS": list(names)}


@dataclass(frozen=True)
class Case:
    """Policies and a request, and how it ends."""

    expected: Verdict
    sentence: str
    """Of the refusal, or of what allows it."""
    caller: Caller = ALICE
    action: Action = Action.BATCH_GET_IMAGE
    resource: str = APP
    identity: Sequence[dict[str, Any]] = ()
    repository: Sequence[dict[str, Any]] = ()
    registry: Sequence[dict[str, Any]] = ()
    session: Sequence[dict[str, Any]] | None = None
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def decide(self) -> Decision:
        """The decision."""
        on_the_resource = [
            policy(kind, *statements)
            for kind, statements in ((Kind.REPOSITORY, self.repository), (Kind.REGISTRY, self.registry))
            if statements
        ]
        return decide(
            Request(self.caller, self.action, self.resource, HERE, self.context),
            identity=[policy(Kind.IDENTITY, *self.identity)] if self.identity else [],
            resource=on_the_resource,
            session=None if self.session is None else [policy(Kind.SESSION, one) for one in self.session],
        )


BY_IDENTITY = "because an identity-based policy allows the ecr:BatchGetImage action"
BY_RESOURCE = "because a resource-based policy allows the ecr:BatchGetImage action"
NO_IDENTITY = "because no identity-based policy allows the ecr:BatchGetImage action"
NO_RESOURCE = "because no resource-based policy allows the ecr:BatchGetImage action"
NO_SESSION = "because no session policy allows the ecr:BatchGetImage action"
DENY_IDENTITY = "with an explicit deny in an identity-based policy"
DENY_RESOURCE = "with an explicit deny in a resource-based policy"
DENY_SESSION = "with an explicit deny in a session policy"

PULL = "ecr:BatchGetImage"
NEAR: dict[str, Any] = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}

LOGIC = {
    # "Policy evaluation logic": determining whether a request is allowed or denied within an account.
    "nothing says anything": Case(NOTHING, NO_IDENTITY),
    "the principal's policy allows": Case(ALLOWED, BY_IDENTITY, identity=[allow()]),
    "the repository's policy allows": Case(ALLOWED, BY_RESOURCE, repository=[allow(Principal=whom(ALICE.arn))]),
    "both allow": Case(ALLOWED, BY_RESOURCE, identity=[allow()], repository=[allow(Principal=whom(ALICE.arn))]),
    "the repository's policy allows somebody else": Case(
        NOTHING, NO_IDENTITY, repository=[allow(Principal=whom(BOB.arn))]
    ),
    "the principal's policy denies": Case(DENIED, DENY_IDENTITY, identity=[allow(), deny(PULL)]),
    "the repository's policy denies": Case(DENIED, DENY_RESOURCE, identity=[allow()], repository=[deny(PULL)]),
    "the registry's policy denies": Case(DENIED, DENY_RESOURCE, identity=[allow()], registry=[deny(PULL)]),
    "the principal's deny ends what the repository allows": Case(
        DENIED, DENY_IDENTITY, identity=[deny(PULL)], repository=[allow(Principal=whom(ALICE.arn))]
    ),
    "one denies beside many that allow": Case(
        DENIED, DENY_RESOURCE, identity=[allow()], repository=[allow(), allow()], registry=[allow(), deny()]
    ),
    "an allow for another action": Case(NOTHING, NO_IDENTITY, identity=[allow("ecr:PutImage")]),
    "an allow for all but this action": Case(
        NOTHING, NO_IDENTITY, identity=[{"Effect": "Allow", "NotAction": PULL}]
    ),
    "an allow for another repository": Case(
        NOTHING, NO_IDENTITY, identity=[allow(Resource=APP.replace("app", "other"))]
    ),
    "an allow for repositories like this": Case(
        ALLOWED, BY_IDENTITY, identity=[allow(Resource="arn:aws:ecr:*:*:repository/team/*")]
    ),
    "a deny for all but this repository": Case(
        ALLOWED, BY_IDENTITY,
        identity=[allow(), {"Effect": "Deny", "Action": "ecr:*", "NotResource": APP}],
    ),
    "a deny for all but another repository": Case(
        DENIED, DENY_IDENTITY,
        identity=[allow(), {"Effect": "Deny", "Action": "ecr:*", "NotResource": f"{APP}-2"}],
    ),
    "a deny whose condition does not hold": Case(
        ALLOWED, BY_IDENTITY, identity=[allow(), deny(**NEAR)], context={"aws:sourceip": ("192.0.2.1",)}
    ),
    "an allow whose condition does not hold": Case(
        NOTHING, NO_IDENTITY, identity=[allow(**NEAR)], context={"aws:sourceip": ("192.0.2.1",)}
    ),
    "an allow whose condition holds": Case(
        ALLOWED, BY_IDENTITY, identity=[allow(**NEAR)], context={"aws:sourceip": ("10.9.8.7",)}
    ),
    "two conditions, one of which does not hold": Case(
        NOTHING, NO_IDENTITY,
        identity=[allow(Condition=NEAR["Condition"] | {"Bool": {"aws:SecureTransport": "true"}})],
        context={"aws:sourceip": ("10.9.8.7",), "aws:securetransport": ("false",)},
    ),
    "a variable that is this principal": Case(
        ALLOWED, BY_IDENTITY,
        identity=[allow(Resource="arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team}/*")],
        context={"aws:principaltag/team": ("team",)},
    ),
    # "Specifying a principal": an account delegates, it does not grant.
    "the repository leaves it to the account, which says nothing": Case(
        NOTHING, NO_IDENTITY, repository=[allow(Principal=whom(HERE))]
    ),
    "the repository leaves it to the account, which allows": Case(
        ALLOWED, BY_IDENTITY, identity=[allow()], repository=[allow(Principal=whom(HERE))]
    ),
    "a deny for the account is one for everybody in it": Case(
        DENIED, DENY_RESOURCE, identity=[allow()], repository=[deny(Principal=whom(f"arn:aws:iam::{HERE}:root"))]
    ),
    "everybody": Case(ALLOWED, BY_RESOURCE, repository=[allow()]),
    # "Cross-account policy evaluation logic": it takes both.
    "from another account with both": Case(
        ALLOWED, BY_RESOURCE, caller=STRANGER, identity=[allow()], repository=[allow(Principal=whom(THERE))]
    ),
    "from another account with its own alone": Case(NOTHING, NO_RESOURCE, caller=STRANGER, identity=[allow()]),
    "from another account with the repository's alone": Case(
        NOTHING, NO_IDENTITY, caller=STRANGER, repository=[allow(Principal=whom(STRANGER.arn))]
    ),
    "from another account with a deny": Case(
        DENIED, DENY_RESOURCE, caller=STRANGER, identity=[allow()],
        repository=[allow(Principal=whom(THERE)), deny(PULL)],
    ),
    # Session policies.
    "a session without a policy of its own": Case(ALLOWED, BY_IDENTITY, caller=RUN, identity=[allow()]),
    "a session that is limited to this": Case(
        ALLOWED, BY_IDENTITY, caller=RUN, identity=[allow()], session=[allow(PULL)]
    ),
    "a session that is limited to something else": Case(
        NOTHING, NO_SESSION, caller=RUN, identity=[allow()], session=[allow("ecr:PutImage")]
    ),
    "a session policy gives nothing that the role has not": Case(
        NOTHING, NO_IDENTITY, caller=RUN, session=[allow()]
    ),
    "a session policy denies": Case(
        DENIED, DENY_SESSION, caller=RUN, identity=[allow()], session=[allow(), deny(PULL)]
    ),
    "the repository names the role, the session is limited": Case(
        NOTHING, NO_SESSION, caller=RUN, repository=[allow(Principal=whom(ROLE))], session=[allow("ecr:PutImage")]
    ),
    "the repository names the role": Case(
        ALLOWED, BY_RESOURCE, caller=RUN, repository=[allow(Principal=whom(ROLE))]
    ),
    "the repository names the session itself": Case(
        ALLOWED, BY_RESOURCE, caller=RUN, repository=[allow(Principal=whom(RUN.arn))],
        session=[allow("ecr:PutImage")],
    ),
    # The token is the principal's alone.
    "a policy of a resource cannot allow a token": Case(
        NOTHING, "because no identity-based policy allows the ecr:GetAuthorizationToken action",
        action=Action.GET_AUTHORIZATION_TOKEN, resource="*", repository=[allow()], registry=[allow()],
    ),
    "but it can deny one": Case(
        DENIED, DENY_RESOURCE,
        action=Action.GET_AUTHORIZATION_TOKEN, resource="*", identity=[allow()], registry=[deny()],
    ),
}  # fmt: skip

PUSH_AND_PULL = [
    "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
]  # fmt: skip
ALLOW_USERS = [allow(Sid="AllowPushPull", Principal=whom(ALICE.arn, BOB.arn), Action=PUSH_AND_PULL)]
ALLOW_ACCOUNT = [
    allow(
        Sid="AllowCrossAccountPush",
        Principal=whom(f"arn:aws:iam::{THERE}:root"),
        Action=[each for each in PUSH_AND_PULL if each not in {PULL, "ecr:GetDownloadUrlForLayer"}],
    )
]
PULLERS_AND_AN_ADMIN = [
    allow(Sid="AllowPull", Principal=whom(ALICE.arn), Action=[PULL, "ecr:GetDownloadUrlForLayer"]),
    allow(Sid="AllowAll", Principal=whom(BOB.arn), Action=["ecr:*"]),
]
DENY_PULL = [deny(Sid="DenyPull", Principal="*", Action=[PULL, "ecr:GetDownloadUrlForLayer"])]
ONLY_FROM = [
    deny(Sid="IPAllow", Principal="*", Condition={"NotIpAddress": {"aws:SourceIp": "54.240.143.0/24"}})
]
CODEBUILD = [
    allow(
        Sid="CodeBuildAccess",
        Principal={"Service": "codebuild.amazonaws.com"},
        Action=[PULL, "ecr:GetDownloadUrlForLayer"],
        Condition={
            "ArnLike": {"aws:SourceArn": f"arn:aws:codebuild:us-west-2:{HERE}:project/app"},
            "StringEquals": {"aws:SourceAccount": HERE},
        },
    )
]
REPLICATION = [
    allow(
        Sid="ReplicationAccessCrossAccount",
        Principal=whom(f"arn:aws:iam::{THERE}:root"),
        Action=["ecr:CreateRepository", "ecr:ReplicateImage"],
        Resource=[f"arn:aws:ecr:us-west-2:{HERE}:repository/prod-*"],
    )
]
PROD = f"arn:aws:ecr:us-west-2:{HERE}:repository/prod-web"
BY_REPLICATION = "because a resource-based policy allows the ecr:ReplicateImage action"
NO_REPLICATION = "because no resource-based policy allows the ecr:ReplicateImage action"

ECRS_EXAMPLES = {
    # ECR user guide, "Private repository policy examples".
    "users may push": Case(
        ALLOWED, "because a resource-based policy allows the ecr:PutImage action",
        action=Action.PUT_IMAGE, repository=ALLOW_USERS,
    ),
    "users may not delete": Case(
        NOTHING, "because no identity-based policy allows the ecr:BatchDeleteImage action",
        action=Action.BATCH_DELETE_IMAGE, repository=ALLOW_USERS,
    ),
    "another account may push": Case(
        ALLOWED, "because a resource-based policy allows the ecr:PutImage action",
        caller=STRANGER, action=Action.PUT_IMAGE, identity=[allow()], repository=ALLOW_ACCOUNT,
    ),
    "and not pull": Case(NOTHING, NO_RESOURCE, caller=STRANGER, identity=[allow()], repository=ALLOW_ACCOUNT),
    "a puller pulls": Case(ALLOWED, BY_RESOURCE, repository=PULLERS_AND_AN_ADMIN),
    "the admin deletes": Case(
        ALLOWED, "because a resource-based policy allows the ecr:BatchDeleteImage action",
        caller=BOB, action=Action.BATCH_DELETE_IMAGE, repository=PULLERS_AND_AN_ADMIN,
    ),
    "nobody pulls": Case(DENIED, DENY_RESOURCE, identity=[allow()], repository=DENY_PULL),
    "but they push": Case(
        ALLOWED, "because an identity-based policy allows the ecr:PutImage action",
        action=Action.PUT_IMAGE, identity=[allow()], repository=DENY_PULL,
    ),
    "from the address": Case(
        ALLOWED, BY_IDENTITY, identity=[allow()], repository=ONLY_FROM, context={"aws:sourceip": ("54.240.143.9",)}
    ),
    "from elsewhere": Case(
        DENIED, DENY_RESOURCE, identity=[allow()], repository=ONLY_FROM, context={"aws:sourceip": ("192.0.2.1",)}
    ),
    "from nobody knows where": Case(DENIED, DENY_RESOURCE, identity=[allow()], repository=ONLY_FROM),
    "a service of Amazon's is nobody here": Case(NOTHING, NO_IDENTITY, repository=CODEBUILD),
    # ECR user guide, "Private registry policy examples".
    "another account replicates": Case(
        ALLOWED, BY_REPLICATION, caller=STRANGER, action=Action.REPLICATE_IMAGE, resource=PROD,
        identity=[allow()], registry=REPLICATION,
    ),
    "but not to other repositories": Case(
        NOTHING, NO_REPLICATION, caller=STRANGER, action=Action.REPLICATE_IMAGE,
        identity=[allow()], registry=REPLICATION,
    ),
}  # fmt: skip

CASES = LOGIC | ECRS_EXAMPLES


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_decision(case: Case) -> None:
    """IAM user guide, "Policy evaluation logic"; ECR user guide, the examples of policies."""
    decision = case.decide()
    assert (decision.verdict, decision.sentence(case.action)) == (case.expected, case.sentence)


def test_the_deciding_statement_is_told() -> None:
    """With its policy, its place in it, and its words."""
    decision = Case(DENIED, "", identity=[allow()], repository=[allow(PULL), *DENY_PULL]).decide()
    assert decision.deciding is not None
    assert decision.deciding.source.document.kind is Kind.REPOSITORY
    assert (decision.deciding.statement.number, decision.deciding.statement.sid) == (2, "DenyPull")
    assert json.loads(decision.deciding.statement.text) == DENY_PULL[0]


KEPT = {
    "no condition": ([allow()], False),
    "the principal's name": ([allow(Condition={"StringEquals": {"aws:username": "alice"}})], False),
    "a resource tag": ([allow(Condition={"StringEquals": {"aws:ResourceTag/team": "a"}})], False),
    "an address, whether it matches or not": ([allow(), deny(**NEAR)], True),
    "a time": ([allow(Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01"}})], True),
    "an address in a resource": ([allow(Resource="arn:aws:ecr:*:*:repository/${aws:SourceIp}")], True),
    "an address for another action": ([allow(), deny("ecr:PutImage", **NEAR)], False),
    "a deny that no address changes": ([deny(), allow(**NEAR)], False),
    "a deny that an address may change": ([allow(), deny(**NEAR), deny()], True),
}


@pytest.mark.parametrize(("identity", "expected"), KEPT.values(), ids=KEPT.keys())
def test_what_may_be_remembered(identity: Sequence[dict[str, Any]], expected: bool) -> None:
    """A decision is good for the next request unless a statement about its action asks what that may answer otherwise."""
    case = Case(ALLOWED, "", identity=identity, context={"aws:sourceip": ("10.0.0.1",)})
    assert case.decide().is_this_requests_alone is expected


def test_a_managed_policy_is_a_document_like_any_other() -> None:
    """A repository's deny ends what it allows."""
    request = Request(ALICE, Action.BATCH_GET_IMAGE, APP, HERE, {})
    identity = documents(ManagedPolicy.PULL_ONLY)
    assert decide(request, identity=identity).allowed
    assert not decide(request, identity=identity, resource=[policy(Kind.REPOSITORY, *DENY_PULL)]).allowed


# What always holds.
CONDITIONS = st.sampled_from(
    [
        {},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Condition": {"StringNotEquals": {"aws:username": "alice"}}},
        {"Condition": {"Null": {"aws:Referer": "true"}}},
    ]
)
ACTIONS = st.sampled_from(["ecr:*", "ecr:BatchGetImage", "ecr:Put*", "*", "ecr:BatchDeleteImage"])
STATEMENTS = st.builds(
    lambda effect, action, more: {"Effect": effect, "Action": action} | more,
    st.sampled_from(["Allow", "Deny"]),
    ACTIONS,
    CONDITIONS,
)
ON_A_RESOURCE = st.builds(
    lambda statement, names: statement | {"Principal": names},
    STATEMENTS,
    st.sampled_from(["*", whom(ALICE.arn), whom(BOB.arn), whom(HERE), whom(THERE), whom(RUN.arn, ROLE)]),
)
WORLDS = st.builds(
    Case,
    expected=st.just(ALLOWED),
    sentence=st.just(""),
    caller=st.sampled_from([ALICE, BOB, STRANGER, RUN]),
    action=st.sampled_from([Action.BATCH_GET_IMAGE, Action.PUT_IMAGE, Action.GET_AUTHORIZATION_TOKEN]),
    identity=st.lists(STATEMENTS, max_size=4),
    repository=st.lists(ON_A_RESOURCE, max_size=4),
    registry=st.lists(ON_A_RESOURCE, max_size=3),
    session=st.none() | st.lists(STATEMENTS, min_size=1, max_size=2),
    context=st.sampled_from([{}, {"aws:sourceip": ("10.0.0.1",), "aws:username": ("alice",)}]),
)
PLACES = st.sampled_from(["identity", "repository", "registry"])


def changed(world: Case, place: str, statements: Sequence[dict[str, Any]]) -> Case:
    """The same world with other statements in one place."""
    return replace(world, **{place: statements})  # type: ignore[arg-type]


@given(WORLDS, PLACES)
def test_deny_wins(world: Case, place: str) -> None:
    """Whatever else is said, a deny for everybody and everything ends it."""
    denied = changed(
        world, place, [*getattr(world, place), deny("*", Principal="*") if place != "identity" else deny("*")]
    )
    assert denied.decide().verdict is DENIED


@given(WORLDS, PLACES, STATEMENTS, ON_A_RESOURCE)
def test_another_allow_never_takes_away(
    world: Case, place: str, own: dict[str, Any], on_a_resource: dict[str, Any]
) -> None:
    """Who might, may still."""
    more = (own if place == "identity" else on_a_resource) | {"Effect": "Allow"}
    if world.decide().allowed:
        assert changed(world, place, [*getattr(world, place), more]).decide().allowed


@given(WORLDS, PLACES)
def test_a_deny_less_never_takes_away(world: Case, place: str) -> None:
    """Who might, may still."""
    left = [one for one in getattr(world, place) if one["Effect"] == "Allow"]
    if world.decide().allowed:
        assert changed(world, place, left).decide().allowed


@given(WORLDS, PLACES, st.randoms(use_true_random=False))
def test_the_order_of_statements_is_nothing(world: Case, place: str, random: Any) -> None:
    """The verdict is the same."""
    shuffled = list(getattr(world, place))
    random.shuffle(shuffled)
    assert changed(world, place, shuffled).decide().verdict is world.decide().verdict


@given(WORLDS)
def test_what_is_remembered_is_right(world: Case) -> None:
    """A decision that may be remembered is the same from any address at any time."""
    decision = world.decide()
    elsewhere = world.context | {"aws:sourceip": ("192.0.2.1",), "aws:referer": ("x",)}
    if not decision.is_this_requests_alone:
        assert replace(world, context=elsewhere).decide().verdict is decision.verdict


@given(WORLDS)
def test_nothing_is_allowed_unless_something_allows_it(world: Case) -> None:
    """Without a statement that says Allow about this action nobody gets in."""
    said = [*world.identity, *world.repository, *world.registry]
    if not any(one["Effect"] == "Allow" for one in said):
        assert not world.decide().allowed
