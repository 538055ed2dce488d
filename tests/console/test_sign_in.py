"""Signing in and out: with a browser where a person would notice, over HTTP for the rest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.cli.test_commands import careen
from tests.console.visitor import Visitor, sign_in
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, running
from tests.waiting import found

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse battery staple"
KEY = {"with": "key", "id": ACCESS_KEY_ID, "secret": SECRET_ACCESS_KEY}


def link_of(server: Server, *arguments: str) -> str:
    """What `careen console` prints, below ``/console/``."""
    printed = careen("console", *arguments, **server.environment())
    assert printed.returncode == 0, printed.stderr
    return printed.stdout.strip().partition("/console/")[2]


def named(server: Server, name: str, *, reset: bool = False) -> str:
    """A user with a password."""
    iam = server.boto("iam")
    iam.create_user(UserName=name)
    iam.create_login_profile(UserName=name, Password=PASSWORD, PasswordResetRequired=reset)
    return name


def test_a_link_signs_in_with_one_click_and_once(
    house: Server, stranger: Visitor, open_page: Callable[..., "Page"]
) -> None:
    """As printed by `careen console`; opening it does not use it, as previews of links do."""
    link = link_of(house, "alice")
    assert "signs you in as" in stranger.get(link).text
    page = open_page(f"{link}&to=/console/credentials", visitor=stranger)
    page.get_by_role("button", name="Sign in as alice").click()
    assert page.get_by_text("user/team/alice").first.is_visible()
    used = stranger.get(link)
    assert used.status_code == 403
    assert "has been used" in used.text


def test_a_password_leads_where_one_wanted_to_go(
    house: Server, stranger: Visitor, open_page: Callable[..., "Page"]
) -> None:
    """By the keyboard alone, and out again."""
    page = open_page("credentials", visitor=stranger)
    page.keyboard.type(named(house, "by-keyboard"))
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="My credentials").wait_for()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("heading", name="Sign in").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["sign-in", "sign-in?with=key"])
def test_the_sign_in_page_can_be_used_by_everybody(
    path: str, scheme: str, stranger: Visitor, open_page: Callable[..., "Page"], screenshots: Path
) -> None:
    """As every page: no violation of the accessibility rules, and it fits a phone."""
    page = open_page(path, visitor=stranger, scheme=scheme)
    name = path.replace("?", "-").replace("=", "-")
    page.screenshot(path=screenshots / f"{name}-{scheme}-desktop.png", full_page=True)
    found = Axe().run(page)
    page.set_viewport_size({"width": 390, "height": 850})
    page.screenshot(path=screenshots / f"{name}-{scheme}-phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert found.violations_count == 0, found.generate_report()


def test_an_access_key_signs_in(house: Server) -> None:
    """The account's own, and leads to the first page."""
    visitor = Visitor(house, "")
    answered = visitor.post("sign-in", KEY)
    assert (answered.status_code, answered.headers["location"]) == (303, "/console/")
    cookie = answered.headers["set-cookie"].lower()
    assert cookie.startswith("careen-session=")
    for attribute in ("httponly", "samesite=lax", "path=/console/", "max-age=43200"):
        assert attribute in cookie
    assert "secure" not in cookie
    assert ":root" in visitor.get("credentials").text
    assert visitor.get("sign-in").status_code == 303


def test_over_https_the_cookie_goes_nowhere_else(tmp_path: Path) -> None:
    """Also where a web server in front has the certificate."""
    url = "https://registry.example.com"
    with running(tmp_path / "data", public_url=url, proxies="127.0.0.1/32") as server:
        assert "; secure" in Visitor(server, "").post("sign-in", KEY).headers["set-cookie"].lower()
        assert link_of(server).startswith("sign-in?link=")


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/console/repositories?q=a", "/console/repositories?q=a"),
        ("https://example.com/console/", "/console/"),
        ("//example.com", "/console/"),
        ("/", "/console/"),
    ],
)
def test_one_is_led_nowhere_else(house: Server, wanted: str, led: str) -> None:
    """Only to pages of the console."""
    assert Visitor(house, "").post("sign-in", KEY | {"to": wanted}).headers["location"] == led


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},  # of a frame in a sandbox
        {"Origin": "http://["},
    ],
)
def test_another_site_cannot_sign_somebody_in(house: Server, headers: dict[str, str]) -> None:
    """As somebody else, into whose registry he would then push."""
    answered = Visitor(house, "").post("sign-in", KEY, **headers)
    assert answered.status_code == 403
    assert "set-cookie" not in answered.headers


def test_who_sends_a_form_after_the_session_comes_back_to_its_page(house: Server, stranger: Visitor) -> None:
    """Not to where it was sent: many such addresses are no pages."""
    page = "/console/repositories/shop/web/-/policy"
    answered = stranger.post("repositories/shop/web/-/policy/delete", Referer=house.url + page)
    assert answered.headers["location"] == f"/console/sign-in?{urlencode({'to': page})}"


def test_a_stranger_sends_small_forms(stranger: Visitor, root: Visitor) -> None:
    """Reading the fields of a large one takes the time of everybody else; a policy is sent by who is signed in."""
    padding = {"padding": "x" * 40_000}
    refused = stranger.post("sign-in", {"name": "somebody", "password": "x"} | padding)
    assert (refused.status_code, "32,768 bytes" in refused.text) == (413, True)
    assert root.post("theme", {"theme": "auto"} | padding).status_code == 303


