"""A registry that serves HTTPS, with a certificate made for the test."""

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


class Certificate(NamedTuple):
    """PEM files of a certificate for 127.0.0.1 and localhost, which signs itself."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Trusts who has it, and no other."""
        return ssl.create_default_context(cafile=str(self.chain))


def make_certificate(folder: Path) -> Certificate:
    """A new one, in that folder."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run([*command, *algorithm, *names, *files], check=True, capture_output=True)
    return made


class TlsServer(Server):
    """A server with a certificate of its own; ``certificate`` is what clients trust."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self._made = make_certificate(data.parent)
        self.certificate = self._made.chain
        super().__init__(data, tls_certificate=self._made.chain, tls_key=self._made.key, **settings)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"https://{self.host}"

    def context(self) -> ssl.SSLContext:
        """Trusts this server, and no other."""
        return self._made.context()
