"""The compose files: what they say is what Careen takes, and run as processes on this machine it is a registry."""

import contextlib
import http
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from careen import settings
from careen.settings import Settings
from tests.deploy.fronts import DEPLOY, Caddy, needs_caddy
from tests.distribution.client import Client
from tests.images import image
from tests.postgres import Postgres, needs_postgres
from tests.seaweed import PROGRAM as WEED
from tests.seaweed import needs_seaweed
from tests.server import Server, clean_environment, free_port, serving
from tests.waiting import PATIENCE, until

FILES = ["compose.yaml", "compose-one.yaml"]

GIVEN = {"POSTGRES_PASSWORD": "a-password", "S3_SECRET": "a-secret-of-the-bucket"}
"""What somebody writes into deploy/.env."""


def read(file: str, given: Mapping[str, str] = GIVEN) -> dict[str, Any]:
    """The services of a file, as compose reads it: with what was given for its variables, or their defaults."""

    def value(variable: re.Match[str]) -> str:
        name, way, word = variable.groups()
        if name not in given and way == ":?":
            raise KeyError(f"{name}: {word}")
        return given.get(name, word)

    text = re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, (DEPLOY / file).read_text())
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def nodes(file: str) -> dict[str, Any]:
    """Those of them that are Careen."""
    return {name: each for name, each in read(file).items() if name.startswith("careen")}


def seconds(duration: str) -> int:
    """A duration as these files have them."""
    return int(duration.removesuffix("s"))


@pytest.mark.parametrize("file", FILES)
def test_careen_takes_the_settings(file: str) -> None:
    """Every variable is a setting with a value that it takes, and a stop has the time that it needs."""
    for node in nodes(file).values():
        ours = {name: each for name, each in node["environment"].items() if name.startswith("CAREEN_")}
        assert {name.removeprefix("CAREEN_").lower() for name in ours} <= set(Settings.__struct_fields__)
        taken = settings.load(environ=ours)
        assert seconds(node["stop_grace_period"]) >= taken.drain_delay + taken.shutdown_timeout + 10


def test_what_must_be_given_is_asked_for() -> None:
    """No password has a default."""
    with pytest.raises(KeyError, match="PASSWORD"):
        read("compose.yaml", {"S3_SECRET": "s"})
    with pytest.raises(KeyError, match="S3_SECRET"):
        read("compose.yaml", {"POSTGRES_PASSWORD": "p"})


@pytest.mark.parametrize("file", FILES)
def test_a_node_is_healthy_when_it_is_ready(file: str, server: Server) -> None:
    """The command of the health check tells, with the Python of the image."""
    for node in nodes(file).values():
        (how, python, *rest) = node["healthcheck"]["test"]
        assert (how, python) == ("CMD", "python3")
        for port, status in ((server.port, 0), (free_port(), 1)):
            words = [word.replace(":5000/", f":{port}/") for word in rest]
            done = subprocess.run([sys.executable, *words], capture_output=True, check=False, timeout=60)
            assert done.returncode == status


@pytest.mark.parametrize("file", FILES)
def test_every_volume_is_declared_and_every_file_is_there(file: str) -> None:
    """And nothing is mounted that nobody has."""
    declared = yaml.safe_load((DEPLOY / file).read_text())["volumes"]
    sources = {volume.partition(":")[0] for each in read(file).values() for volume in each.get("volumes", [])}
    assert {source for source in sources if not source.startswith(".")} == set(declared)
    assert [source for source in sources if source.startswith(".") and not (DEPLOY / source).exists()] == []


