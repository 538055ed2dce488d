"""Users, their keys and policies, through boto3."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.ecrapi.client import refusal, request
from tests.iamapi.conftest import allowing, arn
from tests.iamapi.samples import MANAGED
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, SECRET_ACCESS_KEY, Server


def test_a_user_comes_is_told_of_and_goes(iam: Any, user: str) -> None:
    """With a path in its ARN, and an id that the next of the name does not have."""
    name = f"{user}-2"
    made = iam.create_user(UserName=name, Path="/team/build/")["User"]
    assert made["Arn"] == arn(f"user/team/build/{name}")
    assert made["UserId"].startswith("AIDA")
    assert abs(made["CreateDate"] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert iam.get_user(UserName=name)["User"] == made
    iam.delete_user(UserName=name)
    assert refusal(iam.get_user, UserName=name).code == "NoSuchEntity"
    again = iam.create_user(UserName=name)["User"]
    assert (again["Path"], again["UserId"] == made["UserId"]) == ("/", False)


@pytest.mark.parametrize("change", [str, str.upper])
def test_a_name_is_taken_whatever_the_case_of_its_letters(
    iam: Any, user: str, change: Callable[[str], str]
) -> None:
    """As IAM has it."""
    refused = refusal(iam.create_user, UserName=change(user))
    assert (refused.code, refused.status) == ("EntityAlreadyExists", 409)
    assert refused.message == f"User with name {change(user)} already exists."


@pytest.mark.parametrize(
    ("parameters", "code", "says"),
    [
        pytest.param({"UserName": "a b"}, "ValidationError", "Value at 'userName'", id="a space"),
        pytest.param({"UserName": "a" * 65}, "ValidationError", "Value at 'userName'", id="too long"),
        pytest.param({"Path": "team"}, "ValidationError", "Value at 'path'", id="no path"),
        pytest.param({"UserName": "root"}, "InvalidInput", "stands for the account", id="the account"),
        pytest.param(
            {"PermissionsBoundary": MANAGED}, "InvalidInput", "no permissions boundaries", id="a boundary"
        ),
        pytest.param({"Tags": [{"Key": "tëam", "Value": "x"}]}, "InvalidInput", "keeps no tags", id="tags"),
    ],
)
def test_what_is_no_user_is_refused(iam: Any, parameters: dict[str, Any], code: str, says: str) -> None:
    """By the model's constraints, or because it would be lost in silence."""
    refused = refusal(iam.create_user, **{"UserName": "somebody", **parameters})
    assert (refused.code, refused.status) == (code, 400)
    assert says in refused.message


def test_users_are_listed_by_pages_and_paths(iam: Any, user: str) -> None:
    """In the order of their names; the marker leads on, and only where it came from."""
    path = f"/{user}/"
    names = [f"{user}-{letter}" for letter in "cabed"]
    for name in names:
        iam.create_user(UserName=name, Path=path)
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix=path, PaginationConfig={"PageSize": 2}))
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    assert [each["UserName"] for page in pages for each in page["Users"]] == sorted(names)
    refused = refusal(iam.list_roles, Marker=pages[0]["Marker"])
    assert (refused.code, refused.message) == ("ValidationError", "Invalid Marker.")
    assert user in {
        each["UserName"] for page in iam.get_paginator("list_users").paginate() for each in page["Users"]
    }


def test_keys_come_are_switched_and_go(
    iam: Any, server: Server, user: str, new_key: Callable[[str], dict[str, str]]
) -> None:
    """Two at most; one that is off opens nothing, from the next request on."""
    first, second = new_key(user), new_key(user)
    refused = refusal(iam.create_access_key, UserName=user)
    assert (refused.code, refused.message) == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    listed = iam.list_access_keys(UserName=user, MaxItems=1)
    assert listed["IsTruncated"]
    listed["AccessKeyMetadata"] += iam.list_access_keys(UserName=user, Marker=listed["Marker"])[
        "AccessKeyMetadata"
    ]
    assert {key["AccessKeyId"] for key in listed["AccessKeyMetadata"]} == {
        each["aws_access_key_id"] for each in (first, second)
    }
    one = {"UserName": user, "AccessKeyId": first["aws_access_key_id"]}
    mine = server.boto("sts", **first)
    assert mine.get_caller_identity()["Arn"] == arn(f"user/{user}")
    iam.update_access_key(**one, Status="Inactive")
    assert refusal(mine.get_caller_identity).code == "InvalidClientTokenId"
    assert {key["Status"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]} == {
        "Active",
        "Inactive",
    }
    iam.update_access_key(**one, Status="Active")
    mine.get_caller_identity()
    assert refusal(iam.update_access_key, **one, Status="Expired").code == "ValidationError"
    iam.delete_access_key(**one)
    assert refusal(mine.get_caller_identity).code == "InvalidClientTokenId"
    refused = refusal(iam.delete_access_key, **one)
    assert refused.message == f"The Access Key with id {one['AccessKeyId']} cannot be found."


