"""A full disk, and one that cannot be written to: clear errors, reads go on, nothing is lost, and it recovers by itself."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from careen.oci.digest import digest_of
from tests import images
from tests.distribution.client import Client
from tests.faults.disks import MIB, ServerOnADisk, needs_ext4, needs_mounts
from tests.faults.model import MOMENT
from tests.faults.script import POLICY
from tests.images import Built
from tests.waiting import until

NAME = "disk/app"
RESERVE = 2 * MIB
BIG = random.Random("big").randbytes(3 * MIB)  # noqa: S311 the same bytes every time


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerOnADisk]:
    """On a disk of 24 MB, of which uploads leave two."""
    data = tmp_path / "data"
    mount = f'mount -t tmpfs -o size=24m tmpfs "{data}"'
    started = ServerOnADisk(
        data, mount, reserve=RESERVE, blob_grace=10, trash_days=MOMENT, collect_interval=0.2, workers=2
    )
    started.start()
    yield started
    started.stop()


def stocked(client: Client, count: int = 4) -> list[Built]:
    """Push images that are files and rows."""
    built = [
        images.image("base", f"{number}", size=400_000 if number % 2 else 100) for number in range(count)
    ]
    for number, each in enumerate(built):
        client.push(NAME, each, f"{number}")
    return built


def assert_there(client: Client, built: list[Built]) -> None:
    """Every image can be pulled, byte for byte."""
    for number, each in enumerate(built):
        assert client.send("GET", f"/v2/{NAME}/manifests/{number}").body == each.manifest
        for data, digest in zip(each.blobs, each.digests, strict=True):
            assert client.send("GET", f"/v2/{NAME}/blobs/{digest}").body == data


@needs_mounts
@pytest.mark.parametrize("way", ["one POST", "chunks"])
def test_a_full_disk_refuses_uploads_and_nothing_else(server: ServerOnADisk, way: str) -> None:
    """507 before the reserve is touched; pulls and deletions go on, and what they free can be pushed to again."""
    client = Client(server)
    built = stocked(client)
    server.fill(leave=RESERVE + MIB)
    if way == "chunks":
        location = client.begin(NAME)
        refused = client.send("PATCH", location, BIG)
    else:
        refused = client.send("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest_of(BIG)}", BIG)
    assert refused.status == 507
    assert "disk is full" in refused.message
    server.fill(leave=RESERVE // 2)
    assert client.send("POST", f"/v2/{NAME}/blobs/uploads/").status == 507
    until(lambda: '"trouble": "FULL"' in server.log.read_text(), "the log does not tell")
    assert "Traceback" not in server.log.read_text()
    assert_there(client, built)

    deleted = built.pop()
    assert client.send("DELETE", f"/v2/{NAME}/manifests/{deleted.digest}").status == 202
    until(lambda: not file_of(server, deleted))
    server.make_room()
    assert_there(client, built)
    client.push(NAME, deleted, "3")
    client.push_blob(NAME, BIG)
    assert_there(client, [*built, deleted])


def file_of(server: ServerOnADisk, built: Built) -> list[Path]:
    """The file with the last layer of an image."""
    return list((server.inside / "blobs").rglob(f"{built.digests[-1].removeprefix('sha256:')}.*"))


@needs_mounts
def test_a_disk_without_a_byte(server: ServerOnADisk) -> None:
    """Even when another program takes the reserve: every write is refused, nothing ends, and all is well when there is room."""
    client = Client(server)
    built = stocked(client)
    ecr = server.boto()
    server.fill()
    assert server.free() == 0
    tagged = [
        f"more-{number}" for number in range(60)
    ]  # the database finds a few bytes in its own files at first
    answers = {
        tag: client.send(
            "PUT", f"/v2/{NAME}/manifests/{tag}", built[0].manifest, {"Content-Type": built[0].media_type}
        )
        for tag in tagged
    }
    refused = [answer for answer in answers.values() if answer.status != 201]
    assert refused
    for answer in refused:
        assert answer.status in {503, 507}, answer
        assert "nothing was stored" in answer.message
    with pytest.raises(ClientError, match="nothing was stored"):
        ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=POLICY.ljust(30_000))
    assert client.send("POST", f"/v2/{NAME}/blobs/uploads/").status == 507
    until(lambda: "the worker cannot work" in server.log.read_text())
    assert_there(client, built)
    server.make_room()
    kept = set(client.send("GET", f"/v2/{NAME}/tags/list").json()["tags"])
    assert kept == {"0", "1", "2", "3", *(tag for tag in tagged if answers[tag].status == 201)}
    deleted = built.pop()
    assert client.send("DELETE", f"/v2/{NAME}/manifests/{deleted.digest}").status == 202
    until(lambda: not file_of(server, deleted))
    client.push(NAME, deleted, "3")
    assert_there(client, [*built, deleted])
    assert "a process ended" not in server.log.read_text()


@needs_ext4
def test_a_disk_that_turns_read_only(tmp_path: Path) -> None:
    """As a kernel does that finds a fault: pushes are refused with 503, pulls go on; mounted again, nothing is missing."""
    data, image = tmp_path / "data", tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    make = f'[ -s "{image}.made" ] || {{ mkfs.ext4 -q "{image}"; echo made > "{image}.made"; }}'
    server = ServerOnADisk(data, f'{make}; mount -o loop "{image}" "{data}"', reserve=0)
    server.start()
    client = Client(server)
    built = stocked(client)
    server.mount_again("abort")
    for refused in (
        client.send("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest_of(BIG)}", BIG),
        client.send(
            "PUT", f"/v2/{NAME}/manifests/x", built[0].manifest, {"Content-Type": built[0].media_type}
        ),
    ):
        assert refused.status == 503, refused
        assert "cannot be written to" in refused.message
    assert_there(client, built)
    server.stop()
    server.start()
    assert_there(client, built)
    client.push(NAME, images.image("later"), "later")
    server.stop()


@needs_mounts
def test_a_start_on_a_read_only_disk(tmp_path: Path) -> None:
    """One sentence says what is wrong; there is no trace."""
    data = tmp_path / "data"
    server = ServerOnADisk(data, f'mount -t tmpfs -o ro tmpfs "{data}"')
    with pytest.raises(AssertionError, match="the server did not start"):
        server.start()
    until(lambda: "Read-only file system" in server.log.read_text(), "the log does not tell")
    assert "Traceback" not in server.log.read_text()
