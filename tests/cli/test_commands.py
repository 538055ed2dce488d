"""The commands that work on a data folder, run as people run them."""

import datetime as dt
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from careen import startup
from careen.cli.serving import Prepared, greeting
from careen.demo import images
from careen.registry import images as image_cases
from careen.registry import layers, lifecycle, measurements, repositories
from careen.registry.registry import Registry
from careen.settings import Settings
from tests import backend, program
from tests.registry.steps import cause
from tests.server import Server, clean_environment
from tests.waiting import until

KEEP_ONE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "keep the newest image, whatever its tags say",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)


def careen(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the program, as from a shell."""
    return program.run(*arguments, env=clean_environment() | backend.current().shell(arguments) | environment)


def answer(*arguments: str, **environment: str) -> Any:
    """What the program prints with --json."""
    done = careen(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def push(registry: Registry, name: str, size: int, tag: str) -> images.Image:
    """Push a small image of one layer through the use cases."""
    built = images.image((images.layer("file", size, tag),), "linux/amd64", {"tag": tag})
    target = registry.write_now(repositories.require_for_push, name)
    for data in built.blobs:
        layers.store(registry, target, images.digest_of(data), data)
    registry.write_now(image_cases.put, target, built.manifest, tag=tag)
    return built


@pytest.fixture
def data(registry: Registry, tmp_path: Path) -> str:
    """A data folder with three images of one repository."""
    for number in (1, 2, 3):
        push(registry, "team/app", 100_000 * number, f"v{number}")
    return str(tmp_path / "data")


@pytest.mark.disk
def test_storage_adds_up_to_the_byte(data: str) -> None:
    """What the rows say is in files is what the files have, and repositories are listed."""
    found = answer("storage", "--data", data)
    on_disk = sum(path.stat().st_size for path in (Path(data) / "blobs").rglob("*") if path.is_file())
    assert found["file_bytes"] == found["stored_bytes"] == on_disk
    assert found["blob_bytes"] == found["row_bytes"] + found["file_bytes"]
    assert [(one["name"], one["images"]) for one in found["repositories"]] == [("team/app", 3)]
    assert "(the same, to the byte)" in careen("storage", "--data", data).stdout


def test_a_policy_run_and_a_collection_give_exactly_their_bytes_back(
    data: str, registry: Registry, tmp_path: Path
) -> None:
    """`lifecycle run` expires by the policy, `lifecycle runs` says why, `gc --now` frees the bytes when the trash lets go."""
    registry.write_now(lifecycle.put_policy, "team/app", KEEP_ONE)
    ran = answer("lifecycle", "run", "team/app", "--data", data)
    assert [(one["repository"], one["images"], one["expired"]) for one in ran] == [("team/app", 3, 2)]
    (history,) = answer("lifecycle", "runs", "team/app", "--data", data)
    assert [it["outcome"] for it in history["actions"]] == ["EXPIRED", "EXPIRED"]
    assert all("rule 1" in it["reason"] for it in history["actions"])
    assert answer("gc", "--now", "--grace", "0", "--data", data)["freed"] == 0
    week_later = (dt.datetime.now(dt.UTC) + dt.timedelta(days=7, minutes=1)).isoformat()
    in_trash = answer("storage", "--data", data)
    (clock := tmp_path / "clock").write_text(week_later)
    assert "no collection has given" in careen("gc", "--history", "--data", data).stdout
    collected = answer("gc", "--now", "--grace", "0", "--data", data, CAREEN_CLOCK_FILE=str(clock))
    assert (collected["blobs"], collected["purged"]) == (4, in_trash["trash_images"]) == (4, 2)
    (told,) = answer("gc", "--history", "--data", data)
    assert (told["kind"], told["blobs"], told["freedBytes"]) == ("collect", 4, collected["freed"])
    assert f"{collected['freed']:,}" in careen("gc", "--history", "--data", data).stdout
    assert collected["freed"] == in_trash["trash_bytes"]
    assert collected["freed"] == collected["before"]["blobBytes"] - collected["after"]["blobBytes"] > 300_000
    assert answer("storage", "--data", data)["unneeded_bytes"] == 0


def test_blobs_within_their_grace_period_wait(data: str, registry: Registry) -> None:
    """Without --grace the registry's own grace period holds, and the command says what waits."""
    repository = registry.read(repositories.require, "team/app")
    registry.write_now(image_cases.delete_by_tag, repository, "v1", cause())
    collected = answer("gc", "--now", "--data", data)
    assert (collected["freed"], collected["waiting"]) == (0, 2)
    registry.write_now(image_cases.delete_by_tag, repository, "v2", cause())
    assert "wait for the end of their grace period" in careen("gc", "--now", "--data", data).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("gc",), 1, "add --now"),
        (("storage", "--data", "/nonexistent/folder"), 1, "there is no registry in /nonexistent/folder"),
        (("lifecycle", "run"), 1, "name repositories, or say --all"),
        (("key", "create", "bob", "--policy", "Everything"), 2, "PullOnly"),
        (("serve", "--workers", "0"), 2, "workers is at least 1"),
    ],
    ids=["gc without --now", "no such folder", "nothing to run", "no such policy", "no workers"],
)
def test_mistakes_are_told_with_what_to_try(arguments: tuple[str, ...], status: int, says: str) -> None:
    """A wrong call says on standard error what is wrong and what to try, and prints no traceback."""
    done = careen(*arguments)
    assert done.returncode == status
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_an_unknown_repository_is_named(data: str) -> None:
    """A run of a repository that is not there answers ECR's sentence."""
    done = careen("lifecycle", "run", "team/other", "--data", data)
    assert done.returncode == 1
    assert "The repository with name 'team/other' does not exist" in done.stderr


