"""Addresses that nothing is sent to, whoever says the name."""

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from careen.settings import Settings, networks
from careen.upstream import address, off_limits
from careen.upstream.client import Client
from careen.upstream.errors import Invalid, UpstreamError
from careen.upstream.off_limits import Networks, OffLimits
from tests.upstream.conftest import HASTY

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


class Listener:
    """Takes connections, answers every request with one answer, and keeps what came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        self.came: list[bytes] = []
        self.resets = False
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if self.resets:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    continue
                self.came.append(connection.recv(10_000))
                if self.came[-1]:
                    connection.sendall(self.answer)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):  # it has ended
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


class Connected:
    """A connection to an address; None: to nobody."""

    def __init__(self, to: str | None) -> None:
        self._to = to

    def get_extra_info(self, _: str) -> Any:
        """What the transport says of it."""
        if self._to is None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return self._to, 443, 0, 0


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
        pytest.raises(Invalid, match=r"127\.0\.0\.1 is off limits"),
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


def test_a_peer_that_goes_at_once_is_away(listener: Listener) -> None:
    """A forwarder whose backend is dead takes a connection and resets it; that may be better at the next try."""
    listener.resets = True
    with client_of(f"http://127.0.0.1:{listener.port}", LOOPBACK) as client, pytest.raises(UpstreamError):
        client.ping()


@pytest.mark.parametrize(
    "written", ["::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"], ids=["mapped", "6to4", "translated"]
)
def test_an_address_of_ipv4_in_one_of_ipv6(written: str) -> None:
    """It is where it leads to."""
    connection = Connected(written)
    assert isinstance(off_limits._refusal(connection, LOOPBACK), OffLimits)
    assert off_limits._refusal(connection, networks("10.0.0.0/8")) is None


def test_a_connection_that_nobody_has_any_more() -> None:
    """Its address cannot be read, so it is not used, and the caller may try again."""
    refusal = off_limits._refusal(Connected(None), LOOPBACK)
    assert refusal is not None
    assert not isinstance(refusal, OffLimits)


@pytest.mark.parametrize(
    "secret",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "fe80::1",
        "fd00:ec2::254",
        "fd00:ec2::23",
    ],
)
def test_what_gives_machines_their_secrets_is_off_limits_by_default(secret: str) -> None:
    """The metadata services of EC2, ECS and EKS, of Alibaba and Azure, and all that is on the link alone."""
    assert any(ip_address(secret) in network for network in networks(Settings().off_limits))
