"""Users, roles and their policies in the console."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from careen.iam.managed import ManagedPolicy
from tests.console.visitor import Visitor, sign_in
from tests.ecrapi.client import refusal
from tests.iamapi.conftest import allowing, arn, trust
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def iam(house: Server) -> Any:
    """boto3's client of the console's registry."""
    return house.boto("iam")


def test_a_user_is_made_given_a_key_and_deleted(
    house: Server, iam: Any, open_page: Callable[..., "Page"]
) -> None:
    """In the browser: the secret is shown once and works; the end is typed."""
    page = open_page("access/users")
    page.get_by_role("link", name="Create a user").click()
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_label("Managed policy to begin with").select_option("AmazonEC2ContainerRegistryReadOnly")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("ci is there").wait_for()
    page.get_by_role("button", name="Make one").click()
    key, secret = (page.locator("dd code").nth(number).inner_text() for number in (0, 1))
    house.boto(aws_access_key_id=key, aws_secret_access_key=secret).describe_repositories()
    page.get_by_role("link", name="I have it").click()
    assert secret not in page.content()
    page.get_by_role("button", name="Switch AKIA").click()
    page.get_by_text("is inactive").wait_for()
    page.get_by_role("link", name="Delete", exact=True).click()
    delete = page.get_by_role("button", name="Delete the user")
    assert delete.is_disabled()
    page.get_by_label("Type ci to delete it").fill("ci")
    delete.click()
    page.get_by_text("ci is deleted").wait_for()
    assert refusal(iam.get_user, UserName="ci").code == "NoSuchEntity"


def test_a_policy_of_its_own_is_written_changed_and_deleted(iam: Any, root: Visitor) -> None:
    """What IAM refuses is told, and what was typed is still there."""
    iam.create_user(UserName="writer")
    path = "access/users/writer/policies"
    refused = root.post(f"{path}/new", {"policy": "pull", "document": "{} no policy"})
    assert (refused.status_code, "{} no policy" in refused.text) == (400, True)
    text = allowing("ecr:BatchGetImage")
    assert root.post(f"{path}/new", {"policy": "pull", "document": text}).status_code == 303
    assert "ecr:BatchGetImage" in root.get(f"{path}/pull").text
    root.post(f"{path}/pull", {"document": allowing("ecr:ListImages")})
    found = iam.get_user_policy(UserName="writer", PolicyName="pull")
    assert found["PolicyDocument"]["Statement"][0]["Action"] == ["ecr:ListImages"]
    root.post(f"{path}/pull", {"do": "delete"})
    assert iam.list_user_policies(UserName="writer")["PolicyNames"] == []


@pytest.mark.parametrize("kind", ["user", "role"])
def test_managed_policies_come_and_go(iam: Any, root: Visitor, kind: str) -> None:
    """Of users and of roles."""
    name = "attached"
    if kind == "user":
        iam.create_user(UserName=name)
    else:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": "*"}))
    path, managed = f"access/{kind}s/{name}", ManagedPolicy.PULL_ONLY
    page = root.follow(root.post(path, {"do": "attach", "arn": managed.arn}))
    assert f"Detach {managed}" in page.text
    listed = getattr(iam, f"list_attached_{kind}_policies")(**{f"{kind.capitalize()}Name": name})
    assert [each["PolicyName"] for each in listed["AttachedPolicies"]] == [managed]
    root.post(path, {"do": "detach", "arn": managed.arn})
    refused = root.post(path, {"do": "detach", "arn": managed.arn})
    assert (refused.status_code, "alert-danger" in refused.text) == (400, True)


def test_a_password_is_made_and_shown_once(house: Server, iam: Any, root: Visitor) -> None:
    """It signs in; another that is typed replaces it, and it can be taken away."""
    iam.create_user(UserName="shown")
    path = "access/users/shown"
    made = root.post(path, {"do": "password", "has-one": "no"})
    told = re.findall(r"<dd><code>([^<]+)</code>", made.text)
    assert told[0] == "shown"
    assert Visitor(house, "").post("sign-in", {"name": "shown", "password": told[1]}).status_code == 303
    two = {"password": "quite another one", "again": "quite another 1", "has-one": "yes"}
    assert "not the same" in root.post(path, {"do": "password"} | two).text
    two["again"] = two["password"]
    assert root.post(path, {"do": "password", "reset": "on"} | two).status_code == 303
    assert iam.get_login_profile(UserName="shown")["LoginProfile"]["PasswordResetRequired"]
    assert root.post(path, {"do": "no-password"}).status_code == 303
    assert refusal(iam.get_login_profile, UserName="shown").code == "NoSuchEntity"


def test_a_user_is_deleted_with_all_it_has(iam: Any, root: Visitor) -> None:
    """Each thing by its own operation; a name that is typed wrong deletes nothing."""
    who = {"UserName": "full"}
    iam.create_user(**who)
    iam.create_access_key(**who)
    iam.create_login_profile(**who, Password="correct horse battery staple")
    iam.put_user_policy(**who, PolicyName="p", PolicyDocument=allowing("ecr:*"))
    iam.attach_user_policy(**who, PolicyArn=ManagedPolicy.PULL_ONLY.arn)
    root.post("access/users/full/delete", {"typed": "ful"})
    iam.get_user(**who)
    assert root.post("access/users/full/delete", {"typed": "full"}).status_code == 303
    assert refusal(iam.get_user, **who).code == "NoSuchEntity"


def test_what_one_may_not_do_is_not_offered(house: Server, iam: Any, reader: Visitor) -> None:
    """Nobody who may only look at images sees users; whoever may make robots sees no more than that."""
    assert "access/users" not in reader.get("credentials").text
    assert reader.get("access/users").status_code == 403
    assert reader.post("access/users/alice", {"do": "no-password"}).status_code == 403
    visitor = sign_in(house, "hr")
    iam.put_user_policy(
        UserName="hr",
        PolicyName="look",
        PolicyDocument=allowing("iam:ListUsers", "iam:GetUser", "iam:CreateUser", resource=arn("user/*")),
    )
    assert "access/users" in visitor.get("credentials").text
    page = visitor.get("access/users/alice").text
    assert "You may not see them" in page
    for offered in ("Detach", "Make one", "/delete", "password"):
        assert offered not in page.partition("<main")[2], offered


def test_one_makes_and_ends_keys_of_ones_own(house: Server, iam: Any) -> None:
    """If a policy says so; and is led back to the page of one's own."""
    visitor = sign_in(house, "self-service")
    iam.put_user_policy(
        UserName="self-service",
        PolicyName="own",
        PolicyDocument=allowing("iam:*AccessKey*", resource=arn("user/${aws:username}")),
    )
    keys = "access/users/self-service/keys"
    made = visitor.post(keys, {"do": "create", "to": "credentials"})
    key = re.findall(r"AKIA[A-Z2-7]{16}", made.text)[0]
    for does in ("deactivate", "activate", "deactivate", "delete"):
        answered = visitor.post(keys, {"do": does, "id": key, "to": "credentials"})
        assert answered.headers["location"] == "/console/credentials"
    assert "There is none" in visitor.get("credentials").text


