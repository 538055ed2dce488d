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
    """PEM files: a certificate with its key, and the certificate of who issued it, which others trust."""

    chain: Path
    key: Path
    authority: Path

    def context(self) -> ssl.SSLContext:
        """Trusts the authority, and no other."""
        return ssl.create_default_context(cafile=str(self.authority))

    def replaces(self, other: "Certificate") -> None:
        """Take another's place, as what renews certificates does: the key first, each file at once."""
        for mine, its in ((self.key, other.key), (self.chain, other.chain)):
            shutil.copy(mine, its.with_suffix(".new"))
            its.with_suffix(".new").replace(its)


class Authority:
    """Issues certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "authority.crt"
        own = ("-keyout", "authority.key", "-out", self.certificate)
        # Python 3.13 and later read certificates as strictly as RFC 5280 has them.
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl("req", "-x509", *_FRESH, "-days", "2", "-subj", "/CN=Test Authority", *usage, *own)

    def issue(self, name: str, names: tuple[str, ...] = (), usage: str = "clientAuth") -> Certificate:
        """Make a certificate for a client, or for a server with these names."""
        made = Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key", self.certificate)
        self._openssl("req", *_FRESH, "-subj", f"/CN={name}", "-keyout", made.key, "-out", f"{name}.csr")
        alternative = f"subjectAltName={','.join(names)}\n" if names else ""
        (self._folder / f"{name}.ext").write_text(
            f"{alternative}extendedKeyUsage={usage}\nauthorityKeyIdentifier=keyid\n"
        )
        signed_by = ("-CA", self.certificate, "-CAkey", "authority.key", "-CAcreateserial")
        extended = ("-extfile", f"{name}.ext", "-out", made.chain)
        self._openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", *signed_by, *extended)
        return made

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)


_FRESH = ("-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def make_certificate(folder: Path, names: tuple[str, ...] = LOOPBACK) -> Certificate:
    """Make an authority in a folder, and let it sign a server's certificate for these names."""
    return Authority(folder).issue("server", names, "serverAuth")


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
