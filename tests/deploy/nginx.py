"""Debian's nginx in front of a registry, with the configuration that we ship; only its ports and paths are replaced."""

import contextlib
import getpass
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from tests.tls import Certificate
from tests.waiting import found

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx" / "careen.conf"

PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")

needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed: apt-get install nginx")

MAIN = """
user {user}; worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{}}
http {{
  log_format deeds '$http_user_agent: $request_method $uri $status'; access_log {folder}/deeds deeds;
  gzip on; gzip_types *; gzip_min_length 1;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/careen.conf;
}}
"""


class Nginx(Server):
    """nginx before the registry ``behind``. What asks a :class:`Server` can ask it.

    Args:
        behind: the registry, which the caller starts.
        certificate: for HTTPS; plain HTTP without.
        user: who the workers are; whoever runs the tests if not given.
    """

    def __init__(self, behind: Server, certificate: Certificate | None = None, user: str = "") -> None:
        super().__init__(behind.data.parent / f"{behind.data.name}.nginx")
        self.behind = behind
        self._certificate = certificate
        self.data.mkdir()
        (self.data / "careen.conf").write_text(self._configuration())
        main = MAIN.format(user=user or getpass.getuser(), folder=self.data)
        (self.data / "nginx.conf").write_text(main)

    def _configuration(self) -> str:
        replaced = {
            "server 127.0.0.1:5000;": f"server {self.behind.host};",
            "/var/lib/careen/blobs/": f"{self.behind.data}/blobs/",
            "listen [::]:443 ssl http2;": "",
        }
        lines = {
            "listen 443 ssl http2;": f"listen {self.host} ssl http2;",
            "ssl_certificate     /etc/ssl/certs/registry.example.com.pem;": "ssl_certificate {chain};",
            "ssl_certificate_key /etc/ssl/private/registry.example.com.key;": "ssl_certificate_key {key};",
        }
        if self._certificate is None:
            replaced |= dict.fromkeys(lines, "") | {"listen 443 ssl http2;": f"listen {self.host};"}
        else:
            chain, key, _ = self._certificate
            replaced |= {shipped: line.format(chain=chain, key=key) for shipped, line in lines.items()}
        text = SHIPPED.read_text()
        for shipped, here in replaced.items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, here)
        return text

    def deeds(self, text: str) -> list[str]:
        """The lines with ``text`` in what nginx has done: ``crane: GET /-/blobs/… 200`` for a blob that it sent by itself.

        It writes them after it has answered, so the first of them is waited for.
        """
        deeds = self.data / "deeds"
        return found(
            lambda: [line for line in deeds.read_text().splitlines() if text in line],
            f"nginx did nothing with {text}",
        )

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'http' if self._certificate is None else 'https'}://{self.host}"

    def context(self) -> ssl.SSLContext | None:
        """Trusts the certificate."""
        return None if self._certificate is None else self._certificate.context()

    def _command(self) -> list[str]:
        assert PROGRAM is not None
        return [PROGRAM, "-p", str(self.data), "-c", str(self.data / "nginx.conf")]


@contextlib.contextmanager
def behind_nginx(
    data: Path, certificate: Certificate | None = None, user: str = "", **settings: Any
) -> Iterator[Nginx]:
    """A registry and nginx before it, for the length of a ``with`` block."""
    behind = Server(data, **({"accel": "nginx"} | settings))
    front = Nginx(behind, certificate, user)
    if certificate is not None:
        behind._settings["public_url"] = front.url
    started: list[Server] = []
    try:
        for server in (behind, front):
            started.append(server)
            server.start()
        yield front
    finally:
        for server in reversed(started):
            server.stop()
