"""Every test of a client runs twice: over plain HTTP, and over TLS with a certificate from an authority of our own."""

from collections.abc import Iterator

import pytest

from tests.server import Server
from tests.tls import TlsServer, needs_openssl


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """The registry that many tests share, over TLS."""
    started = TlsServer(tmp_path_factory.mktemp("tls") / "data")
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session", params=["http", pytest.param("tls", marks=needs_openssl)])
def server(request: pytest.FixtureRequest, server: Server) -> Server:
    """Both, in turn."""
    if request.param == "http":
        return server
    encrypted: Server = request.getfixturevalue("tls_server")
    return encrypted
