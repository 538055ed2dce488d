"""A bucket keeps the contract, and what only a bucket has: parts, leases, redirects, strays, connections that break."""

import contextlib
import itertools
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from botocore.model import OperationModel

from careen.blobs.archive import ArchivingBlobStore, at_home
from careen.blobs.s3 import CannotUse, Place, S3BlobStore, parse_place
from careen.blobs.s3 import state as states
from careen.blobs.s3 import upload as uploads
from careen.blobs.s3.state import PART_BYTES
from careen.blobs.store import BlobsUnavailable, Elsewhere, UploadBusy, UploadUnknown
from careen.oci.digest import digest_of
from tests.blobs.contract import DATA, DIGEST, REPOSITORY, BlobStoreContract, Open, begin, commit, read
from tests.seaweed import BUCKET, S3, needs_seaweed

pytestmark = needs_seaweed

LARGE = random.Random("large").randbytes(2 * PART_BYTES + 3_000_000)  # noqa: S311 the same bytes every time
"""Two parts and a rest."""

CUTS = [0, 3_000_000, PART_BYTES + 1, len(LARGE) - 10, len(LARGE)]


@pytest.fixture(autouse=True)
def _credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def prefix() -> str:
    return f"store-{uuid.uuid4().hex}"


@pytest.fixture
def place(s3: S3, prefix: str) -> Place:
    return parse_place(s3.url(prefix))


@pytest.fixture
def opened(place: Place) -> Callable[[], S3BlobStore]:
    """The store, and once more as another process has it."""
    return lambda: S3BlobStore(place, redirect=False)


@pytest.fixture
def store(opened: Callable[[], S3BlobStore]) -> S3BlobStore:
    return opened()


class TestS3BlobStore(BlobStoreContract):
    tick = 2.5  # the server's clock tells seconds

    @pytest.fixture
    def opened(self, place: Place) -> Open:
        return lambda: S3BlobStore(place, redirect=False)


def calls(store: S3BlobStore) -> list[str]:
    """The operations that a store asks for from now on, as they come."""
    asked: list[str] = []

    def note(model: OperationModel, **_: Any) -> None:
        asked.append(model.name)

    store._bucket.client.meta.events.register("before-call.s3", note)
    return asked


def slices(data: bytes) -> list[bytes]:
    return [data[first:last] for first, last in itertools.pairwise(CUTS)]


def test_where_things_lie(store: S3BlobStore, s3: S3, prefix: str) -> None:
    """The layout that the module describes, which a person with a client of S3 relies on."""
    upload_id, generation = begin(store, b"unfinished"), commit(store)
    found = sorted(key.rpartition(".")[0] or key for key in s3.keys(prefix))
    assert found == sorted([
        f"blobs/{generation}",
        f"blobs/{generation}",  # and its name
        f"uploads/{REPOSITORY}/{upload_id}",
        f"uploads/{REPOSITORY}/{upload_id}",  # and its last bytes
    ])  # fmt: skip
    assert f"blobs/{generation}.{DIGEST.replace(':', '-')}" in s3.keys(prefix)


def test_a_large_upload_is_never_copied_or_read(store: S3BlobStore, s3: S3, prefix: str) -> None:
    """Full parts leave as they fill; the commit puts them together, names them and forgets the upload."""
    upload_id = begin(store)
    asked = calls(store)
    upload = store.hold_upload(REPOSITORY, upload_id)
    for piece in slices(LARGE):
        upload.write([piece])
    assert upload.digest("sha256") == digest_of(LARGE)
    generation = upload.commit(digest_of(LARGE))
    assert (asked.count("UploadPart"), asked.count("GetObject"), asked.count("CopyObject")) == (3, 1, 0)
    assert len(s3.keys(prefix)) == 2
    assert s3.multiparts(prefix) == []
    assert read(store, digest_of(LARGE), generation, len(LARGE)) == LARGE


