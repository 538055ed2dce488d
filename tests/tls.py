"""A registry that serves HTTPS, with a certificate from an authority made for the test."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.server import Server

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl"
)

LOOPBACK = ("IP:127.0.0.1", "DNS:localhost")


class Certificate(NamedTuple):
    """PEM files: a server's certificate with its key, and the certificate of who issued it, which clients trust."""

    chain: Path
    key: Path
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Trusts the authority, and no other."""
        return ssl.create_default_context(cafile=str(self.authority))


def make_certificate(folder: Path, names: tuple[str, ...] = LOOPBACK) -> Certificate:
    """Make an authority in a folder, and let it sign a certificate for these names."""
    made = Certificate(folder / "server.crt", folder / "server.key", folder / "authority.crt")
    fresh = ("-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    own = ("-keyout", "authority.key", "-out", made.authority)
    # Python 3.13 and later read certificates as strictly as RFC 5280 has them.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *fresh, "-days", "2", "-subj", "/CN=Test Authority", *usage, *own)
    openssl("req", *fresh, "-subj", "/CN=registry", "-keyout", made.key, "-out", "server.csr")
    (folder / "names").write_text(
        f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
    )
    signed_by = ("-CA", made.authority, "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-days", "2", "-in", "server.csr", *signed_by, "-out", made.chain)
    return made


class TlsServer(Server):
    """A server with a certificate for ``names``; ``authority`` is the certificate of who issued it, which clients trust."""

    def __init__(self, data: Path, names: tuple[str, ...] = LOOPBACK, **settings: Any) -> None:
        self._certificate = make_certificate(data.parent, names)
        self.authority = self._certificate.authority
        made = self._certificate
        super().__init__(data, tls_certificate=made.chain, tls_key=made.key, **settings)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"https://{self.host}"

    def context(self) -> ssl.SSLContext:
        """Trusts this server's authority, and no other."""
        return self._certificate.context()

    def boto(self, service: str = "ecr", **options: Any) -> Any:
        """A boto3 client of this registry."""
        return super().boto(service, verify=str(self.authority), **options)

    def aws_environment(self) -> dict[str, str]:
        """As without TLS, and whom to trust."""
        return super().aws_environment() | {"AWS_CA_BUNDLE": str(self.authority)}
