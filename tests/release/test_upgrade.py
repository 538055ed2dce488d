"""From an earlier version to this one and back, each as its own program: what docs/release.md promises.

The earlier versions are commits, installed with the dependencies that they had; a clone without its history has none of them.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from careen.db import schema
from release.uv import ROOT
from tests.distribution.client import Client
from tests.images import image
from tests.schemas.contents import APP, BOTH, NEW, POLICY, PUSHED
from tests.schemas.make import fill, install
from tests.server import Server, serving

pytestmark = [pytest.mark.slow, pytest.mark.sqlite, pytest.mark.disk, pytest.mark.timeout(600)]


class Earlier(NamedTuple):
    """A version before this one."""

    commit: str
    schema: str
    may_go_back: bool
    """Whether its program may work with what this version makes of a data folder."""


EARLIER = (Earlier("f8cd7a6", "0017", may_go_back=False), Earlier("50f17ac", "0018", may_go_back=True))
"""One of the last schema that no later program shares, and one of the first that may stay: release notes add to it."""


class EarlierServer(Server):
    """A registry that the program of an earlier version serves."""

    ready_path = "/healthz"  # 0017 came before /readyz

    def __init__(self, data: Path, python: Path) -> None:
        super().__init__(data)
        self.python = python

    def _command(self) -> list[str]:
        return [str(self.python), "-m", "careen", "serve"]

    def careen(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of its version."""
        return subprocess.run(
            [self.python, "-m", "careen", *arguments],
            env=self.environment(),
            cwd=self.python.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(params=EARLIER, ids=lambda each: each.schema)
def earlier(request: pytest.FixtureRequest) -> Earlier:
    """A version whose commit this clone has."""
    version: Earlier = request.param
    has = ["git", "cat-file", "-e", f"{version.commit}^{{commit}}"]
    if subprocess.run(has, cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip(f"this clone has no commit {version.commit}: git fetch --unshallow")
    return version


@pytest.fixture
def python(earlier: Earlier, uv: Path, tmp_path: Path) -> Path:  # noqa: ARG001 installs with it
    """The Python of that version's environment."""
    return install(earlier.commit, tmp_path / "version")


def has_what_was_pushed(server: Server, client: Client) -> None:
    """See that every image of then is there, and the policy."""
    for repository, built, tag in PUSHED:
        answer = client.send("GET", f"/v2/{repository}/manifests/{tag or built.digest}")
        assert answer.body == built.manifest
    assert server.boto().get_lifecycle_policy(repositoryName=POLICY)["repositoryName"] == POLICY


@contextlib.contextmanager
def client_of(server: Server, key: dict[str, str]) -> Iterator[Client]:
    """A client with the key that the earlier version made, while the server serves."""
    with serving(server):
        yield Client(server, key["accessKeyId"], key["secretAccessKey"])


def test_up_and_back(earlier: Earlier, python: Path, tmp_path: Path) -> None:
    """This version serves what that one left, and its key; the way back is a start where it may be one, else the backup."""
    old, new = EarlierServer(tmp_path / "data", python), Server(tmp_path / "data")
    key = fill(old, python)
    assert schema.current(old.data / "careen.db") == earlier.schema
    backup = str(tmp_path / "backup")
    made = old.careen("backup", backup)
    assert made.returncode == 0, made.stderr

    with client_of(new, key) as client:
        has_what_was_pushed(new, client)
        client.push(APP, image("since"), "since")
    assert schema.current(new.data / "careen.db") == schema.head()

    if not earlier.may_go_back:
        before = (old.data / "careen.db").read_bytes()
        refused = old.careen("serve")
        assert refused.returncode == 1
        assert f"has schema {schema.head()}; this version of Careen knows {earlier.schema}" in refused.stderr
        assert (old.data / "careen.db").read_bytes() == before
        old = EarlierServer(tmp_path / "restored", python)
        restored = old.careen("restore", backup, "--data", str(old.data))
        assert restored.returncode == 0, restored.stderr
    with client_of(old, key) as client:
        has_what_was_pushed(old, client)
        since = client.send("GET", f"/v2/{APP}/manifests/since")
        assert since.status == (200 if earlier.may_go_back else 404)
        client.push(APP, NEW, "again")
        assert client.send("GET", f"/v2/{APP}/manifests/1.0").body == BOTH.manifest
