"""The Docker Engine: images pushed, pulled, tagged and run, as `docker` does it."""

import shutil
import tarfile
from pathlib import Path

import pytest

from careen.oci import media_types
from tests.clients.client import Shell, needs
from tests.clients.forms import IMAGES, Form, push
from tests.distribution.client import Client
from tests.images import OCI_ZSTD, image
from tests.server import Server

pytestmark = needs("docker", "dockerd", "containerd", "ctr", "runc")


@pytest.fixture
def shell(server: Server, engine: str, tmp_path: Path) -> Shell:
    """A shell whose docker talks to the engine, with credentials in its configuration."""
    opened = Shell(server, tmp_path)
    opened.set(DOCKER_HOST=engine)
    return opened


def knows_zstd(shell: Shell) -> bool:
    """Whether the engine is not one of the old ones."""
    return int(shell.run("docker", "version", "--format", "{{.Server.Version}}").split(".")[0]) > 20


@needs("busybox")
def test_an_image_is_pushed_pulled_and_run(shell: Shell, server: Server, name: str) -> None:
    """Made by the engine, in Docker's format; under two tags; gone here, and back from the registry to say hello."""
    target, root = f"{shell.host}/{name}", shell.folder / "root.tar"
    with tarfile.open(root, "w") as archive:
        archive.add(Path(str(shutil.which("busybox"))).resolve(), "bin/busybox")
    made = shell.run("docker", "import", root, f"{target}:1")
    shell.run("docker", "tag", f"{target}:1", f"{target}:2")
    for tag in ("1", "2"):
        shell.run("docker", "push", f"{target}:{tag}")
    (found,) = server.boto().describe_images(repositoryName=name)["imageDetails"]
    assert (sorted(found["imageTags"]), found["imageManifestMediaType"]) == (
        ["1", "2"],
        media_types.DOCKER_MANIFEST,
    )
    shell.run("docker", "rmi", f"{target}:1", f"{target}:2")
    shell.run("docker", "pull", f"{target}:2")
    assert shell.run("docker", "inspect", "--format", "{{.Id}}", f"{target}:2") == made
    start = ("docker", "run", "--rm", "--network=none", f"{target}@{found['imageDigest']}")
    assert shell.run(*start, "/bin/busybox", "echo", "hello") == "hello"


@pytest.mark.parametrize("form", IMAGES.values(), ids=IMAGES.keys())
def test_every_form_is_pulled(shell: Shell, server: Server, name: str, form: Form) -> None:
    """By tag and by digest; of an index, the image for this machine. An old engine cannot unpack zstd, and says so."""
    built = push(Client.of(server), name, form(name), "1")
    target = f"{shell.host}/{name}:1"
    if OCI_ZSTD.layer.encode() in built.manifest and not knows_zstd(shell):
        done = shell.attempt("docker", "pull", target)
        assert done.returncode
        assert "invalid tar header" in done.stderr
        return
    assert f"Digest: {built.digest}" in shell.run("docker", "pull", target)
    label = shell.run("docker", "inspect", "--format", "{{.Config.Labels.layers}}", target)
    assert label in {name, f"{name} amd64", f"{name} arm64"}
    shell.run("docker", "pull", f"{shell.host}/{name}@{built.digest}")


def test_layers_are_not_pushed_twice(shell: Shell, server: Server, name: str) -> None:
    """A push to another repository of the registry mounts the layers of the first."""
    push(Client.of(server), name, (image(name, size=200_000),), "1")
    first, second = f"{shell.host}/{name}:1", f"{shell.host}/{name}/copy:1"
    shell.run("docker", "pull", first)
    shell.run("docker", "tag", first, second)
    assert "Mounted from" in shell.run("docker", "push", second)


def test_who_is_not_logged_in_gets_nothing(shell: Shell, server: Server, name: str) -> None:
    """The pull is refused in words that say why; but 127.0.0.0/8 the engine asks over plain HTTP next, and tells of that."""
    push(Client.of(server), name, (image(name),), "1")
    shell.run("docker", "logout", shell.host)
    done = shell.attempt("docker", "pull", f"{shell.host}/{name}:1")
    assert done.returncode
    plain = f'Get "http://{shell.host}/v2/": '
    assert ("no basic auth credentials" if shell.authority is None else plain) in done.stderr
