"""Addresses that nothing is sent to, whoever says the name."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from careen.settings import Settings, networks
from careen.upstream import address
from careen.upstream.client import Client
from careen.upstream.errors import Unavailable
from careen.upstream.off_limits import Networks
from tests.upstream.conftest import HASTY

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


class Listener:
    """Takes connections, answers every request with one answer, and keeps what came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        self.came: list[bytes] = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.came.append(connection.recv(10_000))
                if self.came[-1]:
                    connection.sendall(self.answer)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):  # it has ended
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """One that answers."""
    listener = Listener()
    yield listener
    listener.close()


def client_of(url: str, off_limits: Networks) -> Client:
    """A client that does not try twice."""
    return Client(address.parse(url), patience=replace(HASTY, tries=1), off_limits=off_limits)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1"])
def test_however_it_is_written(listener: Listener, host: str) -> None:
    """A number, a name: what counts is the address that is connected to, and it gets no byte of a request."""
    with (
        client_of(f"http://{host}:{listener.port}", LOOPBACK) as client,
        pytest.raises(Unavailable, match=r"127\.0\.0\.1 is off limits"),
    ):
        client.ping()
    with socket.create_connection(("127.0.0.1", listener.port)) as later:
        later.shutdown(socket.SHUT_WR)
        assert later.recv(1) == b""  # connections are taken in turn
    assert listener.came == [b"", b""]


def test_what_is_not_off_limits_is_reached(listener: Listener) -> None:
    """Other networks do not matter."""
    with client_of(f"http://127.0.0.1:{listener.port}", networks(Settings().off_limits)) as client:
        client.ping()
    assert listener.came[0].startswith(b"GET /v2/ ")


@pytest.mark.parametrize(
    "secret", ["169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "fd00:ec2::23"]
)
def test_what_gives_machines_their_secrets_is_off_limits_by_default(secret: str) -> None:
    """The metadata services of EC2, ECS and EKS, and all that is on the link alone."""
    assert any(ip_address(secret) in network for network in networks(Settings().off_limits))