class Compose:
    """The services of compose.yaml as processes: names become this machine's address, ports become others."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self._folder = folder
        self._services = read("compose.yaml")
        self._s3 = free_port()
        self.names = {
            "postgres:5432": f"127.0.0.1:{postgres.port}",
            "http://s3:8333": f"http://localhost:{self._s3}",
        }

    def _here(self, text: str) -> str:
        for name, address in self.names.items():
            text = text.replace(name, address)
        return text

    @contextlib.contextmanager
    def s3(self) -> Iterator[None]:
        """The S3 server, with the command of the file."""
        assert WEED is not None
        service = self._services["s3"]
        options = dict(word.lstrip("-").partition("=")[::2] for word in service["command"])
        ports = (
            "master.port",
            "volume.port",
            "filer.port",
            "master.port.grpc",
            "volume.port.grpc",
            "filer.port.grpc",
        )
        options |= {name: str(free_port()) for name in (*ports, "s3.port.grpc")}
        options |= {"s3.port.iceberg": "0", "s3.port.lance": "0", "s3.port": str(self._s3)}
        options |= {"dir": str(self._folder / "s3"), "ip": "127.0.0.1", "ip.bind": "127.0.0.1"}
        (self._folder / "s3").mkdir()
        words = [
            f"-{name}={value}" if value else f"-{name}" for name, value in options.items() if name != "server"
        ]
        log = (self._folder / "s3.log").open("wb")
        with (
            log,
            subprocess.Popen(
                [WEED, "server", *words],
                env=clean_environment() | service["environment"],
                stdout=log,
                stderr=log,
            ) as process,
        ):
            healthy = service["healthcheck"]["test"][-1].replace(":8333/", f":{self._s3}/")
            try:
                until(lambda: _answers(healthy))  # as those that depend on it wait
                yield
            finally:
                process.kill()

    def node(self, name: str) -> Server:
        """A node, on the volume that they share, with nothing but what the file says and a port."""
        environment = {key: self._here(value) for key, value in self._services[name]["environment"].items()}
        return _Node(self._folder / "data", environment)

    def front(self, careen: list[Server]) -> Server:
        """The front before them."""
        return _Front(self._folder / "front", self._services["front"], careen)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 of this machine
            return bool(answer.status == http.HTTPStatus.OK)
    except OSError:
        return False


class _Node(Server):
    """A node that is given what a test needs to speak to it, and else what the file says."""

    def __init__(self, data: Path, environment: Mapping[str, str]) -> None:
        super().__init__(data)
        needed = ("port", "data", "access_key_id", "secret_access_key", "create_on_push")
        self._settings = {name: self._settings[name] for name in needed}
        self._given = environment

    def environment(self) -> dict[str, str]:
        return super().environment() | dict(self._given)


class _Front(Caddy):
    """Caddy, told by its environment alone where everything is."""

    def __init__(self, folder: Path, service: dict[str, Any], careen: list[Server]) -> None:
        super().__init__(folder, careen)
        given = service["environment"]
        assert given["CAREEN_NODES"] == "careen-1:5000 careen-2:5000"
        self._given = {
            "CAREEN_SITE": given["CAREEN_SITE"].replace(":5000", f"http://:{self.port}"),
            "CAREEN_NODES": " ".join(each.host for each in careen),
        }

    def replaced(self, nodes: list[str]) -> dict[str, str]:
        without_door, *_ = super().replaced(nodes).items()
        return dict([without_door])

    def environment(self) -> dict[str, str]:
        return super().environment() | self._given


@pytest.mark.slow
@needs_caddy
@needs_postgres
@needs_seaweed
def test_it_is_a_registry(postgres: Postgres, tmp_path: Path, name: str) -> None:
    """Two nodes, one registry: a push through the front is on both, and one of them may stop."""
    with postgres.connected("postgres") as connection:
        connection.execute(f"CREATE ROLE careen LOGIN PASSWORD '{GIVEN['POSTGRES_PASSWORD']}'")
        connection.execute("CREATE DATABASE careen OWNER careen TEMPLATE template0")
    compose = Compose(tmp_path, postgres)
    built = image(name, size=200_000)
    with (
        compose.s3(),
        serving(compose.node("careen-1")) as first,
        serving(compose.node("careen-2")) as second,
    ):
        with serving(compose.front([first, second])) as front:
            client = Client(front)
            client.push(name, built, "v1")
            for each in (front, first, second):
                assert Client(each).send("GET", f"/v2/{name}/blobs/{built.digests[1]}").body == built.blobs[1]
            os.kill(first.pid, signal.SIGTERM)
            client.push(name, image(name, "again"), "v2")
            assert first.stop() == 0
            assert {client.send("GET", f"/v2/{name}/manifests/v2").status for _ in range(5)} == {200}
            challenge = Client(front, "", "").send("GET", "/v2/").headers["www-authenticate"]
            assert 'realm="http://localhost:5000/"' in challenge  # what the file calls it
        os.kill(second.pid, signal.SIGTERM)
