"""crane: push, pull, list, catalog, digest, copy, tag, append, validate, delete."""

import json
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.images import image, index, write_layout
from tests.server import Server

pytestmark = needs("crane")


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell whose docker configuration has the credentials; crane reads those."""
    return Shell(server, tmp_path, ca_variable="SSL_CERT_FILE")


def crane(shell: Shell, *arguments: str | Path) -> str:
    """Run crane."""
    return shell.run("crane", *shell.reach("--insecure"), *arguments)


def layout(folder: Path, name: str) -> Path:
    """An image in a layout that crane can push."""
    write_layout(folder, image(name, size=120_000), "1")
    return folder


def test_the_life_of_an_image(shell: Shell, name: str) -> None:
    """Push, digest, tag, list, copy, validate every byte of it, delete."""
    target = f"{shell.host}/{name}"
    built = image(f"crane {name}", size=120_000)
    crane(shell, "push", layout(shell.folder / "in", f"crane {name}"), f"{target}:1")
    assert crane(shell, "digest", f"{target}:1") == built.digest
    crane(shell, "tag", f"{target}:1", "2")
    crane(shell, "copy", f"{target}:2", f"{target}/copy:3")
    assert crane(shell, "ls", target).split() == ["1", "2"]
    assert "PASS" in crane(shell, "validate", "--remote", f"{target}/copy:3")
    assert {name, f"{name}/copy"} <= set(crane(shell, "catalog", shell.host).split())
    crane(shell, "delete", f"{target}@{built.digest}")
    assert crane(shell, "ls", target).split() == []
    assert crane(shell, "digest", f"{target}/copy:3") == built.digest


def test_a_policy_says_who_may(server: Server, shell: Shell, name: str) -> None:
    """A repository policy ends pulls and nothing else; crane prints the sentence, and pulls again when it is gone."""
    target, ecr = f"{shell.host}/{name}", server.boto()
    crane(shell, "push", layout(shell.folder / "in", f"crane {name}"), f"{target}:1")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:GetDownloadUrlForLayer"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    ecr.set_repository_policy(repositoryName=name, policyText=text)
    refused = shell.attempt("crane", *shell.reach("--insecure"), "pull", f"{target}:1", "out.tar")
    assert refused.returncode != 0
    assert "with an explicit deny in a resource-based policy" in refused.stderr
    crane(shell, "tag", f"{target}:1", "2")
    ecr.delete_repository_policy(repositoryName=name)
    crane(shell, "pull", f"{target}:1", "out.tar")


def test_an_image_grows_by_a_layer(shell: Shell, name: str) -> None:
    """Append pushes one new layer and mounts or finds the others."""
    target = f"{shell.host}/{name}"
    crane(shell, "push", layout(shell.folder / "in", f"base {name}"), f"{target}:1")
    (shell.folder / "more").write_text("more")
    shell.run("tar", "-C", shell.folder, "-cf", shell.folder / "more.tar", "more")
    crane(shell, "append", "-b", f"{target}:1", "-f", shell.folder / "more.tar", "-t", f"{target}:2")
    assert "PASS" in crane(shell, "validate", "--remote", f"{target}:2")


def test_an_index_is_copied_with_its_children(shell: Shell, name: str) -> None:
    """A multi-architecture image arrives whole in another repository."""
    folder = shell.folder / "in"
    children = [image(f"{name} {architecture}", size=2000) for architecture in ("amd64", "arm64")]
    for child in children:
        write_layout(folder, child, "child")
    write_layout(folder, whole := index(*children), "1")
    target = f"{shell.host}/{name}"
    crane(shell, "push", "--index", folder, f"{target}:pushed")
    crane(shell, "copy", f"{target}:pushed", f"{target}/copy:1")
    assert crane(shell, "digest", f"{target}/copy:1") == crane(shell, "digest", f"{target}:pushed")
    for one in (whole, *children):
        assert crane(shell, "manifest", f"{target}/copy@{one.digest}") == one.manifest.decode()


def test_a_missing_image_is_told_in_the_registry_s_words(shell: Shell, name: str) -> None:
    """An unknown repository is NAME_UNKNOWN, with ECR's sentence."""
    done = shell.attempt("crane", *shell.reach("--insecure"), "manifest", f"{shell.host}/{name}:1")
    assert done.returncode
    assert f"NAME_UNKNOWN: The repository with name '{name}' does not exist" in done.stderr
