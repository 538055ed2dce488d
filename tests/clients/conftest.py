"""Every test of a client runs twice: over plain HTTP, and over TLS with a certificate from an authority of our own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.engine import containerd as running_containerd
from tests.clients.engine import docker_engine
from tests.clients.namespace import Namespace, namespace
from tests.server import Server, serving
from tests.tls import TlsServer, needs_openssl


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """The registry that many tests share, over TLS."""
    with serving(TlsServer(tmp_path_factory.mktemp("tls") / "data")) as started:
        yield started


@pytest.fixture(scope="session", params=["http", pytest.param("tls", marks=needs_openssl)])
def server(request: pytest.FixtureRequest) -> Server:
    """Both, in turn."""
    found: Server = request.getfixturevalue("shared_server" if request.param == "http" else "tls_server")
    return found


@pytest.fixture(scope="session")
def containerd() -> Iterator[Path]:
    """The socket of a containerd."""
    with running_containerd() as socket:
        yield socket


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """The address of a Docker Engine."""
    with docker_engine() as host:
        yield host


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A machine of one's own."""
    with namespace(tmp_path_factory.mktemp("place")) as made:
        yield made