@pytest.mark.parametrize("name", ["root", "", "a b", "x" * 65])
def test_a_principal_is_named_like_a_user(data: str, name: str) -> None:
    """Nobody can be called like the account itself, or like nothing IAM would take."""
    done = careen("key", "create", name, "--data", data)
    assert done.returncode == 1
    assert "is no name for a principal" in done.stderr


def test_keys_come_and_go(data: str) -> None:
    """A key is created, listed without its secret, shown with it, deleted, and then unknown."""
    created = answer("key", "create", "ci", "--policy", "PowerUser", "--data", data)
    (listed,) = answer("key", "list", "--data", data)
    assert listed == {
        "accessKeyId": created["accessKeyId"],
        "name": "ci",
        "active": True,
        "policies": created["policies"],
    }
    assert answer("key", "show", created["accessKeyId"], "--data", data) == created
    assert careen("key", "delete", created["accessKeyId"], "--data", data).returncode == 0
    assert careen("key", "show", created["accessKeyId"], "--data", data).returncode == 1


def test_the_first_start_prints_a_key_that_works(make_server: Callable[..., Server]) -> None:
    """The lines that `careen serve` prints at the first start are all one needs; at the second, no new key is made."""
    server = make_server(access_key_id="", secret_access_key="")
    printed = greeting_of(server)
    exports = dict(
        part.split("=", 1)
        for line in printed.splitlines()
        if line.startswith("  export ")
        for part in line.split()[1:]
    )
    identity = server.boto(
        "sts",
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
    ).get_caller_identity()
    assert identity["Arn"].endswith(":user/administrator")
    assert printed.count("/console/sign-in?link=") == 1
    server.stop()
    server.start()
    again = greeting_of(server, times=2).removeprefix(printed)
    assert "`careen console " in again
    assert "link=" not in again, "a log is no place for what signs an administrator in"
    assert len(answer("key", "list", "--data", str(server.data))) == 1
    assert server.log.read_text().count("AWS_SECRET_ACCESS_KEY") == 1


def test_what_is_pasted_names_the_public_url(make_server: Callable[..., Server]) -> None:
    """Behind a web server the address to listen on is not the one to log in to."""
    public = "https://registry.example.com"
    printed = greeting_of(make_server(public_url=f"{public}/"))
    assert f"\nCareen serves {public} " in f"\n{printed}"
    assert "skopeo login --username AWS --password-stdin registry.example.com\n" in printed


def greeting_of(server: Server, times: int = 1) -> str:
    """What the server has printed, once its greeting is there; it comes a moment after the server answers."""
    until(lambda: server.log.read_text().count("Stop with Ctrl-C") >= times, "no greeting")
    return server.log.read_text()


def test_a_taken_port_is_told(make_server: Callable[..., Server], tmp_path: Path) -> None:
    """A second server on the same port says so and what to try, and ends."""
    server = make_server()
    done = careen("serve", "--port", str(server.port), "--data", str(tmp_path / "other"))
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "--port" in done.stderr


def test_the_demonstration_frees_what_it_forecasts() -> None:
    """The show runs to its end, every run deletes exactly the bytes it announced, one image comes back, the rest goes."""
    done = careen("demo", "--no-serve")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("as forecast, to the byte") == 2
    assert done.stdout.count("what only they needed, to the byte") == 1
    assert "it is back, with every byte" in done.stdout
    assert "kept: rule 2" in done.stdout


def test_storage_history(registry: Registry, data: str) -> None:
    """Each measurement is a line, the latest first, with what a month costs; before the first one the command says so."""
    told = careen("storage", "history", "--data", data)
    assert (told.returncode, "nothing was measured" in told.stdout) == (0, True)
    first, last = measurements.measure(registry), measurements.measure(registry)
    found = answer("storage", "history", "--data", data)
    assert [each["live_bytes"] for each in found][:1] == [last.live_bytes]
    assert all(each["monthlyCost"] > 0 for each in found)
    assert len(found) == len({first.sampled_at, last.sampled_at})
    lines = careen("storage", "history", "--data", data).stdout.splitlines()
    assert lines[0].split()[:4] == ["measured", "images", "live", "shared"]
    assert f"{last.taken_bytes:,}" in lines[1]


def test_the_link_leads_to_the_port_that_was_given(data: str) -> None:
    """As the command that a server prints, which was told its port by an option."""
    settings = Settings(data=data, port=8123, **backend.current().settings(Path(data)))
    command = re.search(
        r"`careen (console [^`]+)`", greeting(settings, Prepared(startup.begin(settings), None, None))
    )
    assert command is not None
    assert "no user administrator" in careen(*command[1].split()).stderr
    assert careen("user", "create", "alice", "--data", data).returncode == 0
    printed = careen("console", "alice", *command[1].split()[1:]).stdout
    assert printed.startswith("http://localhost:8123/console/sign-in?link=")
