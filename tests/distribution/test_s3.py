"""A registry with its blobs in a bucket: by redirect and through itself, real clients, several workers, crashes, the sweep."""

import random
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from careen.oci.digest import digest_of
from tests.clients.client import Shell, copy_in_and_out, needs
from tests.distribution.client import Answer, Client, careen
from tests.distribution.stock import LARGE, NAMES, SMALL, put_in
from tests.distribution.test_workers import crash
from tests.images import image, write_layout
from tests.seaweed import S3, S3Server, needs_seaweed
from tests.waiting import until

pytestmark = needs_seaweed

SEVERAL_PARTS = random.Random("parts").randbytes(20_000_000)  # noqa: S311 the same bytes every time

Make = Callable[..., S3Server]


@pytest.fixture(scope="module")
def make(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Start registries, each with a folder and a place in the bucket of its own, whose name is ``prefix``."""
    with ExitStack() as stack:

        def start(**settings: Any) -> S3Server:
            prefix = f"registry-{uuid.uuid4().hex[:12]}"
            server = S3Server(tmp_path_factory.mktemp("bucket") / "data", s3, prefix, **settings)
            server.start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="module")
def redirecting(make: Make) -> S3Server:
    return make()


@pytest.fixture(scope="module")
def passing(make: Make) -> S3Server:
    return make(s3_redirect=False)


BOTH = pytest.mark.parametrize("way", ["redirecting", "passing"])


class Row(NamedTuple):
    """A download, and what comes of it."""

    path: str
    headers: Mapping[str, str]
    status: int
    body: bytes
    method: str = "GET"
    stored: bool = True
    """Whether the bytes come from the bucket."""


BLOB, ROW = f"/v2/s3/blobs/{NAMES['large']}", f"/v2/s3/blobs/{NAMES['small']}"

ROWS: dict[str, Row] = {
    "whole": Row(BLOB, {}, 200, LARGE),
    "first bytes": Row(BLOB, {"Range": "bytes=0-9"}, 206, LARGE[:10]),
    "bytes within": Row(BLOB, {"Range": "bytes=70000-80000"}, 206, LARGE[70_000:80_001]),
    "last bytes": Row(BLOB, {"Range": "bytes=-10"}, 206, LARGE[-10:]),
    "head": Row(BLOB, {}, 200, b"", "HEAD", stored=False),
    "unchanged": Row(BLOB, {"If-None-Match": f'"{NAMES["large"]}"'}, 304, b"", stored=False),
    "row": Row(ROW, {}, 200, SMALL, stored=False),
    "row, range": Row(ROW, {"Range": "bytes=0-9"}, 206, SMALL[:10], stored=False),
}


def follow(got: Answer, headers: Mapping[str, str]) -> Answer:
    """Go where a redirect leads, without the registry's credentials."""
    asked = urllib.request.Request(got.headers["location"], headers=dict(headers))  # noqa: S310 our own URL
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return Answer(
            answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        )


@BOTH
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_blob_is_pulled(request: pytest.FixtureRequest, way: str, row: Row) -> None:
    """What a client gets in the end is the same; what the registry itself answers is a redirect or the bytes."""
    client = Client(request.getfixturevalue(way))
    put_in(client, "s3")
    got = client.send(row.method, row.path, headers=row.headers)
    assert got.headers["docker-content-digest"] == row.path.rpartition("/")[2]
    if way == "redirecting" and row.stored:
        assert (got.status, got.body) == (307, b"")
        got = follow(got, row.headers)
    assert (got.status, got.body) == (row.status, row.body)
    if row.status == 206:
        assert got.headers["content-length"] == str(len(row.body))
        assert got.headers["content-range"].startswith("bytes ")


@BOTH
def test_a_range_outside_is_refused_by_the_registry(request: pytest.FixtureRequest, way: str) -> None:
    """In the specification's envelope."""
    client = Client(request.getfixturevalue(way))
    put_in(client, "s3")
    got = client.send("GET", BLOB, headers={"Range": "bytes=100000-"})
    assert (got.status, got.code, got.headers["content-range"]) == (416, "SIZE_INVALID", "bytes */100000")


@BOTH
@needs("crane")
def test_crane(request: pytest.FixtureRequest, way: str, tmp_path: Path) -> None:
    """Push, validate every byte of a remote image, pull."""
    shell = Shell(request.getfixturevalue(way), tmp_path)
    built = image("crane", size=20_000_000)
    write_layout(tmp_path / "in", built, "1")
    target = f"{shell.host}/s3/crane:1"
    shell.run("crane", "--insecure", "push", tmp_path / "in", target)
    assert "PASS" in shell.run("crane", "--insecure", "validate", "--remote", target)
    shell.run("crane", "--insecure", "pull", "--format", "oci", target, tmp_path / "out")
    layer = tmp_path / "out" / "blobs" / built.digests[1].replace(":", "/")
    assert layer.read_bytes() == built.blobs[1]


@BOTH
@needs("skopeo")
def test_skopeo(request: pytest.FixtureRequest, way: str, tmp_path: Path) -> None:
    """Copied in, copied out."""
    shell = Shell(request.getfixturevalue(way), tmp_path)
    copy_in_and_out(shell, "s3/skopeo", image("base", "skopeo", size=9_000_000))


@BOTH
def test_a_layer_by_the_ecr_api(request: pytest.FixtureRequest, way: str) -> None:
    """Parts of ten megabytes in, and the download URL, which is the registry's own and leads to the bytes."""
    server: S3Server = request.getfixturevalue(way)
    ecr, client = server.boto(), Client(server)
    built = image("ecr", size=15_000_000)
    client.push_blob("s3/ecr", built.blobs[0])
    layer, digest = built.blobs[1], built.digests[1]
    begun = ecr.initiate_layer_upload(repositoryName="s3/ecr")
    for first in range(0, len(layer), begun["partSize"]):
        part = layer[first : first + begun["partSize"]]
        ecr.upload_layer_part(
            repositoryName="s3/ecr",
            uploadId=begun["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(repositoryName="s3/ecr", uploadId=begun["uploadId"], layerDigests=[digest])
    client.push_manifest("s3/ecr", built, "1")
    url = ecr.get_download_url_for_layer(repositoryName="s3/ecr", layerDigest=digest)["downloadUrl"]
    assert url.startswith(f"{server.url}/v2/")
    with urllib.request.urlopen(url) as answer:  # noqa: S310 our own URL
        assert answer.read() == layer


def push_in_parts(client: Client, name: str, number: int) -> int:
    """POST, two PATCHes and a PUT with the rest, each on a connection of its own. Returns the last status."""
    data = number.to_bytes(8, "big") + SEVERAL_PARTS[8:]
    location = client.begin(name)
    for first, last in ((0, 3_000_000), (3_000_000, 19_000_000)):
        patched = client.send("PATCH", location, data[first:last])
        assert patched.status == 202, patched
    return client.send("PUT", f"{location}?digest={digest_of(data)}", data[19_000_000:]).status


def test_an_upload_meets_another_worker_at_every_request(make: Make, s3: S3) -> None:
    """Several at a time over three processes, with parts and last bytes: every one is the bytes that were sent."""
    server = make(workers=3)
    client = Client(server)
    client.push_blob("s3/workers", b"so that it is there")
    with ThreadPoolExecutor(4) as threads:
        pushed = list(threads.map(lambda number: push_in_parts(client, "s3/workers", number), range(6)))
    assert pushed == [201] * 6
    keys = s3.keys(server.prefix)
    assert (len(keys), [key for key in keys if key.startswith("uploads/")]) == (12, [])
    assert s3.multiparts(server.prefix) == []
    server.stop()
    server.start()
    digest = digest_of((3).to_bytes(8, "big") + SEVERAL_PARTS[8:])
    got = client.send("GET", f"/v2/s3/workers/blobs/{digest}")
    assert digest_of(follow(got, {}).body) == digest


def test_a_wrong_digest_is_refused_and_the_upload_goes_on(passing: S3Server) -> None:
    """Also by a registry that has parts in the bucket already."""
    client = Client(passing)
    location = client.begin("s3/wrong")
    assert client.send("PATCH", location, SEVERAL_PARTS).status == 202
    got = client.send("PUT", f"{location}?digest={digest_of(b'another')}")
    assert (got.status, got.code) == (400, "DIGEST_INVALID")
    got = client.send("PUT", f"{location}?digest={digest_of(SEVERAL_PARTS, 'sha512')}")
    assert got.status == 201
    got = client.send("GET", got.headers["location"])
    assert got.body == SEVERAL_PARTS


@pytest.mark.slow
def test_what_a_killed_registry_leaves_is_swept(make: Make, s3: S3) -> None:
    """Killed between a part and the commit: the upload may go on until it is too old; then its parts are aborted."""
    server = make(upload_ttl=1)
    client = Client(server)
    location = client.begin("s3/killed")
    half = client.head_of("PATCH", location, f"Content-Length: {len(SEVERAL_PARTS)}")
    with client.connect() as connection:
        connection.sendall(half + SEVERAL_PARTS[:18_000_000])
        until(lambda: s3.multiparts(server.prefix), "no parts leave")
        crash(server)
    (multipart,) = s3.multiparts(server.prefix)
    assert multipart.startswith(f"blobs/{location.rpartition('/')[2]}-")
    server.start()
    assert client.push_blob("s3/killed", SEVERAL_PARTS)
    assert client.send("GET", location).status == 204  # after a while: whoever held it may have been alive
    time.sleep(1.1)
    careen(server, "gc", "--now")
    assert client.send("GET", location).status == 404
    assert s3.multiparts(server.prefix) == []
    digest = digest_of(SEVERAL_PARTS)
    assert digest_of(follow(client.send("GET", f"/v2/s3/killed/blobs/{digest}"), {}).body) == digest


def test_collected_blobs_leave_the_bucket(make: Make, s3: S3) -> None:
    """Bytes and name, and the accounts agree before and after."""
    server = make(blob_grace=0, trash_days=0)
    client = Client(server)
    built = image("collected", size=9_000_000)
    client.push("s3/collected", built, "1")
    assert len(s3.keys(server.prefix)) == 2
    assert client.send("DELETE", f"/v2/s3/collected/manifests/{built.digest}").status == 202
    careen(server, "gc", "--now", "--grace", "0")
    assert s3.keys(server.prefix) == []
    got = client.send("GET", f"/v2/s3/collected/blobs/{built.digests[1]}")
    assert (got.status, got.code) == (404, "BLOB_UNKNOWN")


def test_bytes_that_are_lost_are_a_blob_that_is_unknown(passing: S3Server, s3: S3) -> None:
    """As if it had never been pushed, so that a client pushes it again."""
    client, data = Client(passing), random.Random("lost").randbytes(100_000)  # noqa: S311 the same bytes every time
    before = set(s3.keys(passing.prefix))
    digest = client.push_blob("s3/lost", data)
    for key in set(s3.keys(passing.prefix)) - before:
        s3.remove(passing.prefix, key)
    got = client.send("GET", f"/v2/s3/lost/blobs/{digest}")
    assert (got.status, got.code) == (404, "BLOB_UNKNOWN")


def test_a_registry_without_its_bucket_does_not_start(s3: S3, tmp_path: Path) -> None:
    """It says why."""
    server = S3Server(tmp_path / "data", s3, "x")
    server._settings["blobs"] = s3.url("x").replace("s3://careen/", "s3://no-such-bucket/")
    with pytest.raises(AssertionError, match="bucket no-such-bucket cannot be used"):
        server.start()
