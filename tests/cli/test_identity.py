"""`careen user`, `careen role`, `careen provider` and the switches of `careen key`, on a data folder."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careen import startup
from careen.cli.tree import app
from careen.clock import system_now
from careen.iam import passwords
from careen.registry import console_sessions, login_profiles
from careen.registry.login_profiles import LoginProfileRow
from careen.settings import Settings
from tests.begun import begin
from tests.iamapi.conftest import allowing, trust

Said = Callable[..., str]


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A data folder."""
    folder = str(tmp_path / "data")
    begin(tmp_path / "data")
    startup.prepare(Settings(data=folder))
    return folder


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    """Files with a policy and a trust policy."""
    files = {"policy": allowing("ecr:List*"), "trust": trust("*"), "broken": "{"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in files}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What a command prints. In this process: forty starts of the program would take half a minute."""

    def said(*arguments: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            app(arguments)
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == status, err
        return out + err

    return said


@pytest.fixture
def answer(said: Said) -> Callable[..., Any]:
    """What a command prints with --json."""
    return lambda *arguments: json.loads(said(*arguments, "--json"))


def test_a_users_life(said: Said, answer: Callable[..., Any], data: str, written: dict[str, str]) -> None:
    """Made, given policies and a key, shown, and deleted when nothing is left, or with all that is."""
    on = ("--data", data)
    assert said("user", "create", "ci", "--path", "/build/", "--attach", "ReadOnly", *on) == (
        "arn:aws:iam::000000000000:user/build/ci\n"
    )
    said("user", "put-policy", "ci", "--name", "list", "--document", written["policy"], *on)
    key = answer("key", "create", "ci", *on)
    assert key["policies"] == ["AmazonEC2ContainerRegistryReadOnly"]
    shown = answer("user", "show", "ci", *on)
    assert shown["id"].startswith("AIDA")
    assert shown["policies"] == {"list": Path(written["policy"]).read_text()}
    assert shown["accessKeys"] == [{"accessKeyId": key["accessKeyId"], "active": True}]
    assert "policy list:" in said("user", "show", "ci", *on)
    assert said("user", "list", *on).startswith("ci  arn:aws:iam::")
    refused = said("key", "create", "ci", "--policy", "FullAccess", *on, status=1)
    assert "`careen user attach ci FullAccess`" in refused
    assert len(answer("key", "list", *on)) == 1
    refused = said("user", "delete", "ci", *on, status=1)
    assert "must delete access keys first" in refused
    assert "--force" in refused
    assert "`careen user list`" in said("user", "show", "nobody", *on, status=1)
    said("user", "delete", "ci", "--force", *on)
    assert answer("user", "list", *on) == []
    assert answer("key", "list", *on) == []


def test_a_roles_life(said: Said, answer: Callable[..., Any], data: str, written: dict[str, str]) -> None:
    """Made for whom a trust policy names, changed, given policies, and deleted."""
    on = ("--data", data)
    made = said("role", "create", "deploy", "--trust", written["trust"], "--max-session", "7200", *on)
    assert made == "arn:aws:iam::000000000000:role/deploy\n"
    said("role", "attach", "deploy", "PowerUser", *on)
    said("role", "update", "deploy", "--description", "for releases", *on)
    shown = answer("role", "show", "deploy", *on)
    assert (shown["description"], shown["maxSessionSeconds"]) == ("for releases", 7200)
    assert json.loads(shown["trustPolicy"]) == json.loads(trust("*"))
    assert shown["attachedPolicies"] == ["AmazonEC2ContainerRegistryPowerUser"]
    said("role", "put-policy", "deploy", "--name", "p", "--document", written["policy"], *on)
    said("role", "delete-policy", "deploy", "--name", "p", *on)
    said("role", "detach", "deploy", "PowerUser", *on)
    said("role", "delete", "deploy", *on)
    assert "The role with name deploy cannot be found." in said("role", "show", "deploy", *on, status=1)


def test_a_key_is_switched_off_and_on(said: Said, answer: Callable[..., Any], data: str) -> None:
    """The list says so."""
    on = ("--data", data)
    key = answer("key", "create", "ci", *on)["accessKeyId"]
    said("key", "deactivate", key, *on)
    assert said("key", "list", *on).endswith("(inactive)\n")
    said("key", "activate", key, *on)
    assert [each["active"] for each in answer("key", "list", *on)] == [True]
    assert "cannot be found" in said("key", "activate", "AKIANONE", *on, status=1)


def test_mistakes_are_told_in_iams_sentences(
    said: Said, data: str, written: dict[str, str], tmp_path: Path
) -> None:
    """What would be refused over the wire is refused here."""
    on = ("--data", data)
    said("user", "create", "ci", *on)
    assert "User with name CI already exists." in said("user", "create", "CI", *on, status=1)
    assert "User with name CI already exists." in said("key", "create", "CI", *on, status=1)
    broken = ("--name", "p", "--document", written["broken"])
    assert "Syntax errors in policy." in said("user", "put-policy", "ci", *broken, *on, status=1)
    no_file = ("--trust", str(tmp_path / "none"))
    assert "cannot be read" in said("role", "create", "deploy", *no_file, *on, status=2)
    assert "Invalid Open ID Connect Provider URL" in said("provider", "create", "http://a", *on, status=1)
    wrong = ("--keys", written["policy"])
    assert "is no JSON Web Key Set" in said("provider", "create", "https://a", *wrong, *on, status=2)


def test_providers_are_listed(said: Said, answer: Callable[..., Any], data: str, tmp_path: Path) -> None:
    """With whom their tokens may be for; `sts.amazonaws.com`, which SDKs ask for, unless somebody says otherwise."""
    on = ("--data", data)
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    said("provider", "create", "https://token.actions.githubusercontent.com", *on)
    said(
        "provider",
        "create",
        "https://cluster",
        "--client-id",
        "a",
        "--client-id",
        "b",
        "--keys",
        str(keys),
        *on,
    )
    assert said("provider", "list", *on) == (
        "https://cluster  a, b  (keys given)\nhttps://token.actions.githubusercontent.com  sts.amazonaws.com\n"
    )
    assert answer("provider", "list", *on)[0] == {
        "url": "https://cluster",
        "clientIds": ["a", "b"],
        "keys": {"keys": []},
    }
    said("provider", "delete", "https://cluster", *on)
    assert len(answer("provider", "list", *on)) == 1


def test_a_user_is_given_a_password(data: str, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made and printed, read from a script, good for one sign-in, taken away."""
    said("user", "create", "alice", "--data", data)
    made = said("user", "password", "alice", "--generate", "--once", "--data", data).strip()
    profile = read_password(data)
    assert profile is not None
    assert passwords.matches(profile.password, made)
    assert profile.reset_required
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery staple\n"))
    assert said("user", "password", "alice", "--data", data) == ""
    profile = read_password(data)
    assert profile is not None
    assert passwords.matches(profile.password, "correct horse battery staple")
    assert not profile.reset_required
    said("user", "password", "alice", "--remove", "--data", data)
    assert read_password(data) is None


