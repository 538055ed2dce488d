"""A bucket that fails, falls silent, is slow or is not heard; and holders of uploads who are not as dead as it seemed."""

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from careen.blobs.s3 import CannotUse, S3BlobStore, client, parse_place
from careen.blobs.s3 import state as states
from careen.blobs.s3.state import PART_BYTES
from careen.blobs.store import BlobsUnavailable, UploadBusy, UploadUnknown
from careen.oci.digest import digest_of
from careen.registry.gc import ORPHAN_AGE
from tests.blobs.contract import DATA, DIGEST, REPOSITORY, begin, commit, read
from tests.faulty_s3 import FAULTS, INTERNAL_ERROR, SLOW_DOWN, Asked, FaultyS3
from tests.seaweed import S3, needs_seaweed
from tests.upstream.proxy import Fault
from tests.waiting import found

pytestmark = needs_seaweed

LARGE = random.Random("faults").randbytes(PART_BYTES + 3_000_000)  # noqa: S311 the same bytes every time
LOST = Fault(is_lost=True)


def asked_for(*operations: str) -> Callable[[Asked], bool]:
    """Which requests are meant."""
    return lambda asked: asked.operation in operations


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with FaultyS3(s3).running() as running:
        yield running


@pytest.fixture
def prefix() -> str:
    return f"faults-{uuid.uuid4().hex}"


@pytest.fixture
def opened(bucket: FaultyS3, prefix: str) -> Callable[[], S3BlobStore]:
    """The store, and once more as another process has it."""
    return lambda: S3BlobStore(parse_place(bucket.url(prefix)), redirect=False)


@pytest.fixture
def store(opened: Callable[[], S3BlobStore]) -> S3BlobStore:
    return opened()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_fails_twice_is_not_noticed(
    bucket: FaultyS3, store: S3BlobStore, prefix: str, fault: Fault
) -> None:
    """Whatever it is that was asked for, and whether it was done or not: nothing is left over."""
    upload_id = begin(store)
    bucket.fail(0.15, [fault], seed=1)
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.write([LARGE])
    generation = upload.commit(digest_of(LARGE))
    assert read(store, digest_of(LARGE), generation, len(LARGE)) == LARGE
    bucket.heal()
    assert bucket.multiparts(prefix) == []
    assert len(bucket.keys(prefix)) == 2