def test_who_is_refused_is_told_the_same(house: Server) -> None:
    """A name of nobody, a user without a password, a wrong password."""
    house.boto("iam").create_user(UserName="no-password")
    pages = []
    for name in ("nobody-at-all", "no-password", named(house, "a-password")):
        answered = Visitor(house, "").post("sign-in", {"name": name, "password": "x"})
        assert answered.status_code == 403
        assert f'value="{name}"' in answered.text
        pages.append(answered.text.replace(name, ""))
    assert pages[0] == pages[1] == pages[2]


def test_who_is_wrong_too_often_waits(house: Server) -> None:
    """By name: the answer says for how long."""
    visitor = Visitor(house, "")
    for _ in range(5):
        assert visitor.post("sign-in", {"with": "key", "id": "AKIAWRONG", "secret": "x"}).status_code == 403

    def refused() -> httpx2.Response | None:
        """A second's wait may be over when the next attempt comes; but then the next wait is longer."""
        answer = visitor.post("sign-in", {"with": "key", "id": "AKIAWRONG", "secret": "x"})
        return None if answer.status_code == 403 else answer

    answered = found(refused)
    assert answered.status_code == 429
    assert int(answered.headers["retry-after"]) >= 1
    assert "Too many attempts" in answered.text


def test_a_password_that_is_good_once_is_changed_first(house: Server) -> None:
    """The form asks for another, refuses what does not do, and then signs in."""
    user, visitor = named(house, "newcomer", reset=True), Visitor(house, "")
    sent = {"name": user, "password": PASSWORD}
    asked = visitor.post("sign-in", sent)
    assert (asked.status_code, "Choose a password" in asked.text) == (200, True)
    assert visitor.get("credentials").status_code == 303
    for new, again, says in (
        ("short", "short", "minimum length"),
        ("quite another one", "quite another 1", "not the same"),
        (PASSWORD, PASSWORD, "the one that it replaces"),
    ):
        refused = visitor.post("sign-in", sent | {"new": new, "again": again})
        assert (refused.status_code, says in refused.text) == (400, True)
    chosen = {"new": "quite another one", "again": "quite another one"}
    assert visitor.post("sign-in", sent | chosen).status_code == 303
    assert user in visitor.get("credentials").text


def test_a_user_changes_the_password_and_stays(house: Server) -> None:
    """Here; everywhere else the user is signed out."""
    user = named(house, "changing")
    house.boto("iam").attach_user_policy(
        UserName=user, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    here, there = Visitor(house, ""), Visitor(house, "")
    for each in (here, there):
        assert each.post("sign-in", {"name": user, "password": PASSWORD}).status_code == 303
    new = {"new": "quite another one", "again": "quite another one"}
    assert "old password is wrong" in here.post("credentials", {"do": "password", "old": "x"} | new).text
    assert "not the same" in here.post("credentials", {"old": PASSWORD, "new": "a", "again": "b"}).text
    assert here.post("credentials", {"do": "password", "old": PASSWORD} | new).status_code == 303
    assert here.get("credentials").status_code == 200
    assert there.get("credentials").status_code == 303


def test_signing_out_everywhere(house: Server) -> None:
    """Ends this session and the others; a cookie that was kept opens nothing."""
    first = sign_in(house, "everywhere")
    assert "here" in first.get("credentials").text
    assert first.post("credentials", {"do": "sign-out"}).headers["location"] == "/console/sign-in"
    assert Visitor(house, first.secret).get("credentials").status_code == 303


def test_signing_out_takes_the_session_and_not_just_the_cookie(house: Server) -> None:
    """As above, of this one alone."""
    visitor = sign_in(house, "leaving")
    assert visitor.post("sign-out").headers["location"] == "/console/sign-in"
    assert Visitor(house, visitor.secret).get("credentials").status_code == 303
    assert visitor.post("sign-out").status_code == 303


def test_sign_ins_are_in_the_audit_log(tmp_path: Path) -> None:
    """As CloudTrail's ConsoleLogin; a name of nobody is hidden, since it may be a password."""
    log = tmp_path / "audit.jsonl"
    with running(tmp_path / "data", audit_log=log) as server:
        user, visitor = named(server, "audited"), Visitor(server, "")
        visitor.post("sign-in", {"name": user, "password": PASSWORD})
        for name, password in ((user, "wrong"), ("my secret word", "x")):
            Visitor(server, "").post("sign-in", {"name": name, "password": password})
        Visitor(server, "").post("sign-in", KEY)
        Visitor(server, "").post(
            link_of(server).partition("?")[0], {"link": link_of(server).rpartition("=")[2]}
        )
    text = log.read_text()
    assert PASSWORD not in text
    assert "my secret word" not in text
    found = [each for each in map(json.loads, text.splitlines()) if each["eventName"] == "ConsoleLogin"]
    assert [
        (
            each["userIdentity"]["type"],
            each["userIdentity"].get("userName"),
            each["responseElements"]["ConsoleLogin"],
            each["additionalEventData"]["SignInMethod"],
            each.get("errorMessage"),
        )
        for each in found
    ] == [
        ("IAMUser", "audited", "Success", "Password", None),
        ("IAMUser", "audited", "Failure", "Password", "Failed authentication"),
        (
            "IAMUser",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
            "Failure",
            "Password",
            "No username found in supplied account",
        ),
        ("Root", None, "Success", "AccessKey", None),
        ("Root", None, "Success", "Link", None),
    ]
    assert {each["eventType"] for each in found} == {"AwsConsoleSignIn"}
    assert {each["eventSource"] for each in found} == {"signin.amazonaws.com"}
