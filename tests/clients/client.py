"""Real clients as a user runs them: logged in to one registry, with files of their own and nothing of the machine's."""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from careen.oci.digest import digest_of
from tests.images import Built, write_layout
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.tls import TlsServer

INSTALL = {
    "skopeo": "apt-get install skopeo",
    "podman": "apt-get install podman",
    "buildah": "apt-get install buildah",
    "crane": "go install github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "docker": "apt-get install docker-cli",
    "dockerd": "apt-get install docker.io",
    "docker-registry": "apt-get install docker-registry",
    "containerd": "apt-get install containerd",
    "ctr": "apt-get install containerd",
    "ctr-remote": "apt-get install stargz-snapshotter",
    "runc": "apt-get install runc",
    "busybox": "apt-get install busybox-static",
    "helm": "go install helm.sh/helm/v4/cmd/helm@v4.3.1",
    "oras": "go install oras.land/oras/cmd/oras@v1.3.6",
    "regctl": "go install github.com/regclient/regclient/cmd/regctl@v0.11.5",
    "docker-credential-ecr-login": "apt-get install amazon-ecr-credential-helper",
    "nsenter": "apt-get install util-linux",
    "ip": "apt-get install iproute2",
}


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip by name, with what to install, where a client is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(
        bool(missing), reason="; ".join(f"{tool} is not installed: {INSTALL[tool]}" for tool in missing)
    )


class Shell:
    """A user's shell with a registry to log in to, over plain HTTP or over TLS, as the server is.

    Args:
        server: the registry.
        folder: the user's home.
        ca_variable: the variable of the environment in which the client looks for the authority's certificate, if it has no
            option and no folder for it.
    """

    def __init__(self, server: Server, folder: Path, ca_variable: str | None = None) -> None:
        self.host = server.host
        self.folder = folder
        self.authority = server.authority if isinstance(server, TlsServer) else None
        self._environment = server.aws_environment() | {
            "HOME": str(folder),
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
            "DOCKER_CONFIG": str(folder),
        }
        known = base64.b64encode(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {server.host: {"auth": known}}}))
        if self.authority is not None:
            # Where skopeo, podman and buildah look by themselves.
            trusted = folder / ".config" / "containers" / "certs.d" / server.host / "ca.crt"
            trusted.parent.mkdir(parents=True)
            trusted.write_bytes(self.authority.read_bytes())
            if ca_variable is not None:
                self._environment[ca_variable] = str(self.authority)

    def set(self, **environment: str) -> None:
        """Set variables for the commands that follow."""
        self._environment |= environment

    def reach(self, plain: str, ca_file: str | None = None) -> tuple[str, ...]:
        """How a command is told to reach the registry.

        Args:
            plain: the option for plain HTTP.
            ca_file: the option that takes the authority's certificate, for clients that do not find it by themselves.
        """
        if self.authority is None:
            return (plain,)
        return () if ca_file is None else (ca_file, str(self.authority))

    def attempt(
        self, *command: str | Path, stdin: str | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        return subprocess.run(
            self.within(command),
            input=stdin,
            env=self._environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def within(self, command: Sequence[str | Path]) -> Sequence[str | Path]:
        """What is run for a command."""
        return command

    def run(self, *command: str | Path, stdin: str | None = None, **environment: str) -> str:
        """Run a command that must succeed. Returns what it printed."""
        done = self.attempt(*command, stdin=stdin, **environment)
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"
        return done.stdout.strip()

    def json(self, *command: str | Path) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.run(*command))

    def login(self, tool: str) -> None:
        """Log in as containers' tools do."""
        credentials = ("--username", ACCESS_KEY_ID, "--password", SECRET_ACCESS_KEY)
        assert "Succeeded" in self.run(
            tool, "login", *self.reach("--tls-verify=false"), *credentials, self.host
        )


def copy_in_and_out(shell: Shell, repository: str, built: Built) -> None:
    """Have skopeo, logged in, copy an image into the registry and out again: its manifest and its blobs are what they were."""
    shell.login("skopeo")
    source = write_layout(shell.folder / "in", built, "1")
    target = f"docker://{shell.host}/{repository}:1"
    shell.run("skopeo", "copy", *shell.reach("--dest-tls-verify=false"), source, target)
    shell.run("skopeo", "copy", *shell.reach("--src-tls-verify=false"), target, f"oci:{shell.folder}/out:1")
    for digest in (built.digest, *built.digests):
        blob = shell.folder / "out" / "blobs" / digest.replace(":", "/")
        assert digest_of(blob.read_bytes()) == digest
