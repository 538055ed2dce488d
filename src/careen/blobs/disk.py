"""Blobs in a data folder.

::

    blobs/<algorithm>/<first two hex digits>/<hex>.<generation>    committed bytes
    uploads/<repository id>/<upload id>                            an upload; the file's size is its offset
    owner                                                          whose the folder is, if it is an archive's home
    quarantine/<algorithm>-<hex>.<generation>                      damaged bytes, for people to look at; nobody deletes them

A commit is: fdatasync, rename into ``blobs/``, fsync of that directory; a crash between leaves a file that no row names, which
the sweep finds. Holding an upload is an flock, so it ends with the process that held it.

Hash objects cannot be saved, so an upload that continues in another process is read again once from the start; as long as its
requests meet the same process, its open file and hash are kept here.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from careen import durable
from careen.blobs.store import FrontFile, OpenFile, Source, Stored, UploadBusy, UploadUnknown
from careen.clock import SECOND, Clock, system_now
from careen.faults import Point, reach
from careen.oci import digest as digests

MAX_WARM_UPLOADS = 256
"""Uploads whose open file and hash are kept between requests; the least recently used is closed first."""

WARM_SECONDS = 60.0
"""How long one is kept that nobody uses: another process may have ended it, and an open file holds its bytes on the disk."""

_READ_BYTES = 1024 * 1024

_IOV_MAX = 1024
"""How many pieces the kernel takes in one call."""


class DiskUpload:
    """An upload as an open file, its hash and its offset."""

    def __init__(self, store: "DiskBlobStore", key: tuple[int, str], fd: int) -> None:
        self._store = store
        self._key = key
        self._fd = fd
        self._hasher = digests.hasher()
        self._offset = 0
        self._ended = False
        self.held = False
        self.used = time.monotonic()
        """When this process last had to do with it; the monotonic clock's seconds."""

    @property
    def offset(self) -> int:
        """Bytes taken in so far."""
        return self._offset

    @property
    def told(self) -> int:
        """All of them."""
        return self._offset

    @property
    def is_behind(self) -> bool:
        """Whether the file has another size than what was taken in here."""
        return os.fstat(self._fd).st_size != self._offset

    def catch_up(self) -> None:
        """Hash what another process has appended since this one last wrote; all of it, if this one is new to the upload."""
        size = os.fstat(self._fd).st_size
        if size < self._offset:
            self._hasher, self._offset = digests.hasher(), 0
        while self._offset < size:
            piece = os.pread(self._fd, min(_READ_BYTES, size - self._offset), self._offset)
            self._hasher.update(piece)
            self._offset += len(piece)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append, hashing on the way. When a write fails, the file is cut back to what was taken in."""
        self._store.check_room(sum(map(len, pieces)))
        try:
            for first in range(0, len(pieces), _IOV_MAX):
                self._write_together(pieces[first : first + _IOV_MAX])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._offset)
            raise

    def _write_together(self, pieces: Sequence[bytes]) -> None:
        """One system call for all of them: clients stream in pieces of 32 KB."""
        views = [memoryview(piece) for piece in pieces]
        while views:
            written = os.pwritev(self._fd, views, self._offset)
            self._offset += written
            reach(Point.UPLOAD_WRITTEN)
            while views and written >= len(views[0]):
                written -= len(views[0])
                self._hasher.update(views.pop(0))
            if views:  # the disk took a part: it will say why at the next call, or take the rest
                self._hasher.update(views[0][:written])
                views[0] = views[0][written:]

    def renew(self) -> None:
        """Nothing to do: the kernel knows who holds the file."""

    def flush(self) -> None:
        """Push what was written to the disk."""
        os.fdatasync(self._fd)
        reach(Point.UPLOAD_FLUSHED)

    def digest(self, algorithm: str) -> str:
        """The digest of all bytes so far; another algorithm than sha256 costs one more reading."""
        if algorithm == "sha256":
            return f"sha256:{self._hasher.hexdigest()}"
        hasher, at = digests.hasher(algorithm), 0
        while piece := os.pread(self._fd, _READ_BYTES, at):
            hasher.update(piece)
            at += len(piece)
        return f"{algorithm}:{hasher.hexdigest()}"

    def content(self) -> bytes:
        """All bytes so far."""
        return os.pread(self._fd, self._offset, 0)

    def commit(self, digest: str) -> str:
        """Make the bytes durable under ``digest`` and end the upload. Returns the generation."""
        generation = secrets.token_hex(8)
        os.utime(self._fd)  # the sweep must see a young file, however long the upload stood still
        os.fdatasync(self._fd)
        reach(Point.BLOB_SYNCED)
        target = self._store.path(digest, generation)
        try:
            self._store.upload_path(*self._key).rename(target)
        except FileNotFoundError:  # the first blob with these two digits
            target.parent.mkdir(parents=True, exist_ok=True)
            durable.sync_folder(target.parent.parent)
            reach(Point.BLOB_FOLDER_MADE)
            self._store.upload_path(*self._key).rename(target)
        reach(Point.BLOB_RENAMED)
        durable.sync_folder(target.parent)
        reach(Point.BLOB_DURABLE)
        self._end()
        return generation

    def release(self, *, is_told: bool = True) -> None:  # noqa: ARG002 the file says how much is there, and not who knows
        """Let other requests have the upload; this process keeps it warm. Nothing happens if the upload has ended."""
        if self._ended:
            return
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self.held = False
        self.used = time.monotonic()

    def abort(self) -> None:
        """End the upload and forget its bytes. Nothing happens if it has ended."""
        if self._ended:
            return
        self._store.upload_path(*self._key).unlink(missing_ok=True)
        reach(Point.UPLOAD_ENDED)
        self._end()

    def close(self) -> None:
        """Close the file; the upload itself goes on."""
        os.close(self._fd)

    def still_there(self) -> bool:
        """Whether the file is still the upload: not committed or aborted by another process."""
        return os.fstat(self._fd).st_nlink > 0 and self._store.upload_path(*self._key).exists()

    def hold(self) -> None:
        """Take the upload for one request.

        Raises:
            UploadBusy: another request, here or in another process, holds it.
        """
        if self.held:
            raise UploadBusy
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UploadBusy from None
        self.held = True

    def _end(self) -> None:
        self._ended = True
        self._store.forget(self._key)
        self.close()


class DiskBlobStore:
    """Blobs in the folder ``root``. Holding and creating uploads belongs to one thread (the event loop's).

    Args:
        root: the data folder.
        now: the clock that says how old a file is.
        reserve: bytes of the disk that uploads leave free: deleting and collecting need some of them.
        has_front: whether a web server stands before the registry that may read ``blobs/`` and sends files for it.
    """

    is_remote = False
    patience = 0.0

    def __init__(
        self, root: Path, now: Clock = system_now, reserve: int = 0, *, has_front: bool = False
    ) -> None:
        self._has_front = has_front
        self._now = now
        self._root = root
        self._reserve = reserve
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._quarantine = root / "quarantine"
        self._warm: OrderedDict[tuple[int, str], DiskUpload] = OrderedDict()
        for folder in (self._blobs / "sha256", self._blobs / "sha512", self._uploads):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str, generation: str) -> Path:
        """Where one generation of a blob lies."""
        return self._blobs / _location(digest, generation)

    def upload_path(self, repository_id: int, upload_id: str) -> Path:
        """Where an upload lies. ``upload_id`` is a UUID that the caller has checked: it becomes a file name."""
        return self._uploads / str(repository_id) / upload_id

    def is_far(self, generation: str) -> bool:  # noqa: ARG002 whichever it is
        """Never: a folder is here."""
        return False

    def knock(self) -> None:
        """See that the folder is there: where its disk is not mounted any more, it is not."""
        (self._blobs / "sha256").stat()

    def create_upload(self, repository_id: int, upload_id: str) -> None:
        """Begin an empty upload."""
        self.check_room(0)
        path = self.upload_path(repository_id, upload_id)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o644)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            fd = os.open(path, flags, 0o644)
        reach(Point.UPLOAD_CREATED)
        self._keep_warm((repository_id, upload_id), DiskUpload(self, (repository_id, upload_id), fd))

    def hold_upload(self, repository_id: int, upload_id: str) -> DiskUpload:
        """Take an upload for this request; see :class:`careen.blobs.store.BlobStore`. ``catch_up`` before writing."""
        key = (repository_id, upload_id)
        upload = self._warm.get(key)
        if upload is None:
            try:
                fd = os.open(self.upload_path(*key), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                raise UploadUnknown from None
            upload = DiskUpload(self, key, fd)
        try:
            upload.hold()
        except UploadBusy:
            if key not in self._warm:
                upload.close()
            raise
        if not upload.still_there():
            self.forget(key)
            upload.close()
            raise UploadUnknown
        self._keep_warm(key, upload)
        return upload

    def check_room(self, size: int) -> None:
        """Refuse to take ``size`` more bytes if they would touch the reserve.

        Raises:
            OSError: ENOSPC.
        """
        if self._reserve:
            disk = os.statvfs(self._root)
            if disk.f_bavail * disk.f_frsize < self._reserve + size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._root))

    def forget(self, key: tuple[int, str]) -> None:
        """Keep an upload warm no longer."""
        self._warm.pop(key, None)

    def open(self, digest: str, generation: str, *, by_front: bool = False) -> Source:
        """Where to read the bytes from; see :class:`careen.blobs.store.BlobStore`."""
        if by_front and self._has_front:
            return FrontFile(_location(digest, generation))
        return OpenFile(os.open(self.path(digest, generation), os.O_RDONLY | os.O_CLOEXEC))

    def size(self, digest: str, generation: str) -> int | None:
        """The size of one generation's file, or None if there is none."""
        try:
            return self.path(digest, generation).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, digest: str, generation: str) -> None:
        """Delete one generation."""
        self.path(digest, generation).unlink(missing_ok=True)

    def pieces(
        self, digest: str, generation: str, size: int, offset: int = 0
    ) -> Generator[bytes, None, None]:
        """One generation, piece by piece; see :class:`careen.blobs.store.BlobStore`."""
        with self.path(digest, generation).open("rb") as file:
            file.seek(offset)
            while size and (piece := file.read(min(_READ_BYTES, size))):
                size -= len(piece)
                yield piece

    def quarantine(self, digest: str, generation: str) -> None:
        """Set one generation aside. A rename: a download that has it open goes on."""
        self._quarantine.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path(digest, generation).rename(
                self._quarantine / f"{digest.replace(':', '-')}.{generation}"
            )

    def quarantine_content(self, name: str, content: bytes) -> None:
        """Keep bytes aside that were a row."""
        self._quarantine.mkdir(exist_ok=True)
        (self._quarantine / name.replace(":", "-")).write_bytes(content)

    def copy_out(self, digest: str, generation: str, target: Path) -> None:
        """Put a durable copy at ``target``."""
        place(self.path(digest, generation), target)

    def copy_in(self, source: Path, digest: str, generation: str) -> None:
        """Take in what :meth:`copy_out` made."""
        target = self.path(digest, generation)
        with contextlib.suppress(FileNotFoundError):
            if target.stat().st_size == source.stat().st_size:
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        place(source, target)

    def stored(self) -> Iterator[Stored]:
        """Every generation there is. A file that vanishes while we look is not reported."""
        now = self._now() / SECOND
        for algorithm in ("sha256", "sha512"):
            for folder in _entries(self._blobs / algorithm):
                for entry in _entries(Path(folder.path)):
                    hexadecimal, _, generation = entry.name.partition(".")
                    with contextlib.suppress(FileNotFoundError):
                        stat = entry.stat()
                        yield Stored(
                            f"{algorithm}:{hexadecimal}", generation, stat.st_size, now - stat.st_mtime
                        )

    def uploads(self) -> Iterator[tuple[int, str, int, float]]:
        """Every open upload: repository id, upload id, bytes, seconds since it last grew."""
        now = self._now() / SECOND
        for folder in _entries(self._uploads):
            if not folder.name.isdigit():  # not ours
                continue
            for entry in _entries(Path(folder.path)):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    yield int(folder.name), entry.name, stat.st_size, now - stat.st_mtime

    def claim(self, owner: str) -> str:
        """Say that this folder is ``owner``'s, unless it is somebody's. The file that says so appears whole or not at all."""
        path = self._root / "owner"
        if not path.exists():
            durable.write_once(
                path,
                owner.encode(),
                0o666,
                drafted=lambda: reach(Point.CLAIM_DRAFTED),
                written=lambda: reach(Point.CLAIMED),
            )
        for old in self._root.glob("owner.*"):
            old.unlink(missing_ok=True)
        return path.read_text()

    def abandon_strays(self, age: float) -> int:  # noqa: ARG002 of whatever age
        """A folder has none: an upload is one file."""
        return 0

    def _keep_warm(self, key: tuple[int, str], upload: DiskUpload) -> None:
        self._warm[key] = upload
        self._warm.move_to_end(key)
        now = time.monotonic()
        for old_key, old in list(self._warm.items()):  # a copy: commits in other threads take theirs out
            if len(self._warm) <= MAX_WARM_UPLOADS and now - old.used < WARM_SECONDS:
                break
            if not old.held:
                self.forget(old_key)
                old.close()


def _location(digest: str, generation: str) -> str:
    algorithm, _, hexadecimal = digest.partition(":")
    return f"{algorithm}/{hexadecimal[:2]}/{hexadecimal}.{generation}"


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return


def place(source: Path, target: Path) -> None:
    """Let ``target`` have the bytes of ``source``, durably and whole or not at all; their folders are there.

    Committed bytes never change, so on one file system both are one file with two names. Elsewhere they are copied.

    Raises:
        FileNotFoundError: there is no ``source``.
    """
    draft = target.with_name(f"{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, one without links, a file with too many, or somebody else's
        shutil.copyfile(source, draft)
        durable.sync_file(draft)
    draft.rename(target)
    durable.sync_folder(target.parent)
