"""What a request can do to the application alone: bodies that stop, stall or swell, and a registry that fails."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from careen.distribution import exchange as exchanges
from careen.distribution.again import Again, Question
from careen.distribution.allowance import Allowance
from careen.distribution.app import DistributionApp
from careen.distribution.exchange import ClientGone, Exchange
from careen.distribution.surface import Surface
from careen.oci.digest import digest_of
from careen.oci.errors import OciError
from careen.pull_through.importer import Importer
from careen.pull_through.secrets import Secrets
from careen.registry import repositories
from careen.registry.fresh import Fresh
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry, RootKey, Transaction
from tests.distribution.client import Answer, basic
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.waiting import PATIENCE

GONE = {"type": "http.disconnect"}


def parts(*bodies: bytes, ends: bool = True) -> list[dict[str, Any]]:
    """The messages of a body; one that does not end waits for ever after them."""
    messages = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    if ends:
        messages[-1]["more_body"] = False
    return messages


class Caller:
    """The ASGI side of one request, as a server without extensions would drive it."""

    def __init__(self, method: str, path: str, messages: Iterable[dict[str, Any]], **headers: str) -> None:
        raw, _, query = path.partition("?")
        self.fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": raw,
            "query_string": query.encode(),
            "headers": self.fields,
        }
        self.messages = list(messages)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            return self.messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def exchange(self) -> Exchange:
        return Exchange(self.scope, self.receive, self.send)

    def answer(self) -> Answer:
        """What was sent; fails if nothing was."""
        start, *rest = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(message["body"] for message in rest))


def test_a_body_is_read_whole() -> None:
    """In however many parts it came; up to the limit, to the byte."""
    caller = Caller("PUT", "/", parts(b"a", b"", b"bc"))
    assert asyncio.run(caller.exchange().read(3)) == b"abc"


TOO_LARGE: dict[str, tuple[list[dict[str, Any]], dict[str, str], int]] = {
    "by its length": (parts(b"abcd"), {"content_length": "4"}, 1),
    "by its first part": (parts(b"abcd"), {}, 0),
    "by the sum": (parts(b"ab", b"cd", b"ef", ends=False), {}, 1),
}


@pytest.mark.parametrize(("messages", "headers", "unread"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_a_body_over_the_limit_is_not_read_on(
    messages: list[dict[str, Any]], headers: dict[str, str], unread: int
) -> None:
    """413 as soon as it is known; one that announces it is not read at all."""
    caller = Caller("PUT", "/", messages, **headers)
    with pytest.raises(OciError) as refused:
        asyncio.run(caller.exchange().read(3))
    assert (refused.value.status, refused.value.code) == (413, "SIZE_INVALID")
    assert len(caller.messages) == unread


def test_a_body_that_stops_is_no_body() -> None:
    """What a client that hung up has sent is not taken for the whole."""
    caller = Caller("PUT", "/", [*parts(b"ab", ends=False), GONE])
    with pytest.raises(ClientGone):
        asyncio.run(caller.exchange().read(3))


def test_a_body_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """408 after a minute in which nothing came."""
    monkeypatch.setattr(exchanges, "STALL_SECONDS", 0.01)
    caller = Caller("PUT", "/", parts(b"ab", ends=False))
    with pytest.raises(OciError) as refused:
        asyncio.run(caller.exchange().read(3))
    assert refused.value.status == 408


@pytest.mark.parametrize(("limit", "left"), [(100, 0), (3, 1)])
def test_what_is_left_of_a_body_is_discarded_up_to_a_limit(limit: int, left: int) -> None:
    """So that the client can read why, and one without end is let go."""
    caller = Caller("PUT", "/", parts(b"ab", b"cd", b"ef"))
    asyncio.run(caller.exchange().discard(limit))
    assert len(caller.messages) == left


def test_nothing_is_discarded_behind_the_end_or_before_leave_to_send() -> None:
    """A body that was read is over; a client that asks for leave is not told to send what nobody wants."""

    async def both() -> None:
        read = Caller("PUT", "/", parts(b"ab")).exchange()
        assert await read.read(2) == b"ab"
        await asyncio.wait_for(read.discard(100), PATIENCE)
        asking = Caller("PUT", "/", [], expect="100-continue", content_length="4")
        await asyncio.wait_for(asking.exchange().discard(100), PATIENCE)

    asyncio.run(both())


class Vanishing:
    """A connection over TLS, which cannot send files, and whose client goes away after the first piece."""

    sends_files = False
    share = 4 * exchanges.PIECE_BYTES

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @property
    def is_gone(self) -> bool:
        return len(self._caller.sent) == 2

    async def drain(self) -> None:
        """The client takes everything at once."""


def test_a_file_is_not_read_for_a_client_that_has_gone(tmp_path: Path) -> None:
    """Whoever breaks off a download of gigabytes does not keep the disk busy."""
    path = tmp_path / "file"
    path.write_bytes(bytes(10 * exchanges.PIECE_BYTES))
    caller = Caller("GET", "/", [])
    caller.scope["extensions"] = {"careen.direct": Vanishing(caller)}
    with path.open("rb") as file:
        asyncio.run(caller.exchange().respond_file(200, [], file.fileno(), 0, path.stat().st_size))
    assert [len(message["body"]) for message in caller.sent[1:]] == [exchanges.PIECE_BYTES, 0]


def drive(registry: Registry, caller: Caller, fresh: Fresh | None = None) -> None:
    """Let the application answer the root key."""
    caller.fields.append((b"authorization", basic(ACCESS_KEY_ID, SECRET_ACCESS_KEY).encode()))
    opened = dataclasses.replace(registry, root_key=RootKey(ACCESS_KEY_ID, SECRET_ACCESS_KEY))
    fresh, pulls = fresh or Fresh(opened.database), PullTimes(opened)
    importer = Importer(opened, Secrets(opened.scratch_folder))
    again = Again(opened, fresh, pulls)
    app = DistributionApp(Surface(opened, fresh, pulls, again, importer, Allowance(0, 1)))
    asyncio.run(app(caller.scope, caller.receive, caller.send))


def ask(registry: Registry, caller: Caller) -> Answer:
    """The answer to the root key."""
    drive(registry, caller)
    return caller.answer()


@pytest.mark.parametrize("size", [100_000, 100_001])
def test_a_blob_has_a_largest_size(registry: Registry, size: int) -> None:
    """The limit is taken; one byte more is 413, and what was within a piece of it is no blob."""
    data, limits = bytes(size), dataclasses.replace(registry.limits, max_blob_bytes=100_000)
    limited = dataclasses.replace(registry, limits=limits)
    path = f"/v2/a/b/blobs/uploads/?digest={digest_of(data)}"
    got = ask(limited, Caller("POST", path, parts(data[:60_000], data[60_000:])))
    assert (got.status, got.code) == ((201, None) if size == 100_000 else (413, "SIZE_INVALID"))
    found = ask(limited, Caller("HEAD", f"/v2/a/b/blobs/{digest_of(data)}", parts(b"")))
    assert found.status == (200 if size == 100_000 else 404)
    assert list(registry.blobs.uploads()) == []


def test_a_registry_that_fails_says_so_and_no_more(registry: Registry) -> None:
    """500 in the envelope; the reason is in the log, not in the answer; the connection is closed."""

    def break_it(tx: Transaction) -> None:
        tx.rows.execute("ALTER TABLE repositories RENAME TO gone")

    registry.write_now(break_it)
    got = ask(registry, Caller("GET", "/v2/a/b/tags/list", parts(b"")))
    assert (got.status, got.code, got.headers["connection"]) == (500, "UNSUPPORTED", "close")
    assert got.message == "the registry failed; its log says why"


def test_nothing_that_anybody_can_make_up_is_remembered(registry: Registry) -> None:
    """Wrong credentials and names of what is not there could be of any length and number; the memory keeps none."""
    fresh = Fresh(registry.database)
    for path in (
        "/v2/",
        "/v2/a/b/manifests/v1",
        "/v2/public/a/b/manifests/v1",
        f"/v2/a/b/blobs/{digest_of(b'x')}",
        f"/v2/{'a' * 5000}/manifests/v1",
    ):
        drive(registry, Caller("GET", path, parts(b"")), fresh)
        drive(registry, Caller("GET", path, parts(b""), authorization=basic("AWS", "x" * 5000)), fresh)
    good = basic(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    # A credential is kept for the second.
    kept = {key[:2] for key in fresh._answers if isinstance(key, tuple)}
    assert kept == {("authorization", good), ("rules",)}


class Slow:
    """A client that takes its answer only when a right was taken away, and another request has seen it."""

    def __init__(self, happen: Callable[[], None]) -> None:
        self._happen = happen

    async def respond(self, *_: Any) -> bytes:
        self._happen()
        return b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("changes", [False, True])
def test_an_answer_that_waits_for_its_client_is_not_given_again_after_a_change(
    registry: Registry, changes: bool
) -> None:
    """What was decided before a commit is not remembered as if it had been decided after it."""
    path, fresh = f"/v2/a/b/blobs/{digest_of(b'x')}", Fresh(registry.database)
    ask(registry, Caller("POST", f"/v2/a/b/blobs/uploads/?digest={digest_of(b'x')}", parts(b"x")))

    def happen() -> None:
        if changes:
            registry.write_now(repositories.tag_resource, "a/b", {"team": "web"})
        fresh.renew()

    caller = Caller("GET", path, [])
    caller.scope |= {"raw_path": path.encode(), "extensions": {"careen.direct": Slow(happen)}}
    drive(registry, caller, fresh)
    assert any(isinstance(key, Question) for key in fresh._answers) is not changes


def test_bytes_that_are_lost_are_a_blob_that_is_unknown(registry: Registry) -> None:
    """As if it had never been pushed, so that a client pushes it again; the collector may have been between row and file."""
    data = bytes(100_000)
    ask(registry, Caller("POST", f"/v2/a/b/blobs/uploads/?digest={digest_of(data)}", parts(data)))
    (stored,) = registry.blobs.stored()
    registry.blobs.delete(stored.digest, stored.generation)
    got = ask(registry, Caller("GET", f"/v2/a/b/blobs/{stored.digest}", parts(b"")))
    assert (got.status, got.code) == (404, "BLOB_UNKNOWN")


def test_a_push_that_breaks_off_leaves_no_upload(registry: Registry) -> None:
    """A whole blob in one POST: nobody knows the upload's id, so nothing of it stays."""
    path = f"/v2/a/b/blobs/uploads/?digest={digest_of(b'x')}"
    caller = Caller("POST", path, [*parts(b"x", ends=False), GONE])
    drive(registry, caller)
    assert caller.sent == []  # nobody is there to be answered
    assert list(registry.blobs.uploads()) == []
