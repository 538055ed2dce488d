"""The storage folder of a distribution registry (``registry:2``, ``registry:3``), as its filesystem driver lays it out.

::

    blobs/<algorithm>/<first two hex digits>/<hex>/data                 every blob, manifests too
    repositories/<name>/_layers/<algorithm>/<hex>/link                  blobs that the repository has
    repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link     its manifests
    repositories/<name>/_manifests/tags/<tag>/current/link              what a tag names
    repositories/<name>/_uploads/<id>/data                              an upload

A manifest that was deleted has no ``revisions/…/link`` any more; its bytes are there until ``registry garbage-collect`` runs.
The registry keeps no times. It writes a link when a manifest is pushed, and one when a tag is set, so their files' times are those
(distribution, registry/storage/paths.go and linkedblobstore.go).
"""

from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from careen.clock import Instant
from careen.importing.files import Folder
from careen.importing.source import Content, Leftover, Listing, Stored, Tag
from careen.oci import digest as digests
from careen.oci.manifest import MAX_BYTES

VERSION_2 = Path("docker/registry/v2")
"""Where the driver puts its tree, below the folder that the registry's configuration names."""

_LINK_BYTES = 256


class DistributionFolder:
    """The tree below ``docker/registry/v2``.

    Args:
        root: that folder.
    """

    kind = "storage of a distribution registry"
    times = "the times of the files that link manifests and tags"

    def __init__(self, root: Path) -> None:
        self._files = Folder(root)

    def repositories(self) -> Iterator[str]:
        """See :class:`careen.importing.source.Source`."""
        yield from self._repositories("")

    def _repositories(self, above: str) -> Iterator[str]:
        """The repositories below a folder of ``repositories/``. Names of the registry's own folders begin with ``_``."""
        folders = self._files.folders(f"repositories/{above}".rstrip("/"))
        if any(name.startswith("_") for name in folders):
            yield above
        for name in folders:
            if not name.startswith("_"):
                yield from self._repositories(f"{above}/{name}" if above else name)

    def home(self, repository: str) -> str:  # noqa: ARG002 one home for all
        """See :class:`careen.importing.source.Source`."""
        return ""

    def listing(self, repository: str) -> Listing:
        """See :class:`careen.importing.source.Source`."""
        revisions = f"repositories/{repository}/_manifests/revisions"
        found = [
            f"{algorithm}:{hexadecimal}"
            for algorithm in self._files.folders(revisions)
            for hexadecimal in self._files.folders(f"{revisions}/{algorithm}")
            if self._files.look(f"{revisions}/{algorithm}/{hexadecimal}/link")
        ]
        return Listing([each for each in found if digests.is_digest(each)], list(self._tags(repository)))

    def _tags(self, repository: str) -> Iterator[Tag]:
        tags = f"repositories/{repository}/_manifests/tags"
        for name in self._files.folders(tags):
            path = f"{tags}/{name}/current/link"
            about = self._files.look(path)
            if about is None:  # it was deleted
                continue
            try:
                link = self._files.read(path, _LINK_BYTES)
            except FileNotFoundError:
                continue
            yield Tag(name, link.decode("utf-8", "replace").strip(), about.modified_at)

    def manifest(self, repository: str, digest: str) -> Content | None:
        """See :class:`careen.importing.source.Source`."""
        pushed_at = self._pushed_at(repository, digest)
        if pushed_at is None:
            return None
        try:
            return Content(self._files.read(_data(digest), MAX_BYTES + 1), pushed_at)
        except FileNotFoundError:
            return None

    def _pushed_at(self, repository: str, digest: str) -> Instant | None:
        revision = digest.replace(":", "/", 1)
        link = self._files.look(f"repositories/{repository}/_manifests/revisions/{revision}/link")
        return None if link is None else link.modified_at

    def size(self, repository: str, digest: str) -> int | None:  # noqa: ARG002 one home for all
        """See :class:`careen.importing.source.Source`."""
        found = self._files.look(_data(digest))
        return None if found is None else found.size

    def open(self, repository: str, digest: str) -> BufferedReader:  # noqa: ARG002 one home for all
        """See :class:`careen.importing.source.Source`."""
        return self._files.open(_data(digest))

    def stored(self) -> Iterator[Stored]:
        """See :class:`careen.importing.source.Source`."""
        for algorithm in self._files.folders("blobs"):
            for first in self._files.folders(f"blobs/{algorithm}"):
                for hexadecimal in self._files.folders(f"blobs/{algorithm}/{first}"):
                    about = self._files.look(f"blobs/{algorithm}/{first}/{hexadecimal}/data")
                    if about is not None:
                        yield Stored(f"{algorithm}:{hexadecimal}", about.size)

    def uploads(self) -> Iterator[Leftover]:
        """See :class:`careen.importing.source.Source`."""
        for repository in self.repositories():
            uploads = f"repositories/{repository}/_uploads"
            for each in self._files.folders(uploads):
                about = self._files.look(f"{uploads}/{each}/data")
                yield Leftover(repository, 0 if about is None else about.size)


def _data(digest: str) -> str:
    algorithm, _, hexadecimal = digest.partition(":")
    return f"blobs/{algorithm}/{hexadecimal[:2]}/{hexadecimal}/data"
