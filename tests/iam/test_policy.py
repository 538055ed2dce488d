"""Policy documents: what AWS takes, what it refuses and in which words, and how ECR writes them back."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.iam.actions import Action
from careen.iam.policy import Caller, Effect, InvalidPolicy, Kind, Reach, parse

PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
STATEMENT: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": PULL}
OF_A_PRINCIPAL: dict[str, Any] = {"Effect": "Allow", "Action": PULL, "Resource": "*"}
OF_THE_REGISTRY: dict[str, Any] = STATEMENT | {"Resource": "*"}


def document(*statements: Any, **members: Any) -> str:
    """A document with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | members)


def but(statement: dict[str, Any], *without: str, **members: Any) -> dict[str, Any]:
    """A statement with other members."""
    return {name: value for name, value in statement.items() if name not in without} | members


TAKEN = {
    "one statement that is no list": (Kind.REPOSITORY, json.dumps({"Statement": STATEMENT})),
    "the old version": (Kind.REPOSITORY, document(STATEMENT, Version="2008-10-17")),
    "no version": (Kind.REPOSITORY, json.dumps({"Statement": [STATEMENT]})),
    "an id": (Kind.REPOSITORY, document(STATEMENT, Id="ECRPolicyId1")),
    "a Sid with spaces": (Kind.REPOSITORY, document(but(STATEMENT, Sid="allow public pull"))),
    "a Sid twice on a repository": (Kind.REPOSITORY, document(*2 * [but(STATEMENT, Sid="a")])),
    "a resource that is everything": (Kind.REPOSITORY, document(but(STATEMENT, Resource="*"))),
    "a list of it": (Kind.REPOSITORY, document(but(STATEMENT, Resource=["*"]))),
    "an account by its number": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={"AWS": "999999999999"})),
    ),
    "a service": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={"Service": "codebuild.amazonaws.com"})),
    ),
    "a principal that was deleted": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={"AWS": "AIDACKCEVSQ6C2EXAMPLE"})),
    ),
    "everybody but": (
        Kind.REPOSITORY,
        document(but(STATEMENT, "Principal", Effect="Deny", NotPrincipal={"AWS": "123456789012"})),
    ),
    "letters of any size": (Kind.REPOSITORY, document(but(STATEMENT, Action="ECR:batchgetIMAGE"))),
    "everything": (Kind.REPOSITORY, document(but(STATEMENT, Action="*"))),
    "a prefix of repositories": (
        Kind.REGISTRY,
        document(but(OF_THE_REGISTRY, Resource="arn:aws:ecr:us-west-2:444455556666:repository/prod-*")),
    ),
    "actions of other services": (Kind.IDENTITY, document(but(OF_A_PRINCIPAL, Action="s3:GetObject"))),
    "a variable in a resource": (
        Kind.IDENTITY,
        document(but(OF_A_PRINCIPAL, Resource="arn:aws:ecr:*:*:repository/${aws:username}/*")),
    ),
    "a trust policy": (Kind.TRUST, document(STATEMENT, Version="2008-10-17")),
    "a number and a boolean": (
        Kind.IDENTITY,
        document(
            but(
                OF_A_PRINCIPAL,
                Condition={
                    "NumericLessThan": {"aws:MultiFactorAuthAge": 3600},
                    "Bool": {"aws:SecureTransport": True},
                },
            )
        ),
    ),
}


@pytest.mark.parametrize(("kind", "text"), TAKEN.values(), ids=TAKEN.keys())
def test_a_policy_is_taken(kind: Kind, text: str) -> None:
    """And what ECR writes of it is the same policy."""
    read = parse(text, kind)
    again = parse(read.text, kind)
    assert json.loads(read.text) == json.loads(text)
    assert again.text == read.text
    assert [one.actions for one in again.statements] == [one.actions for one in read.statements]


