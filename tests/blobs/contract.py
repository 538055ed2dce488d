"""What every home for bytes must do, as tests: subclass :class:`BlobStoreContract` and say how one is opened."""

import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careen.blobs.store import BlobStore, OpenFile, Pieces, UploadBusy, UploadUnknown
from careen.oci.digest import digest_of

REPOSITORY = 7
DATA = bytes(range(256)) * 1024
DIGEST = digest_of(DATA)

Open = Callable[[], BlobStore]
"""Opens the same store once more, as another process would."""


def begin(store: BlobStore, *pieces: bytes) -> str:
    """An upload of these bytes, which nobody holds. Returns its id."""
    upload_id = str(uuid.uuid4())
    store.create_upload(REPOSITORY, upload_id)
    upload = store.hold_upload(REPOSITORY, upload_id)
    upload.write(pieces)
    upload.release()
    return upload_id


def commit(store: BlobStore, data: bytes = DATA) -> str:
    """Commit bytes. Returns their generation."""
    return store.hold_upload(REPOSITORY, begin(store, data)).commit(digest_of(data))


def read(store: BlobStore, digest: str, generation: str, size: int = len(DATA)) -> bytes:
    """Committed bytes."""
    return b"".join(begin_reading(store, digest, generation, size))


def begin_reading(store: BlobStore, digest: str, generation: str, size: int = len(DATA)) -> Iterator[bytes]:
    """Committed bytes, of which the first have been read."""
    match store.open(digest, generation):
        case OpenFile(fd):
            pieces = _read_file(fd)
        case Pieces(read_pieces):
            pieces = read_pieces(0, size)
        case other:
            raise AssertionError(f"{other} is for clients")
    return itertools.chain([next(pieces, b"")], pieces)


def _read_file(fd: int) -> Iterator[bytes]:
    with os.fdopen(fd, "rb") as file:
        while piece := file.read(10_000):
            yield piece