@pytest.mark.parametrize(
    ("principal", "action", "says"),
    [
        pytest.param("alice", "ecr:PutImage", ["Yes", "policy push", "statement 1"], id="allowed"),
        pytest.param("alice", "ecr:DeleteRepository", ["No", "no identity-based policy"], id="not allowed"),
        pytest.param(arn("role/release"), "ecr:BatchGetImage", ["Yes", "ReadOnly"], id="a role"),
        pytest.param("nobody-here", "ecr:PutImage", ["alert-danger"], id="nobody"),
        pytest.param("alice", "ecr:NoSuchThing", ["alert-danger"], id="no action"),
    ],
)
def test_access_is_explained(root: Visitor, principal: str, action: str, says: list[str]) -> None:
    """With the statement that decides."""
    page = root.get("access/explain", principal=principal, action=action, resource="shop/web").text
    for each in says:
        assert each in page


def test_lists_are_paged(iam: Any, root: Visitor) -> None:
    """A hundred at a time, and on."""
    for number in range(101):
        iam.create_user(UserName=f"zz-many-{number:03}")
    first = root.get("access/users").text
    [on] = re.findall(r'href="/console/(access/users\?after=[^"]+)"', first)
    second = root.get(on.replace("&amp;", "&")).text
    assert "zz-many-100" not in first
    assert "zz-many-100" in second
