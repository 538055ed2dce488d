"""oras: artifacts that are no images, what is attached to them, and copies that take it along."""

from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.server import Server

pytestmark = needs("oras")


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell whose docker configuration has the credentials; oras reads those."""
    return Shell(server, tmp_path)


def oras(shell: Shell, *arguments: str) -> str:
    """Run oras."""
    return shell.run("oras", *arguments)


def test_the_life_of_an_artifact(shell: Shell, name: str) -> None:
    """Push a file, list, pull it again, delete it."""
    target = f"{shell.host}/{name}:1"
    (shell.folder / "notes.txt").write_text(name)
    oras(
        shell,
        "push",
        *shell.reach("--plain-http", "--ca-file"),
        "--artifact-type",
        "application/vnd.example.notes",
        target,
        "notes.txt",
    )
    assert (
        oras(shell, "repo", "tags", *shell.reach("--plain-http", "--ca-file"), f"{shell.host}/{name}") == "1"
    )
    oras(shell, "pull", *shell.reach("--plain-http", "--ca-file"), "--output", "out", target)
    assert (shell.folder / "out" / "notes.txt").read_text() == name
    oras(shell, "manifest", "delete", "--force", *shell.reach("--plain-http", "--ca-file"), target)
    assert shell.attempt("oras", "pull", *shell.reach("--plain-http", "--ca-file"), target).returncode


def test_what_is_attached_is_discovered_and_copied(shell: Shell, name: str) -> None:
    """A signature of a signature: the referrers API finds both, here and in the repository they are copied to."""
    target, copy = f"{shell.host}/{name}", f"{shell.host}/{name}/copy"
    kinds = ("application/vnd.example.sbom", "application/vnd.example.signature")
    (shell.folder / "a.txt").write_text(name)
    oras(shell, "push", *shell.reach("--plain-http", "--ca-file"), f"{target}:1", "a.txt")
    subject = f"{target}:1"
    for kind in kinds:
        attach = (
            "attach",
            *shell.reach("--plain-http", "--ca-file"),
            "--artifact-type",
            kind,
            "--format",
            "go-template={{.digest}}",
        )
        subject = f"{target}@{oras(shell, *attach, subject, 'a.txt')}"
    oras(
        shell,
        "copy",
        "--recursive",
        *shell.reach("--from-plain-http", "--from-ca-file"),
        *shell.reach("--to-plain-http", "--to-ca-file"),
        f"{target}:1",
        f"{copy}:1",
    )
    for repository in (target, copy):
        found = shell.json(
            "oras",
            "discover",
            *shell.reach("--plain-http", "--ca-file"),
            "--format",
            "json",
            f"{repository}:1",
        )
        (bill,) = found["referrers"]
        (signature,) = bill["referrers"]
        assert (bill["artifactType"], signature["artifactType"]) == kinds