@pytest.mark.parametrize(
    ("arguments", "typed", "says", "status"),
    [
        pytest.param(
            ("nobody", "--generate"), "", "The user with name nobody cannot be found.", 1, id="nobody"
        ),
        pytest.param(("alice",), "short", "minimum length of 8", 1, id="too short"),
        pytest.param(
            ("alice", "--remove"), "", "Login Profile for User alice cannot be found.", 1, id="none yet"
        ),
        pytest.param(("alice", "--remove", "--generate"), "", "do not go together", 2, id="both"),
    ],
)
def test_a_password_is_refused(
    data: str,
    said: Said,
    arguments: tuple[str, ...],
    typed: str,
    says: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what is wrong."""
    said("user", "create", "alice", "--data", data)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    assert says in said("user", "password", *arguments, "--data", data, status=status)


def test_a_link_into_the_console(data: str, said: Said) -> None:
    """Of a user, of the administrator if nobody is named, of nobody who is not there."""
    assert "there is no user administrator" in said("console", "--data", data, status=1)
    said("key", "create", "administrator", "--policy", "AdministratorAccess", "--data", data)
    assert "cannot be found" in said("console", "nobody", "--data", data, status=1)
    link = said("console", "--data", data).strip()
    assert link.startswith("http://localhost:5000/console/sign-in?link=")
    registry = startup.open_registry(Settings(data=data))
    try:
        secret = link.rpartition("=")[2]
        holder = registry.read(console_sessions.holder_of_link, registry, secret, system_now())
    finally:
        registry.close()
    assert holder is not None
    assert holder.name == "administrator"


def read_password(data: str) -> LoginProfileRow | None:
    """What is kept of alice's."""
    registry = startup.open_registry(Settings(data=data))
    try:
        return registry.read(login_profiles.find, "alice")
    finally:
        registry.close()
