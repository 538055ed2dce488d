"""The data folder keeps the contract, and what only a folder can: durable order, descriptors, locks, full disks."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from careen.blobs import disk
from careen.blobs.disk import DiskBlobStore
from careen.blobs.store import UploadBusy
from careen.oci.digest import digest_of
from tests.blobs.contract import DATA, DIGEST, REPOSITORY, BlobStoreContract, Open, begin, commit


class TestDiskBlobStore(BlobStoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Open:
        return lambda: DiskBlobStore(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> DiskBlobStore:
    return DiskBlobStore(tmp_path)


def open_files(folder: Path) -> list[str]:
    """The files in a folder, deleted ones too, that this process has open."""
    targets = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor that lists them
            targets.append(str(fd.readlink()))
    return [target for target in targets if target.startswith(f"{folder}/")]


def test_where_things_lie(store: DiskBlobStore, tmp_path: Path) -> None:
    """The layout that the module describes, which a person with a shell relies on."""
    upload_id, generation = begin(store, b"unfinished"), commit(store)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    hexadecimal = DIGEST.removeprefix("sha256:")
    assert found == {
        f"uploads/{REPOSITORY}/{upload_id}",
        f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}.{generation}",
    }


def test_a_folder_that_is_not_mounted_does_not_answer(store: DiskBlobStore, tmp_path: Path) -> None:
    """An empty mount point is no home."""
    store.knock()
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        store.knock()


def test_bytes_are_on_the_disk_before_their_name_is(
    store: DiskBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fdatasync, rename, fsync of the folder: a name that survives a power cut has all its bytes."""
    calls: list[str] = []

    def spy(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            done = original(*arguments, **options)
            calls.append(name)
            return done

        return call

    commit(store)  # so that the folder is there
    upload = store.hold_upload(REPOSITORY, begin(store, DATA))
    for name in ("fdatasync", "rename", "fsync"):
        monkeypatch.setattr(os, name, spy(name, getattr(os, name)))
    upload.commit(DIGEST)
    assert calls == ["fdatasync", "rename", "fsync"]


def test_a_process_keeps_few_uploads_open(
    store: DiskBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least recently used is closed first; those that are held never are."""
    monkeypatch.setattr(disk, "MAX_WARM_UPLOADS", 4)
    held = [store.hold_upload(REPOSITORY, begin(store, b"held ")) for _ in range(3)]
    idle = [begin(store, b"idle") for _ in range(5)]
    names = {Path(target).name for target in open_files(tmp_path)}
    assert names >= {idle[-1]}
    assert len(names) == 4
    for upload in held:
        upload.write([b"on"])
        assert upload.digest("sha256") == digest_of(b"held on")
        upload.abort()
    for upload_id in idle:
        store.hold_upload(REPOSITORY, upload_id).abort()
    assert open_files(tmp_path) == []


def test_what_another_process_ended_is_not_kept_open(
    store: DiskBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open file holds its bytes on the disk, so an upload that nobody uses here is closed after a while."""
    begun_here = begin(store, DATA)
    elsewhere = DiskBlobStore(tmp_path)
    generation = elsewhere.hold_upload(REPOSITORY, begun_here).commit(DIGEST)
    elsewhere.delete(DIGEST, generation)
    assert len(open_files(tmp_path)) == 1
    monkeypatch.setattr(disk, "WARM_SECONDS", 0.0)
    begin(store)
    assert [target for target in open_files(tmp_path) if "deleted" in target] == []


def test_commits_in_threads_and_new_uploads_do_not_disturb_each_other(
    store: DiskBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop's thread begins uploads while others end theirs."""
    monkeypatch.setattr(disk, "MAX_WARM_UPLOADS", 2)
    with ThreadPoolExecutor(4) as threads:
        commits = [
            threads.submit(store.hold_upload(REPOSITORY, begin(store, b"x")).commit, digest_of(b"x"))
            for _ in range(200)
        ]
    assert len({done.result() for done in commits}) == 200


def test_a_full_disk_leaves_an_upload_that_can_go_on(
    store: DiskBlobStore, tmp_path: Path, small_disk: int
) -> None:
    """What was taken in is in the file and in the hash, no more and no less."""
    upload_id = begin(store, DATA[:60_000])
    upload = store.hold_upload(REPOSITORY, upload_id)
    with pytest.raises(OSError, match="File too large"):
        upload.write([DATA[60_000:90_000], DATA[90_000:150_000], DATA[150_000:]])
    assert upload.offset == small_disk
    assert upload.digest("sha256") == digest_of(DATA[:small_disk])
    upload.release()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    resumed = DiskBlobStore(tmp_path).hold_upload(REPOSITORY, upload_id)
    resumed.catch_up()
    resumed.write([DATA[small_disk:]])
    assert resumed.digest("sha256") == DIGEST
    resumed.abort()


HOLD = """
import sys, time
from pathlib import Path
from careen.blobs.disk import DiskBlobStore
upload = DiskBlobStore(Path(sys.argv[1])).hold_upload(int(sys.argv[2]), sys.argv[3])
upload.write([b"half"])
print("held", flush=True)
time.sleep(60)
"""


def test_a_process_that_is_killed_holds_nothing(store: DiskBlobStore, tmp_path: Path) -> None:
    """And what it had written is there for whoever goes on."""
    upload_id = begin(store)
    arguments = [sys.executable, "-c", HOLD, str(tmp_path), str(REPOSITORY), upload_id]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UploadBusy):
            store.hold_upload(REPOSITORY, upload_id)
        holder.kill()
        holder.wait()
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.catch_up()
    assert upload.content() == b"half"


def test_a_store_that_is_opened_again_goes_on(store: DiskBlobStore, tmp_path: Path) -> None:
    """With what it has, also if somebody tidied up its empty folders."""
    generation = commit(store)
    (tmp_path / "uploads" / str(REPOSITORY)).rmdir()
    again = DiskBlobStore(tmp_path)
    assert [stored.generation for stored in again.stored()] == [generation]
    assert commit(again) != generation