STEPS: dict[str, Callable[[Asked], bool]] = {
    "the take-over": lambda asked: asked.operation == "PutObject" and "/uploads/" in asked.key,
    "a part": asked_for("UploadPart"),
    "the completion": asked_for("CompleteMultipartUpload"),
    "the name": lambda asked: asked.operation == "PutObject" and ".sha256-" in asked.key,
    "the end": asked_for("DeleteObject"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_an_answer_that_is_lost_loses_nothing(
    bucket: FaultyS3, store: S3BlobStore, prefix: str, step: Callable[[Asked], bool]
) -> None:
    """The second try of each step finds that it was done, and knows it for its own."""
    upload_id = begin(store, b"begun")
    bucket.fail_next(LOST, only=step)
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.write([LARGE])
    digest = upload.digest("sha256")
    generation = upload.commit(digest)
    assert read(store, digest, generation, 5 + len(LARGE)) == b"begun" + LARGE
    assert len(bucket.keys(prefix)) == 2


def test_an_upload_that_was_put_together_by_a_dead_holder_is_whole(
    opened: Callable[[], S3BlobStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the completion, before anything says so: the next finds no parts, and the object."""
    here, there = opened(), opened()
    upload_id = begin(here, LARGE)
    dead = here.hold_upload(REPOSITORY, upload_id)
    dead._seal()
    monkeypatch.setattr(states, "LEASE_SECONDS", 0.0)
    upload = there.hold_upload(REPOSITORY, upload_id)
    digest = upload.digest("sha256")
    assert (upload.offset, digest) == (len(LARGE), digest_of(LARGE))
    assert read(there, digest, upload.commit(digest), len(LARGE)) == LARGE


@pytest.mark.parametrize("size", [len(DATA), len(LARGE)], ids=["no part", "parts"])
def test_one_of_two_holders_ends_an_upload(
    opened: Callable[[], S3BlobStore], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The first was taken for dead while it put the bytes together: it is refused, and harms nothing of what the second has."""
    here, there = opened(), opened()
    data = LARGE[:size]
    upload_id = begin(here, data)
    slow = here.hold_upload(REPOSITORY, upload_id)
    slow._seal()
    with monkeypatch.context() as patch:
        patch.setattr(states, "LEASE_SECONDS", 0.0)
        quick = there.hold_upload(REPOSITORY, upload_id)
    generation = quick.commit(digest_of(data))
    with pytest.raises(UploadBusy):
        slow.commit(digest_of(data))
    slow.abort()
    assert read(there, digest_of(data), generation, len(data)) == data
    with pytest.raises(UploadUnknown):
        here.hold_upload(REPOSITORY, upload_id)


COURSES: dict[str, tuple[int, list[Fault]]] = {
    "one process": (1, []),
    "two processes, so that it is read": (2, []),
    "no answer to the completion": (1, [LOST]),
    "two processes, and no answer": (2, [LOST]),
}


@pytest.mark.parametrize(("processes", "faults"), COURSES.values(), ids=COURSES.keys())
def test_no_sweep_takes_an_upload_that_took_hours(
    bucket: FaultyS3, opened: Callable[[], S3BlobStore], processes: int, faults: list[Fault]
) -> None:
    """On Amazon S3 its object is hours old when it appears. Whenever a sweep comes, it is not yet anybody's, and stays."""
    bucket.date_like_amazon(2 * ORPHAN_AGE)
    upload_id, sweeper, data = begin(opened()), opened(), LARGE + LARGE[:PART_BYTES]
    pieces = [data] if processes == 1 else [data[: len(LARGE)], data[len(LARGE) :]]
    for piece in pieces:
        store = opened()
        upload = store.hold_upload(REPOSITORY, upload_id)
        upload.write([piece])
        if piece is not pieces[-1]:
            upload.release()
    upload._await_parts(0)

    def sweep(**_: Any) -> None:
        for each in list(sweeper.stored()):
            if each.age > ORPHAN_AGE:
                sweeper.delete(each.digest, each.generation)

    store._bucket.client.meta.events.register("before-call.s3", sweep)
    bucket.fail_next(*faults, only=asked_for("CompleteMultipartUpload"))
    digest = upload.digest("sha256")
    assert digest == digest_of(data)
    generation = upload.commit(digest)
    sweep()
    assert read(sweeper, digest, generation, len(data)) == data
    assert all(each.age < ORPHAN_AGE for each in sweeper.stored())


def test_a_sweep_takes_what_was_put_together_for_nobody(
    bucket: FaultyS3, opened: Callable[[], S3BlobStore]
) -> None:
    """As young as its upload's last word; when the upload is no more, as old as it says."""
    bucket.date_like_amazon(2 * ORPHAN_AGE)
    store = opened()
    upload_id = begin(store, LARGE)
    upload = opened().hold_upload(REPOSITORY, upload_id)
    upload.digest("sha512")
    upload.release()
    (waiting,) = store.stored()
    assert (waiting.digest, waiting.size, waiting.age < ORPHAN_AGE) == ("", len(LARGE), True)
    store.hold_upload(REPOSITORY, upload_id).abort()
    (left,) = store.stored()
    assert (left.generation, left.age > ORPHAN_AGE) == (waiting.generation, True)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("there_too", [b"the same", b"another."], ids=["the same", "other bytes"])
def test_a_digest_names_nobody_elses_bytes(
    opened: Callable[[], S3BlobStore], monkeypatch: pytest.MonkeyPatch, there_too: bytes, algorithm: str
) -> None:
    """Two holders share a multipart upload, and the one who was taken for dead ends it: its bytes are ours if they are the same."""
    here, there = opened(), opened()
    ours, theirs = LARGE[:PART_BYTES] + b"the same", LARGE[:PART_BYTES] + there_too
    upload_id = begin(here)
    slow = here.hold_upload(REPOSITORY, upload_id)
    slow.write([theirs])
    with monkeypatch.context() as patch:
        patch.setattr(states, "LEASE_SECONDS", 0.0)
        quick = there.hold_upload(REPOSITORY, upload_id)
    quick.write([ours])
    quick._await_parts(0)
    digest = digest_of(ours, algorithm)
    with pytest.raises(UploadBusy):
        slow.commit(digest_of(theirs, algorithm))
    if ours == theirs:
        assert read(there, digest, quick.commit(digest), len(ours)) == ours
    else:
        with pytest.raises(UploadUnknown):
            quick.commit(digest)
    with pytest.raises(UploadUnknown):
        here.hold_upload(REPOSITORY, upload_id)


def test_an_end_that_is_not_heard_of_is_one(
    bucket: FaultyS3, opened: Callable[[], S3BlobStore], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state could not be deleted: the upload is over all the same, and the sweep deletes it."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    store = opened()
    upload_id = begin(store, DATA)
    upload = store.hold_upload(REPOSITORY, upload_id)
    bucket.fail(1, [SLOW_DOWN], only=asked_for("DeleteObject"))
    generation = upload.commit(DIGEST)
    bucket.heal()
    with pytest.raises(UploadUnknown):
        store.hold_upload(REPOSITORY, upload_id)
    assert list(store.uploads()) == []
    assert store.abandon_strays(3600) == 0
    store.abandon_strays(-1)
    assert [key for key in bucket.keys(prefix) if key.startswith("uploads/")] == []
    assert read(store, DIGEST, generation) == DATA


def test_an_upload_outlives_a_bucket_that_is_away(
    bucket: FaultyS3, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks is told so, in every step; afterwards the upload goes on from what it had said it has."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    store = S3BlobStore(parse_place(bucket.url(prefix)), redirect=False)
    upload_id = begin(store, LARGE[:1000])
    held = store.hold_upload(REPOSITORY, upload_id)
    bucket.fail(1, [SLOW_DOWN, INTERNAL_ERROR])
    for step in (
        lambda: store.create_upload(REPOSITORY, str(uuid.uuid4())),
        lambda: store.hold_upload(REPOSITORY, upload_id),
        lambda: held.write([LARGE[1000:]]),
        held.release,
        lambda: list(store.stored()),
        lambda: store.abandon_strays(0),
        lambda: store.size(DIGEST, "x"),
        lambda: store.delete(DIGEST, "x"),
        lambda: list(store.pieces(DIGEST, "x", 1)),
    ):
        with pytest.raises(BlobsUnavailable):
            step()
    with pytest.raises(CannotUse, match="cannot be used"):
        store.check()
    bucket.heal()
    monkeypatch.setattr(states, "LEASE_SECONDS", 0.0)
    upload = store.hold_upload(REPOSITORY, upload_id)
    assert upload.offset == 1000
    upload.write([LARGE[1000:]])
    assert read(store, digest_of(LARGE), upload.commit(digest_of(LARGE)), len(LARGE)) == LARGE


def test_a_part_that_does_not_arrive_is_told_at_the_release(
    bucket: FaultyS3, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was on its way when the last byte was taken in: a client must not hear that all of it is there."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    store = S3BlobStore(parse_place(bucket.url(prefix)), redirect=False)
    upload_id = begin(store)
    upload = store.hold_upload(REPOSITORY, upload_id)
    bucket.fail_next(SLOW_DOWN, only=asked_for("UploadPart"))
    upload.write([LARGE])
    with pytest.raises(BlobsUnavailable):
        upload.release()
    assert store.hold_upload(REPOSITORY, upload_id).offset == 0


def test_a_bucket_that_says_nothing_is_given_up(
    bucket: FaultyS3, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time for an answer, as many times as there are attempts; and used again when it speaks."""
    generation = commit(S3BlobStore(parse_place(bucket.url(prefix)), redirect=False))
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    store = S3BlobStore(parse_place(bucket.url(prefix)), redirect=False)
    bucket.forget()
    bucket.stop_answering()
    with pytest.raises(BlobsUnavailable, match="timeout"):
        store.size(DIGEST, generation)
    assert len(bucket.asked) == 2
    bucket.heal()

    def again() -> bytes:
        with contextlib.suppress(
            BlobsUnavailable
        ):  # on a busy machine a bucket that is well may take longer, too
            return read(store, DIGEST, generation)
        return b""

    assert found(again, "it is not used again") == DATA


def test_a_holder_that_waits_keeps_the_upload(store: S3BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its client, or for a bucket that is slow: it is enough that somebody says so now and then."""
    monkeypatch.setattr(states, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(states, "LEASE_SECONDS", 5.0)
    upload_id = begin(store)
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.write([b"waiting"])
    begun = time.monotonic()
    while time.monotonic() - begun < 6.5:
        upload.renew()
        time.sleep(0.1)
        with pytest.raises(UploadBusy):
            store.hold_upload(REPOSITORY, upload_id)
    upload.release()
    assert store.hold_upload(REPOSITORY, upload_id).content() == b"waiting"


def test_a_renewal_brings_nothing_back(
    store: S3BlobStore, bucket: FaultyS3, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often somebody says that the upload is held, while it goes on and when it ends."""
    monkeypatch.setattr(states, "RENEW_SECONDS", 0.0)
    upload_id, pieces = begin(store), [bytes([number]) * 1000 for number in range(30)]
    upload = store.hold_upload(REPOSITORY, upload_id)
    over = threading.Event()

    def renew() -> None:
        while not over.wait(0.001):
            upload.renew()

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        for piece in pieces:
            upload.write([piece])
        data = b"".join(pieces)
        generation = upload.commit(digest_of(data))
    finally:
        over.set()
        renewing.join()
    with pytest.raises(UploadUnknown):
        store.hold_upload(REPOSITORY, upload_id)
    assert read(store, digest_of(data), generation, len(data)) == data
    assert len(bucket.keys(prefix)) == 2
