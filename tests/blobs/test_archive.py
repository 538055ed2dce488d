"""Two homes keep the contract as one does; and a copy goes across, whole or not at all."""

import dataclasses
import os
from pathlib import Path

import pytest

from careen.blobs.archive import COPIES, ArchivingBlobStore, Corrupt, is_archived
from careen.blobs.disk import DiskBlobStore
from careen.blobs.store import FrontFile, OpenFile
from tests.blobs.contract import DATA, DIGEST, BlobStoreContract, Open, begin, commit, read


class TestArchivingBlobStore(BlobStoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Open:
        return lambda: ArchivingBlobStore(
            DiskBlobStore(tmp_path / "home"), DiskBlobStore(tmp_path / "archive")
        )


@dataclasses.dataclass
class Folders:
    """A store and where its homes are."""

    store: ArchivingBlobStore
    home: Path
    archive: Path

    def files(self) -> tuple[int, int]:
        """How many there are at home and in the archive, uploads included."""
        home, archive = (
            sum(path.is_file() for path in each.rglob("*")) for each in (self.home, self.archive)
        )
        return home, archive


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    home, archive = tmp_path / "home", tmp_path / "archive"
    return Folders(ArchivingBlobStore(DiskBlobStore(home), DiskBlobStore(archive)), home, archive)


def go_on() -> None:
    """Nobody wants the copying to end."""


def test_a_copy_goes_there_and_back(folders: Folders) -> None:
    """Each generation is there by itself, and its name says in which home; deleting one leaves the others."""
    store = folders.store
    first = commit(store)
    away = store.copy_across(DIGEST, first, len(DATA), go_on)
    back = store.copy_across(DIGEST, away, len(DATA), go_on)
    assert [is_archived(each) for each in (first, away, back)] == [False, True, False]
    assert folders.files() == (2, 1)
    assert {each.generation for each in store.stored()} == {first, away, back}
    assert len({first, away, back}) == 3
    store.delete(DIGEST, first)
    assert store.size(DIGEST, first) is None
    for each in (away, back):
        assert store.size(DIGEST, each) == len(DATA)
        assert read(store, DIGEST, each) == DATA


@pytest.mark.parametrize("wrong", [b"other bytes " * 100, DATA[:-1], b""], ids=["other", "fewer", "none"])
def test_wrong_bytes_are_not_copied(folders: Folders, wrong: bytes) -> None:
    """What a disk has made of a blob stays where it is, for the scrub."""
    store = folders.store
    generation = commit(store)
    [path] = [each for each in (folders.home / "blobs").rglob("*") if each.is_file()]
    path.write_bytes(wrong)
    with pytest.raises(Corrupt, match=DIGEST):
        store.copy_across(DIGEST, generation, len(DATA), go_on)
    assert folders.files() == (1, 0)


def test_what_is_gone_is_told(folders: Folders) -> None:
    """As every reader is told."""
    with pytest.raises(FileNotFoundError):
        folders.store.copy_across(DIGEST, "0123456789abcdef", 1, go_on)
    assert folders.files() == (0, 0)


def test_a_copy_that_is_stopped_leaves_nothing(folders: Folders) -> None:
    """Whatever stops it."""

    def stop() -> None:
        raise KeyboardInterrupt

    generation = commit(folders.store)
    with pytest.raises(KeyboardInterrupt):
        folders.store.copy_across(DIGEST, generation, len(DATA), stop)
    assert folders.files() == (1, 0)


def test_a_copy_that_died_is_an_upload_of_its_home(folders: Folders) -> None:
    """So the sweep finds and ends it, in whichever home it was going to."""
    store = folders.store
    for home in (store.home, store.archive):
        upload_id = "00000000-0000-4000-8000-000000000000"
        home.create_upload(COPIES, upload_id)
        assert [each[:2] for each in store.uploads()] == [(COPIES, upload_id)]
        store.hold_upload(COPIES, upload_id).abort()
        assert list(store.uploads()) == []
    begin(store, b"a client's")
    assert folders.files() == (1, 0)


def test_a_web_server_in_front_sends_what_is_at_home_only(tmp_path: Path) -> None:
    """It reads the data folder; the archive's home it does not know."""
    store = ArchivingBlobStore(
        DiskBlobStore(tmp_path / "home", has_front=True), DiskBlobStore(tmp_path / "archive")
    )
    generation = commit(store)
    away = store.copy_across(DIGEST, generation, len(DATA), go_on)
    assert isinstance(store.open(DIGEST, generation, by_front=True), FrontFile)
    found = store.open(DIGEST, away, by_front=True)
    assert isinstance(found, OpenFile)
    os.close(found.fd)