def test_a_key_is_its_users_alone(iam: Any, user: str, new_key: Callable[[str], dict[str, str]]) -> None:
    """Under another's name it is not found."""
    key, other = new_key(user)["aws_access_key_id"], f"{user}-2"
    iam.create_user(UserName=other)
    for method, more in ((iam.delete_access_key, {}), (iam.update_access_key, {"Status": "Inactive"})):
        assert refusal(method, UserName=other, AccessKeyId=key, **more).code == "NoSuchEntity"
    assert [each["Status"] for each in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]] == ["Active"]


def test_who_names_nobody_means_itself(
    iam: Any, server: Server, user: str, new_key: Callable[[str], dict[str, str]]
) -> None:
    """A user may look after its own keys if its policy says so; the account's own key has no user to mean."""
    own = arn("user/${aws:username}")
    iam.put_user_policy(
        UserName=user,
        PolicyName="own",
        PolicyDocument=allowing("iam:*AccessKey*", "iam:GetUser", resource=own),
    )
    mine = server.boto("iam", **new_key(user))
    assert mine.get_user()["User"]["UserName"] == user
    second = mine.create_access_key()["AccessKey"]
    assert second["UserName"] == user
    mine.delete_access_key(AccessKeyId=second["AccessKeyId"])
    assert len(mine.list_access_keys()["AccessKeyMetadata"]) == 1
    assert refusal(mine.list_access_keys, UserName="somebody-else").code == "AccessDenied"
    refused = refusal(iam.get_user)
    assert (refused.code, refused.message) == (
        "ValidationError",
        "Must specify userName when calling with non-User credentials",
    )


@pytest.mark.parametrize("kind", ["user", "role"])
def test_policies_come_are_read_and_go(iam: Any, user: str, role_for: Callable[..., str], kind: str) -> None:
    """A document of one's own comes back as it was sent; a managed one is attached once, however often it is."""
    name = user if kind == "user" else role_for("*")
    whose = {f"{kind.capitalize()}Name": name}

    def call(verb: str, noun: str = f"{kind}_policy", **parameters: Any) -> Any:
        return getattr(iam, f"{verb}_{noun}")(**whose, **parameters)

    texts = {f"p-{letter}": allowing("ecr:ListImages", f"ecr:{letter}*") for letter in "cab"}
    for policy, text in texts.items():
        call("put", PolicyName=policy, PolicyDocument=text)
    found = call("get", PolicyName="p-a")
    assert (found["PolicyName"], found["PolicyDocument"]) == ("p-a", json.loads(texts["p-a"]))
    assert call("list", f"{kind}_policies", MaxItems=2)["PolicyNames"] == ["p-a", "p-b"]
    call("put", PolicyName="p-a", PolicyDocument=texts["p-c"])
    assert call("get", PolicyName="p-a")["PolicyDocument"] == json.loads(texts["p-c"])
    call("attach", PolicyArn=MANAGED)
    call("attach", PolicyArn=MANAGED)
    attached = call("list_attached", f"{kind}_policies")["AttachedPolicies"]
    assert attached == [{"PolicyName": MANAGED.rpartition("/")[2], "PolicyArn": MANAGED}]
    assert call("list_attached", f"{kind}_policies", PathPrefix="/service-role/")["AttachedPolicies"] == []

    def refused_deletion() -> str:
        return refusal(getattr(iam, f"delete_{kind}"), **whose).message

    assert refused_deletion() == "Cannot delete entity, must detach all policies first."
    call("detach", PolicyArn=MANAGED)
    assert refused_deletion() == "Cannot delete entity, must delete policies first."
    for policy in texts:
        call("delete", PolicyName=policy)
    refused = refusal(getattr(iam, f"delete_{kind}_policy"), **whose, PolicyName="p-a")
    assert (refused.code, refused.message) == (
        "NoSuchEntity",
        f"The {kind} policy with name p-a cannot be found.",
    )
    assert refusal(getattr(iam, f"detach_{kind}_policy"), **whose, PolicyArn=MANAGED).code == "NoSuchEntity"
    getattr(iam, f"delete_{kind}")(**whose)


def test_a_user_with_a_key_is_not_deleted(
    iam: Any, user: str, new_key: Callable[[str], dict[str, str]]
) -> None:
    """Somebody may be signing with it."""
    new_key(user)
    refused = refusal(iam.delete_user, UserName=user)
    assert (refused.code, refused.status) == ("DeleteConflict", 409)
    assert refused.message == "Cannot delete entity, must delete access keys first."


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        pytest.param("{", "MalformedPolicyDocument", "Syntax errors in policy.", id="no JSON"),
        pytest.param(
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":"*"}]}',
            "MalformedPolicyDocument",
            "Policy document should not specify a principal.",
            id="a principal",
        ),
        pytest.param(
            allowing(*(f"ecr:Nothing{number}" for number in range(200))),
            "LimitExceeded",
            "Maximum policy size of 2048 bytes exceeded for user",
            id="too long",
        ),
    ],
)  # fmt: skip
def test_what_is_no_policy_of_a_user_is_refused(iam: Any, user: str, text: str, code: str, says: str) -> None:
    """In IAM's sentences, and nothing is changed by it."""
    refused = refusal(iam.put_user_policy, UserName=user, PolicyName="p", PolicyDocument=text)
    assert refused.code == code
    assert refused.message.startswith(says)
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == []


def test_what_all_documents_come_to_is_limited(iam: Any, user: str) -> None:
    """White space is not counted, and the document that is replaced is not either."""
    long = allowing(*(f"ecr:Something{number}" for number in range(60)), resource="*")
    assert 1000 < len("".join(long.split())) < 2000
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=long)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(json.loads(long), indent=20))
    refused = refusal(iam.put_user_policy, UserName=user, PolicyName="q", PolicyDocument=long)
    assert refused.message == f"Maximum policy size of 2048 bytes exceeded for user {user}"


def test_what_a_policy_says_holds_at_once(
    iam: Any, server: Server, user: str, name: str, new_key: Callable[[str], dict[str, str]]
) -> None:
    """A key made for one repository works there and nowhere else; without the policy it works nowhere."""
    mine = server.boto(**new_key(user))
    where = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}"
    refused = refusal(mine.create_repository, repositoryName=name)
    assert refused.code == "AccessDeniedException"
    iam.put_user_policy(
        UserName=user,
        PolicyName="one",
        PolicyDocument=allowing("ecr:CreateRepository", "ecr:ListImages", resource=where),
    )
    mine.create_repository(repositoryName=name)
    assert mine.list_images(repositoryName=name)["imageIds"] == []
    assert refusal(mine.create_repository, repositoryName=f"{name}-2").code == "AccessDeniedException"
    iam.delete_user_policy(UserName=user, PolicyName="one")
    assert refusal(mine.list_images, repositoryName=name).code == "AccessDeniedException"


def test_what_terraform_asks_before_it_deletes_is_answered(
    iam: Any, user: str, role_for: Callable[..., str]
) -> None:
    """There are no groups and no instances, and a role's description changes by its old operation, too."""
    assert iam.list_groups_for_user(UserName=user)["Groups"] == []
    role = role_for("*")
    assert iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"] == []
    changed = iam.update_role_description(RoleName=role, Description="for releases")["Role"]
    assert changed == iam.get_role(RoleName=role)["Role"]
    assert changed["Description"] == "for releases"


def test_the_managed_policies_are_there_to_look_at(iam: Any, user: str) -> None:
    """AWS's by AWS's names and ARNs, with their documents; none are the account's own."""
    iam.attach_user_policy(UserName=user, PolicyArn=MANAGED)
    found = {each["PolicyName"]: each for each in iam.list_policies()["Policies"]}
    assert {"AdministratorAccess", "AmazonEC2ContainerRegistryPowerUser", "CareenPinReporter"} < found.keys()
    attached = iam.list_policies(OnlyAttached=True)["Policies"]
    assert MANAGED in {each["Arn"] for each in attached}
    assert all(each["AttachmentCount"] for each in attached)
    assert iam.list_policies(Scope="Local")["Policies"] == []
    policy = iam.get_policy(PolicyArn=MANAGED)["Policy"]
    version = iam.get_policy_version(PolicyArn=MANAGED, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    [statement] = version["Document"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
    assert "ecr:DescribeImages" in statement["Action"]
    assert refusal(iam.get_policy, PolicyArn=f"{MANAGED}X").code == "NoSuchEntity"
    assert refusal(iam.get_policy_version, PolicyArn=MANAGED, VersionId="v2").code == "NoSuchEntity"
    refused = refusal(iam.attach_user_policy, UserName=user, PolicyArn=f"{MANAGED}X")
    assert refused.message == f"Policy {MANAGED}X does not exist or is not attachable."


def test_what_is_not_served_is_named(iam: Any) -> None:
    """An operation of IAM's model that this registry has no use for."""
    refused = refusal(iam.create_group, GroupName="people")
    assert (refused.code, refused.status) == ("InvalidAction", 400)
    assert "CreateGroup" in refused.message


@pytest.mark.parametrize(
    ("region", "code"), [("us-east-1", ""), (REGION, ""), ("us-east-2", "SignatureDoesNotMatch")]
)
def test_iam_is_signed_for_us_east_1_or_the_registrys_region(server: Server, region: str, code: str) -> None:
    """As SDKs do it by convention, or as whoever names the Region wants it; for no third."""
    body = b"Action=ListUsers&Version=2010-05-08"
    asked = AWSRequest("POST", f"{server.url}/", {"Content-Type": "application/x-www-form-urlencoded"}, body)
    SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), "iam", region).add_auth(asked)
    answer = request(server, "POST", "/", body, dict(asked.headers.items()))
    assert (answer.status, code.encode() in answer.body) == (403 if code else 200, True)
