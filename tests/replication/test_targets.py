"""The file that says where destinations are, and the commands that say what is wrong with it and with them."""

import re
from pathlib import Path

import pytest

from careen.ecr.replication import Destination
from careen.replication import targets
from careen.upstream.credentials import Basic
from tests.cli.test_commands import careen
from tests.images import image
from tests.replication.conftest import NOWHERE, WEST, Source, rule
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server

HEAD = '[[target]]\nregion = "eu-west-1"\nregistry_id = "111111111111"\n'


def test_no_file_names_no_target(tmp_path: Path) -> None:
    """Nothing is wrong with that, until a rule leads there."""
    assert targets.read(tmp_path / "none.toml") == {}


def test_a_file_with_two(tmp_path: Path) -> None:
    """By the names that rules have for them."""
    path = tmp_path / "replication.toml"
    path.write_text(
        f'{HEAD}url = "https://a.example"\n{HEAD.replace("west-1", "west-2")}url = "b.example:5000"\n'
    )
    assert {str(to): target.url for to, target in targets.read(path).items()} == {
        "eu-west-1/111111111111": "https://a.example",
        "eu-west-2/111111111111": "b.example:5000",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[target]", "Expected ']]'"),
        ('[[target]]\nregion = "eu-west-1"\n', "missing required field `registry_id`"),
        (f'{HEAD}url = "https://a.example"\nsecret = "x"\n', "unknown field `secret`"),
        (f'{HEAD}url = "ftp://a.example"\n', "'ftp://a.example' is not the address of a registry"),
        (f'{HEAD}url = "https://a.example"\n' * 2, "eu-west-1/111111111111 has two targets"),
        (
            f'{HEAD}url = "https://a.example"\npassword = "x"\npassword_env = "Y"\n',
            "has more than one of password, password_file and password_env",
        ),
    ],
    ids=["no TOML", "missing", "unknown", "no address", "twice", "two passwords"],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    """The message names the file and what is wrong in it."""
    path = tmp_path / "replication.toml"
    path.write_text(text)
    with pytest.raises(targets.TargetsInvalid, match=re.escape(says)) as caught:
        targets.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("given", "credential"),
    [
        ({}, None),
        ({"username": "me", "password": "secret"}, Basic("me", "secret")),
        ({"username": "me", "password_file": "secret"}, Basic("me", "from a file")),
        ({"username": "me", "password_env": "A_SECRET"}, Basic("me", "from the environment")),
    ],
    ids=["nobody", "in the file", "in another", "in the environment"],
)
def test_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], credential: Basic | None
) -> None:
    """From where the target says; a file is looked for beside the one that names it."""
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("A_SECRET", "from the environment")
    target = targets.Target("eu-west-1", "111111111111", "https://a.example", **given)
    assert targets.credential(tmp_path / "replication.toml", target) == credential


@pytest.mark.parametrize(
    ("given", "says"),
    [({"password_file": "none"}, "No such file"), ({"password_env": "NO_SUCH"}, "there is no $NO_SUCH")],
)
def test_a_credential_that_is_not_there(tmp_path: Path, given: dict[str, str], says: str) -> None:
    """It is said which target's it is."""
    target = targets.Target("eu-west-1", "111111111111", "https://a.example", "me", **given)
    with pytest.raises(targets.TargetsInvalid, match=re.escape(says)) as caught:
        targets.credential(tmp_path / "replication.toml", target)
    assert "the password of eu-west-1/111111111111" in str(caught.value)


def test_check_and_status(source: Source, server: Server, name: str) -> None:
    """What a person sees: which destination is missing or does not let us in, which images are not there, and why."""
    data = str(source.registry.scratch_folder)
    wrong = Destination("us-east-2", "444444444444")
    source.lead(WEST, server.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.lead(wrong, server.url, username=ACCESS_KEY_ID, password="wrong")
    source.configure(rule(WEST, NOWHERE, wrong, deletes=True))
    checked = careen("replication", "check", "--data", data)
    assert checked.returncode == 1
    lines = checked.stdout.splitlines()
    assert lines[0] == f"{WEST}  ok"
    assert re.fullmatch(rf"{NOWHERE}  .* has no target with region sa-east-1 .*", lines[1])
    assert re.fullmatch(rf"{wrong}  .* answered 401.*", lines[2])
    assert "2 destinations cannot be replicated to" in checked.stderr
    built = image("checked")
    source.push(name, built, "v1")
    source.work()
    source.untag(name, "v1")
    told = careen("replication", "status", "--data", data).stdout.splitlines()
    assert told[:3] == [
        f"{WEST}  COMPLETE     1 image",
        f"{NOWHERE}  FAILED       1 image",
        f"{wrong}  FAILED       1 image",
    ]
    for to in (NOWHERE, wrong):
        assert f"{name}@{built.digest}  {to}  FAILED" in told
    assert f"{name}:v1  {WEST}  deletion IN_PROGRESS" in told
