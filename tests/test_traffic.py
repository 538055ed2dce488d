"""What operators see of requests: ids, the access log, the slow ones."""

import asyncio
import contextlib
import http.client
import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs

from careen.protocol import Protocol
from careen.registry.registry import Registry
from careen.traffic import Traffic, is_request_id
from tests.distribution.client import Client, answer
from tests.distribution.test_again import Caller
from tests.ecrapi.client import push, signed
from tests.images import image
from tests.server import SECRET_ACCESS_KEY, Server, free_port, here
from tests.waiting import PATIENCE, found, until

UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def connections() -> Iterator[contextlib.ExitStack]:
    """Closes at the end what a test opened."""
    with contextlib.ExitStack() as stack:
        yield stack


def lines(server: Server, event: str, last: str) -> dict[str, dict[str, Any]]:
    """The lines of a server's log that tell of an event, by request, once that of the ``last`` request is there."""

    def told() -> dict[str, dict[str, Any]] | None:
        texts = [
            line
            for line in server.log.read_text().splitlines()
            if line.startswith("{") and line.endswith("}")
        ]
        by_id = {line["request_id"]: line for line in map(json.loads, texts) if line["event"] == event}
        return by_id if last in by_id else None

    return found(told, f"no line tells of {last}")


PATHS = {
    "an answer of the distribution API": "/v2/",
    "a refusal of it": "/v2/test/nothing/manifests/1",
    "a page": "/console/sign-in",
    "a probe": "/healthz",
    "metrics": "/metrics",
    "no path of ours": "/nothing",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_every_answer_says_which_request_it_answers(server: Server, path: str) -> None:
    """With the id that came with the request, or one of its own."""
    client = Client(server)
    made = {client.send("GET", path).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert all(UUID.fullmatch(each) for each in made)
    assert client.send("GET", path, None, {"X-Request-Id": "ours/1"}).headers["x-request-id"] == "ours/1"


def test_an_id_that_no_log_can_take_is_replaced(server: Server) -> None:
    """A client cannot write lines of the log, nor fill it."""
    for sent in ('a" b', "x" * 129):
        answer = Client(server).send("GET", "/v2/", None, {"X-Request-Id": sent})
        assert UUID.fullmatch(answer.headers["x-request-id"])
    assert not is_request_id(b"a\nb")


SEGMENTS = struct.Struct("@I")
SEGMENTS_AT = 152
"""Where Linux's struct tcp_info has tcpi_data_segs_in: how often something came that was not empty."""

LARGE = 16 * 1024
"""From so many bytes on the kernel may send one write in several pieces."""


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="it reads what Linux knows of a connection")


@needs_linux
@pytest.mark.parametrize(
    "sent", [b'{"maxResults":1}', b'{"repositoryNames":["not/there"]}'], ids=["an answer", "a refusal"]
)
def test_an_api_call_is_answered_in_one_write(server: Server, sent: bytes) -> None:
    """A server that is killed has answered or has not: botocore would take a head without its body for an answer."""
    with contextlib.closing(Client(server).open()) as connection:
        connection.request("POST", "/", sent, signed(server, "DescribeRepositories", sent))
        assert answer(connection).body.startswith(b"{")
        assert segments(connection) == 1


@needs_linux
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_short_answer_is_written_at_once(server: Server, method: str, path: str) -> None:
    """Whichever surface it comes from, and as long as it says that it is."""
    client = Client(server)
    with contextlib.closing(client.open()) as connection:
        connection.request(method, path, headers={"Authorization": client.authorization})
        got = answer(connection)
        assert len(got.body) == (0 if method == "HEAD" else int(got.headers["content-length"]))
        assert segments(connection) == 1 or len(got.body) > LARGE


def segments(connection: http.client.HTTPConnection) -> int:
    """In how many pieces the answers on a connection have come."""
    (count,) = SEGMENTS.unpack_from(
        connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), SEGMENTS_AT
    )
    return int(count)


def test_an_api_call_has_one_id(server: Server) -> None:
    """What AWS's clients show of a failed call is what the log has of it."""
    headers = server.boto().describe_repositories()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-requestid"] == headers["x-request-id"]


def test_an_answer_given_again_is_nobody_elses(
    server: Server, name: str, connections: contextlib.ExitStack
) -> None:
    """It has the id of the request that brings one, and never that of the request it was made for."""
    push(server.boto(), name, image("layer"), "1")
    client = Client(server)
    caller = Caller(client, connections.enter_context(contextlib.closing(client.open())))
    made: list[str | None] = []

    def is_given_again() -> bool:
        made.extend(caller.ask(f"/v2/{name}/manifests/1").headers.get("x-request-id") for _ in range(20))
        return None in made

    until(is_given_again, "no answer was given again")
    assert len({each for each in made if each}) == sum(each is not None for each in made)
    told = {
        caller.ask(f"/v2/{name}/manifests/1", x_request_id=f"ours-{n}").headers["x-request-id"]
        for n in range(9)
    }
    assert told == {f"ours-{n}" for n in range(9)}


