"""Clients that push, tag, pull and delete, try again as real ones do, and note what they were told."""

import functools
import http.client
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from careen.oci.digest import digest_of
from tests.distribution.client import Answer, answer, basic
from tests.images import Built, image
from tests.nodes.history import History, Kind, Operation, Outcome, now
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY

PATIENCE = 100.0
"""Seconds for which a client tries again before it is a failure that it got no answer."""

PAUSE = 0.1
"""Seconds between two tries. Real clients wait longer, and more and more."""

TIMEOUT = 20.0
"""Seconds for which a client waits for an answer."""

CHUNK = 40_000
"""Bytes in a request of an upload, so that one meets several nodes."""


NO_ANSWER = (OSError, http.client.HTTPException)


class GaveUp(Exception):
    """There was no answer for too long."""


class Recorder:
    """A client whose every request about manifests is an operation of a history. It keeps its connection; close it.

    Args:
        who: its name in the history.
        port: where it goes.
        history: where it notes what it did.
    """

    def __init__(self, who: str, port: int, history: History) -> None:
        self.who = who
        self._history = history
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self.failures: list[str] = []
        """Requests without an answer, or with one that says nothing."""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def put(self, repository: str, built: Built, reference: str, kind: Kind = Kind.PUSH) -> Outcome:
        """Put a manifest, until there is an answer. FAIL: its blobs are not there."""
        headers = {"Content-Type": built.media_type}
        return self._ask(kind, repository, reference, built.digest, "PUT", built.manifest, headers)

    def pull(self, repository: str, reference: str) -> bytes | None:
        """Get a manifest, until there is an answer. None: there is no such image."""
        found: list[bytes] = []
        headers = {"Accept": "*/*"}
        outcome = self._ask(Kind.PULL, repository, reference, None, "GET", None, headers, found.append)
        return found[0] if outcome is Outcome.OK else None

    def delete(self, repository: str, reference: str) -> Outcome:
        """Delete a tag, or an image by its digest, until there is an answer."""
        kind = Kind.DELETE_DIGEST if ":" in reference else Kind.DELETE_TAG
        return self._ask(kind, repository, reference, None, "DELETE", None, {})

    def push(self, repository: str, built: Built, reference: str) -> None:
        """Push an image: its blobs, unless they are there, and its manifest; all again if it finds a blob gone."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for data in built.blobs:
                self.upload(repository, data)
            if self.put(repository, built, reference) is Outcome.OK:
                return
        raise GaveUp(f"{self.who}: blobs of {repository} {built.digest} are gone again and again")

    def upload(self, repository: str, data: bytes) -> None:
        """Upload a blob in chunks, each of which any node may take; from the beginning if the upload is lost."""
        digest = digest_of(data)
        for _ in self._tries(f"the upload of {digest}"):
            if self._send("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
                return
            begun = self._send("POST", f"/v2/{repository}/blobs/uploads/")
            if begun.status == 202 and self._fill(begun.headers["location"], data, digest):
                return

    def _fill(self, location: str, data: bytes, digest: str) -> bool:
        """Send the chunks and complete the upload. False: somewhere there was no good answer."""
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            sent = self._send(
                "PATCH", location, chunk, {"Content-Range": f"{start}-{start + len(chunk) - 1}"}
            )
            if sent.status != 202:
                return False
            location = sent.headers["location"]
        joint = "&" if "?" in location else "?"
        return self._send("PUT", f"{location}{joint}digest={digest}").status == 201

    def blob(self, repository: str, digest: str) -> bytes:
        """Get a blob's bytes, wherever they are, until there is an answer.

        Raises:
            AssertionError: it is not there, or is another.
        """
        for _ in self._tries(f"the blob {digest}"):
            got = self._send("GET", f"/v2/{repository}/blobs/{digest}")
            if got.status == 307:
                got = _followed(got.headers["location"])
            if got.status < 500:
                assert got.status == 200, (self.who, repository, digest, got)
                assert digest_of(got.body) == digest, (self.who, repository, digest)
                return got.body
        raise AssertionError

    def _ask(
        self,
        kind: Kind,
        repository: str,
        reference: str,
        value: str | None,
        method: str,
        body: bytes | None,
        headers: Mapping[str, str],
        take: Callable[[bytes], object] = lambda _: None,
    ) -> Outcome:
        """One operation of the history for each try; the last one's outcome."""
        for _ in self._tries(f"{kind} {repository} {reference}"):
            invoked = now()
            got = self._send(method, f"/v2/{repository}/manifests/{reference}", body, headers)
            returned = now()
            outcome = _outcome(kind, got)
            if kind is Kind.PULL and outcome is Outcome.OK:
                value = digest_of(got.body)
                assert got.headers["docker-content-digest"] == value, (self.who, repository, reference, got)
                take(got.body)
            told = value if outcome is not Outcome.ABSENT else None
            self._history.add(
                Operation(self.who, kind, repository, reference, told, invoked, returned, outcome)
            )
            if outcome is not Outcome.UNKNOWN:
                return outcome
        raise AssertionError

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One try. A connection that is refused or ends too soon is an answer that tells nothing: 599."""
        headers = {"Authorization": basic(ACCESS_KEY_ID, SECRET_ACCESS_KEY), **(headers or {})}
        try:
            self._connection.request(method, path, body, headers)
            got = answer(self._connection)
        except NO_ANSWER as error:
            self._connection.close()  # the next request opens it again
            got = Answer(599, {}, repr(error).encode())
        if got.status >= 500:
            self.failures.append(f"{method} {path}: {got}")
        return got

    def _tries(self, what: str) -> Iterable[int]:
        """Numbers, as long as it is worth while to try again.

        Raises:
            GaveUp: it is no longer.
        """
        deadline, number = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            yield number
            number += 1
            time.sleep(PAUSE)
        raise GaveUp(f"{self.who}: no answer for {PATIENCE} s to {what}")


def _outcome(kind: Kind, got: Answer) -> Outcome:
    """What an answer tells."""
    if got.status in {200, 201, 202}:
        return Outcome.OK
    if got.status >= 500 or got.status == 429:
        return Outcome.UNKNOWN
    if got.status == 404 and kind in {Kind.PULL, Kind.DELETE_TAG, Kind.DELETE_DIGEST}:
        return Outcome.ABSENT
    assert got.code == "MANIFEST_BLOB_UNKNOWN", got
    return Outcome.FAIL


def _followed(url: str) -> Answer:
    """What the bucket answers that a pull was sent to."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        got = connection.getresponse()
        return Answer(got.status, {}, got.read())
    except NO_ANSWER as error:
        return Answer(599, {}, repr(error).encode())
    finally:
        connection.close()


