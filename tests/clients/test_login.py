"""``aws ecr get-login-password | … login --password-stdin``: what Amazon's documentation tells people to paste."""

import sys
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.server import Server

AWS = Path(sys.executable).with_name("aws")

AS_AWS = ("--username", "AWS", "--password-stdin")

TLS_VERIFY = ("--tls-verify=false",)
PLAIN_HTTP = ("--plain-http", "--ca-file")

LOGINS = [
    pytest.param(("skopeo", "login"), TLS_VERIFY, id="skopeo", marks=needs("skopeo")),
    pytest.param(("podman", "login"), TLS_VERIFY, id="podman", marks=needs("podman")),
    pytest.param(("buildah", "login"), TLS_VERIFY, id="buildah", marks=needs("buildah")),
    pytest.param(("docker", "login"), (), id="docker", marks=needs("docker")),
    pytest.param(("oras", "login"), PLAIN_HTTP, id="oras", marks=needs("oras")),
    pytest.param(("helm", "registry", "login"), PLAIN_HTTP, id="helm", marks=needs("helm")),
]
"""Those that ask the registry, and how they are told to reach it: docker takes 127.0.0.0/8 for insecure by itself. crane only
writes the password down; its tests use what it would have written."""


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell with the AWS CLI's variables, and nobody logged in."""
    opened = Shell(server, tmp_path, ca_variable="SSL_CERT_FILE")
    (tmp_path / "config.json").unlink()
    return opened


@pytest.mark.parametrize(("login", "reach"), LOGINS)
def test_the_token_of_the_aws_cli_logs_in(
    shell: Shell, login: tuple[str, ...], reach: tuple[str, ...]
) -> None:
    """The client asks the registry, and the registry lets it in."""
    password = shell.run(AWS, "ecr", "get-login-password")
    done = shell.attempt(*login, *(reach and shell.reach(*reach)), *AS_AWS, shell.host, stdin=password)
    assert done.returncode == 0, done.stderr
    assert "Succeeded" in done.stdout + done.stderr


@pytest.mark.parametrize(("login", "reach"), LOGINS)
def test_another_password_does_not(shell: Shell, login: tuple[str, ...], reach: tuple[str, ...]) -> None:
    """The client says that it was refused."""
    command = (*login, *(reach and shell.reach(*reach)), *AS_AWS, shell.host)
    done = shell.attempt(*command, stdin="not the token")
    assert done.returncode
    assert "Succeeded" not in done.stdout + done.stderr