SYNTAX = "Syntax errors in policy."
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
REFUSED: dict[str, tuple[Kind, str, str]] = {
    "nothing": (Kind.REPOSITORY, "", SYNTAX),
    "no JSON": (Kind.REPOSITORY, "{", SYNTAX),
    "a list": (Kind.REPOSITORY, "[]", SYNTAX),
    "deeper than anybody writes": (Kind.REPOSITORY, "[" * 100_000, SYNTAX),
    "half a character": (Kind.REPOSITORY, document(but(STATEMENT, Sid="\ud800")), SYNTAX),
    "a number that is none": (Kind.REPOSITORY, '{"Statement":[],"Id":NaN}', SYNTAX),
    "a name twice": (Kind.REPOSITORY, '{"Id":"a","Id":"b","Statement":[]}', SYNTAX),
    "no statement": (Kind.REPOSITORY, document(), SYNTAX),
    "a statement that is none": (Kind.REPOSITORY, document("Allow"), SYNTAX),
    "an unknown member": (Kind.REPOSITORY, document(STATEMENT, Statements=[]), SYNTAX),
    "an unknown member of a statement": (Kind.REPOSITORY, document(but(STATEMENT, Actions="*")), SYNTAX),
    "a version that is none": (Kind.REPOSITORY, document(STATEMENT, Version="2026-01-01"), SYNTAX),
    "an unhashable version": (Kind.REPOSITORY, document(STATEMENT, Version=[]), SYNTAX),
    "a Sid that is a number": (Kind.REPOSITORY, document(but(STATEMENT, Sid=1)), SYNTAX),
    "no effect": (Kind.REPOSITORY, document(but(STATEMENT, "Effect")), SYNTAX),
    "an effect in small letters": (Kind.REPOSITORY, document(but(STATEMENT, Effect="allow")), SYNTAX),
    "an unhashable effect": (Kind.REPOSITORY, document(but(STATEMENT, Effect={})), SYNTAX),
    "both": (Kind.REPOSITORY, document(but(STATEMENT, NotAction="ecr:PutImage")), SYNTAX),
    "no action": (
        Kind.REPOSITORY,
        document(but(STATEMENT, "Action")),
        "Policy statement must contain actions.",
    ),
    "an empty list of actions": (Kind.REPOSITORY, document(but(STATEMENT, Action=[])), SYNTAX),
    "an action without a service": (Kind.REPOSITORY, document(but(STATEMENT, Action="PutImage")), VENDOR),
    "an action that is none": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Action="ecr:PutImages")),
        "Policy has invalid action",
    ),
    "another service's action on the registry": (
        Kind.REGISTRY,
        document(but(OF_THE_REGISTRY, Action="s3:*")),
        "Policy has invalid action",
    ),
    "nobody": (
        Kind.REPOSITORY,
        document(but(STATEMENT, "Principal")),
        "Missing required field Principal",
    ),
    "an empty principal": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={})),
        "Missing required field Principal",
    ),
    "a principal with a star": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={"AWS": "arn:aws:iam::123456789012:user/*"})),
        "Invalid principal in policy",
    ),
    "a name alone": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={"AWS": "alice"})),
        "Invalid principal in policy",
    ),
    "a type of principal that is none": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Principal={"User": "alice"})),
        SYNTAX,
    ),
    "allowing everybody but": (
        Kind.REPOSITORY,
        document(but(STATEMENT, "Principal", NotPrincipal="*")),
        SYNTAX,
    ),
    "no text for a resource": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Resource=[])),
        "Has prohibited field Resource",
    ),
    "a resource on a repository": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Resource="arn:aws:ecr:eu-west-1:123456789012:repository/app")),
        "Has prohibited field Resource",
    ),
    "no resource on the registry": (
        Kind.REGISTRY,
        document(STATEMENT),
        "Policy statement must contain resources.",
    ),
    "an old version on the registry": (
        Kind.REGISTRY,
        document(OF_THE_REGISTRY, Version="2008-10-17"),
        "Policy document must be version 2012-10-17 or greater.",
    ),
    "a Sid twice": (
        Kind.REGISTRY,
        document(*2 * [but(OF_THE_REGISTRY, Sid="a")]),
        "Statement IDs (SID) in a single policy must be unique.",
    ),
    "a principal in a principal's policy": (
        Kind.IDENTITY,
        document(OF_THE_REGISTRY),
        "Policy document should not specify a principal.",
    ),
    "no version in a principal's policy": (
        Kind.IDENTITY,
        json.dumps({"Statement": OF_A_PRINCIPAL}),
        "Policy document must be version 2012-10-17 or greater.",
    ),
    "a resource that is no ARN": (
        Kind.IDENTITY,
        document(but(OF_A_PRINCIPAL, Resource="repository/app")),
        'Resource repository/app must be in ARN format or "*".',
    ),
    "a condition that is a list": (Kind.REPOSITORY, document(but(STATEMENT, Condition=[])), SYNTAX),
    "an operator without keys": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Condition={"StringEquals": "alice"})),
        SYNTAX,
    ),
    "an operator that is none": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Condition={"StringIs": {"aws:username": "alice"}})),
        SYNTAX,
    ),
    "a key without a service": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Condition={"StringEquals": {"username": "alice"}})),
        VENDOR,
    ),
    "a key without values": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Condition={"StringEquals": {"aws:username": []}})),
        VENDOR,
    ),
    "a value that is an object": (
        Kind.REPOSITORY,
        document(but(STATEMENT, Condition={"StringEquals": {"aws:username": {}}})),
        SYNTAX,
    ),
}


