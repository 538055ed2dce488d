"""Passwords: which are refused, and what is kept of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.iam import passwords
from careen.iam.errors import PasswordPolicyViolation


@pytest.mark.parametrize(
    ("password", "says"),
    [
        pytest.param("Tr0ub4!", "minimum length of 8", id="seven characters"),
        pytest.param("Aa1!" * 32 + "x", "maximum length of 128", id="129 characters"),
        pytest.param("troubador", "3 kinds", id="small letters"),
        pytest.param("troubador7", "3 kinds", id="small letters and a digit"),
        pytest.param("TROUBADOR 7", None, id="three kinds"),
        pytest.param("troubador the 3rd", None, id="two kinds, and long"),
        pytest.param("aaaaaaaaaaaaaaaa", None, id="sixteen of one kind: no dictionary is looked into"),
        pytest.param("Xx-ALICE-77", "user's name", id="the user's name, in other letters"),
        pytest.param("Gruß an 7", None, id="letters beyond ASCII are others"),
    ],
)
def test_a_new_password_is_not_easy_to_guess(password: str, says: str | None) -> None:
    """IAM's default policy; a long one may be of any characters."""
    if says is None:
        passwords.check(password, "alice")
        return
    with pytest.raises(PasswordPolicyViolation, match=says):
        passwords.check(password, "alice")


@given(st.from_regex(r"[\w+=,.@-]{1,3}|[\w+=,.@-]{20,64}", fullmatch=True))
def test_a_generated_one_is_always_good(user: str) -> None:
    """Whatever the user is called; a name of four letters is in it with a chance of one in fifty thousand."""
    passwords.check(passwords.generated(), user)


def test_a_name_of_few_letters_may_be_in_a_password() -> None:
    """Otherwise every other generated one would be refused to somebody who is called a."""
    passwords.check("Tr0ub4dor&3", "a")
    passwords.check("Tr0ub4dor&3", "dor")


def test_only_the_password_itself_matches_what_is_kept() -> None:
    """Another does not, and neither does any if nothing is kept; nothing kept is the password."""
    kept = passwords.hashed("correct horse battery staple")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,")
    assert "horse" not in kept
    assert kept != passwords.hashed("correct horse battery staple")
    assert passwords.matches(kept, "correct horse battery staple")
    assert not passwords.matches(kept, "correct horse battery stable")
    assert not passwords.matches(None, "correct horse battery staple")
