"""What a home for bytes promises. ``careen.blobs.disk`` is the one for a data folder.

* An **upload** is bytes on their way in: created, appended to, and at the end committed or aborted. Its size is its offset.
  Any worker process may continue it, also after a restart; one request at a time holds it.
* **Committed bytes are durable** when :meth:`Upload.commit` returns; only then may a row name them.
* Bytes live under their digest **and a generation**, a name drawn anew at every commit. The collector deletes one generation,
  so a push of the same digest at the same moment, which is another generation, is never touched.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

INLINE_BYTES = 64 * 1024
"""Blobs of up to this many bytes are rows of the database: most blobs of real images are, and rows push several times faster."""


class UploadUnknown(Exception):
    """There is no such upload: never begun, finished, aborted or expired."""


class UploadBusy(Exception):
    """Another request is writing to this upload."""


class Stored(NamedTuple):
    """One generation of a blob's bytes, as found in the store."""

    digest: str
    generation: str
    size: int
    """Bytes."""
    age: float
    """Seconds since it was written, by the store's own clock."""


class Upload(Protocol):
    """An upload that this request holds. Methods that move bytes block: call them in a thread."""

    @property
    def offset(self) -> int:
        """Bytes taken in so far."""

    @property
    def is_behind(self) -> bool:
        """Whether another process has appended since; then :meth:`catch_up` before anything else. Cheap to ask."""

    def catch_up(self) -> None:
        """Take in what other processes have appended."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append, hashing on the way."""

    def flush(self) -> None:
        """Start pushing what was written to the disk, so that the commit has little left to wait for."""

    def digest(self, algorithm: str) -> str:
        """The digest of all bytes so far."""

    def content(self) -> bytes:
        """All bytes so far; for small ones."""

    def commit(self, digest: str) -> str:
        """Make the bytes durable under ``digest`` and end the upload. Returns the generation."""

    def release(self) -> None:
        """Let other requests have the upload."""

    def abort(self) -> None:
        """End the upload and forget its bytes."""


class BlobStore(Protocol):
    """A home for bytes."""

    def create_upload(self, repository_id: int, upload_id: str) -> None:
        """Begin an empty upload."""

    def hold_upload(self, repository_id: int, upload_id: str) -> Upload:
        """Take an upload for this request, until ``release``, ``commit`` or ``abort``.

        Raises:
            UploadUnknown: no such upload in this repository.
            UploadBusy: another request holds it.
        """

    def open(self, digest: str, generation: str) -> int:
        """A file descriptor to read the bytes from; the caller closes it.

        Raises:
            FileNotFoundError: this generation is gone.
        """

    def size(self, digest: str, generation: str) -> int | None:
        """The bytes that one generation has, or None if it is gone. Cheap to ask; another size than the row's is damage."""

    def delete(self, digest: str, generation: str) -> None:
        """Delete one generation; nothing happens if it is gone already."""

    def stored(self) -> Iterator[Stored]:
        """Every generation there is, for the sweep and for exact accounts."""

    def uploads(self) -> Iterator[tuple[int, str, int, float]]:
        """Every open upload: repository id, upload id, bytes, seconds since it last grew."""
