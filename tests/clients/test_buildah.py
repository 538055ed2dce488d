"""buildah: an image built from nothing, pushed, and a manifest list of two."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.server import Server

pytestmark = needs("buildah")

Buildah = tuple[str, ...]


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell logged in with buildah."""
    opened = Shell(server, tmp_path)
    opened.login("buildah")
    return opened


@pytest.fixture
def buildah(shell: Shell) -> Iterator[Buildah]:
    """Buildah with a store of its own; skipped where it cannot have one."""
    folder = tempfile.mkdtemp(
        prefix="careen"
    )  # its paths are short, and it leaves files that only it can remove
    command = ("buildah", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs")
    tried = shell.attempt(*command, "from", "scratch")
    if tried.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"buildah cannot store images here: {tried.stderr.splitlines()[-1]}")
    yield command
    shell.attempt(*command, "rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)


def build(shell: Shell, buildah: Buildah, text: str, *options: str) -> str:
    """Commit an image with one file. Returns its id."""
    container = shell.run(*buildah, "from", "scratch")
    (shell.folder / "file").write_text(text)
    shell.run(*buildah, "add", "--quiet", container, shell.folder / "file", "/file")
    return shell.run(*buildah, "commit", "--quiet", *options, container)


@pytest.mark.parametrize(
    ("form", "compression"),
    [("oci", "gzip"), ("docker", "gzip"), ("oci", "zstd")],
    ids=["OCI", "Docker's format", "OCI, zstd layers"],
)
def test_what_is_built_is_pushed_and_pulled(
    shell: Shell, buildah: Buildah, name: str, server: Server, form: str, compression: str
) -> None:
    """An image in either format, however compressed, comes back under its tag."""
    content = f"{name} {form} {compression}"
    built = build(shell, buildah, content, "--format", form)
    target = f"{shell.host}/{name}:{form}"
    shell.run(
        *buildah,
        "push",
        *shell.reach("--tls-verify=false"),
        "--format",
        form.replace("docker", "v2s2"),
        "--compression-format",
        compression,
        built,
        f"docker://{target}",
    )
    (found,) = server.boto().batch_get_image(repositoryName=name, imageIds=[{"imageTag": form}])["images"]
    assert ("tar+zstd" in found["imageManifest"]) == (compression == "zstd")
    shell.run(*buildah, "rmi", "--all", "--force")
    shell.run(*buildah, "pull", *shell.reach("--tls-verify=false"), f"docker://{target}")
    container = shell.run(*buildah, "from", "--pull-never", target)
    mounted = shell.run(*buildah, "mount", container)
    assert (Path(mounted) / "file").read_text() == content


def test_a_manifest_list_takes_its_images_along(
    shell: Shell, buildah: Buildah, name: str, server: Server
) -> None:
    """``manifest push --all`` pushes two platforms and the list."""
    shell.run(*buildah, "manifest", "create", "both")
    for architecture in ("amd64", "arm64"):
        built = build(shell, buildah, architecture)
        shell.run(*buildah, "manifest", "add", "--arch", architecture, "both", built)
    target = f"docker://{shell.host}/{name}:both"
    shell.run(*buildah, "manifest", "push", "--all", *shell.reach("--tls-verify=false"), "both", target)
    images = server.boto().describe_images(repositoryName=name)["imageDetails"]
    assert sorted(one.get("imageTags", []) for one in images) == [[], [], ["both"]]
