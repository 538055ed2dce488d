"""``aws ecr get-login-password | … login --password-stdin``: what Amazon's documentation tells people to paste."""

import sys
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.server import Server

AWS = Path(sys.executable).with_name("aws")

AS_AWS = ("--username", "AWS", "--password-stdin")

LOGINS = [
    pytest.param(("skopeo", "login", "--tls-verify=false", *AS_AWS), id="skopeo", marks=needs("skopeo")),
    pytest.param(("podman", "login", "--tls-verify=false", *AS_AWS), id="podman", marks=needs("podman")),
    pytest.param(("buildah", "login", "--tls-verify=false", *AS_AWS), id="buildah", marks=needs("buildah")),
    pytest.param(("docker", "login", *AS_AWS), id="docker", marks=needs("docker")),
    pytest.param(("oras", "login", "--plain-http", *AS_AWS), id="oras", marks=needs("oras")),
]
"""Those that ask the registry. crane only writes the password down; its tests use what it would have written."""


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell with the AWS CLI's variables, and nobody logged in."""
    opened = Shell(server, tmp_path)
    (tmp_path / "config.json").unlink()
    return opened


@pytest.mark.parametrize("login", LOGINS)
def test_the_token_of_the_aws_cli_logs_in(shell: Shell, login: tuple[str, ...]) -> None:
    """The client asks the registry, and the registry lets it in."""
    password = shell.run(AWS, "ecr", "get-login-password")
    assert "Succeeded" in shell.run(*login, shell.host, stdin=password)


@pytest.mark.parametrize("login", LOGINS)
def test_another_password_does_not(shell: Shell, login: tuple[str, ...]) -> None:
    """The client says that it was refused."""
    done = shell.attempt(*login, shell.host, stdin="not the token")
    assert done.returncode
    assert "Succeeded" not in done.stdout
