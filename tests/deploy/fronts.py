"""nginx and Caddy before several nodes, with the configurations that we ship; only their addresses are replaced."""

import contextlib
import getpass
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.nginx import MAIN, PROGRAM, needs_nginx
from tests.server import Server, clean_environment, serving

DEPLOY = Path(__file__).parents[2] / "deploy"

CADDY = shutil.which("caddy", path=f"{os.environ['PATH']}:/usr/bin")

needs_caddy = pytest.mark.skipif(CADDY is None, reason="Caddy is not installed: apt-get install caddy")


class Front(Server):
    """A web server before ``nodes``, which the caller starts. What asks a :class:`Server` can ask it."""

    shipped: Path
    """The configuration."""

    def __init__(self, folder: Path, nodes: Sequence[Server]) -> None:
        folder.mkdir()
        super().__init__(folder)
        self._configuration = folder / self.shipped.name
        text = self.shipped.read_text()
        for given, here in self.replaced([node.host for node in nodes]).items():
            assert text.count(given) == 1, given
            text = text.replace(given, here)
        self._configuration.write_text(text)

    def replaced(self, nodes: list[str]) -> dict[str, str]:
        """What the configuration says, and what it says here."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Nothing of Careen's."""
        return clean_environment() | {
            "HOME": str(self.data),
            "XDG_DATA_HOME": str(self.data),
            "XDG_CONFIG_HOME": str(self.data),
        }


class Nginx(Front):
    """Debian's nginx."""

    shipped = DEPLOY / "nginx" / "careen-nodes.conf"

    def replaced(self, nodes: list[str]) -> dict[str, str]:
        """Without TLS."""
        first, second = nodes
        return {
            "server 10.0.0.11:5000": f"server {first}",
            "server 10.0.0.12:5000": f"server {second}",
            "listen 443 ssl http2;": f"listen {self.host};",
            "listen [::]:443 ssl http2;": "",
            "ssl_certificate     /etc/ssl/certs/registry.example.com.pem;": "",
            "ssl_certificate_key /etc/ssl/private/registry.example.com.key;": "",
        }

    def _command(self) -> list[str]:
        assert PROGRAM is not None
        main = MAIN.format(user=getpass.getuser(), folder=self.data).replace("careen.conf", self.shipped.name)
        (self.data / "nginx.conf").write_text(main)
        return [PROGRAM, "-p", str(self.data), "-c", str(self.data / "nginx.conf")]


class Caddy(Front):
    """Debian's Caddy."""

    shipped = DEPLOY / "caddy" / "Caddyfile"

    def replaced(self, nodes: list[str]) -> dict[str, str]:
        """Without TLS, and without a door for changing what it does."""
        return {
            "\tgrace_period 60s\n": "\tgrace_period 60s\n\tadmin off\n",
            "{$CAREEN_SITE:registry.example.com} {": f"http://{self.host} {{\n\tbind 127.0.0.1",
            "{$CAREEN_NODES:10.0.0.11:5000 10.0.0.12:5000}": " ".join(nodes),
        }

    def _command(self) -> list[str]:
        assert CADDY is not None
        return [CADDY, "run", "--config", str(self._configuration), "--adapter", "caddyfile"]


FRONTS = [
    pytest.param(Nginx, marks=needs_nginx, id="nginx"),
    pytest.param(Caddy, marks=needs_caddy, id="Caddy"),
]


@contextlib.contextmanager
def behind(kind: type[Front], folder: Path, **settings: Any) -> Iterator[tuple[Front, Server, Server]]:
    """A front and two nodes on one data folder, for the length of a ``with`` block."""
    nodes = [Server(folder / "data", **settings) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(serving(node)) for node in nodes)
        yield stack.enter_context(serving(kind(folder / "front", nodes))), first, second
        for node in nodes:
            os.kill(node.pid, signal.SIGTERM)  # they are told once more in a moment, and drain no longer then
