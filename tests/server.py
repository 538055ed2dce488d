"""A real registry in processes of its own, for the tests that talk to one."""

import contextlib
import fcntl
import http.client
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from careen import settings, startup
from careen.db import engine
from careen.db.engine import Database
from careen.ecr.model import OWN_MODELS
from tests import backend, program
from tests.begun import begin
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    import uvicorn

ACCESS_KEY_ID = "AKIATESTTESTTESTTEST"
SECRET_ACCESS_KEY = "a-secret-for-tests-only"
REGION = "eu-central-1"
REGISTRY_ID = "123456789012"


class Server:
    """``careen serve`` on a free port of 127.0.0.1, with the root key above."""

    ready_path = "/readyz"
    """Where it answers 200 when it serves."""

    def __init__(self, data: Path, port: int | None = None, **settings: Any) -> None:
        self.data = data
        self.port = port or free_port()
        self.clock_file = data.parent / f"{data.name}.clock"
        self._settings = {
            "port": self.port,
            "data": data,
            "region": REGION,
            "registry_id": REGISTRY_ID,
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
            "create_on_push": True,
            "log_level": "warning",
            **backend.current().settings(data),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | program.Program | None = None
        self.log = data.parent / f"{data.name}.log"

    @property
    def host(self) -> str:
        """``127.0.0.1:port``: how OCI clients name the registry."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.host}"

    @property
    def pid(self) -> int:
        """The parent process."""
        assert self._process is not None
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """What `careen` commands need to find the same data folder with the same settings."""
        return (
            clean_environment()
            | backend.current().environment
            | {f"CAREEN_{key.upper()}": str(value) for key, value in self._settings.items()}
        )

    def database(self) -> Database:
        """Its rows, to look and to do what nobody can ask for. Close it."""
        return engine.opened(self._settings.get("database") or self.data / "careen.db")

    def master_key(self) -> bytes:
        """The registry's, wherever it is kept."""
        return startup.begin(settings.load(environ=self.environment())).master_key

    def careen(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a `careen` command where this server is, or would be, started."""
        return program.run(*arguments, env=self.environment())

    def key(self, name: str, policy: str) -> dict[str, str]:
        """Make a principal an access key as people do: ``accessKeyId`` and ``secretAccessKey``."""
        made = self.careen("key", "create", name, "--policy", policy, "--json")
        assert made.returncode == 0, made.stderr
        key: dict[str, str] = json.loads(made.stdout)
        return key

    def set_time(self, iso: str) -> None:
        """Set the registry's clock; the server must be made with ``clock_file=server.clock_file`` (see ``make_server``)."""
        temporary = self.clock_file.with_suffix(".new")
        temporary.write_text(iso)
        temporary.replace(self.clock_file)

    def start(self) -> "Server":
        """Start, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = self._begin(log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def context(self) -> ssl.SSLContext | None:
        """Trusts this server, if it serves HTTPS."""
        return None

    def _begin(self, log: IO[bytes]) -> "subprocess.Popen[bytes] | program.Program":
        if command := self._command():
            return subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log)
        if not {"database", "master_key"} & self._settings.keys():
            begin(self.data)
        return program.Program("serve", env=self.environment(), stdout=log, stderr=log)

    def _command(self) -> list[str]:
        """What to start, if it is not just this version's ``careen serve``."""
        return []

    def _answers(self) -> bool:
        tls = self.context()
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            if tls is None
            else http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=tls)
        )
        try:
            connection.request("GET", self.ready_path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it in an orderly way (or not: SIGKILL), and wait until every process of it is gone."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(PATIENCE)
        if number is signal.SIGKILL:
            wait_for_port(self.port)
        return status

    def boto(self, service: str = "ecr", **options: Any) -> Any:
        """A boto3 client of this registry."""
        import boto3
        from botocore.config import Config

        defaults = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": SECRET_ACCESS_KEY,
            "config": Config(retries={"total_max_attempts": 1}),
        }
        return boto3.Session(botocore_session=botocore_session()).client(service, **(defaults | options))

    def aws_environment(self) -> dict[str, str]:
        """The environment in which the AWS CLI talks to this registry: what `careen serve` tells people to paste."""
        return clean_environment() | {
            "AWS_ENDPOINT_URL_ECR": self.url,
            "AWS_ENDPOINT_URL_ECR_PUBLIC": self.url,
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_ENDPOINT_URL_IAM": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@cache
def botocore_session() -> Any:
    """One session for all clients: it remembers the service models, and IAM's takes half a second to read."""
    import botocore.session
    from botocore.loaders import Loader

    session = botocore.session.get_session()
    session.register_component("data_loader", Loader(extra_search_paths=[str(OWN_MODELS)]))
    return session


class FreshServer(Server):
    """The same in a new interpreter, not forked from one that has imported everything, and on a new folder."""

    def _command(self) -> list[str]:
        return [*program.COMMAND, "serve"]


SomeServer = TypeVar("SomeServer", bound=Server)


def clean_environment() -> dict[str, str]:
    """The environment without anything that would lead AWS clients or Careen elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CAREEN_"))}


PORTS = range(20_000, 32_768)
"""Below those that the kernel gives to connections: a server that is started again finds its port as it left it."""

SHARE = 200
"""How many of them a process has to itself. One server takes ten before it begins to listen."""


def free_port() -> int:
    """A port that nobody listens on, and that no other process that runs tests is given."""
    ports = _ports()
    while True:
        port = next(ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@cache
def _ports() -> Iterator[int]:
    """This process's share, over and over. It has it until it ends: nobody closes the lock."""
    for first in PORTS[::SHARE]:
        lock = os.open(Path(tempfile.gettempdir(), f"careen-tests-{first}.lock"), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return itertools.cycle(range(first, min(first + SHARE, PORTS.stop)))
    raise AssertionError("too many processes run tests at once")


def wait_for_port(port: int) -> None:
    """Wait until nobody listens: the children of a killed parent stop by themselves."""

    def nobody_listens() -> bool:
        with socket.socket() as probe:
            return bool(probe.connect_ex(("127.0.0.1", port)))

    until(nobody_listens, "the children of the killed server did not stop")


def running(data: Path, **settings: Any) -> "contextlib.AbstractContextManager[Server]":
    """A server for the length of a ``with`` block."""
    return serving(Server(data, **settings))


@contextlib.contextmanager
def here(http: "uvicorn.Server", port: int) -> Iterator[None]:
    """Let an application answer in this process, where its objects and its log can be looked at, for a ``with`` block."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        serving = threading.Thread(target=http.run, kwargs={"sockets": [listener]})
        serving.start()
        until(lambda: http.started, "it does not start")
        try:
            yield
        finally:
            http.should_exit = True
            serving.join()


@contextlib.contextmanager
def serving(server: SomeServer) -> Iterator[SomeServer]:
    """Start a server, and stop it at the end of a ``with`` block."""
    server.start()
    try:
        yield server
    finally:
        if server._process is not None and server._process.poll() is None:
            server.stop()
