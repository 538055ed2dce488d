"""A backup beside a server at work, and a server on what was restored from it, as people do it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import program
from tests.clients.client import Shell, needs
from tests.distribution.client import Client
from tests.images import image, index, write_layout
from tests.server import Server, clean_environment, running

SIZE = 120_000


def careen(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command."""
    done = program.run(*arguments, env=clean_environment() | environment)
    assert "Traceback" not in done.stderr
    return done


def answer(*arguments: str | Path, **environment: str) -> Any:
    """What a command prints with --json."""
    done = careen(*arguments, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def logged_in(server: Server, folder: Path, key: dict[str, str]) -> Shell:
    """A shell with a key of the registry."""
    shell = Shell(server, folder)
    login = {"auths": {server.host: {"username": key["accessKeyId"], "password": key["secretAccessKey"]}}}
    (folder / "config.json").write_text(json.dumps(login))
    return shell


@pytest.mark.sqlite
@needs("crane")
def test_a_drill(make_server: Callable[..., Server], tmp_path: Path) -> None:
    """Push, back up while the server serves, push on, back up again, restore, serve: keys and images are there."""
    server = make_server(access_key_id="", secret_access_key="")
    data, target, new = server.data, tmp_path / "backup", tmp_path / "restored"
    key = answer("key", "create", "ci", "--data", data)
    shell = logged_in(server, tmp_path, key)
    for tag in ("1", "2"):
        write_layout(tmp_path / tag, image("base", tag, size=SIZE), tag)
        shell.run("crane", "--insecure", "push", tmp_path / tag, f"{server.host}/team/app:{tag}")
        made = answer("backup", target, "--verify", "--data", data)
    assert (made["copied"], made["kept"], made["backup"]["lost"]) == (1, 2, [])
    says = careen("backup", target, "--data", data)
    assert says.returncode == 0
    assert "2 manifests and 5 blobs of 1 repositories" in says.stdout
    assert "0 files of 0 bytes copied, 3 kept, 0 removed" in says.stdout

    restored = answer("restore", target, "--data", new, "--verify")
    assert (restored["files"], restored["lost"]) == (3, [])
    server.stop()
    with running(new, access_key_id="", secret_access_key="") as again:
        shell = logged_in(again, tmp_path, key)
        for tag in ("1", "2"):
            shell.run("crane", "--insecure", "validate", "--remote", f"{again.host}/team/app:{tag}")
        write_layout(tmp_path / "3", image("base", "3", size=SIZE), "3")
        shell.run("crane", "--insecure", "push", tmp_path / "3", f"{again.host}/team/app:3")


@pytest.mark.sqlite
def test_what_goes_wrong_is_said(make_server: Callable[..., Server], tmp_path: Path) -> None:
    """Each with what to do, and with a status that a script sees."""
    server = make_server()
    built = image("app", size=SIZE)
    client = Client(server)
    client.push("team/app", built, "1")
    client.push("team/app", index(built), "both")
    target = tmp_path / "backup"
    not_yet = careen("restore", target, "--data", tmp_path / "new")
    assert not_yet.returncode == 1
    assert "is no complete backup" in not_yet.stderr
    assert answer("backup", target, "--data", server.data)["copied"] == 1
    occupied = careen("restore", target, "--data", server.data)
    assert occupied.returncode == 1
    assert "is not empty: a restore needs a folder of its own" in occupied.stderr
    inside = careen("backup", server.data / "backup", "--data", server.data)
    assert inside.returncode == 1
    assert "belongs on another disk" in inside.stderr

    (path,) = [it for it in (target / "blobs").rglob("*.*") if it.is_file()]
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    unseen = careen("restore", target, "--data", tmp_path / "unseen")
    assert unseen.returncode == 0
    seen = careen("restore", target, "--data", tmp_path / "seen", "--verify")
    assert seen.returncode == 1
    assert f"lost: {built.digests[1]} (digest)" in seen.stderr
    path.unlink()
    lost = careen("restore", target, "--data", tmp_path / "lost")
    assert lost.returncode == 1
    assert f"lost: {built.digests[1]} (missing)" in lost.stderr
    status = careen("scrub", "--status", "--data", tmp_path / "lost")
    assert f"affected image    team/app@{index(built).digest}  both" in status.stdout
    with running(tmp_path / "lost") as serving:
        there = Client(serving)
        assert there.send("GET", f"/v2/team/app/blobs/{built.digests[1]}").code == "BLOB_UNKNOWN"
        there.push("team/app", built, "1")
        assert there.send("GET", f"/v2/team/app/blobs/{built.digests[1]}").body == built.blobs[1]


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_folder_must_be_named(command: str) -> None:
    """Neither has a default for where to write."""
    assert careen(command).returncode != 0
