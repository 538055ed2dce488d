"""Clients over TLS, with the certificate they are told to trust."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.images import image, write_layout
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.tls import TlsServer, needs_openssl

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """A registry that serves HTTPS."""
    started = TlsServer(tmp_path_factory.mktemp("tls") / "data", create_on_push=True)
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def shell(server: TlsServer, tmp_path: Path) -> Shell:
    """A shell with credentials, and the certificate where clients look for it."""
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates" / "ca.crt").write_bytes(server.certificate.read_bytes())
    return Shell(server, tmp_path)


@needs("skopeo")
def test_skopeo_copies_in_and_out(shell: Shell, name: str) -> None:
    """With a folder of certificates; without, it does not trust the registry."""
    source = write_layout(shell.folder / "in", built := image(name, size=300_000), "1")
    target = f"docker://{shell.host}/{name}:1"
    refused = shell.attempt("skopeo", "copy", source, target)
    assert refused.returncode
    assert "certificate" in refused.stderr
    folder = shell.folder / "certificates"
    who = f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}"
    shell.run("skopeo", "copy", "--dest-creds", who, "--dest-cert-dir", folder, source, target)
    copied = f"oci:{shell.folder}/out:1"
    shell.run("skopeo", "copy", "--src-creds", who, "--src-cert-dir", folder, target, copied)
    manifest = shell.folder / "out" / "blobs" / built.digest.replace(":", "/")
    assert manifest.read_bytes() == built.manifest


@needs("crane")
def test_crane_pushes_and_validates(shell: Shell, name: str) -> None:
    """With the certificate in SSL_CERT_FILE."""
    write_layout(shell.folder / "in", image(name, size=300_000), "1")
    trust = {"SSL_CERT_FILE": str(shell.folder / "certificates" / "ca.crt")}
    shell.run("crane", "push", shell.folder / "in", f"{shell.host}/{name}:1", **trust)
    assert "PASS" in shell.run("crane", "validate", "--remote", f"{shell.host}/{name}:1", **trust)
