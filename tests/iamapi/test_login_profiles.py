"""Passwords of users, through boto3."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.ecrapi.client import Refusal, refusal
from tests.iamapi.conftest import allowing
from tests.server import Server
from tests.waiting import found

GOOD, BETTER = "correct horse battery staple", "Tr0ub4dor&3"


def test_a_password_comes_changes_and_goes(iam: Any, user: str) -> None:
    """The profile says when and whether another is wanted, and never what it is."""
    who = {"UserName": user}
    assert refusal(iam.get_login_profile, **who).message == f"Login Profile for User {user} cannot be found."
    made = iam.create_login_profile(**who, Password=GOOD, PasswordResetRequired=True)["LoginProfile"]
    assert (made["UserName"], made["PasswordResetRequired"]) == (user, True)
    assert iam.get_login_profile(**who)["LoginProfile"] == made
    refused = refusal(iam.create_login_profile, **who, Password=BETTER)
    assert (refused.code, refused.status) == ("EntityAlreadyExists", 409)
    iam.update_login_profile(**who, PasswordResetRequired=False)
    assert iam.get_login_profile(**who)["LoginProfile"] == {**made, "PasswordResetRequired": False}
    iam.update_login_profile(**who, Password=BETTER)
    iam.delete_login_profile(**who)
    for method, more in (
        (iam.delete_login_profile, {}),
        (iam.update_login_profile, {"Password": GOOD}),
        (iam.get_login_profile, {}),
    ):
        assert refusal(method, **who, **more).code == "NoSuchEntity"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        pytest.param({}, "ValidationError", id="none"),
        pytest.param({"Password": "short"}, "PasswordPolicyViolation", id="too short"),
        pytest.param({"Password": "x" * 129}, "ValidationError", id="too long for the model"),
        pytest.param({"Password": "日本語のパスワード Aa1"}, "ValidationError", id="characters IAM has not"),
    ],
)
def test_what_is_no_password_is_refused(iam: Any, user: str, parameters: dict[str, Any], code: str) -> None:
    """By the model's constraints, or because it is too easy to guess."""
    refused = refusal(iam.create_login_profile, UserName=user, **parameters)
    assert (refused.code, refused.status) == (code, 400)


def test_a_user_with_a_password_is_not_deleted(iam: Any, user: str) -> None:
    """As with keys and policies: first it goes."""
    iam.create_login_profile(UserName=user, Password=GOOD)
    refused = refusal(iam.delete_user, UserName=user)
    assert refused.message == "Cannot delete entity, must delete login profile first."
    iam.delete_login_profile(UserName=user)
    iam.delete_user(UserName=user)


def test_a_user_changes_its_own_password(
    iam: Any, server: Server, user: str, new_key: Callable[[str], dict[str, str]]
) -> None:
    """With the permission for it, and the old password; a wrong one is counted, and after five there is a wait."""
    iam.create_login_profile(UserName=user, Password=GOOD)
    own = server.boto("iam", **new_key(user))
    assert refusal(own.change_password, OldPassword=GOOD, NewPassword=BETTER).code == "AccessDenied"
    iam.put_user_policy(
        UserName=user,
        PolicyName="own",
        PolicyDocument=allowing("iam:ChangePassword", resource="arn:aws:iam::*:user/${aws:username}"),
    )
    assert refusal(own.change_password, OldPassword=GOOD, NewPassword=GOOD).code == "PasswordPolicyViolation"
    own.change_password(OldPassword=GOOD, NewPassword=BETTER)

    def wrong() -> Refusal:
        return refusal(own.change_password, OldPassword=GOOD, NewPassword="another good password")

    for _ in range(5):
        refused = wrong()
        assert (refused.code, refused.message) == ("AccessDenied", "The old password is wrong.")
    # The first wait is of a second, and may be over when the next attempt comes; but then the next wait is longer.
    refused = found(lambda: each if (each := wrong()).code != "AccessDenied" else None)
    assert (refused.code, refused.status) == ("LimitExceeded", 409)
    assert refused.message.startswith("Too many attempts. Try again in ")


def test_the_account_itself_has_no_password(iam: Any) -> None:
    """Only users have one to change."""
    refused = refusal(iam.change_password, OldPassword=GOOD, NewPassword=BETTER)
    assert (refused.code, refused.status) == ("InvalidUserType", 400)
