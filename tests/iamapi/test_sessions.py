"""Temporary credentials: of a user, and of roles that users assume."""

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.ecrapi.client import basic, refusal, request
from tests.iamapi.conftest import allowing, arn, document, in_session, trust
from tests.iamapi.samples import MANAGED
from tests.server import REGISTRY_ID, Server

NewKey = Callable[[str], dict[str, str]]
RoleFor = Callable[..., str]


def lasts(credentials: dict[str, Any]) -> dt.timedelta:
    """How long credentials are good, to the minute."""
    left: dt.timedelta = credentials["Expiration"] - dt.datetime.now(dt.UTC)
    return dt.timedelta(minutes=round(left.total_seconds() / 60))


def test_a_user_has_sessions_of_its_own(iam: Any, server: Server, user: str, new_key: NewKey) -> None:
    """They may do what the user may, on both APIs, and are told as the user."""
    iam.attach_user_policy(UserName=user, PolicyArn=MANAGED)
    made = server.boto("sts", **new_key(user)).get_session_token(DurationSeconds=900)["Credentials"]
    assert made["AccessKeyId"].startswith("ASIA")
    assert lasts(made) == dt.timedelta(minutes=15)
    session = in_session(made)
    who = server.boto("sts", **session).get_caller_identity()
    assert who["Arn"] == arn(f"user/{user}")
    assert who["UserId"] == iam.get_user(UserName=user)["User"]["UserId"]
    server.boto(**session).describe_repositories()
    iam.detach_user_policy(UserName=user, PolicyArn=MANAGED)
    assert refusal(server.boto(**session).describe_repositories).code == "AccessDeniedException"


def test_a_session_begins_no_session(server: Server, user: str, new_key: NewKey) -> None:
    """So that nobody lives on for ever."""
    made = server.boto("sts", **new_key(user)).get_session_token()["Credentials"]
    assert lasts(made) == dt.timedelta(hours=12)
    device = {"SerialNumber": "arn:aws:iam::123456789012:mfa/alice", "TokenCode": "123456"}
    refused = refusal(server.boto("sts", **new_key(user)).get_session_token, **device)
    assert refused.message == "This registry keeps no second factors."
    refused = refusal(server.boto("sts", **in_session(made)).get_session_token)
    assert (refused.code, refused.message) == (
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    )


def test_the_accounts_own_session_lasts_an_hour(server: Server) -> None:
    """Whatever it asks for."""
    made = server.boto("sts").get_session_token(DurationSeconds=7200)["Credentials"]
    assert lasts(made) == dt.timedelta(hours=1)
    who = server.boto("sts", **in_session(made)).get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (arn("root"), REGISTRY_ID)
    assert server.boto("iam", **in_session(made)).list_users(MaxItems=1)["Users"] is not None


@pytest.mark.parametrize("end", ["deactivated", "deleted"])
def test_a_users_session_ends_with_its_key(
    iam: Any, server: Server, user: str, new_key: NewKey, end: str
) -> None:
    """Who takes a leaked key away has taken away what was made with it."""
    key = new_key(user)
    made = server.boto("sts", **key).get_session_token()["Credentials"]
    sts = server.boto("sts", **in_session(made))
    sts.get_caller_identity()
    one = {"UserName": user, "AccessKeyId": key["aws_access_key_id"]}
    if end == "deleted":
        iam.delete_access_key(**one)
    else:
        iam.update_access_key(**one, Status="Inactive")
    assert refusal(sts.get_caller_identity).code == "InvalidClientTokenId"


def test_whom_a_role_names_may_assume_it(
    iam: Any, server: Server, user: str, new_key: NewKey, role_for: RoleFor
) -> None:
    """Without a policy of its own; what the role may do is read at each request."""
    role = role_for({"AWS": arn(f"user/{user}")}, Path="/team/")
    sts = server.boto("sts", **new_key(user))
    answer = sts.assume_role(RoleArn=arn(f"role/team/{role}"), RoleSessionName="run-7")
    role_id = iam.get_role(RoleName=role)["Role"]["RoleId"]
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role_id}:run-7",
        "Arn": f"arn:aws:sts::{REGISTRY_ID}:assumed-role/{role}/run-7",
    }
    assert lasts(answer["Credentials"]) == dt.timedelta(hours=1)
    session = in_session(answer["Credentials"])
    who = server.boto("sts", **session).get_caller_identity()
    assert (who["UserId"], who["Arn"]) == tuple(answer["AssumedRoleUser"].values())
    ecr = server.boto(**session)
    refused = refusal(ecr.describe_repositories)
    assert f"User: {who['Arn']} is not authorized to perform: ecr:DescribeRepositories" in refused.message
    iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED)
    ecr.describe_repositories()
    iam.detach_role_policy(RoleName=role, PolicyArn=MANAGED)
    assert refusal(ecr.describe_repositories).code == "AccessDeniedException"
    iam.delete_role(RoleName=role)
    assert refusal(ecr.describe_repositories).code == "UnrecognizedClientException"
    iam.create_role(RoleName=role, Path="/team/", AssumeRolePolicyDocument=trust("*"))
    assert refusal(ecr.describe_repositories).code == "UnrecognizedClientException"


