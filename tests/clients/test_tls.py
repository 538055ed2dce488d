"""Clients trust a registry's certificate when they are told to, and not before."""

from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.images import image, write_layout
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.tls import TlsServer, needs_openssl

pytestmark = needs_openssl


@pytest.fixture
def shell(tls_server: TlsServer, tmp_path: Path) -> Shell:
    """A shell with credentials, in which no client finds the authority's certificate by itself."""
    opened = Shell(tls_server, tmp_path)
    (tmp_path / ".config").rename(tmp_path / "elsewhere")
    return opened


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("skopeo", "list-tags", "docker://{}"), id="skopeo", marks=needs("skopeo")),
        pytest.param(
            ("podman", "search", "--authfile", "config.json", "--list-tags", "{}"),
            id="podman",
            marks=needs("podman"),
        ),
        pytest.param(("crane", "ls", "{}"), id="crane", marks=needs("crane")),
        pytest.param(("regctl", "tag", "ls", "{}"), id="regctl", marks=needs("regctl")),
        pytest.param(("oras", "repo", "tags", "{}"), id="oras", marks=needs("oras")),
        pytest.param(("helm", "show", "chart", "oci://{}"), id="helm", marks=needs("helm")),
    ],
)
def test_a_certificate_of_nobody_known_is_refused(shell: Shell, name: str, command: tuple[str, ...]) -> None:
    """Without a word of the authority, the client goes no further. docker is tried elsewhere: it takes 127.0.0.0/8 as it is."""
    done = shell.attempt(*(part.format(f"{shell.host}/{name}") for part in command))
    assert done.returncode
    assert "certificate signed by unknown authority" in done.stderr


@needs("skopeo")
def test_a_folder_may_hold_the_certificate(shell: Shell, name: str) -> None:
    """``--cert-dir`` names a folder with ``ca.crt``; so do ``--src-cert-dir`` and ``--dest-cert-dir`` of a copy."""
    source = write_layout(shell.folder / "in", built := image(name, size=300_000), "1")
    target = f"docker://{shell.host}/{name}:1"
    folder = shell.folder / "elsewhere" / "containers" / "certs.d" / shell.host
    who = f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}"
    shell.run("skopeo", "copy", "--dest-creds", who, "--dest-cert-dir", folder, source, target)
    copied = f"oci:{shell.folder}/out:1"
    shell.run("skopeo", "copy", "--src-creds", who, "--src-cert-dir", folder, target, copied)
    manifest = shell.folder / "out" / "blobs" / built.digest.replace(":", "/")
    assert manifest.read_bytes() == built.manifest