def test_the_access_log_has_who_asked_for_what(
    make_server: Callable[..., Server], name: str, connections: contextlib.ExitStack
) -> None:
    """One line for every request, also for those whose answer could be given again, and no secret in any."""
    server = make_server(access_log=True, log_level="info")
    push(server.boto(), name, image("layer"), "1")
    client = Client(server)
    caller = Caller(client, connections.enter_context(contextlib.closing(client.open())))
    for number in range(5):
        caller.ask(f"/v2/{name}/manifests/1", x_request_id=f"pull-{number}")
    client.send("GET", "/console/sign-in?link=a-secret-link")
    client.send("GET", "/v2/", None, {"Authorization": "", "X-Request-Id": "stranger"})
    found = lines(server, "request", "stranger") | lines(server, "request", "pull-4")
    pull = found["pull-4"]
    assert pull["principal"] == "arn:aws:iam::123456789012:root"
    assert {key: pull[key] for key in ("method", "path", "status", "surface", "operation", "address")} == {
        "method": "GET",
        "path": f"/v2/{name}/manifests/1",
        "status": 200,
        "surface": "oci",
        "operation": "manifests",
        "address": "127.0.0.1",
    }
    assert [f"pull-{number}" in found for number in range(5)] == [True] * 5
    assert any(line["operation"] == "PutImage" and line["surface"] == "ecr" for line in found.values())
    assert (found["stranger"]["status"], found["stranger"]["principal"]) == (401, None)
    text = server.log.read_text()
    assert SECRET_ACCESS_KEY not in text
    assert "a-secret-link" not in text
    assert client.authorization not in text


def test_a_slow_request_is_told_of(make_server: Callable[..., Server], name: str) -> None:
    """With what it was, how long it took and its id, so that it can be found where the client complains."""
    server = make_server(slow_request=0.000001)
    Client(server).send("GET", f"/v2/{name}/tags/list", None, {"X-Request-Id": "slow-1"})
    told = lines(server, "slow request", "slow-1")["slow-1"]
    assert told["seconds"] >= 0
    assert (told["operation"], told["status"], told["level"]) == ("tags", 404, "warning")


@pytest.mark.parametrize(("waited", "is_slow"), [(9.9, False), (4.0, True)])
def test_a_slow_client_is_not_a_slow_request(registry: Registry, waited: float, is_slow: bool) -> None:
    """What we waited for the body of a request that took ten seconds does not count."""
    direct = SimpleNamespace(status=202, waited=waited, answered=0.0)

    async def answer(*_: Any) -> None:
        direct.answered = time.perf_counter() + 10

    scope = {"method": "PATCH", "path": "/v2/", "headers": [], "scheme": "http"}
    traffic = Traffic(registry, slow=5, has_access_log=False)
    with capture_logs() as logs:
        asyncio.run(
            traffic.serve("oci", answer, scope | {"extensions": {"careen.direct": direct}}, None, None)
        )
    assert [line["event"] for line in logs] == ["slow request"] * is_slow


def head(**headers: str) -> dict[str, Any]:
    """ASGI's message that begins an answer."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": raw}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    """ASGI's message that goes on with it."""
    return {"type": "http.response.body", "body": data, "more_body": more}


ANSWERS: dict[str, tuple[list[dict[str, Any] | Exception], int, bytes]] = {
    "whole": ([head(content_length="5"), body(b"whole")], 200, b"whole"),
    "nothing": ([head(content_length="0"), body(b"")], 200, b""),
    "in pieces": ([head(content_length="6"), body(b"one", more=True), body(b"two")], 200, b"onetwo"),
    "of no known length": ([head(), body(b"one", more=True), body(b"two")], 200, b"onetwo"),
    "broken off after the head": ([head(content_length="5"), EOFError()], 500, b"Internal Server Error"),
    "ended after the head": ([head(content_length="5")], 500, b"Internal Server Error"),
    "too short": ([head(content_length="9"), body(b"short")], 500, b"Internal Server Error"),
    "too long": ([head(content_length="2"), body(b"long")], 500, b"Internal Server Error"),
}
"""What an application sends or raises, and what its client gets."""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("case", ANSWERS)
def test_what_is_told_is_what_was_sent(registry: Registry, case: str, method: str) -> None:
    """Of a head that waited in vain nothing was sent; a body that is not as long as its head says would be the next answer's."""
    messages, status, content = ANSWERS[case]
    if method == "HEAD" and case in {"too short", "too long"}:
        status = 200  # its body goes nowhere
    traffic = Traffic(registry, slow=0, has_access_log=True)

    async def answer_with(_scope: Any, _receive: Any, send: Callable[..., Awaitable[None]]) -> None:
        for each in messages:
            if isinstance(each, Exception):
                raise each
            await send(each)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await traffic.serve("other", answer_with, scope, receive, send)

    config = uvicorn.Config(application, http=Protocol, lifespan="off", log_config=None)
    port = free_port()
    with capture_logs() as logs, here(uvicorn.Server(config), port):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for _ in range(2):  # the second on the same connection, if that stays open
                connection.request(method, "/")
                got = connection.getresponse()
                assert (got.status, got.read()) == (status, b"" if method == "HEAD" else content)
        told = found(
            lambda: [line["status"] for line in logs if line["event"] == "request"][1:], "it is not told"
        )
    assert told == [status]


def test_who_is_gone_before_the_first_piece_is_no_matter(registry: Registry) -> None:
    """Then nothing more is read, and the answer ends before it is as long as it says."""
    traffic, ended = Traffic(registry, slow=0, has_access_log=True), threading.Event()

    async def answer_nobody(_scope: Any, receive: Any, send: Callable[..., Awaitable[None]]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await send(head(content_length="5"))
        await send(body(b""))
        ended.set()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await traffic.serve("other", answer_nobody, scope, receive, send)

    port = free_port()
    config = uvicorn.Config(application, http=Protocol, lifespan="off", log_config=None)
    with here(uvicorn.Server(config), port):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", "/")
        assert ended.wait(PATIENCE)
