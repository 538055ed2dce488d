"""Real clients as a user runs them: logged in to one registry, with files of their own and nothing of the machine's."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server

INSTALL = {
    "skopeo": "apt-get install skopeo",
    "podman": "apt-get install podman",
    "buildah": "apt-get install buildah",
    "crane": "go install github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "docker": "apt-get install docker-cli",
    "oras": "go install oras.land/oras/cmd/oras@v1.3.6",
    "regctl": "go install github.com/regclient/regclient/cmd/regctl@v0.11.5",
}


def needs(tool: str) -> pytest.MarkDecorator:
    """Skip by name, with what to install, where a client is missing."""
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed: {INSTALL[tool]}")


class Shell:
    """A user's shell with a registry to log in to."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.host = server.host
        self.folder = folder
        self._environment = server.aws_environment() | {
            "HOME": str(folder),
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
            "DOCKER_CONFIG": str(folder),
        }
        auth = {"auths": {server.host: {"username": ACCESS_KEY_ID, "password": SECRET_ACCESS_KEY}}}
        (folder / "config.json").write_text(json.dumps(auth))

    def attempt(
        self, *command: str | Path, stdin: str | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        return subprocess.run(
            command,
            input=stdin,
            env=self._environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

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
        assert "Succeeded" in self.run(tool, "login", "--tls-verify=false", *credentials, self.host)
