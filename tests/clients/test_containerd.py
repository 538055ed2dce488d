"""containerd's `ctr`: whole images in and out, files of zstd layers, and eStargz made by `ctr-remote`."""

import json
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.clients.forms import IMAGES, Form, assert_is_there, push
from tests.distribution.client import Client
from tests.images import OCI, OCI_ZSTD, image
from tests.images import Form as Types
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server

pytestmark = needs("containerd", "ctr")

TOC = "containerd.io/snapshot/stargz/toc.digest"
"""The annotation by which a snapshotter knows a layer that it may read in pieces."""

HOSTS = """
server = "{server}"
[host."{server}"]
ca = "{authority}"
"""


class Ctr:
    """`ctr`, and who looks like it, on a containerd; it takes the credentials with every command."""

    def __init__(self, shell: Shell, socket: Path) -> None:
        self.shell = shell
        self._socket = socket
        self._reach: tuple[str, ...] = ("--plain-http",)
        if shell.authority is not None:
            folder = shell.folder / "certs.d" / shell.host
            folder.mkdir(parents=True)
            hosts = HOSTS.format(server=f"https://{shell.host}", authority=shell.authority)
            (folder / "hosts.toml").write_text(hosts)
            self._reach = ("--hosts-dir", str(folder.parent))

    def images(self, *arguments: str | Path, tool: str = "ctr") -> str:
        return self.shell.run(tool, "--address", self._socket, "images", *arguments)

    def transfer(self, verb: str, *arguments: str, who: str = f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}") -> str:
        return self.images(verb, *self._reach, "--user", who, *arguments)


@pytest.fixture
def ctr(server: Server, containerd: Path, tmp_path: Path) -> Ctr:
    """``--plain-http`` or a folder with hosts.toml, as the registry is."""
    return Ctr(Shell(server, tmp_path), containerd)


@pytest.mark.parametrize("form", IMAGES.values(), ids=IMAGES.keys())
def test_every_form_is_pulled_and_pushed(ctr: Ctr, server: Server, name: str, form: Form) -> None:
    """All platforms of it, to the byte, under another name."""
    client, built = Client.of(server), form(name)
    push(client, name, built, "1")
    source, target = f"{ctr.shell.host}/{name}:1", f"{ctr.shell.host}/{name}/copy:2"
    ctr.transfer("pull", "--all-platforms", source)
    ctr.images("tag", source, target)
    ctr.transfer("push", target)
    assert_is_there(client, f"{name}/copy", built, "2")


@pytest.mark.parametrize("types", [OCI, OCI_ZSTD], ids=["gzip", "zstd"])
def test_what_is_pulled_is_unpacked(ctr: Ctr, server: Server, name: str, types: Types) -> None:
    """The files of the image are there, whichever way the layer is compressed."""
    label = name.replace("/", "-")
    push(Client.of(server), name, (image(label, size=200_000, form=types),), "1")
    target = f"{ctr.shell.host}/{name}:1"
    ctr.transfer("pull", target)
    folder = ctr.shell.folder / "mounted"
    folder.mkdir()
    ctr.images("mount", target, folder)
    try:
        assert (folder / label).stat().st_size == 200_000
    finally:
        ctr.images("unmount", "--rm", folder)


@needs("ctr-remote")
def test_estargz_is_made_pushed_and_pulled(ctr: Ctr, server: Server, name: str) -> None:
    """Its layers carry the digest of their table of contents, and come back."""
    client = Client.of(server)
    push(client, name, (image(name, size=200_000),), "1")
    source, target = f"{ctr.shell.host}/{name}:1", f"{ctr.shell.host}/{name}:esgz"
    ctr.transfer("pull", source)
    ctr.images("convert", "--estargz", "--oci", source, target, tool="ctr-remote")
    ctr.transfer("push", target)
    manifest = json.loads(client.send("GET", f"/v2/{name}/manifests/esgz").body)
    assert [TOC in layer["annotations"] for layer in manifest["layers"]] == [True]
    ctr.images("rm", "--sync", source, target)
    ctr.transfer("pull", target)
    assert "complete" in ctr.images("check", f"name=={target}")


def test_a_wrong_password_is_refused(ctr: Ctr, server: Server, name: str) -> None:
    """The pull ends with the registry's status."""
    push(Client.of(server), name, (image(name),), "1")
    with pytest.raises(AssertionError, match="401 Unauthorized"):
        ctr.transfer("pull", f"{ctr.shell.host}/{name}:1", who="AWS:wrong")
