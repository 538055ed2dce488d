"""The container image: built without Docker on a base from Careen, pushed to Careen, pulled back by another client, and run."""

import os
import shutil
import signal
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from careen.oci.digest import digest_of
from release.uv import ROOT, program
from tests.clients.client import Shell, needs
from tests.deploy.base import write_base
from tests.distribution.client import Client
from tests.images import image as layered
from tests.server import Server, serving

BUILD = ROOT / "deploy" / "image" / "build"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # it compresses two hundred megabytes, more than once
    needs("buildah", "skopeo"),
    pytest.mark.skipif(not program().exists(), reason="uv is not installed: make .uv/bin/uv"),
]


class Made(NamedTuple):
    """An image in Careen."""

    shell: Shell
    """Where buildah has a store of its own, and Careen's credentials."""
    name: str
    digest: str


@pytest.fixture(scope="module")
def shell(server: Server) -> Iterator[Shell]:
    """A shell in which buildah needs no privileges beyond the tests' and touches nothing of the machine's."""
    folder = Path(
        tempfile.mkdtemp(prefix="careen")
    )  # its paths are short, and buildah leaves what only it can remove
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/root"\n'
    )
    (folder / "registries.conf").write_text(f'[[registry]]\nlocation = "{server.host}"\ninsecure = true\n')
    opened = Shell(server, folder)
    opened.set(
        CONTAINERS_STORAGE_CONF=str(folder / "storage.conf"),
        CONTAINERS_REGISTRIES_CONF=str(folder / "registries.conf"),
        BUILDAH_ISOLATION="chroot",
    )
    opened.login("buildah")
    tried = opened.attempt("buildah", "from", "scratch")
    if tried.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"buildah cannot store images here: {tried.stderr.splitlines()[-1]}")
    yield opened
    opened.attempt("buildah", "rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def base(shell: Shell) -> str:
    """A base in Careen, by its digest, which this machine then has no more."""
    write_base(shell.folder / "base")
    container = shell.run("buildah", "from", "scratch")
    shell.run("buildah", "copy", "--quiet", container, shell.folder / "base", "/")
    shell.run("buildah", "config", "--env", "PATH=/usr/local/bin:/usr/bin", container)
    shell.run("buildah", "commit", "--quiet", container, "base")
    shell.run(
        "buildah",
        "push",
        "--digestfile",
        shell.folder / "digest",
        "base",
        f"docker://{shell.host}/base/python:3",
    )
    shell.run("buildah", "rmi", "--all", "--force")
    return f"{shell.host}/base/python@{(shell.folder / 'digest').read_text()}"


@pytest.fixture(scope="module")
def made(shell: Shell, base: str) -> Made:
    """The image, built, pushed, and forgotten where it was built."""
    name = f"{shell.host}/careen:{VERSION}"
    *_, digest = shell.run(BUILD, "--base", base, name).split()
    shell.run("buildah", "push", name, f"docker://{name}")
    return Made(shell, name, digest)


def test_the_same_tree_makes_the_same_image(made: Made, base: str) -> None:
    """To the digest of everything in it."""
    *_, again = made.shell.run(BUILD, "--base", base, "again").split()
    assert again == made.digest


def test_another_client_finds_what_was_built(made: Made, server: Server) -> None:
    """Nobody's user, a volume, a port, a program that is run, and what it is made of."""
    inspected = made.shell.json(
        "skopeo", "inspect", "--tls-verify=false", "--config", f"docker://{made.name}"
    )
    config: dict[str, Any] = inspected["config"]
    assert (config["User"], config["Volumes"], config["ExposedPorts"]) == (
        "65532:65532",
        {"/data": {}},
        {"5000": {}},
    )
    assert (config["Entrypoint"], config["Cmd"]) == (["/usr/local/bin/careen"], ["serve"])
    labels = {key.rpartition("image.")[2]: value for key, value in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("Careen", VERSION, "Apache-2.0")
    assert made.name.partition("/")[0] in labels["base.name"]
    assert labels["base.name"].endswith(labels["base.digest"])
    pulled = made.shell.folder / "pulled"
    made.shell.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{made.name}", f"dir:{pulled}")
    (found,) = server.boto().describe_images(repositoryName="careen", imageIds=[{"imageTag": VERSION}])[
        "imageDetails"
    ]
    assert found["imageDigest"] == digest_of((pulled / "manifest.json").read_bytes())


def test_nothing_of_the_machine_is_in_it(made: Made) -> None:
    """No path of the build, and no file that others than root may write."""
    container = made.shell.run("buildah", "from", made.name)
    mounted = Path(made.shell.run("buildah", "mount", container))
    files = [path for path in (mounted / "opt" / "careen").rglob("*") if not path.is_symlink()]
    assert [path for path in files if path.stat().st_uid or path.stat().st_mode & 0o022] == []
    assert [path for path in files if path.is_file() and str(ROOT).encode() in path.read_bytes()] == []
    made.shell.run("buildah", "rm", container)


class InContainer(Server):
    """A registry that runs out of the image, on this machine's network."""

    def __init__(self, made: Made, container: str) -> None:
        super().__init__(made.shell.folder / "data", host="127.0.0.1")
        del self._settings["data"]  # the image says where it is
        self._made = made
        self._container = container

    def _command(self) -> list[str]:
        ours = (
            f"--env={name}={value}"
            for name, value in super().environment().items()
            if name.startswith("CAREEN_")
        )
        return ["buildah", "run", *ours, self._container, "--", "/usr/local/bin/careen", "serve"]

    def environment(self) -> dict[str, str]:
        """Buildah's."""
        return self._made.shell._environment

    @property
    def pid(self) -> int:
        """The program in the container: what a container's supervisor signals. buildah, which is none, kills it."""
        pid = super().pid
        while "python" not in Path(f"/proc/{pid}/comm").read_text():
            # Go starts programs from any of its threads.
            (pid,) = map(
                int,
                "".join(each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children")).split(),
            )
        return pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop the program, and wait for buildah's end."""
        assert self._process is not None
        os.kill(self.pid, number)
        return self._process.wait(60)


@pytest.fixture
def container(made: Made) -> Iterator[str]:
    """A container of the image as it was pulled from Careen; skipped where nothing can be run in one."""
    made.shell.run("buildah", "rmi", "--all", "--force")
    container = made.shell.run("buildah", "from", made.name)
    tried = made.shell.attempt("buildah", "run", container, "--", "python3", "--version")
    if tried.returncode:
        pytest.skip(f"nothing runs in a container here: {tried.stderr.splitlines()[-1]}")
    yield container
    made.shell.attempt("buildah", "rm", container)


def test_the_image_serves(made: Made, container: str) -> None:
    """Pulled from one Careen, it is another: it says its version, makes its data folder's contents, takes a push, and stops."""
    said = made.shell.run("buildah", "run", container, "--", "/usr/local/bin/careen", "--version")
    assert said == VERSION
    with serving(InContainer(made, container)) as inside:
        client, built = Client(inside), layered("inside", size=100_000)
        client.push("team/app", built, "1")
        assert client.send("GET", f"/v2/team/app/blobs/{built.digests[1]}").body == built.blobs[1]
        assert inside.stop() == 0
