"""A registry that serves HTTPS, with a certificate from an authority made for the test."""

import http.client
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl"
)

LOOPBACK = ("IP:127.0.0.1", "DNS:localhost")


class TlsServer(Server):
    """A server with a certificate for ``names``; ``authority`` is the certificate of who issued it, which clients trust."""

    def __init__(self, data: Path, names: tuple[str, ...] = LOOPBACK, **settings: Any) -> None:
        self.authority = data.parent / "authority.crt"
        certificate = _issue(self.authority, names)
        super().__init__(
            data, tls_certificate=certificate, tls_key=certificate.with_suffix(".key"), **settings
        )

    @property
    def url(self) -> str:
        """The base URL."""
        return f"https://{self.host}"

    def context(self) -> ssl.SSLContext:
        """Trusts this server's authority, and no other."""
        return ssl.create_default_context(cafile=str(self.authority))

    def boto(self, service: str = "ecr", **options: Any) -> Any:
        """A boto3 client of this registry."""
        return super().boto(service, verify=str(self.authority), **options)

    def aws_environment(self) -> dict[str, str]:
        """As without TLS, and whom to trust."""
        return super().aws_environment() | {"AWS_CA_BUNDLE": str(self.authority)}

    def _answers(self) -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self.context())
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _issue(authority: Path, names: tuple[str, ...]) -> Path:
    """Make an authority, and let it sign a server's certificate. Returns the certificate's path, beside which is its key."""
    folder = authority.parent
    fresh = ("-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = authority.with_suffix(".key")
    openssl(
        "req", "-x509", *fresh, "-days", "2", "-subj", "/CN=Test Authority", "-keyout", key, "-out", authority
    )
    openssl("req", *fresh, "-subj", "/CN=registry", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
    signed_by = ("-CA", authority, "-CAkey", key, "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-days", "2", "-in", "server.csr", *signed_by, "-out", "server.crt")
    return folder / "server.crt"
