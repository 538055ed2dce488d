"""podman: an image pushed, pulled, searched for, and a container that runs from it."""

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.clients.forms import IMAGES, Form, push
from tests.distribution.client import Client
from tests.images import image, write_layout
from tests.server import Server

pytestmark = needs("podman")

BUSYBOX = shutil.which("busybox")

CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
"""
"""Containers run with this also where limits cannot be raised and cgroups are mixed."""

Podman = tuple[str, ...]


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell logged in with podman."""
    opened = Shell(server, tmp_path)
    opened.login("podman")
    (tmp_path / "containers.conf").write_text(CONTAINERS)
    return opened


@pytest.fixture
def podman(shell: Shell) -> Iterator[Podman]:
    """Podman with a store of its own; skipped where it cannot have one."""
    folder = tempfile.mkdtemp(prefix="careen")  # its paths must be short
    command = ("podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs")
    tried = shell.attempt(*command, "images")
    if tried.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"podman cannot store images here: {tried.stderr.splitlines()[-1]}")
    yield command
    shell.attempt(*command, "rmi", "--all", "--force")
    shutil.rmtree(folder, ignore_errors=True)


def load(shell: Shell, podman: Podman, name: str) -> str:
    """An image in podman's store. Returns its id, which is its config's digest."""
    source = write_layout(shell.folder / "in", built := image(name, size=150_000), "1")
    shell.run(*podman, "pull", source)
    return built.digests[0].removeprefix("sha256:")


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_is_pushed_is_pulled(shell: Shell, podman: Podman, name: str, form: str) -> None:
    """The same image by its id, after it was removed here; in OCI's format and in Docker's."""
    known = load(shell, podman, f"{name} {form}")
    target = f"{shell.host}/{name}:{form}"
    shell.run(*podman, "push", *shell.reach("--tls-verify=false"), "--format", form, known, target)
    shell.run(*podman, "rmi", "--all", "--force")
    pulled = shell.run(*podman, "pull", "--quiet", *shell.reach("--tls-verify=false"), target)
    (inspected,) = shell.json(*podman, "inspect", target)
    assert inspected["Id"] == pulled == known
    assert inspected["Labels"] == {"layers": f"{name} {form}"}


@pytest.mark.parametrize("form", IMAGES.values(), ids=IMAGES.keys())
def test_every_form_is_pulled(shell: Shell, podman: Podman, name: str, server: Server, form: Form) -> None:
    """Whatever its format and compression; of an index, the image for this machine."""
    push(Client.of(server), name, form(name), "1")
    target = f"{shell.host}/{name}:1"
    shell.run(*podman, "pull", "--quiet", *shell.reach("--tls-verify=false"), target)
    (inspected,) = shell.json(*podman, "inspect", target)
    assert inspected["Labels"]["layers"] in {name, f"{name} amd64", f"{name} arm64"}


def test_layers_may_be_zstd(shell: Shell, podman: Podman, name: str, server: Server) -> None:
    """Pushed with zstd, stored as that, and pulled."""
    known, target = load(shell, podman, name), f"{shell.host}/{name}:zstd"
    options = (*shell.reach("--tls-verify=false"), "--compression-format", "zstd", "--format", "oci")
    shell.run(*podman, "push", *options, known, target)
    (found,) = server.boto().batch_get_image(repositoryName=name, imageIds=[{"imageTag": "zstd"}])["images"]
    assert "application/vnd.oci.image.layer.v1.tar+zstd" in found["imageManifest"]
    shell.run(*podman, "rmi", "--all", "--force")
    assert shell.run(*podman, "pull", "--quiet", *shell.reach("--tls-verify=false"), target) == known


def test_repositories_and_tags_are_found(shell: Shell, podman: Podman, name: str) -> None:
    """``podman search`` of the registry, by the catalog and the tag list."""
    known = load(shell, podman, name)
    for tag in ("1", "2"):
        shell.run(*podman, "push", *shell.reach("--tls-verify=false"), known, f"{shell.host}/{name}:{tag}")
    search = (*podman, "search", *shell.reach("--tls-verify=false"), "--format", "json")
    assert shell.json(*search, f"{shell.host}/{name}")[0]["Name"] == f"{shell.host}/{name}"
    (listed,) = shell.json(*search, "--list-tags", f"{shell.host}/{name}")
    assert listed["Tags"] == ["1", "2"]


@pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed: apt-get install busybox-static")
@pytest.mark.skipif(shutil.which("runc") is None, reason="runc is not installed: apt-get install runc")
def test_a_container_runs_from_the_registry(shell: Shell, podman: Podman, name: str) -> None:
    """``podman run`` of an image that is only here: it is pulled, unpacked and started, and says hello."""
    target, root = f"{shell.host}/{name}:1", shell.folder / "root.tar"
    with tarfile.open(root, "w") as archive:
        archive.add(Path(str(BUSYBOX)).resolve(), "bin/busybox")
    shell.run(*podman, "import", root, target)
    start = (
        "run",
        "--rm",
        "--network",
        "none",
        *shell.reach("--tls-verify=false"),
        target,
        "/bin/busybox",
        "echo",
        "hello",
    )
    configured = {"CONTAINERS_CONF": str(shell.folder / "containers.conf")}
    tried = shell.attempt(*podman, *start, **configured)
    if tried.returncode:
        pytest.skip(f"containers do not run here: {tried.stderr.splitlines()[-1]}")
    shell.run(*podman, "push", *shell.reach("--tls-verify=false"), target)
    shell.run(*podman, "rmi", "--all", "--force")
    assert shell.run(*podman, *start, **configured) == "hello"
