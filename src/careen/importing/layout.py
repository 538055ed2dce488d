"""OCI image layouts (image-spec 1.1, image-layout.md): one, in a folder or a tar, or one for each repository, as zot has them.

::

    oci-layout                      says that it is one
    index.json                      lists manifests; an annotation gives a tag
    blobs/<algorithm>/<hex>         every blob, manifests too

Nothing in a layout says when something was pushed. The file of a manifest was written then, so its time is taken; in a tar, what
the tar says of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import NamedTuple

import msgspec

from careen.importing.files import Files
from careen.importing.source import CannotRead, Content, Leftover, Listing, Stored, Tag
from careen.oci import digest as digests
from careen.oci import names
from careen.oci.manifest import MAX_BYTES

TAG = "org.opencontainers.image.ref.name"
"""What a manifest of an index is called (image-spec, annotations.md): a tag, or a whole reference."""

NAME = "io.containerd.image.name"
"""What containerd and Docker add: the whole reference, ``docker.io/library/alpine:3.20``."""

INDEX_BYTES = 64 * 1024 * 1024
"""More than any index.json has: zot lists every manifest of a repository there."""


class _Entry(msgspec.Struct):
    digest: str
    annotations: dict[str, str] | None = None


class _Index(msgspec.Struct):
    manifests: list[_Entry] | None = None


class Place(NamedTuple):
    """Where a repository's images are."""

    root: str
    """The path of its layout; empty for the root of all files."""
    named: str | None = None
    """Only those that the layout says are of this repository; None: all of them."""


@dataclass(frozen=True, slots=True)
class Layouts:
    """Some repositories in layouts.

    Args:
        files: where they all are.
        places: where each repository is.
    """

    files: Files
    places: Mapping[str, Place]

    kind = "OCI image layout"
    times = "the times of the files of manifests"

    def repositories(self) -> Iterator[str]:
        """See :class:`careen.importing.source.Source`."""
        yield from sorted(self.places)

    def home(self, repository: str) -> str:
        """See :class:`careen.importing.source.Source`."""
        return self.places[repository].root

    def listing(self, repository: str) -> Listing:
        """See :class:`careen.importing.source.Source`.

        Raises:
            CannotRead: ``index.json`` is none.
        """
        root, named = self.places[repository]
        entries = [
            entry
            for entry in _index(self.files, root).manifests or ()
            if digests.is_digest(entry.digest) and named in {None, _repository(entry)}
        ]
        tags = {
            name: Tag(name, entry.digest, self._written_at(repository, entry.digest))
            for entry in entries
            if (name := _tag(entry))
        }
        return Listing(list(dict.fromkeys(entry.digest for entry in entries)), list(tags.values()))

    def _written_at(self, repository: str, digest: str) -> int:
        about = self.files.look(self._path(repository, digest))
        return 0 if about is None else about.modified_at

    def manifest(self, repository: str, digest: str) -> Content | None:
        """See :class:`careen.importing.source.Source`."""
        path = self._path(repository, digest)
        about = self.files.look(path)
        if about is None:
            return None
        try:
            return Content(self.files.read(path, MAX_BYTES + 1), about.modified_at)
        except FileNotFoundError:
            return None

    def size(self, repository: str, digest: str) -> int | None:
        """See :class:`careen.importing.source.Source`."""
        found = self.files.look(self._path(repository, digest))
        return None if found is None else found.size

    def open(self, repository: str, digest: str) -> BufferedReader:
        """See :class:`careen.importing.source.Source`."""
        return self.files.open(self._path(repository, digest))

    def stored(self) -> Iterator[Stored]:
        """See :class:`careen.importing.source.Source`."""
        for root in {place.root for place in self.places.values()}:
            blobs = _below_root(root, "blobs")
            for algorithm in self.files.folders(blobs):
                for about in self.files.files(f"{blobs}/{algorithm}"):
                    yield Stored(f"{algorithm}:{about.name}", about.size)

    def uploads(self) -> Iterator[Leftover]:
        """See :class:`careen.importing.source.Source`. A layout knows none; zot's are in ``.uploads`` beside it."""
        for repository, (root, _) in self.places.items():
            for about in self.files.files(_below_root(root, ".uploads")):
                yield Leftover(repository, about.size)

    def _path(self, repository: str, digest: str) -> str:
        return _below_root(self.places[repository].root, f"blobs/{digest.replace(':', '/', 1)}")


def _below_root(root: str, path: str) -> str:
    """A path in a folder; the root of all files has no name."""
    return f"{root}/{path}" if root else path


def _index(files: Files, root: str) -> _Index:
    path = _below_root(root, "index.json")
    try:
        return msgspec.json.decode(files.read(path, INDEX_BYTES), type=_Index)
    except FileNotFoundError:
        raise CannotRead(f"there is no {path}, which an OCI image layout has") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CannotRead(f"{path} is not the index of an OCI image layout") from None


def is_layout(files: Files, root: str = "") -> bool:
    """Whether a folder says that it is a layout."""
    return files.look(_below_root(root, "oci-layout")) is not None


def named(files: Files) -> dict[str, Place]:
    """The repositories that a layout at the root says its images are of, without a registry's host: ``library/alpine``.

    Raises:
        CannotRead: ``index.json`` is none.
    """
    found = {_repository(entry) for entry in _index(files, "").manifests or ()}
    return {name: Place("", name) for name in found if name is not None}


def _repository(entry: _Entry) -> str | None:
    """``library/alpine`` of ``docker.io/library/alpine:3.20``; None: it does not say."""
    annotations = entry.annotations or {}
    name = annotations.get(TAG, "")
    path = annotations.get(NAME, "" if names.is_tag(name) else name).partition("@")[0]
    host, _, rest = path.partition("/")
    if rest and ("." in host or ":" in host or host == "localhost"):
        path = rest
    above, _, last = path.rpartition("/")
    return f"{above}/{last.partition(':')[0]}".lstrip("/") or None


def _tag(entry: _Entry) -> str:
    """What it is called; podman writes a whole reference there. Empty: nothing."""
    name = (entry.annotations or {}).get(TAG, "")
    above, _, last = name.partition("@")[0].rpartition("/")
    return last.partition(":")[2] if above or ":" in last else name


def below(files: Files) -> dict[str, Place]:
    """Every layout below the root, by its path: the repository's name."""
    return {path: Place(path) for path in _below(files, "")}


def _below(files: Files, above: str) -> Iterator[str]:
    is_one = is_layout(files, above)
    if is_one and above:
        yield above
    for name in files.folders(above):
        if not (is_one and name == "blobs"):
            yield from _below(files, _below_root(above, name))
