"""Two homes for bytes as one: the registry's own, and a cheaper and slower one for what only archived images need.

A generation says in which home its bytes are: in the archive's its name begins with :data:`MARK`, here and in the rows; within that
home it has the name that the home gave it. So whoever has a row finds the bytes, and moving a blob is what every other change of
its bytes is: a durable copy under a new generation, one row that names it instead of the old, and the old one condemned.
"""

import contextlib
import itertools
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from careen.blobs.store import BlobStore, Source, Stored, Upload, UploadUnknown
from careen.oci import digest as digests

MARK = "archive-"
"""How the generations of the archive's home begin. No store draws such a name by itself."""

COPIES = 0
"""The repository of the uploads that are copies on their way; no repository has this id."""


class Corrupt(Exception):
    """The bytes that were to be copied are not those of their digest."""


def is_archived(generation: str) -> bool:
    """Whether that generation's bytes are in the archive's home."""
    return generation.startswith(MARK)


def at_home(generation: str) -> str:
    """The name that the generation has in its home."""
    return generation.removeprefix(MARK)


def _check(upload: Upload, digest: str) -> None:
    if (found := upload.digest(digests.algorithm(digest))) != digest:
        raise Corrupt(f"the bytes of {digest} have the digest {found}")


class ArchivingBlobStore:
    """Blobs in ``home``, but for those that were copied to ``archive``. Uploads are ``home``'s."""

    def __init__(self, home: BlobStore, archive: BlobStore) -> None:
        self.home = home
        self.archive = archive

    @property
    def is_remote(self) -> bool:
        """As ``home`` is."""
        return self.home.is_remote

    @property
    def patience(self) -> float:
        """As ``home`` is: uploads are its own."""
        return self.home.patience

    def is_far(self, generation: str) -> bool:
        """Whether asking for it may take long: the archive's home is slow, and when it does not answer it must hold up nobody."""
        return is_archived(generation) or self.home.is_far(generation)

    def knock(self) -> None:
        """See that ``home`` answers: what lies in the archive's may wait."""
        self.home.knock()

    def copy_across(self, digest: str, generation: str, size: int, going: Callable[[], None]) -> str:
        """Make a durable copy of one generation in the other home; the bytes are compared with their digest on the way.

        Args:
            digest: the blob.
            generation: its present generation, which stays.
            size: bytes.
            going: called before each piece; what it raises ends the copying, and nothing is left of it.

        Returns:
            The generation of the copy. No row names it yet: if none ever does, the sweep deletes it.

        Raises:
            FileNotFoundError: this generation is gone.
            Corrupt: its bytes have another digest, or there are fewer.
        """
        target, mark = (self.home, "") if is_archived(generation) else (self.archive, MARK)
        upload_id = str(uuid.uuid4())
        target.create_upload(COPIES, upload_id)
        upload = target.hold_upload(COPIES, upload_id)
        try:
            for piece in self.pieces(digest, generation, size):
                going()
                upload.write([piece])
            _check(upload, digest)
            return mark + upload.commit(digest)
        except BaseException:
            upload.abort()
            raise

    def create_upload(self, repository_id: int, upload_id: str) -> None:
        """Begin an empty upload."""
        self.home.create_upload(repository_id, upload_id)

    def hold_upload(self, repository_id: int, upload_id: str) -> Upload:
        """Take an upload for this request; copies on their way may be in either home."""
        if repository_id == COPIES:
            with contextlib.suppress(UploadUnknown):
                return self.archive.hold_upload(repository_id, upload_id)
        return self.home.hold_upload(repository_id, upload_id)

    def open(self, digest: str, generation: str, *, by_front: bool = False) -> Source:
        """Where to read the bytes from; a web server in front reads ``home`` alone."""
        front = by_front and not is_archived(generation)
        return self._of(generation).open(digest, at_home(generation), by_front=front)

    def delete(self, digest: str, generation: str) -> None:
        """Delete one generation."""
        self._of(generation).delete(digest, at_home(generation))

    def pieces(
        self, digest: str, generation: str, size: int, offset: int = 0
    ) -> Generator[bytes, None, None]:
        """One generation, piece by piece, from an offset on."""
        return self._of(generation).pieces(digest, at_home(generation), size, offset)

    def quarantine(self, digest: str, generation: str) -> None:
        """Set one generation aside, in its home."""
        self._of(generation).quarantine(digest, at_home(generation))

    def quarantine_content(self, name: str, content: bytes) -> None:
        """Keep bytes aside that were a row."""
        self.home.quarantine_content(name, content)

    def copy_out(self, digest: str, generation: str, target: Path) -> None:
        """Put a durable copy at ``target``."""
        self._of(generation).copy_out(digest, at_home(generation), target)

    def copy_in(self, source: Path, digest: str, generation: str) -> None:
        """Take in what :meth:`copy_out` made."""
        self._of(generation).copy_in(source, digest, at_home(generation))

    def size(self, digest: str, generation: str) -> int | None:
        """The bytes that one generation has, or None if it is gone."""
        return self._of(generation).size(digest, at_home(generation))

    def stored(self) -> Iterator[Stored]:
        """Every generation there is, in both homes."""
        archived = (each._replace(generation=MARK + each.generation) for each in self.archive.stored())
        return itertools.chain(self.home.stored(), archived)

    def uploads(self) -> Iterator[tuple[int, str, int, float]]:
        """Every open upload, in both homes."""
        return itertools.chain(self.home.uploads(), self.archive.uploads())

    def claim(self, owner: str) -> str:
        """Whose the archive's home is: whoever claims it first has it."""
        return self.archive.claim(owner)

    def abandon_strays(self, age: float) -> int:
        """Delete what belongs to no upload and no blob, in both homes."""
        return self.home.abandon_strays(age) + self.archive.abandon_strays(age)

    def _of(self, generation: str) -> BlobStore:
        return self.archive if is_archived(generation) else self.home