def test_whom_a_role_names_by_the_account_needs_a_policy_of_its_own(
    iam: Any, server: Server, user: str, new_key: NewKey, role_for: RoleFor
) -> None:
    """The account decides, by its users' policies."""
    role = arn(f"role/{role_for({'AWS': arn('root')})}")
    sts = server.boto("sts", **new_key(user))
    asked = {"RoleArn": role, "RoleSessionName": "run-7"}
    refused = refusal(sts.assume_role, **asked)
    assert (refused.code, refused.message) == (
        "AccessDenied",
        (
            f"User: {arn(f'user/{user}')} is not authorized to perform: sts:AssumeRole on resource: {role}"
            " because no identity-based policy allows the sts:AssumeRole action"
        ),
    )
    iam.put_user_policy(
        UserName=user, PolicyName="p", PolicyDocument=allowing("sts:AssumeRole", resource=role)
    )
    sts.assume_role(**asked)


def deny(what: str) -> str:
    """A trust policy that admits everybody but for a deny."""
    return document(
        {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
        {"Effect": "Deny", "Principal": {"AWS": what}, "Action": "sts:AssumeRole"},
    )


def test_what_a_trust_policy_does_not_admit_nobody_assumes(
    iam: Any, server: Server, user: str, new_key: NewKey, role_for: RoleFor
) -> None:
    """Not even who may do everything; and a role that is not there is refused in the same words."""
    iam.attach_user_policy(UserName=user, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    sts = server.boto("sts", **new_key(user))
    role = role_for({"AWS": arn("user/somebody-else")})
    for wanted in (
        arn(f"role/{role}"),
        arn("role/none"),
        arn(f"role/elsewhere/{role}"),
        "arn:aws:iam::999999999999:role/x",
    ):
        refused = refusal(sts.assume_role, RoleArn=wanted, RoleSessionName="run-7")
        assert (refused.code, refused.status) == ("AccessDenied", 403)
        assert refused.message == (
            f"User: {arn(f'user/{user}')} is not authorized to perform: sts:AssumeRole on resource: {wanted}"
            " because no resource-based policy allows the sts:AssumeRole action"
        )
    asked = {"RoleArn": arn(f"role/{role}"), "RoleSessionName": "run-7"}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust("*"))
    sts.assume_role(**asked)
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=deny(arn(f"user/{user}")))
    assert refusal(sts.assume_role, **asked).code == "AccessDenied"
    iam.update_assume_role_policy(
        RoleName=role, PolicyDocument=trust("*", {"StringEquals": {"sts:ExternalId": "agreed"}})
    )
    assert refusal(sts.assume_role, **asked).code == "AccessDenied"
    sts.assume_role(**asked, ExternalId="agreed")
    iam.update_assume_role_policy(
        RoleName=role, PolicyDocument=trust("*", {"StringLike": {"sts:RoleSessionName": "${aws:username}"}})
    )
    assert refusal(sts.assume_role, **asked).code == "AccessDenied"
    sts.assume_role(RoleArn=arn(f"role/{role}"), RoleSessionName=user)


def test_the_account_itself_assumes_no_role(server: Server, role_for: RoleFor) -> None:
    """As on AWS: a role is for those who are less."""
    refused = refusal(
        server.boto("sts").assume_role, RoleArn=arn(f"role/{role_for('*')}"), RoleSessionName="x1"
    )
    assert (refused.code, refused.message) == ("AccessDenied", "Roles may not be assumed by root accounts.")