TAGS = ("1.0", "1.1", "latest")


@functools.cache
def images_of(who: str) -> list[Built]:
    """The images of a client: a layer that all share, and one of its own; those of every other one are files, and not rows."""
    return [
        image(f"base-{number % 2}", f"{who}-{number}", size=66_000 if number % 2 else 200)
        for number in range(4)
    ]


def everybodys_images(clients: Iterable[str]) -> dict[str, Built]:
    """By their digests."""
    return {built.digest: built for who in clients for built in images_of(who)}


def work(recorder: Recorder, repository: str, dice: random.Random, go_on: Callable[[], bool]) -> None:
    """Do one thing after another to a repository's tags, which all clients share, and to images of one's own."""
    mine = images_of(recorder.who)
    while go_on():
        built, tag = dice.choice(mine), dice.choice(TAGS)
        match dice.choices(["push", "tag", "pull", "look", "untag", "delete"], [4, 3, 6, 2, 1, 1])[0]:
            case "push":
                recorder.push(repository, built, tag)
            case "tag":
                recorder.put(repository, built, tag, Kind.TAG)
            case "pull":
                recorder.pull(repository, tag)
            case "look":
                recorder.pull(repository, built.digest)
            case "untag":
                recorder.delete(repository, tag)
            case "delete":
                recorder.delete(repository, built.digest)


@contextmanager
def working(recorders: Sequence[Recorder], repository: str) -> Iterator[None]:
    """Let clients work, each in a thread, for the length of a ``with`` block; what went wrong for one is raised at its end."""
    stop, told = threading.Event(), list[Future[None]]()
    with ThreadPoolExecutor() as threads:
        for recorder in recorders:
            dice = random.Random(f"{repository} {recorder.who}")  # noqa: S311
            told.append(threads.submit(work, recorder, repository, dice, lambda: not stop.is_set()))
        try:
            yield
        finally:
            stop.set()
    for recorder in recorders:
        recorder.close()
    for one in told:
        one.result()
