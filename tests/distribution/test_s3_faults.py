"""A registry whose bucket fails or falls silent: what clients see, and what is left in the end."""

import random
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from careen import startup
from careen.blobs.s3.client import ATTEMPTS
from careen.oci.digest import digest_of
from careen.registry import gc
from careen.settings import Settings
from careen.startup import opening
from tests.clients.client import Shell, needs
from tests.distribution.client import Answer, Client
from tests.faulty_s3 import FAULTS, SLOW_DOWN, FaultyS3
from tests.images import image, write_layout
from tests.seaweed import S3, S3Server, needs_seaweed
from tests.waiting import until

pytestmark = needs_seaweed

LARGE = random.Random("large").randbytes(20_000_000)  # noqa: S311 the same bytes every time


@pytest.fixture(scope="module")
def bucket(s3: S3) -> Iterator[FaultyS3]:
    with FaultyS3(s3).running() as running:
        yield running


@pytest.fixture(scope="module")
def passing(bucket: FaultyS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A registry that passes bytes on."""
    with ExitStack() as stack:
        folder, prefix = tmp_path_factory.mktemp("faults"), f"faults-{uuid.uuid4().hex[:12]}"
        server = S3Server(folder / "data", bucket, prefix, s3_redirect=False, upload_ttl=1)
        stack.callback(server.start().stop)
        yield server


@pytest.fixture(autouse=True)
def _healed(bucket: FaultyS3) -> Iterator[None]:
    yield
    bucket.heal()


def push(client: Client, name: str, data: bytes) -> list[Answer]:
    """Push a blob as docker does, from the beginning as often as something fails. Returns the answers that were no success."""
    refusals: list[Answer] = []
    for _ in range(20):
        begun = client.send("POST", f"/v2/{name}/blobs/uploads/")
        answers = [begun]
        if begun.status == 202:
            place = begun.headers["location"]
            answers.append(client.send("PATCH", place, data))
            if answers[-1].status == 202:
                answers.append(client.send("PUT", f"{place}?digest={digest_of(data)}"))
                if answers[-1].status == 201:
                    return refusals
        refusals.append(answers[-1])
    raise AssertionError(f"never taken: {refusals}")


def pull(client: Client, name: str, digest: str) -> bytes:
    """Pull a blob, from the beginning as often as it breaks off or fails."""
    for _ in range(20):
        try:
            got = client.send("GET", f"/v2/{name}/blobs/{digest}")
        except (OSError, HTTPException):
            continue
        if got.status == 200:
            return got.body
        assert got.status == 503, got
    raise AssertionError("never given")


@pytest.mark.sqlite  # opens the folder that it was served from
def test_a_bad_hour(bucket: FaultyS3, passing: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of all requests fail, in every way: what is acknowledged is whole, what is refused is 503, and nothing is left."""
    name = "s3/bad"
    before = len([key for key in bucket.keys(passing.prefix) if key.startswith("blobs/")])
    client = Client(passing)
    client.push_blob(name, b"so that it is there")
    blobs = [number.to_bytes(8, "big") + LARGE[8 : 9_000_000 + number * 1000] for number in range(6)]
    bucket.fail(0.2, FAULTS.values())
    with ThreadPoolExecutor(3) as threads:
        refused = [
            each for found in threads.map(lambda data: push(client, name, data), blobs) for each in found
        ]
        pulled = list(threads.map(lambda data: pull(client, name, digest_of(data)), blobs))
    assert pulled == blobs
    assert {each.status for each in refused} <= {
        503,
        404,
    }  # 404: an upload whose parts are not the ones it knows of
    bucket.heal()
    assert [pull(client, name, digest_of(data)) for data in blobs] == blobs
    time.sleep(1.1)  # the lifetime of an upload
    sweep(passing, monkeypatch)
    keys = bucket.keys(passing.prefix)
    assert [key for key in keys if key.startswith("uploads/")] == []
    assert len(keys) == before + 2 * len(blobs)
    assert bucket.multiparts(passing.prefix) == []


def sweep(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep, beside the server, what is an hour old as well as what is new."""
    environment = server.environment()
    for key, value in environment.items():
        if key.startswith("AWS_"):
            monkeypatch.setenv(key, value)
    monkeypatch.setattr(gc, "ORPHAN_AGE", -10.0)
    blobs = environment["CAREEN_BLOBS"]
    opened = startup.open_registry(Settings(data=str(server.data), blobs=blobs, upload_ttl=1))
    try:
        gc.sweep(opened)
    finally:
        opened.close()


def test_a_bucket_that_refuses_is_503(bucket: FaultyS3, passing: S3Server) -> None:
    """With the time to come again, in both APIs; and the upload is where it was."""
    client, ecr, name = Client(passing), passing.boto(), "s3/refused"
    # Of what is refused the server takes in so much, so that whoever sends it sees the answer.
    blob = LARGE[:16_000_000]
    client.push_blob(name, b"so that it is there")
    place = client.begin(name)
    assert client.send("PATCH", place, blob[:100_000]).status == 202
    bucket.fail(1, [SLOW_DOWN])
    with ThreadPoolExecutor(3) as threads:
        begun = threads.submit(client.send, "POST", f"/v2/{name}/blobs/uploads/")
        sent = threads.submit(client.send, "PATCH", place, blob[100_000:])
        asked = threads.submit(ecr.initiate_layer_upload, repositoryName=name)
        for got in (begun.result(), sent.result()):
            assert (got.status, got.code, got.headers["retry-after"]) == (503, "UNAVAILABLE", "1")
            assert "bucket does not answer" in got.message
        with pytest.raises(ClientError, match="bucket does not answer") as error:
            asked.result()
    assert error.value.response["Error"]["Code"] == "ServerException"
    bucket.heal()
    assert client.send("GET", place).headers["range"] == "0-99999"
    assert client.send("PATCH", place, blob[100_000:]).status == 202
    assert client.send("PUT", f"{place}?digest={digest_of(blob)}").status == 201
    assert pull(client, name, digest_of(blob)) == blob


@needs("crane")
def test_crane_comes_again(bucket: FaultyS3, passing: S3Server, tmp_path: Path) -> None:
    """A part fails as often as it is tried here; a real client takes the answer for what passes, and its push succeeds."""
    shell, built = Shell(passing, tmp_path), image("comes-again", size=9_000_000)
    write_layout(tmp_path / "in", built, "1")
    bucket.forget()
    bucket.fail_next(*[SLOW_DOWN] * ATTEMPTS, only=lambda asked: asked.operation == "UploadPart")
    shell.run("crane", "--insecure", "push", tmp_path / "in", f"{shell.host}/s3/crane:1")
    assert bucket.counted()["CreateMultipartUpload"] == 2
    assert pull(Client(passing), "s3/crane", built.digests[1]) == built.blobs[1]


def test_a_silent_bucket_holds_up_nobody_who_needs_none(bucket: FaultyS3, passing: S3Server) -> None:
    """More pulls and pushes wait for it than there are threads; manifests, small blobs, tokens and ECR's API are answered."""
    client, ecr, name = Client(passing), passing.boto(), "s3/silent"
    built = image("silent", size=100_000)
    client.push(name, built, "1")
    layer = f"/v2/{name}/blobs/{built.digests[1]}"
    bucket.forget()
    bucket.stop_answering()
    with ThreadPoolExecutor(70) as threads:
        pulls = [threads.submit(client.send, "GET", layer) for _ in range(60)]
        pushes = [threads.submit(client.send, "POST", f"/v2/{name}/blobs/uploads/") for _ in range(10)]
        until(lambda: len(bucket.asked) >= opening.REMOTE_THREADS, "the threads do not wait")
        assert client.send("GET", "/healthz").status == 200
        assert client.send("GET", f"/v2/{name}/manifests/1").body == built.manifest
        assert client.send("GET", f"/v2/{name}/blobs/{built.digests[0]}").body == built.blobs[0]
        assert client.send("HEAD", layer).status == 200
        (found,) = ecr.describe_images(repositoryName=name)["imageDetails"]
        assert found["imageDigest"] == built.digest
        assert not any(each.done() for each in (*pulls, *pushes))
        bucket.heal()
        assert [each.result().body for each in pulls] == [built.blobs[1]] * 60
        assert {each.result().status for each in pushes} == {202}


@pytest.mark.parametrize("retry", ["PATCH", "PUT"])
def test_a_request_that_was_cut_off_may_be_sent_again(passing: S3Server, retry: str) -> None:
    """As clients do by themselves when a connection breaks, from its beginning: what had arrived is not taken twice."""
    client, name = Client(passing), f"s3/again-{retry.lower()}"
    client.push_blob(name, b"so that it is there")
    place = client.begin(name)
    assert client.send("PATCH", place, LARGE[:1000]).status == 202
    head = client.head_of("PATCH", place, f"Content-Length: {len(LARGE) - 1000}")
    with client.connect() as connection:
        connection.sendall(head + LARGE[1000:12_000_000])
    if retry == "PATCH":
        assert client.send("PATCH", place, LARGE[1000:]).headers["range"] == f"0-{len(LARGE) - 1}"
        assert client.send("PUT", f"{place}?digest={digest_of(LARGE)}").status == 201
    else:
        chunk = {"Content-Range": f"1000-{len(LARGE) - 1}"}
        assert client.send("PUT", f"{place}?digest={digest_of(LARGE)}", LARGE[1000:], chunk).status == 201
    assert pull(client, name, digest_of(LARGE)) == LARGE


def test_a_client_that_asks_goes_on_where_the_upload_is(passing: S3Server) -> None:
    """Whoever was told how much arrived sends the rest, with or without a word about its place."""
    client, name = Client(passing), "s3/asked"
    client.push_blob(name, b"so that it is there")
    place = client.begin(name)
    with client.connect() as connection:
        connection.sendall(
            client.head_of("PATCH", place, f"Content-Length: {len(LARGE)}") + LARGE[:9_000_000]
        )
    there = int(client.send("GET", place).headers["range"].removeprefix("0-")) + 1
    assert client.send("PATCH", place, LARGE[there:]).status == 202
    assert client.send("PUT", f"{place}?digest={digest_of(LARGE)}").status == 201