def test_a_role_says_how_long_its_sessions_last(
    iam: Any, server: Server, user: str, new_key: NewKey, role_for: RoleFor
) -> None:
    """An hour unless it says more; and never more than an hour for whoever has assumed one already."""
    role = role_for("*")
    asked = {"RoleArn": arn(f"role/{role}"), "RoleSessionName": "run-7", "DurationSeconds": 7200}
    sts = server.boto("sts", **new_key(user))
    refused = refusal(sts.assume_role, **asked)
    assert (refused.code, refused.message) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    iam.update_role(RoleName=role, MaxSessionDuration=7200, Description="long runs")
    answer = sts.assume_role(**asked)
    assert lasts(answer["Credentials"]) == dt.timedelta(hours=2)
    assert iam.get_role(RoleName=role)["Role"]["Description"] == "long runs"
    chained = server.boto("sts", **in_session(answer["Credentials"]))
    assert refusal(chained.assume_role, **asked).code == "ValidationError"
    again = chained.assume_role(**{**asked, "DurationSeconds": 3600})
    assert lasts(again["Credentials"]) == dt.timedelta(hours=1)


def test_session_policies_limit_what_the_role_may(
    iam: Any, server: Server, user: str, new_key: NewKey, role_for: RoleFor, name: str
) -> None:
    """A session may do what both allow."""
    role = role_for("*")
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=allowing("ecr:*"))
    sts = server.boto("sts", **new_key(user))
    asked = {"RoleArn": arn(f"role/{role}"), "RoleSessionName": "run-7"}

    def ecr(**limits: Any) -> Any:
        return server.boto(**in_session(sts.assume_role(**asked, **limits)["Credentials"]))

    ecr().create_repository(repositoryName=name)
    for limits in ({"Policy": allowing("ecr:List*", "sts:*")}, {"PolicyArns": [{"arn": MANAGED}]}):
        limited = ecr(**limits)
        assert limited.list_images(repositoryName=name)["imageIds"] == []
        refused = refusal(limited.delete_repository, repositoryName=name)
        assert refused.message.endswith("because no session policy allows the ecr:DeleteRepository action")
    for wrong, code in (
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": f"{MANAGED}X"}]}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": MANAGED}] * 11}, "PackedPolicyTooLarge"),
        ({"Policy": allowing(*(f"ecr:Nothing{number}" for number in range(200)))}, "PackedPolicyTooLarge"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "InvalidInput"),
        ({"SourceIdentity": "alice"}, "InvalidInput"),
    ):
        assert refusal(sts.assume_role, **asked, **wrong).code == code


def test_docker_login_in_a_session_lasts_no_longer_than_it(
    iam: Any, server: Server, user: str, new_key: NewKey, role_for: RoleFor
) -> None:
    """The password works on the data plane, and is the role's: it ends with the role."""
    role = role_for("*")
    iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED)
    asked = {"RoleArn": arn(f"role/{role}"), "RoleSessionName": "run-7"}
    limit = allowing("ecr:GetAuthorizationToken", *(f"ecr:Nothing{number}" for number in range(100)))
    for limits in ({}, {"Policy": limit}):
        made = server.boto("sts", **new_key(user)).assume_role(**asked, **limits)["Credentials"]
        [data] = server.boto(**in_session(made)).get_authorization_token()["authorizationData"]
        assert data["expiresAt"] == made["Expiration"].replace(microsecond=data["expiresAt"].microsecond)
        login, password = base64.b64decode(data["authorizationToken"]).decode().split(":")
        assert request(server, "GET", "/v2/", headers=basic(login, password)).status == 200
        catalog = request(server, "GET", "/v2/_catalog", headers=basic(login, password))
        assert catalog.status == (403 if limits else 200)
    iam.detach_role_policy(RoleName=role, PolicyArn=MANAGED)
    iam.delete_role(RoleName=role)
    assert request(server, "GET", "/v2/", headers=basic(login, password)).status == 401


def test_a_session_is_nothing_without_its_token(server: Server, user: str, new_key: NewKey) -> None:
    """Neither with none, nor with another session's, nor with one that somebody wrote; and not as a password."""
    sts = server.boto("sts", **new_key(user))
    one, other = (in_session(sts.get_session_token()["Credentials"]) for _ in range(2))
    token = one["aws_session_token"]
    altered = f"{token[:50]}{'B' if token[50] == 'A' else 'A'}{token[51:]}"
    for wrong in (None, other["aws_session_token"], altered, "x"):
        changed: dict[str, Any] = {**one, "aws_session_token": wrong}
        assert refusal(server.boto("sts", **changed).get_caller_identity).code == "InvalidClientTokenId"
        assert refusal(server.boto(**changed).describe_repositories).code == "UnrecognizedClientException"
    login = basic(one["aws_access_key_id"], one["aws_secret_access_key"])
    assert request(server, "GET", "/v2/", headers=login).status == 401
    login = basic("AWS", one["aws_session_token"])
    assert request(server, "GET", "/v2/", headers=login).status == 401