def test_a_push_that_meets_another_process_at_its_end_is_not_read(opened: Callable[[], S3BlobStore]) -> None:
    """PATCH here and PUT there, as docker does: the digest of what came is in the state."""
    here, there = opened(), opened()
    upload_id = begin(here, LARGE)
    asked = calls(there)
    upload = there.hold_upload(REPOSITORY, upload_id)
    assert (upload.offset, upload.digest("sha256")) == (len(LARGE), digest_of(LARGE))
    generation = upload.commit(digest_of(LARGE))
    assert asked.count("GetObject") == 2  # the state, the last bytes
    assert read(here, digest_of(LARGE), generation, len(LARGE)) == LARGE


def test_a_large_upload_goes_on_in_other_processes(opened: Callable[[], S3BlobStore]) -> None:
    """Part by part, each in another: what came is read once, at the end."""
    upload_id = begin(opened())
    for piece in slices(LARGE):
        upload = opened().hold_upload(REPOSITORY, upload_id)
        upload.write([piece])
        upload.release()
    last = opened()
    upload = last.hold_upload(REPOSITORY, upload_id)
    assert upload.digest("sha512") == digest_of(LARGE, "sha512")
    assert upload.digest("sha256") == digest_of(LARGE)
    generation = upload.commit(digest_of(LARGE))
    assert read(last, digest_of(LARGE), generation, len(LARGE)) == LARGE


