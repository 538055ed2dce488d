"""The registries that are compared, and how each is started: on the loopback, with a folder of its own.

Each runs as its makers ship it, on the local file system, with deletion allowed, its log at errors only and
telemetry off. Careen is measured with authentication (an access key by HTTP Basic on every request), the
peers without any; what it costs is seen beside ``careen-open``, which does not ask, and the peers' own
``-auth``.
"""

import getpass
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.wire import Origin

HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 10


class PeerError(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How one server is run."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """A registry that can be measured."""

    name: str
    program: str
    """Looked for on PATH, unless it is a path."""
    source: str
    """Where the program comes from, said where it is missing."""
    launch: Callable[[str, Path, int], Launch]
    """Prepares the folder for a server at the port; its first argument is the program's path."""
    ready: str = "/v2/"
    """The path that answers 200 once the server serves."""
    version: tuple[str, ...] = ("--version",)

    def locate(self) -> str | None:
        """The program's path, if the machine has it."""
        return shutil.which(self.program)


@dataclass(frozen=True, slots=True)
class Server:
    """A peer that runs."""

    peer: Peer
    origin: Origin
    pid: int
    version: str
    folder: Path

    def last_line(self) -> str:
        """How its log ends, to explain a failure."""
        return _last_line(self.folder / "log")


@contextmanager
def running(peer: Peer, folder: Path) -> Iterator[Server]:
    """Start ``peer`` with its data below ``folder``; it is stopped on leaving.

    Raises:
        PeerError: the program is missing, ended at once, or did not become ready in time.
    """
    program = peer.locate()
    if program is None:
        raise PeerError(f"`{peer.program}` was not found ({peer.source})")
    folder.mkdir(parents=True)
    port = _free_port()
    launch = peer.launch(program, folder, port)
    # Nothing is inherited: REGISTRY_* or CAREEN_* of the caller would configure the servers behind our back.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **launch.environment}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        origin = Origin(HOST, port, launch.authorization)
        _await_ready(process, f"{origin.url}{peer.ready}", log)
        yield Server(peer, origin, process.pid, _version(program, peer), folder)
    finally:
        _stop(process)


def _careen(
    program: str, folder: Path, port: int, *, workers: int = 1, start: tuple[str, ...] = ("-m", "careen")
) -> Launch:
    key_id, secret = f"AKIA{token_hex(8).upper()}", token_hex(20)
    options = f"serve --host {HOST} --port {port} --workers {workers} --data".split()
    return Launch(
        command=(program, *start, *options, str(folder / "data")),
        environment={
            "CAREEN_ACCESS_KEY_ID": key_id,
            "CAREEN_SECRET_ACCESS_KEY": secret,
            "CAREEN_CREATE_ON_PUSH": "true",
        },
        authorization=f"Basic {b64encode(f'{key_id}:{secret}'.encode()).decode()}",
    )


def _careen_open(program: str, folder: Path, port: int) -> Launch:
    launch = _careen(program, folder, port, start=(str(Path(__file__).with_name("unasked.py")),))
    return replace(launch, authorization="")


def _htpasswd(folder: Path) -> str:
    """A file with one user, and the password's bcrypt hash at the cost that ``htpasswd -B`` gives it."""
    path = folder / "htpasswd"
    path.write_text("bench:$2b$05$mAokxsloFSU8LOd9OWgGTOLPI6EXJeHMIk8endTj.uF8yYPrf.pru\n")
    return str(path)


PASSWORD = f"Basic {b64encode(b'bench:benchmark').decode()}"


NGINX = """
user {user}; worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/careen.conf;
}}
"""


def _careen_behind_nginx(program: str, folder: Path, port: int) -> Launch:
    """The configuration that deploy/ ships, without its certificate; nginx has the port."""
    behind = _free_port()
    careen = _careen(sys.executable, folder, behind)
    shipped = (Path(__file__).parents[1] / "deploy" / "nginx" / "careen.conf").read_text()
    kept = [line for line in shipped.splitlines() if "ssl_certificate" not in line and "[::]" not in line]
    configuration = "\n".join(kept).replace("listen 443 ssl http2;", f"listen {HOST}:{port};")
    configuration = configuration.replace("127.0.0.1:5000", f"{HOST}:{behind}")
    configuration = configuration.replace("/var/lib/careen/", f"{folder}/data/")
    (folder / "careen.conf").write_text(configuration)
    (folder / "nginx.conf").write_text(NGINX.format(user=getpass.getuser(), folder=folder))
    nginx = shlex.join((program, "-p", str(folder), "-c", str(folder / "nginx.conf")))
    return replace(
        careen,
        command=("sh", "-c", f"{nginx} & exec {shlex.join(careen.command)}"),
        environment={**careen.environment, "CAREEN_ACCEL": "nginx"},
    )


def _distribution(program: str, folder: Path, port: int, *, asks: bool = False) -> Launch:
    # JSON is YAML. Version 3 exports traces to a collector on this machine unless it is told not to.
    configuration: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"{HOST}:{port}", "secret": token_hex(16)},
    }
    if asks:
        configuration["auth"] = {"htpasswd": {"realm": "benchmark", "path": _htpasswd(folder)}}
    return Launch(
        (program, "serve", _write_json(folder / "config.yml", configuration)),
        {"OTEL_TRACES_EXPORTER": "none"},
        PASSWORD if asks else "",
    )


