"""What a home for bytes promises.

``careen.blobs.disk`` is the one for a data folder, ``careen.blobs.s3`` that for a bucket; ``careen.blobs.archive`` makes one of
two.

* An **upload** is bytes on their way in: created, appended to, and at the end committed or aborted. Its size is its offset.
  Any worker process may continue it, also after a restart; one request at a time holds it.
* **Committed bytes are durable** when :meth:`Upload.commit` returns; only then may a row name them.
* Bytes live under their digest **and a generation**, a name drawn anew at every commit. The collector deletes one generation,
  so a push of the same digest at the same moment, which is another generation, is never touched.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

INLINE_BYTES = 64 * 1024
"""Blobs of up to this many bytes are rows of the database: most blobs of real images are, and rows push several times faster."""


class UploadUnknown(Exception):
    """There is no such upload: never begun, finished, aborted or expired."""


class UploadBusy(Exception):
    """Another request is writing to this upload."""


class BlobsUnavailable(Exception):
    """The home of the bytes does not answer, or refuses, though it was asked several times. The message is its own."""


class OpenFile(NamedTuple):
    """Bytes in a file of this machine, which the kernel can send."""

    fd: int
    """Open for reading; whoever is handed it closes it."""


class FrontFile(NamedTuple):
    """Bytes that the web server in front of us sends from the same file system."""

    location: str
    """``<algorithm>/<first two hex digits>/<hex>.<generation>``, below the folder of committed bytes."""


class Elsewhere(NamedTuple):
    """Bytes that the client can have from another server, without further leave, for a few minutes."""

    url: str


class Pieces(NamedTuple):
    """Bytes of another server, which we pass on."""

    read: Callable[[int, int], Generator[bytes, None, None]]
    """So many bytes from an offset on: ``read(start, count)``. It blocks; FileNotFoundError at its first piece if they are gone."""


Source = OpenFile | FrontFile | Elsewhere | Pieces
"""Where committed bytes can be had from."""


class Stored(NamedTuple):
    """One generation of a blob's bytes, as found in the store."""

    digest: str
    """Empty if nothing says it yet, or any more, or several names do: then the generation alone names the bytes."""
    generation: str
    size: int
    """Bytes."""
    age: float
    """Seconds since it was written or its upload was last heard of, by the store's own clock."""


class Upload(Protocol):
    """An upload that this request holds. Methods that move bytes block: call them in a thread."""

    @property
    def offset(self) -> int:
        """Bytes taken in so far."""

    @property
    def told(self) -> int:
        """Bytes of which the client was told by an answer. It sends the rest again, if it does not ask first how much is there.

        As many as :attr:`offset`, where nothing says more.
        """

    @property
    def is_behind(self) -> bool:
        """Whether another process has appended since; then :meth:`catch_up` before anything else. Cheap to ask."""

    def catch_up(self) -> None:
        """Take in what other processes have appended."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append, hashing on the way."""

    def renew(self) -> None:
        """Say that this request still holds it, where that has to be said. Returns at once."""

    def flush(self) -> None:
        """Start pushing what was written to the disk, so that the commit has little left to wait for."""

    def digest(self, algorithm: str) -> str:
        """The digest of all bytes so far."""

    def content(self) -> bytes:
        """All bytes so far; for small ones."""

    def commit(self, digest: str) -> str:
        """Make the bytes durable under ``digest`` and end the upload. Returns the generation."""

    def release(self, *, is_told: bool = True) -> None:
        """Let other requests have the upload. Until then what was taken in since may be lost with this process.

        Args:
            is_told: whether the request ends with an answer that tells the client how much is there.

        Raises:
            UploadBusy: another has it already, and what was taken in since is lost.
        """

    def abort(self) -> None:
        """End the upload and forget its bytes; what cannot be forgotten now is left to the sweep."""


class BlobStore(Protocol):
    """A home for bytes. One that is another server may raise :class:`BlobsUnavailable` from everything."""

    @property
    def is_remote(self) -> bool:
        """Whether taking, beginning and ending an upload waits for another server, so that it belongs in a thread."""

    @property
    def patience(self) -> float:
        """Seconds after which an upload whose holder died is free; 0: at once. Who finds it held should ask again for so long."""

    def is_far(self, generation: str) -> bool:
        """Whether asking for that generation may take long: then it belongs in a thread, and that it is whole is believed."""

    def knock(self) -> None:
        """See that the home answers, at next to no cost. Blocks; raises what any request to it would meet."""

    def create_upload(self, repository_id: int, upload_id: str) -> None:
        """Begin an empty upload."""

    def hold_upload(self, repository_id: int, upload_id: str) -> Upload:
        """Take an upload for this request, until ``release``, ``commit`` or ``abort``.

        Raises:
            UploadUnknown: no such upload in this repository.
            UploadBusy: another request holds it.
        """

    def open(self, digest: str, generation: str, *, by_front: bool = False) -> Source:
        """Where to read the bytes from.

        Args:
            digest: the blob.
            generation: the one that its row names.
            by_front: whether the request came through a web server that would send a file by itself.

        Raises:
            FileNotFoundError: this generation is gone. Where another server sends the bytes, that one finds out.
        """

    def delete(self, digest: str, generation: str) -> None:
        """Delete one generation; nothing happens if it is gone already."""

    def pieces(
        self, digest: str, generation: str, size: int, offset: int = 0
    ) -> Generator[bytes, None, None]:
        """Up to ``size`` bytes of one generation from an offset on, piece by piece; fewer, if there are fewer. Blocks.

        Raises:
            FileNotFoundError: this generation is gone.
        """

    def quarantine(self, digest: str, generation: str) -> None:
        """Set one generation aside, that no row names any more as a blob's; nothing happens if it is gone.

        Nothing deletes it, and whoever has it open reads on. A bucket leaves it where it is.
        """

    def quarantine_content(self, name: str, content: bytes) -> None:
        """Keep bytes aside that were a row, under a name for people."""

    def copy_out(self, digest: str, generation: str, target: Path) -> None:
        """Put a durable copy at ``target``, whose folder is there; a link, where the store can.

        Raises:
            FileNotFoundError: this generation is gone.
        """

    def copy_in(self, source: Path, digest: str, generation: str) -> None:
        """Take in what :meth:`copy_out` made, durably. Nothing happens if this generation is there, with as many bytes."""

    def size(self, digest: str, generation: str) -> int | None:
        """The bytes that one generation has, or None if it is gone. Cheap to ask; another size than the row's is damage."""

    def stored(self) -> Iterator[Stored]:
        """Every generation there is, for the sweep and for exact accounts."""

    def uploads(self) -> Iterator[tuple[int, str, int, float]]:
        """Every open upload: repository id, upload id, bytes, seconds since it last grew."""

    def claim(self, owner: str) -> str:
        """Say that this place is ``owner``'s, unless it is somebody's. Returns whose it is: two would delete each other's blobs."""

    def abandon_strays(self, age: float) -> int:
        """Delete what belongs to no upload and no blob and is older than ``age`` seconds. Returns how much there was of it."""
