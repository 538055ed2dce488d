"""regctl: images from a layout, copies by mount, layers compressed anew, tags and referrers."""

from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.images import Built, image, write_layout
from tests.server import Server

pytestmark = needs("regctl")


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell whose docker configuration has the credentials, and regctl told that there is no TLS, or whom to trust."""
    opened = Shell(server, tmp_path)
    trust = ("--tls", "disabled") if opened.authority is None else ("--cacert", opened.authority.read_text())
    opened.run("regctl", "registry", "set", *trust, opened.host)
    return opened


def push(shell: Shell, name: str) -> Built:
    """Push an image from a layout, as tag 1."""
    write_layout(shell.folder / "in", built := image(name, size=120_000), "1")
    shell.run("regctl", "image", "copy", f"ocidir://{shell.folder}/in:1", f"{shell.host}/{name}:1")
    return built


def test_the_life_of_an_image(shell: Shell, name: str) -> None:
    """Push, look, copy, list; deleting a tag leaves the image and its other tag."""
    built, target = push(shell, name), f"{shell.host}/{name}"
    assert shell.run("regctl", "manifest", "head", f"{target}:1") == built.digest
    for copy in (f"{target}:2", f"{target}/copy:1"):
        shell.run("regctl", "image", "copy", f"{target}:1", copy)
        assert shell.run("regctl", "manifest", "head", copy) == built.digest
    shell.run("regctl", "tag", "delete", f"{target}:1")
    assert shell.run("regctl", "tag", "ls", target) == "2"
    assert shell.run("regctl", "manifest", "head", f"{target}:2") == built.digest


def test_layers_are_compressed_anew(shell: Shell, name: str) -> None:
    """An image with zstd layers is made beside the one with gzip."""
    push(shell, name)
    target = f"{shell.host}/{name}"
    shell.run("regctl", "image", "mod", f"{target}:1", "--create", "zstd", "--layer-compress", "zstd")
    manifest = shell.json("regctl", "manifest", "get", "--format", "raw-body", f"{target}:zstd")
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "application/vnd.oci.image.layer.v1.tar+zstd"
    ]


def test_what_is_attached_is_found(shell: Shell, name: str) -> None:
    """An artifact with a subject, by the referrers API and its filter."""
    push(shell, name)
    target = f"{shell.host}/{name}:1"
    for kind in ("one", "two"):
        (shell.folder / "file").write_text(kind)
        kinds = ("--artifact-type", f"application/vnd.example.{kind}", "--subject", target)
        shell.run("regctl", "artifact", "put", *kinds, "--file", "file")
    listed = ("regctl", "artifact", "list", target, "--format", "{{json .}}")
    assert len(shell.json(*listed)["descriptors"]) == 2
    wanted = ("--filter-artifact-type", "application/vnd.example.two")
    (found,) = shell.json(*listed, *wanted)["descriptors"]
    assert found["artifactType"] == "application/vnd.example.two"