@pytest.mark.parametrize("size", [100_000, len(LARGE)], ids=["no part", "parts"])
def test_an_upload_goes_on_after_its_digest_was_read(
    opened: Callable[[], S3BlobStore], s3: S3, prefix: str, size: int
) -> None:
    """A client that named another digest may send more, in any process."""
    here, there = opened(), opened()
    upload_id, data = begin(here, LARGE[: size // 2]), LARGE[:size]
    upload = there.hold_upload(REPOSITORY, upload_id)
    upload.write([data[size // 2 :]])
    assert upload.digest("sha256") == digest_of(data)
    assert upload.digest("sha512") == digest_of(data, "sha512")
    upload.release()
    for store in (here, there, opened()):
        upload = store.hold_upload(REPOSITORY, upload_id)
        assert upload.offset == len(data)
        upload.write([b"more"])
        data += b"more"
        assert upload.digest("sha512") == digest_of(data, "sha512")
        upload.release()
    generation = there.hold_upload(REPOSITORY, upload_id).commit(digest_of(data))
    assert read(here, digest_of(data), generation, len(data)) == data
    assert s3.multiparts(prefix) == []


@pytest.mark.parametrize("seed", range(4))
def test_any_course_of_an_upload_ends_in_its_bytes(
    opened: Callable[[], S3BlobStore], s3: S3, prefix: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Requests in any of three processes, pieces of any size, digests asked in between, crashes that lose nothing that was told."""
    chance = random.Random(seed)  # noqa: S311 the same course every time
    part = 5 * 1024 * 1024  # the least that S3 takes
    monkeypatch.setattr(states, "PART_BYTES", part)
    stores = [opened() for _ in range(3)]
    upload_id, data, sent = begin(stores[0]), chance.randbytes(8 * part), 0
    for _ in range(16):
        upload = chance.choice(stores).hold_upload(REPOSITORY, upload_id)
        assert upload.offset == sent
        told = sent
        for _ in range(chance.randrange(3)):
            size = chance.choice([0, 1, 1000, part - 1, part, part + 1])
            upload.write([data[sent : sent + size // 2], data[sent + size // 2 : sent + size]])
            sent = min(sent + size, len(data))
        assert upload.offset == sent
        if chance.random() < 0.3:
            algorithm = chance.choice(["sha256", "sha512"])
            assert upload.digest(algorithm) == digest_of(data[:sent], algorithm)
        if chance.random() < 0.7:
            upload.release()
            continue
        upload._await_parts(0)  # the process ends: nothing more is said, and its lease runs out
        monkeypatch.setattr(states, "LEASE_SECONDS", 0.0)
        upload = chance.choice(stores).hold_upload(REPOSITORY, upload_id)
        monkeypatch.setattr(states, "LEASE_SECONDS", 15.0)
        assert told <= upload.offset <= sent
        sent = upload.offset
        assert upload.digest("sha256") == digest_of(data[:sent])
        upload.release()
    upload = chance.choice(stores).hold_upload(REPOSITORY, upload_id)
    digest = digest_of(data[:sent])
    assert upload.digest("sha256") == digest
    generation = upload.commit(digest)
    assert read(stores[0], digest, generation, sent) == data[:sent]
    assert s3.multiparts(prefix) == []
    assert len(s3.keys(prefix)) == 2


def test_an_aborted_upload_leaves_no_parts(store: S3BlobStore, s3: S3, prefix: str) -> None:
    """Nor a state, nor last bytes."""
    upload_id = begin(store, LARGE)
    assert len(s3.multiparts(prefix)) == 1
    store.hold_upload(REPOSITORY, upload_id).abort()
    assert (s3.multiparts(prefix), s3.keys(prefix)) == ([], [])


def test_who_is_silent_for_too_long_loses_the_upload(
    opened: Callable[[], S3BlobStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another takes over from the last word; the first is told at its next, and can do no harm."""
    here, there = opened(), opened()
    upload_id = begin(here, b"said. ")
    slow = here.hold_upload(REPOSITORY, upload_id)
    slow.write([b"unsaid"])
    monkeypatch.setattr(states, "LEASE_SECONDS", 0.0)
    monkeypatch.setattr(states, "RENEW_SECONDS", 0.0)
    quick = there.hold_upload(REPOSITORY, upload_id)
    assert quick.offset == 6
    with pytest.raises(UploadBusy):
        slow.write([b"more"])
    with pytest.raises(UploadBusy):
        slow.release()
    slow.abort()
    monkeypatch.undo()
    quick.write([b"done"])
    assert quick.digest("sha256") == digest_of(b"said. done")
    generation = quick.commit(digest_of(b"said. done"))
    assert read(here, digest_of(b"said. done"), generation, 10) == b"said. done"


def test_a_holder_that_goes_on_writing_keeps_the_upload(
    store: S3BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes, and what it has written is safe meanwhile."""
    monkeypatch.setattr(states, "RENEW_SECONDS", 0.5)
    monkeypatch.setattr(states, "LEASE_SECONDS", 5.0)
    upload_id = begin(store)
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.write([LARGE[: PART_BYTES + 5]])
    for _ in range(10):
        time.sleep(0.6)
        upload.write([b"x"])
        with pytest.raises(UploadBusy):
            store.hold_upload(REPOSITORY, upload_id)
    assert [size for _, _, size, _ in store.uploads()] == [PART_BYTES]


HOLDER = """
import os, signal, sys
from careen.blobs.s3 import S3BlobStore, parse_place
upload = S3BlobStore(parse_place(sys.argv[1]), redirect=False).hold_upload(int(sys.argv[2]), sys.argv[3])
upload.write([bytes(9_000_000)])
upload._await_parts(0)
upload._save_progress()
upload.write([b"never said"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_holds_nothing_for_long(
    store: S3BlobStore, s3: S3, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the lease another goes on from the last whole part."""
    upload_id = begin(store)
    subprocess.run([sys.executable, "-c", HOLDER, s3.url(prefix), str(REPOSITORY), upload_id], check=False)
    with pytest.raises(UploadBusy):
        store.hold_upload(REPOSITORY, upload_id)
    monkeypatch.setattr(states, "LEASE_SECONDS", 0.0)
    upload = store.hold_upload(REPOSITORY, upload_id)
    monkeypatch.undo()
    assert upload.offset == PART_BYTES
    upload.write([b"end"])
    data = bytes(PART_BYTES) + b"end"
    assert upload.digest("sha256") == digest_of(data)
    assert read(store, digest_of(data), upload.commit(digest_of(data)), len(data)) == data


def test_what_came_before_a_part_that_fails_is_kept(
    store: S3BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server fails in the middle of an upload: the client is told, and goes on behind the last good part."""
    upload_id = begin(store)
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.write([LARGE[:PART_BYTES]])
    upload._await_parts(0)

    def fail(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalError"}}, "UploadPart")

    with monkeypatch.context() as patch:
        patch.setattr(store._bucket.client, "upload_part", fail)
        with pytest.raises(BlobsUnavailable):
            upload.write([LARGE[:PART_BYTES]] * 5)
        upload.release()
    upload = store.hold_upload(REPOSITORY, upload_id)
    assert upload.offset == PART_BYTES
    upload.write([LARGE[PART_BYTES:]])
    assert upload.digest("sha256") == digest_of(LARGE)
    assert upload.commit(digest_of(LARGE))


def test_bytes_without_a_name_are_not_committed_when_the_sweep_may_be_at_them(
    opened: Callable[[], S3BlobStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were put together for a digest that did not match, long ago: the client begins again."""
    upload_id = begin(opened(), LARGE)
    store = opened()
    upload = store.hold_upload(REPOSITORY, upload_id)
    assert upload.digest("sha512") == digest_of(LARGE, "sha512")
    upload.release()
    monkeypatch.setattr(uploads, "SEALED_SECONDS", -10.0)
    with pytest.raises(UploadUnknown):
        store.hold_upload(REPOSITORY, upload_id).commit(digest_of(LARGE))
    with pytest.raises(UploadUnknown):
        store.hold_upload(REPOSITORY, upload_id)


def test_what_no_upload_names_is_abandoned(store: S3BlobStore, s3: S3, prefix: str) -> None:
    """Multipart uploads and last bytes that a crash left; those of open uploads stay."""
    open_upload = begin(store, LARGE)
    store._bucket.begin_multipart(str(uuid.uuid4()))
    store._bucket.put(store._bucket.tail_key((REPOSITORY, str(uuid.uuid4())), "0123"), b"lost")
    store._bucket.put(store._bucket.tail_key((REPOSITORY, open_upload), "0123"), b"replaced")
    assert store.abandon_strays(3600) == 0
    time.sleep(1.1)
    assert store.abandon_strays(0) == 3
    assert [key.rpartition("-")[0] for key in s3.multiparts(prefix)] == [f"blobs/{open_upload}"]
    upload = store.hold_upload(REPOSITORY, open_upload)
    assert upload.commit(upload.digest("sha256"))


def test_bytes_without_a_name_and_names_without_bytes_are_listed(store: S3BlobStore) -> None:
    """So that the sweep finds what a crash left between two steps."""
    whole, unnamed, emptied = commit(store), str(uuid.uuid4()), str(uuid.uuid4())
    store._bucket.put(store._bucket.data_key(unnamed), b"bytes")
    store._bucket.put_name(DIGEST, emptied)
    listed = {(stored.digest, stored.generation, stored.size) for stored in store.stored()}
    assert listed == {(DIGEST, whole, len(DATA)), ("", unnamed, 5), (DIGEST, emptied, 0)}
    for digest, generation, _ in listed:
        store.delete(digest, generation)
    assert list(store.stored()) == []


def test_an_answer_that_was_lost_is_no_lost_upload(store: S3BlobStore) -> None:
    """A second try of the same replacement meets what the first wrote, and knows it for its own."""
    key = (REPOSITORY, begin(store))
    held = store.hold_upload(*key)
    etag = held._etag
    for _ in range(2):
        again = states.replace(store._bucket, key, states.State(holder="me"), etag)
    assert again != etag
    with pytest.raises(UploadBusy):
        states.replace(store._bucket, key, states.State(holder="another"), etag)


def test_a_client_is_sent_to_the_bucket(place: Place) -> None:
    """The URL is leave enough for these bytes, ranges too, for a few minutes; with another key it is none."""
    store = S3BlobStore(place, redirect=True)
    source = store.open(DIGEST, commit(store))
    assert isinstance(source, Elsewhere)
    assert "X-Amz-Expires=300" in source.url
    with urllib.request.urlopen(source.url) as answer:  # noqa: S310
        assert (answer.read(), answer.headers["content-type"]) == (DATA, "application/octet-stream")
    ranged = urllib.request.Request(source.url, headers={"Range": "bytes=5-9"})  # noqa: S310
    with urllib.request.urlopen(ranged) as answer:  # noqa: S310
        assert answer.read() == DATA[5:10]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(source.url.replace(f"{BUCKET}/store", f"{BUCKET}/other"))  # noqa: S310


@contextlib.contextmanager
def cutting_proxy(port: int, after: int, times: int) -> Iterator[int]:
    """A way to a server that is cut after so many bytes of the answer, so many times. Yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    cuts = iter(range(times))

    def carry(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(client.recv(65_536))
            sent, limit = 0, after if next(cuts, None) is not None else 1 << 40
            while sent < limit and (data := server.recv(min(65_536, limit - sent))):
                client.sendall(data)
                sent += len(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_download_whose_connection_breaks_goes_on(s3: S3, place: Place, store: S3BlobStore) -> None:
    """From the byte where it broke, as long as something comes."""
    data = LARGE[:3_000_000]
    generation = commit(store, data)
    with cutting_proxy(s3.port, after=700_000, times=3) as port:
        broken = S3BlobStore(place._replace(endpoint=f"http://localhost:{port}"), redirect=False)
        assert read(broken, digest_of(data), generation, len(data)) == data


UNUSABLE: dict[str, tuple[Callable[[Place], Place], dict[str, str], str]] = {
    "no such bucket": (lambda place: place._replace(bucket="no-such-bucket"), {}, "no-such-bucket"),
    "a wrong secret": (lambda place: place, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize(("change", "environment", "words"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_bucket_that_cannot_be_used_is_told(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Place], Place],
    environment: dict[str, str],
    words: str,
) -> None:
    """Before anything is served, with what the server says."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotUse, match=words):
        S3BlobStore(change(place), redirect=False).check()
    with pytest.raises(BlobsUnavailable, match=words.replace("no-such-bucket", "NoSuchBucket")):
        S3BlobStore(change(place), redirect=False).knock()


@pytest.mark.parametrize(
    ("header", "times"),
    [("If-Match", 1), ("If-Match", 2), ("If-None-Match", 1)],
    ids=["missing", "both", "new"],
)
def test_a_server_that_ignores_conditions_is_told(store: S3BlobStore, header: str, times: int) -> None:
    """Uploads could not be locked with it. Some have ignored one only where there is no object (minio/minio#21526)."""
    store.check()
    left = list(range(times))

    def drop(request: Any, **_: Any) -> None:
        if header in request.headers and left:
            left.pop()
            del request.headers[header]

    store._bucket.client.meta.events.register("before-sign.s3.PutObject", drop)
    with pytest.raises(CannotUse, match=f"ignores {header}"):
        store.check()


PLACES = {
    "s3://b/p?endpoint=https://e:1&region=r": Place("b", "p/", "https://e:1", "r"),
    "s3://b": Place("b", "", None, None, "AES256"),
    "s3://b/": Place("b", "", None, None, "AES256"),
    "s3://b/p/q/": Place("b", "p/q/", None, None, "AES256"),
    "s3://b?class=GLACIER_IR": Place("b", "", None, None, "AES256", "GLACIER_IR"),
    "s3://b?endpoint=https://e:1&sse=AES256": Place("b", "", "https://e:1", None, "AES256"),
    "s3://b?sse=aws:kms": Place("b", "", None, None, "aws:kms"),
    "s3://b?sse=aws:kms&kms=arn:aws:kms:eu-central-1:123456789012:key/1-2": Place(
        "b", "", None, None, "aws:kms", kms_key="arn:aws:kms:eu-central-1:123456789012:key/1-2"
    ),
}


@pytest.mark.parametrize(("url", "expected"), PLACES.items(), ids=PLACES.keys())
def test_a_place_is_read(url: str, expected: Place) -> None:
    """Bucket, prefix, endpoint, region; Amazon is asked to encrypt, others only if the place says so."""
    assert parse_place(url) == expected
    assert urlsplit(url).scheme == "s3"


SSE = {
    "a key of S3's": ("AES256", None, {"x-amz-server-side-encryption": "AES256"}),
    "a key of KMS": (
        "aws:kms",
        "the-key",
        {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "the-key",
            "x-amz-server-side-encryption-bucket-key-enabled": "true",
        },
    ),
}


@pytest.mark.parametrize(("encryption", "kms_key", "headers"), SSE.values(), ids=SSE.keys())
def test_objects_are_encrypted_if_the_place_says_so(
    place: Place, s3: S3, encryption: str, kms_key: str | None, headers: dict[str, str]
) -> None:
    """Every one of them, as the server tells; a class is asked for only where bytes stay. Parts and copies need no word of it."""
    wanted = place._replace(encryption=encryption, storage_class="STANDARD_IA", kms_key=kms_key)
    store = S3BlobStore(wanted, redirect=True)
    store.check()
    asked: dict[str, dict[str, str]] = {}

    def note(request: Any, **_: Any) -> None:
        key = urlsplit(request.url).path.rpartition("/")[2]
        for name, value in request.headers.items():
            if name.lower().startswith(("x-amz-server-side", "x-amz-storage-class")):
                said = value.decode() if isinstance(value, bytes) else value
                asked.setdefault(key, {})[name.lower()] = said

    for operation in ("PutObject", "CreateMultipartUpload"):
        store._bucket.client.meta.events.register(f"before-sign.s3.{operation}", note)
    upload_id = begin(store, LARGE)
    upload = store.hold_upload(REPOSITORY, upload_id)
    assert upload.digest("sha512") == digest_of(LARGE, "sha512")
    more = LARGE
    if kms_key is None:  # this server copies no parts that KMS has encrypted
        upload.write([b"more"])
        more += b"more"
    generations = [commit(store), upload.commit(digest_of(more))]
    assert len(asked) >= 6
    classed = {"x-amz-storage-class": "STANDARD_IA"}
    for key, found in asked.items():
        is_blob = "." not in key and key.count("-") == 5
        assert found == (headers | classed if is_blob else headers), key
    for generation in generations:
        head = s3.client().head_object(Bucket=BUCKET, Key=store._bucket.data_key(generation))
        told = (head["ServerSideEncryption"], head.get("SSEKMSKeyId"), head["StorageClass"])
        assert told == (encryption, kms_key, "STANDARD_IA")
    source = store.open(DIGEST, generations[0])
    assert isinstance(source, Elsewhere)
    with urllib.request.urlopen(source.url) as answer:  # noqa: S310
        assert answer.read() == DATA
    assert b"".join(store.pieces(digest_of(more), generations[1], len(more))) == more


def test_an_archive_may_be_another_class_of_the_same_bucket(place: Place, s3: S3) -> None:
    """With a prefix of its own: what moves there is in that class, large or small, and what comes back in the bucket's own."""
    cheap = place._replace(prefix=f"{place.prefix}archive/", storage_class="STANDARD_IA")
    home, archive = (S3BlobStore(each, redirect=False) for each in (place, cheap))
    both = ArchivingBlobStore(home, archive)
    for data in (DATA, LARGE):
        digest = digest_of(data)
        away = both.copy_across(digest, commit(both, data), len(data), lambda: None)
        back = both.copy_across(digest, away, len(data), lambda: None)
        assert b"".join(both.pieces(digest, away, len(data))) == data
        keys = (archive._bucket.data_key(at_home(away)), home._bucket.data_key(back))
        heads = [s3.client().head_object(Bucket=BUCKET, Key=key) for key in keys]
        assert [head.get("StorageClass", "STANDARD") for head in heads] == ["STANDARD_IA", "STANDARD"]
    assert len(list(archive.stored())) == 2
    assert len(list(both.stored())) == 6


def test_a_server_that_does_not_encrypt_is_told(place: Place) -> None:
    """Before anything is stored there in the belief that it is."""
    store = S3BlobStore(place._replace(encryption="AES256"), redirect=False)
    store._bucket.client.meta.events.register(
        "after-call.s3.PutObject", lambda parsed, **_: parsed.pop("ServerSideEncryption", None)
    )
    with pytest.raises(CannotUse, match="does not encrypt with AES256"):
        store.check()