@pytest.mark.parametrize(("kind", "text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_policy_is_refused(kind: Kind, text: str, reason: str) -> None:
    """In IAM's sentence, with advice that says where."""
    with pytest.raises(InvalidPolicy) as refused:
        parse(text, kind)
    assert refused.value.reason == reason
    assert refused.value.advice


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ]
)


@settings(max_examples=300)
@given(st.dictionaries(MEMBERS, JSON), st.sampled_from(Kind))
def test_whatever_is_sent_is_read_or_refused(members: dict[str, Any], kind: Kind) -> None:
    """Nothing else comes of a statement with any JSON in any of its members; and what was read can be asked."""
    text = document(but(OF_THE_REGISTRY if kind.on_a_resource else OF_A_PRINCIPAL, **members))
    with suppress(InvalidPolicy):
        [statement] = parse(text, kind).statements
        assert statement.reach(ALICE, "*", {"aws:username": ("alice",)}) in Reach


def test_it_is_written_as_ecr_writes_it() -> None:
    """The layout of the example in the API reference of GetRepositoryPolicy."""
    sent = (
        '{"Version":"2008-10-17","Statement":[{"Sid":"new statement","Effect":"Allow",'
        '"Principal":{"AWS":"arn:aws:iam::012345678901:role/CodeDeployDemo"},'
        '"Action":["ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],"Condition":{}}]}'
    )
    assert parse(sent, Kind.REPOSITORY).text == (
        "{\n"
        '  "Version" : "2008-10-17",\n'
        '  "Statement" : [ {\n'
        '    "Sid" : "new statement",\n'
        '    "Effect" : "Allow",\n'
        '    "Principal" : {\n'
        '      "AWS" : "arn:aws:iam::012345678901:role/CodeDeployDemo"\n'
        "    },\n"
        '    "Action" : [ "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage" ],\n'
        '    "Condition" : { }\n'
        "  } ]\n"
        "}"
    )


ACTIONS: list[tuple[dict[str, Any], set[Action]]] = [
    ({"Action": PULL}, {Action.BATCH_GET_IMAGE, Action.GET_DOWNLOAD_URL_FOR_LAYER}),
    ({"Action": "ecr:put*Policy"}, {Action.PUT_LIFECYCLE_POLICY, Action.PUT_REGISTRY_POLICY}),
    ({"Action": "ecr:PutImag?"}, {Action.PUT_IMAGE}),
    ({"Action": "*"}, set(Action)),
    (
        {"NotAction": ["careen:*", "ecr-public:*", "iam:*", "sts:*"]},
        {action for action in Action if action.startswith("ecr:")},
    ),
    ({"NotAction": ["*"]}, set()),
]


