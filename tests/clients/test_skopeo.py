"""skopeo: copy in and out, between repositories, whole indexes, list, inspect, delete."""

from pathlib import Path

import pytest

from careen.oci.digest import digest_of
from tests.clients.client import Shell, needs
from tests.images import image, index, write_layout
from tests.server import Server

pytestmark = needs("skopeo")


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell logged in with skopeo."""
    opened = Shell(server, tmp_path)
    opened.login("skopeo")
    return opened


def content(layout: Path) -> dict[str, bytes]:
    """Everything in a layout, by the digest of what is there."""
    files = [path for path in (layout / "blobs").rglob("*") if path.is_file()]
    return {digest_of(path.read_bytes()): path.read_bytes() for path in files}


@pytest.mark.parametrize("size", [100, 100_000, 3_000_000], ids=["rows", "files", "several pieces"])
def test_an_image_comes_back_to_the_byte(shell: Shell, name: str, size: int) -> None:
    """What skopeo copies in, it copies out again: manifest, config and layers."""
    source = write_layout(shell.folder / "in", built := image("base", f"app {size}", size=size), "1")
    shell.run(
        "skopeo", "copy", *shell.reach("--dest-tls-verify=false"), source, f"docker://{shell.host}/{name}:1"
    )
    shell.run(
        "skopeo",
        "copy",
        *shell.reach("--src-tls-verify=false"),
        f"docker://{shell.host}/{name}:1",
        f"oci:{shell.folder}/out:1",
    )
    assert content(shell.folder / "out") == content(shell.folder / "in")
    assert built.digest in content(shell.folder / "out")


@pytest.mark.parametrize(
    ("options", "media_type"),
    [
        (("--format", "v2s2"), "application/vnd.docker.distribution.manifest.v2+json"),
        (("--format", "oci"), "application/vnd.oci.image.manifest.v1+json"),
        (("--dest-compress-format", "zstd", "--dest-compress"), "application/vnd.oci.image.manifest.v1+json"),
    ],
    ids=["docker schema 2", "OCI", "zstd layers"],
)
def test_every_form_of_image_is_taken_as_it_is(
    shell: Shell, name: str, options: tuple[str, ...], media_type: str
) -> None:
    """Docker's format, OCI's, and layers that skopeo compresses anew."""
    source = write_layout(shell.folder / "in", image(f"app {name}", size=50_000), "1")
    target = f"docker://{shell.host}/{name}:1"
    shell.run("skopeo", "copy", *options, *shell.reach("--dest-tls-verify=false"), source, target)
    manifest = shell.json("skopeo", "inspect", "--raw", *shell.reach("--tls-verify=false"), target)
    assert manifest["mediaType"] == media_type
    inspected = shell.json("skopeo", "inspect", *shell.reach("--tls-verify=false"), target)
    assert inspected["Labels"] == {"layers": f"app {name}"}
    assert len(inspected["Layers"]) == 1


def test_tags_are_listed_and_images_deleted(shell: Shell, name: str) -> None:
    """Skopeo deletes by digest, so all tags of the image go with it."""
    for number in (1, 2):
        source = write_layout(shell.folder / f"in{number}", image(f"app {number}"), "1")
        for tag in (f"v{number}", f"again-{number}"):
            shell.run(
                "skopeo",
                "copy",
                *shell.reach("--dest-tls-verify=false"),
                source,
                f"docker://{shell.host}/{name}:{tag}",
            )
    listed = ("skopeo", "list-tags", *shell.reach("--tls-verify=false"), f"docker://{shell.host}/{name}")
    assert shell.json(*listed)["Tags"] == ["again-1", "again-2", "v1", "v2"]
    shell.run("skopeo", "delete", *shell.reach("--tls-verify=false"), f"docker://{shell.host}/{name}:v1")
    assert shell.json(*listed)["Tags"] == ["again-2", "v2"]
    gone = shell.attempt(
        "skopeo", "inspect", *shell.reach("--tls-verify=false"), f"docker://{shell.host}/{name}:v1"
    )
    assert gone.returncode
    assert "manifest unknown" in gone.stderr


@pytest.mark.disk
def test_a_copy_between_repositories_mounts_the_layers(shell: Shell, name: str, server: Server) -> None:
    """Both repositories answer the same image, and its bytes are stored once."""
    source = write_layout(shell.folder / "in", built := image(f"app {name}", size=200_000), "1")
    first, second = f"docker://{shell.host}/{name}:1", f"docker://{shell.host}/{name}/copy:1"
    shell.run("skopeo", "copy", *shell.reach("--dest-tls-verify=false"), source, first)
    shell.run(
        "skopeo",
        "copy",
        *shell.reach("--src-tls-verify=false"),
        *shell.reach("--dest-tls-verify=false"),
        first,
        second,
    )
    assert (
        shell.json("skopeo", "inspect", *shell.reach("--tls-verify=false"), second)["Digest"] == built.digest
    )
    layer = built.digests[1].partition(":")[2]
    assert len(list((server.data / "blobs").rglob(f"{layer}.*"))) == 1


def test_a_multi_architecture_image_is_copied_whole(shell: Shell, name: str, server: Server) -> None:
    """``--all`` takes the index and every child in and out; ECR's API lists one tagged index and two untagged images."""
    children = [image(f"{name} {architecture}", size=2000) for architecture in ("amd64", "arm64")]
    folder = shell.folder / "in"
    for child in children:
        write_layout(folder, child, "child")
    source = write_layout(folder, whole := index(*children), "1")
    target = f"docker://{shell.host}/{name}:1"
    shell.run("skopeo", "copy", "--all", *shell.reach("--dest-tls-verify=false"), source, target)
    shell.run(
        "skopeo", "copy", "--all", *shell.reach("--src-tls-verify=false"), target, f"oci:{shell.folder}/out:1"
    )
    assert content(shell.folder / "out") == content(folder)
    images = server.boto().describe_images(repositoryName=name)["imageDetails"]
    assert {one["imageDigest"]: one.get("imageTags") for one in images} == {
        whole.digest: ["1"],
        **{child.digest: None for child in children},
    }


def test_a_wrong_password_is_refused(shell: Shell) -> None:
    """The login fails, and says so."""
    done = shell.attempt(
        "skopeo",
        "login",
        *shell.reach("--tls-verify=false"),
        "--username",
        "AWS",
        "--password",
        "wrong",
        shell.host,
    )
    assert done.returncode
    assert "invalid username/password" in done.stderr
