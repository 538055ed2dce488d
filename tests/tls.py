"""A registry that serves HTTPS, with a certificate made for the test."""

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


class TlsServer(Server):
    """A server with a certificate of its own for 127.0.0.1 and localhost; ``certificate`` is what clients trust."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.certificate, key = data.parent / "certificate.pem", data.parent / "key.pem"
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        files = ["-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run([*command, *algorithm, *names, *files], check=True, capture_output=True)
        super().__init__(data, tls_certificate=self.certificate, tls_key=key, **settings)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"https://{self.host}"

    def context(self) -> ssl.SSLContext:
        """Trusts this server, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def _answers(self) -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self.context())
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
