"""Answers given again: the same bytes while nothing has changed, and never a moment longer.

Each test asks twice on one connection, so that the third time the answer may be ready, and then lets something happen.
"""

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.distribution import stock
from tests.distribution.client import Answer, Client, answer, basic, careen, new_key
from tests.distribution.stock import APP, ARM, SMALL, Stock
from tests.server import Server


class Caller:
    """One connection that stays open."""

    def __init__(self, client: Client, connection: http.client.HTTPConnection) -> None:
        self._client = client
        self._connection = connection

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """One request; a header may be given as ``if_none_match="…"``."""
        fields = {"authorization": self._client.authorization}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, headers=fields)
        return answer(self._connection)

    def ask_until_ready(self, path: str, method: str = "GET") -> Answer:
        """Ask often enough for the answer to be given again. Returns the last."""
        answers = [self.ask(path, method) for _ in range(3)]
        assert answers[-1]._replace(headers=undated(answers[-1])) == answers[0]._replace(
            headers=undated(answers[0])
        )
        return answers[-1]


def undated(got: Answer) -> dict[str, str]:
    """The headers without those that tell the time, and which request it was."""
    return {name: value for name, value in got.headers.items() if name not in {"date", "x-request-id"}}


@contextlib.contextmanager
def calling(client: Client) -> Iterator[Caller]:
    """A caller for the length of a ``with`` block."""
    connection = client.open()
    try:
        yield Caller(client, connection)
    finally:
        connection.close()


@pytest.fixture
def stocked(client: Client, name: str) -> Stock:
    """A repository with one of everything."""
    return stock.put_in(client, name)


@dataclass(frozen=True)
class Change:
    """What happens between two times of asking, and what is answered then."""

    path: str
    happen: Callable[[Client, str], object]
    status: int
    body: bytes | None = None
    method: str = "GET"


def delete(path: str) -> Callable[[Client, str], object]:
    def happen(client: Client, name: str) -> None:
        assert client.send("DELETE", path.format(name=name, **stock.NAMES)).status == 202

    return happen


