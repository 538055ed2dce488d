"""Torn pages and files: what a power cut, a bad disk or a careless hand leaves."""

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from careen.blobs.store import UploadBusy
from careen.clock import system_now
from careen.db import jobs
from careen.faults import Point
from careen.oci.digest import digest_of
from careen.registry import storage
from tests.distribution.client import Client
from tests.faults import programs, script
from tests.faults.model import Journal, State, assert_whole, reopened, seen
from tests.faults.programs import Kill
from tests.images import image
from tests.registry import steps
from tests.server import Server
from tests.waiting import until

WAL_HEADER, FRAME_HEADER = 32, 24
"""Bytes (SQLite, file format, section 4.1)."""


def crashed(template: Path, folder: Path, kill: Kill) -> tuple[State, State]:
    """A data folder after a crash, with a log that is not written back. Returns what clients saw before and would see after."""
    shutil.copytree(template, folder)
    path = folder.with_name("journal")
    assert programs.start(script.play, folder, path, kill=kill).was_killed()
    journal = Journal(path)
    _, before, after = script.progress(journal)
    journal.close()
    return before, after


def page_size(wal: Path) -> int:
    """As the log's header says."""
    with wal.open("rb") as file:
        return int(struct.unpack(">8xI", file.read(12))[0])


MANY = Kill((Point.COMMITTED,), 40)


@pytest.mark.parametrize("cut", [1, 100, 2000, 4096, 4119])
def test_a_torn_last_page_of_the_log(template: Path, quick_path: Path, cut: int) -> None:
    """The last commit, which nobody was told of, is not there; everything before it is."""
    folder = quick_path / "data"
    before, after = crashed(template, folder, Kill((Point.MANIFEST_PUT, Point.COMMITTED)))
    wal = folder / "careen.db-wal"
    assert page_size(wal) == 4096
    os.truncate(wal, wal.stat().st_size - cut)
    registry = reopened(folder)
    assert_whole(registry)
    assert seen(registry).facts() == before.facts() != after.facts()
    registry.close()


@pytest.mark.parametrize(
    "garbage", [bytes(5000), os.urandom(4120), b"x"], ids=["zeros", "a frame of noise", "a byte"]
)
def test_garbage_after_the_log(template: Path, quick_path: Path, garbage: bytes) -> None:
    """What a disk had there before: nothing of it is taken for a commit, and nothing that was acknowledged is lost."""
    folder = quick_path / "data"
    _, after = crashed(template, folder, Kill((Point.MANIFEST_PUT, Point.COMMITTED)))
    with (folder / "careen.db-wal").open("ab") as wal:
        wal.write(garbage)
    registry = reopened(folder)
    assert_whole(registry)
    assert seen(registry).facts() == after.facts()
    steps.push(registry, "team/later", script.ONE, "1")
    assert_whole(registry)
    registry.close()


def test_a_page_torn_while_the_log_was_written_back(template: Path, quick_path: Path) -> None:
    """Half a page in the database itself: the log has it still, and is read before it."""
    folder = quick_path / "data"
    crashed(template, folder, MANY)
    wal, size = folder / "careen.db-wal", page_size(folder / "careen.db-wal")
    frames = wal.read_bytes()[WAL_HEADER:]
    pages = {
        struct.unpack(">I", frames[start : start + 4])[0]
        for start in range(0, len(frames) - FRAME_HEADER - size + 1, FRAME_HEADER + size)
    }
    with (folder / "careen.db").open("r+b") as database:
        length = database.seek(0, os.SEEK_END)
        torn = [page for page in pages if page > 1 and page * size <= length]
        for page in torn:
            database.seek((page - 1) * size + size // 2)
            database.write(os.urandom(size // 2))
    assert torn
    registry = reopened(folder)
    assert_whole(registry)
    registry.close()


def test_an_upload_of_which_half_a_piece_was_written(template: Path, quick_path: Path) -> None:
    """It goes on after what is there, and has the right digest in the end."""
    folder = quick_path / "data"
    crashed(template, folder, Kill((Point.UPLOAD_WRITTEN,), 2))
    [path] = [path for path in (folder / "uploads").rglob("*-*") if path.stat().st_size > 100]
    os.truncate(path, path.stat().st_size - 1234)
    registry = reopened(folder)
    upload = registry.blobs.hold_upload(int(path.parent.name), path.name)
    with pytest.raises(UploadBusy):
        registry.blobs.hold_upload(int(path.parent.name), path.name)
    upload.catch_up()
    assert upload.offset == path.stat().st_size
    upload.write([script.LARGE[upload.offset :]])
    assert upload.digest("sha256") == digest_of(script.LARGE)
    upload.release()
    registry.close()


def wait_for_the_first_scrub(server: Server) -> None:
    """A new registry's worker begins with one, as soon as it comes to it; the next is weeks away."""
    registry = reopened(server.data)
    until(lambda: dict(registry.read(lambda tx: jobs.latest(tx.rows))).get("scrub", 0) >= system_now())
    registry.close()


DAMAGES = {"gone": None, "half of it": 40_000, "too long": 200_000}


@pytest.mark.parametrize("length", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_blob_is_found_and_mended(
    make_server: Callable[..., Server], name: str, length: int | None
) -> None:
    """A client that asks is not told that it is there, so it sends it again; until then the sweep names it."""
    server = make_server()
    wait_for_the_first_scrub(server)  # or it might be the one to find it
    client, built = Client(server), image(name, size=100_000)
    client.push(name, built, "1")
    digest = built.digests[1]
    [path] = (server.data / "blobs").rglob(f"{digest.removeprefix('sha256:')}.*")
    if length is None:
        path.unlink()
    else:
        os.truncate(path, length)
    registry = reopened(server.data)
    assert storage.damaged(registry) == [digest]
    assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 404
    client.push(name, built, "1")
    assert storage.damaged(registry) == []
    registry.close()
    assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 200
    assert client.send("GET", f"/v2/{name}/blobs/{digest}").body == built.blobs[1]
    assert client.send("GET", f"/v2/{name}/manifests/1").body == built.manifest