class BlobStoreContract:
    """The promises of :mod:`careen.blobs.store`."""

    tick = 0.25
    """Seconds, of which the store's clock tells one from the next."""

    @pytest.fixture
    def opened(self) -> Open:
        """How a store is opened, and the same one once more."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, opened: Open) -> BlobStore:
        """An empty store."""
        return opened()

    def test_a_home_that_is_there_answers(self, store: BlobStore) -> None:
        """Also while it is empty."""
        store.knock()

    def test_an_upload_takes_in_what_is_written(self, store: BlobStore) -> None:
        """Piece after piece, empty ones too; offset, content and both digests are of all of it."""
        upload = store.hold_upload(REPOSITORY, begin(store))
        assert (upload.offset, upload.content(), upload.is_behind) == (0, b"", False)
        for pieces in ([b"ab", b"", b"c"], [], [b"d" * 100_000]):
            upload.write(pieces)
        upload.flush()
        data = b"abc" + b"d" * 100_000
        assert (upload.offset, upload.content(), upload.is_behind) == (len(data), data, False)
        assert upload.digest("sha256") == digest_of(data)
        assert upload.digest("sha512") == digest_of(data, "sha512")

    def test_thousands_of_pieces_are_taken_at_once(self, store: BlobStore) -> None:
        """However many a client sends."""
        upload = store.hold_upload(REPOSITORY, begin(store, *[b"x"] * 5000))
        assert (upload.offset, upload.digest("sha256")) == (5000, digest_of(b"x" * 5000))

    def test_bytes_are_read_whole_or_in_part(self, store: BlobStore) -> None:
        """Piece by piece, as many as are asked for and there; what is gone is said to be."""
        generation = commit(store)
        for size in (0, 1, len(DATA), len(DATA) + 5):
            assert b"".join(store.pieces(DIGEST, generation, size)) == DATA[:size]
        store.delete(DIGEST, generation)
        with pytest.raises(FileNotFoundError):
            b"".join(store.pieces(DIGEST, generation, len(DATA)))

    @pytest.mark.parametrize("size", [100, 20_000_000])
    def test_a_copy_comes_back(self, store: BlobStore, tmp_path: Path, size: int) -> None:
        """What was copied out and lost is copied in under its generation; a second time changes nothing."""
        data = DATA * (size // len(DATA)) or DATA[:size]
        digest = digest_of(data)
        generation = commit(store, data)
        store.copy_out(digest, generation, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == data
        store.delete(digest, generation)
        for _ in range(2):
            store.copy_in(tmp_path / "copy", digest, generation)
            assert read(store, digest, generation, len(data)) == data
        assert [(each.digest, each.size) for each in store.stored()] == [(digest, len(data))]
        with pytest.raises(FileNotFoundError):
            store.copy_out(digest, "none", tmp_path / "none")

    def test_a_place_is_whose_claims_it_first(self, opened: Open) -> None:
        """For ever, and whoever asks."""
        assert [opened().claim(owner) for owner in ("one", "two", "one")] == ["one"] * 3

    def test_an_upload_is_known_in_its_repository_only(self, store: BlobStore) -> None:
        """Under its id, and nowhere else."""
        upload_id = begin(store)
        for repository, other in ((REPOSITORY, str(uuid.uuid4())), (REPOSITORY + 1, upload_id)):
            with pytest.raises(UploadUnknown):
                store.hold_upload(repository, other)

    def test_one_holds_an_upload_at_a_time(self, opened: Open) -> None:
        """In this process and in others; who comes second is told, and may come again after a release."""
        store, elsewhere = opened(), opened()
        upload_id = begin(store)
        upload = store.hold_upload(REPOSITORY, upload_id)
        for other in (store, elsewhere, opened()):
            with pytest.raises(UploadBusy):
                other.hold_upload(REPOSITORY, upload_id)
        upload.release()
        for other in (elsewhere, store):
            other.hold_upload(REPOSITORY, upload_id).release()

    def test_an_upload_goes_on_in_another_process(self, opened: Open) -> None:
        """To and fro: each learns what the others wrote, and the digest is of all of it."""
        here, there = opened(), opened()
        upload_id, written = begin(here), b""
        for turn, store in enumerate((here, there, there, here, opened(), there)):
            upload = store.hold_upload(REPOSITORY, upload_id)
            if upload.is_behind:
                upload.catch_up()
            assert upload.offset == len(written)
            piece = bytes([turn]) * (70_000 + turn)
            upload.write([piece])
            written += piece
            assert upload.digest("sha256") == digest_of(written)
            upload.release()

    def test_committed_bytes_can_be_read(self, opened: Open) -> None:
        """From every process; the upload is over."""
        store = opened()
        upload_id = begin(store, DATA)
        upload = store.hold_upload(REPOSITORY, upload_id)
        generation = upload.commit(DIGEST)
        upload.release()  # as every request does at its end
        for other in (store, opened()):
            assert read(other, DIGEST, generation) == DATA
            with pytest.raises(UploadUnknown):
                other.hold_upload(REPOSITORY, upload_id)

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_bytes_lie_under_either_digest(self, store: BlobStore, algorithm: str) -> None:
        """Both registered algorithms."""
        digest = digest_of(DATA, algorithm)
        generation = store.hold_upload(REPOSITORY, begin(store, DATA)).commit(digest)
        assert read(store, digest, generation) == DATA
        assert [stored.digest for stored in store.stored()] == [digest]

    def test_every_commit_is_a_generation_of_its_own(self, store: BlobStore) -> None:
        """Deleting one leaves the others, though the digest is the same."""
        generations = [commit(store) for _ in range(3)]
        assert len(set(generations)) == 3
        store.delete(DIGEST, generations[1])
        assert {stored.generation for stored in store.stored()} == {generations[0], generations[2]}
        assert read(store, DIGEST, generations[2]) == DATA
        with pytest.raises(FileNotFoundError):
            begin_reading(store, DIGEST, generations[1])

    def test_deleting_again_does_nothing(self, store: BlobStore) -> None:
        """Also of what was never there."""
        generation = commit(store)
        for _ in range(2):
            store.delete(DIGEST, generation)
        store.delete(digest_of(b"never"), "0")
        assert list(store.stored()) == []

    def test_bytes_that_are_read_stay_until_they_are_read(self, store: BlobStore) -> None:
        """A download that has begun is not cut off by the collector."""
        generation = commit(store)
        reading = begin_reading(store, DIGEST, generation)
        store.delete(DIGEST, generation)
        assert b"".join(reading) == DATA

    def test_an_aborted_upload_leaves_nothing(self, opened: Open) -> None:
        """Anywhere; aborting it again, and releasing it, does nothing."""
        store, elsewhere = opened(), opened()
        upload_id = begin(store, DATA)
        elsewhere.hold_upload(REPOSITORY, upload_id).release()
        upload = store.hold_upload(REPOSITORY, upload_id)
        for end in (upload.abort, upload.abort, upload.release):
            end()
        for other in (store, elsewhere):
            with pytest.raises(UploadUnknown):
                other.hold_upload(REPOSITORY, upload_id)
        assert (list(store.stored()), list(store.uploads())) == ([], [])

    def test_ending_an_upload_twice_touches_nobody_else(self, store: BlobStore) -> None:
        """What is opened after the commit is not closed by a late abort."""
        upload = store.hold_upload(REPOSITORY, begin(store, DATA))
        generation = upload.commit(DIGEST)
        readings = [begin_reading(store, DIGEST, generation) for _ in range(3)]
        upload.abort()
        assert [b"".join(reading) for reading in readings] == [DATA] * 3

    def test_all_that_is_stored_is_listed(self, store: BlobStore) -> None:
        """Digest, generation, size, and an age that begins with the commit."""
        generations = {digest_of(data): commit(store, data) for data in (b"", b"one", DATA)}
        listed = list(store.stored())
        assert {stored.digest: stored.generation for stored in listed} == generations
        assert sorted(stored.size for stored in listed) == [0, 3, len(DATA)]
        assert all(-1 < stored.age < 60 for stored in listed)

    def test_every_open_upload_is_listed(self, store: BlobStore) -> None:
        """Repository, id, size, and how long it has stood still."""
        empty, written = begin(store), begin(store, DATA)
        commit(store)
        listed = {
            upload_id: (repository, size)
            for repository, upload_id, size, age in store.uploads()
            if -1 < age < 60
        }
        assert listed == {empty: (REPOSITORY, 0), written: (REPOSITORY, len(DATA))}

    def test_a_commit_is_young_however_old_the_upload(self, store: BlobStore) -> None:
        """The sweep deletes old bytes without a row; these may get theirs the next moment."""
        upload_id = begin(store, DATA)
        time.sleep(self.tick * 1.2)
        begun = time.monotonic()
        store.hold_upload(REPOSITORY, upload_id).commit(DIGEST)
        (stored,) = store.stored()
        assert stored.age < time.monotonic() - begun + self.tick

    def test_any_number_of_uploads_may_be_open(self, store: BlobStore) -> None:
        """More than a process would keep files for: each goes on where it was."""
        ids = [begin(store, b"begun ") for _ in range(300)]
        for upload_id in ids:
            upload = store.hold_upload(REPOSITORY, upload_id)
            if upload.is_behind:
                upload.catch_up()
            upload.write([b"and done"])
            assert upload.digest("sha256") == digest_of(b"begun and done")
            upload.abort()