@pytest.mark.parametrize(("members", "expected"), ACTIONS)
def test_which_actions_a_statement_is_about(members: dict[str, Any], expected: set[Action]) -> None:
    """By name in any letters, by stars, and by what it is not about."""
    text = document(but(OF_A_PRINCIPAL, "Action", **members))
    assert parse(text, Kind.IDENTITY).statements[0].actions == expected


@pytest.mark.parametrize(
    ("kind", "statement"), [(Kind.REPOSITORY, STATEMENT), (Kind.REGISTRY, OF_THE_REGISTRY)]
)
def test_a_policy_on_images_says_nothing_of_users(kind: Kind, statement: dict[str, Any]) -> None:
    """Who may write one could else make himself an administrator. Named outright, it is no action there."""
    for members in ({"Action": "*"}, {"NotAction": "ecr:*"}):
        found = parse(document(but(statement, "Action", **members)), kind).statements[0].actions
        assert found
        assert not {action for action in found if action.startswith(("iam:", "sts:"))}
    for named in ("iam:*", "iam:CreateUser", "sts:AssumeRole"):
        with pytest.raises(InvalidPolicy, match="Policy has invalid action"):
            parse(document(but(statement, "Action", Action=named)), kind)


ACCOUNT = "123456789012"
ALICE = Caller(f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT)
ROOT = Caller(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
RUN = Caller(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run-7", ACCOUNT, role_arn=f"arn:aws:iam::{ACCOUNT}:role/ci"
)

REACHES: list[tuple[Any, Caller, Reach]] = [
    ("*", ALICE, Reach.ROLE),
    ({"AWS": "*"}, RUN, Reach.ROLE),
    ({"AWS": ALICE.arn}, ALICE, Reach.SELF),
    ({"AWS": [RUN.arn, ALICE.arn]}, ALICE, Reach.SELF),
    ({"AWS": ALICE.arn}, RUN, Reach.NONE),
    ({"AWS": ACCOUNT}, ALICE, Reach.ACCOUNT),
    ({"AWS": ROOT.arn}, ALICE, Reach.ACCOUNT),
    ({"AWS": ROOT.arn}, ROOT, Reach.SELF),
    ({"AWS": "999999999999"}, ALICE, Reach.NONE),
    ({"AWS": RUN.role_arn}, RUN, Reach.ROLE),
    ({"AWS": RUN.arn}, RUN, Reach.SELF),
    ({"Service": "ecs.amazonaws.com"}, ALICE, Reach.NONE),
]


@pytest.mark.parametrize(("principal", "caller", "expected"), REACHES)
def test_whom_a_principal_element_means(principal: Any, caller: Caller, expected: Reach) -> None:
    """By name, by role, by account, or everybody."""
    [statement] = parse(document(but(STATEMENT, Principal=principal)), Kind.REPOSITORY).statements
    assert statement.reach(caller, "*", {}) is expected


EXCEPTED = [
    ({"AWS": [ALICE.arn, ROOT.arn]}, ALICE, False),
    ({"AWS": [ALICE.arn, ROOT.arn]}, ROOT, False),
    ({"AWS": [ALICE.arn, ROOT.arn]}, RUN, True),
    ({"AWS": [RUN.role_arn]}, RUN, False),
    ("*", ALICE, False),
]


@pytest.mark.parametrize(("principal", "caller", "denied"), EXCEPTED)
def test_whom_not_principal_means(principal: Any, caller: Caller, denied: bool) -> None:
    """Everybody else: an account in the list excepts its root alone."""
    text = document(but(STATEMENT, "Principal", Effect="Deny", NotPrincipal=principal))
    [statement] = parse(text, Kind.REPOSITORY).statements
    assert statement.effect is Effect.DENY
    assert (statement.reach(caller, "*", {}) is not Reach.NONE) is denied


def test_the_same_text_is_the_same_document() -> None:
    """So that a thousand keys with one policy hold one document."""
    text = document(OF_A_PRINCIPAL)
    assert parse(text, Kind.IDENTITY) is parse(text, Kind.IDENTITY)