CHANGES = {
    "a tag moves": Change(
        "/v2/{name}/manifests/latest",
        lambda client, name: client.push(name, ARM, "latest"),
        200,
        ARM.manifest,
    ),
    "a tag is deleted": Change("/v2/{name}/manifests/latest", delete("/v2/{name}/manifests/latest"), 404),
    "another tag is deleted": Change(
        "/v2/{name}/manifests/latest", delete("/v2/{name}/manifests/1.0"), 200, APP.manifest
    ),
    "an image is deleted": Change("/v2/{name}/manifests/{both}", delete("/v2/{name}/manifests/{both}"), 404),
    "an image is deleted, HEAD": Change(
        "/v2/{name}/manifests/multi", delete("/v2/{name}/manifests/{both}"), 404, method="HEAD"
    ),
    "a blob is deleted": Change("/v2/{name}/blobs/{small}", delete("/v2/{name}/blobs/{small}"), 404),
    "a blob is deleted, HEAD": Change(
        "/v2/{name}/blobs/{small}", delete("/v2/{name}/blobs/{small}"), 404, method="HEAD"
    ),
    "a tag of a list is deleted": Change(
        "/v2/{name}/tags/list?n=3",
        delete("/v2/{name}/manifests/1.0"),
        200,
        b'{"name":"{name}","tags":["latest","multi"]}',
    ),
    "a list of referrers shrinks": Change(
        "/v2/{name}/referrers/{absent}",
        lambda client, name: client.send("DELETE", f"/v2/{name}/manifests/{stock.ORPHAN.digest}"),
        200,
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    ),
    "another blob is pushed": Change(
        "/v2/{name}/blobs/{small}", lambda client, name: client.push_blob(name, b"another"), 200, SMALL
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_is_seen_by_the_next_request(stocked: Stock, change: Change) -> None:
    """Whoever asks after a push or a deletion was answered gets what is there now."""
    path = stocked.fill(change.path)
    with calling(stocked.client) as caller:
        assert caller.ask_until_ready(path, change.method).status == 200
        change.happen(stocked.client, stocked.name)
        got = caller.ask(path, change.method)
    assert got.status == change.status
    if change.body is not None:
        assert got.body == change.body.replace(b"{name}", stocked.name.encode())


def test_what_another_process_changed_is_seen(make_server: Callable[..., Server], name: str) -> None:
    """Of two processes on one folder, the one that did not make the change knows it at once, every time."""
    client = Client(make_server(workers=2))
    client.push(name, APP, "latest")
    client.push(name, ARM)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(calling(client)) for _ in range(6)]  # some meet either process
        for built in [ARM, APP] * 10:
            client.push_manifest(name, built, "latest")
            for caller in callers:
                assert caller.ask(f"/v2/{name}/manifests/latest").body == built.manifest


def test_a_key_that_is_deleted_ends_at_once(stocked: Stock) -> None:
    """Though its answers were ready."""
    client = new_key(stocked.client.server, stocked.name, "ReadOnly")
    path = f"/v2/{stocked.name}/manifests/latest"
    with calling(client) as caller:
        assert caller.ask_until_ready(path).status == 200
        careen(stocked.client.server, "key", "delete", client.user)
        assert caller.ask(path).status == 401


def test_an_answer_is_for_the_credential_that_asked(stocked: Stock) -> None:
    """Another one, or none, gets what it would have got anyway."""
    path = f"/v2/{stocked.name}/manifests/latest"
    with calling(stocked.client) as caller:
        caller.ask_until_ready(path)
        assert caller.ask(path, authorization=basic("AKIANOBODY", "x")).status == 401
        assert caller.ask(path, authorization="").status == 401
        assert caller.ask(path).body == APP.manifest


CONDITIONS: dict[str, tuple[dict[str, str], int, bytes]] = {
    "known": ({"if_none_match": '"{small}"'}, 304, b""),
    "a part": ({"range": "bytes=3-6"}, 206, SMALL[3:7]),
    "a part of what is known": ({"range": "bytes=3-6", "if_range": '"{small}"'}, 206, SMALL[3:7]),
    "the whole of what is not": ({"range": "bytes=3-6", "if_range": '"other"'}, 200, SMALL),
    "outside": ({"range": "bytes=500-"}, 416, b""),
}


@pytest.mark.parametrize(("headers", "status", "body"), CONDITIONS.values(), ids=CONDITIONS)
def test_conditions_are_heard(stocked: Stock, headers: dict[str, str], status: int, body: bytes) -> None:
    """A range or a condition is no repetition of the plain question, before or after it."""
    path = stocked.fill("/v2/{name}/blobs/{small}")
    asked = {name: stocked.fill(value) for name, value in headers.items()}
    with calling(stocked.client) as caller:
        for _ in range(2):
            got = caller.ask(path, **asked)
            assert got.status == status
            assert not body or got.body == body
            assert caller.ask_until_ready(path).body == SMALL
        assert caller.ask(path, "HEAD").headers["content-length"] == str(len(SMALL))


def test_questions_in_a_pipeline_are_answered_in_their_order(stocked: Stock) -> None:
    """Ready answers do not overtake those that must be made, or that come from a file."""
    client, paths = stocked.client, ["manifests/latest", "blobs/{large}", "manifests/1.0", "tags/list"] * 20
    targets = [stocked.fill(f"/v2/{{name}}/{path}") for path in paths]
    expected = [client.send("GET", target).body for target in targets]
    requests = b"".join(client.head_of("GET", target) for target in targets)
    with client.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(requests)
        for body in expected:
            assert stream.readline().startswith(b"HTTP/1.1 200 ")
            fields = dict(line.split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            assert stream.read(int(fields[b"content-length"])) == body


def test_every_pull_counts(make_server: Callable[..., Server], name: str) -> None:
    """An answer given again is a pull like the first; a HEAD and a scanner's are none, however they are answered."""
    server = make_server()
    client = Client(server)
    client.push(name, APP, "1")
    path = f"/v2/{name}/manifests/1"
    with calling(client) as caller:
        for _ in range(5):
            assert caller.ask(path).status == 200
            assert caller.ask(path, "HEAD").status == 200
            assert caller.ask(path, user_agent="trivy/0.57").status == 200
    server.stop()
    server.start()
    described = server.boto("careen").describe_pulls(repositoryName=name)
    [pulled] = described["images"]
    assert (described["pullCount"], pulled["pullCount"], pulled["imageTags"]) == (5, 5, ["1"])
    assert "lastRecordedPullTime" in pulled
    assert careen(server, "pulls", name).split()[::3] == ["5", "1"]


def test_you_have_it_is_said_again_only_while_the_lease_lasts(
    make_server: Callable[..., Server], name: str
) -> None:
    """A HEAD of a blob renews its lease when half of it is over, also where the answer was ready."""
    server = make_server(time="2026-01-01T00:00:00Z", blob_grace=86_400)
    client = Client(server)
    digest = client.push_blob(name, SMALL)
    path = f"/v2/{name}/blobs/{digest}"
    with calling(client) as caller:
        caller.ask_until_ready(path, "HEAD")
        server.set_time("2026-01-01T13:00:00Z")
        assert caller.ask(path, "HEAD").status == 200
        server.set_time("2026-01-02T12:00:00Z")  # past the lease of the push, within the one renewed at 13:00
        careen(server, "gc", "--now")
        assert caller.ask(path, "HEAD").status == 200


@pytest.mark.slow
def test_a_connection_whose_answers_are_ready_is_not_idle(stocked: Stock) -> None:
    """It is not closed for having been idle, however long it lives by answers that are given again."""
    path = f"/v2/{stocked.name}/manifests/latest"
    with calling(stocked.client) as caller:
        end = time.monotonic() + 80  # beyond the 75 seconds for which a connection may be idle
        while time.monotonic() < end:
            assert caller.ask_until_ready(path).status == 200
            time.sleep(0.5)