def _zot(program: str, folder: Path, port: int, *, asks: bool = False) -> Launch:
    # `commit` asks for the durability that the others give: bytes are flushed before a push is acknowledged.
    http: dict[str, object] = {"address": HOST, "port": str(port)}
    if asks:
        http["auth"] = {"htpasswd": {"path": _htpasswd(folder)}}
    configuration = {
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": str(folder / "data"), "commit": True, "gc": False},
        "http": http,
        "log": {"level": "error"},
    }
    command = (program, "serve", _write_json(folder / "config.json", configuration))
    return Launch(command, authorization=PASSWORD if asks else "")


_CAREEN = Peer(
    "careen",
    sys.executable,
    "this checkout",
    _careen,
    ready="/healthz",
    version=("-m", "careen", "--version"),
)
_DISTRIBUTION = Peer(
    "distribution",
    "registry",
    "go install github.com/distribution/distribution/v3/cmd/registry@v3.1.1, on PATH or --distribution",
    _distribution,
)
_ZOT = Peer("zot", "zot", "built from its source, on PATH or --zot", _zot)
PEERS = (
    _CAREEN,
    Peer("docker-registry", "docker-registry", "Debian's package docker-registry", _distribution),
    _DISTRIBUTION,
    _ZOT,
    Peer(
        "careen-nginx",
        shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx",
        "Debian's package nginx",
        _careen_behind_nginx,
        ready="/healthz",
        version=("-v",),
    ),
    replace(_CAREEN, name="careen-2", launch=partial(_careen, workers=2)),
    replace(_CAREEN, name="careen-4", launch=partial(_careen, workers=4)),
    replace(_CAREEN, name="careen-open", launch=_careen_open),
    replace(_DISTRIBUTION, name="distribution-auth", launch=partial(_distribution, asks=True)),
    replace(_ZOT, name="zot-auth", launch=partial(_zot, asks=True)),
)
DEFAULT = ("careen", "docker-registry", "distribution", "zot")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _write_json(path: Path, value: object) -> str:
    path.write_text(json.dumps(value))
    return str(path)


def _version(program: str, peer: Peer) -> str:
    answer = subprocess.run([program, *peer.version], capture_output=True, text=True, timeout=10, check=False)
    lines = (answer.stdout or answer.stderr).strip().splitlines()
    return lines[0].removeprefix(program).strip() if lines and not answer.returncode else "unknown"


def _await_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PeerError(f"ended with status {process.returncode}; its log: {_last_line(log)}")
        try:
            with urlopen(url, timeout=1):  # noqa: S310 - the URL is our own
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise PeerError(f"not ready after {START_SECONDS} s; its log: {_last_line(log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "empty"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the server to end; what is left of its process group after that is killed."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
