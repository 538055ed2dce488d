"""Reading one repository of a source: which of its images are whole, and in which order they can be put."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from careen.clock import Instant
from careen.importing.fault import Fault, Kind
from careen.importing.source import CannotRead, Listing, Source, Tag
from careen.oci import digest as digests
from careen.oci import manifest as manifests
from careen.oci import media_types, names
from careen.oci.manifest import Descriptor, InvalidManifest, Manifest


class Image(msgspec.Struct, frozen=True, gc=False):
    """A manifest, as far as an import must know it. A repository may have a hundred thousand."""

    digest: str
    pushed_at: Instant
    media_type: str
    size: int
    """Bytes of the manifest itself."""
    blobs: tuple[str, ...]
    """Digests of what it needs, each once."""
    children: tuple[str, ...]
    """Digests of the manifests that it lists."""
    subject: str | None
    artifact_type: str | None
    tags: tuple[Tag, ...]


class Contents(NamedTuple):
    """A repository."""

    name: str
    images: list[Image]
    """Those that are whole: what an index lists before it, a subject before what refers to it, and else the oldest first."""
    faults: list[Fault]
    sizes: Mapping[str, int]
    """Bytes of each blob that the images need."""


class Reader:
    """Reads repositories, and remembers which blobs it has looked at.

    Args:
        source: where they are.
        verify: whether to read every blob and compare it with its digest, instead of its size alone.
    """

    def __init__(self, source: Source, *, verify: bool = False) -> None:
        self._source = source
        self._verify = verify
        self._verified: dict[tuple[str, str], bool] = {}
        """Of a home and a digest: whether the bytes there have it."""

    def read(self, repository: str) -> Contents:
        """Read a repository. That it cannot be read is a fault of it, and of no other."""
        try:
            return self._read(repository, self._source.listing(repository))
        except CannotRead as error:
            why = str(error)
        except OSError as error:
            why = f"{error.filename or 'a file of it'} cannot be read: {error.strerror}"
        return Contents(repository, [], [Fault(repository, "", (), Kind.UNREADABLE, why)], {})

    def _read(self, repository: str, listing: Listing) -> Contents:
        tags: defaultdict[str, list[Tag]] = defaultdict(list)
        faults: list[Fault] = []
        for tag in listing.tags:
            if names.is_tag(tag.name):
                tags[tag.digest].append(tag)
            else:
                faults.append(Fault(repository, tag.name, (tag.name,), Kind.TAG, "this is no tag"))
        found, broken = self._manifests(repository, listing.digests)
        for digest in tags.keys() - found.keys() - broken.keys():
            for tag in tags[digest]:
                why = f"it names {tag.digest or 'nothing'}, which is not there"
                faults.append(Fault(repository, tag.name, (tag.name,), Kind.DANGLING_TAG, why))
        sizes: dict[str, int] = {}
        images = []
        for digest in _in_order(found):
            whole = found[digest]
            broken_by = self._fault(repository, whole.manifest, found, broken, sizes)
            if broken_by is None:
                images.append(_image(digest, whole, tags.get(digest, ())))
            else:
                broken[digest] = broken_by
        for digest, (kind, why) in broken.items():
            names_of = tuple(tag.name for tag in tags.get(digest, ()))
            faults.append(Fault(repository, digest, names_of, kind, why))
        needed = {blob for image in images for blob in image.blobs}
        return Contents(repository, images, faults, {digest: sizes[digest] for digest in needed})

    def _manifests(
        self, repository: str, listed: Iterable[str]
    ) -> "tuple[dict[str, _Read], dict[str, tuple[Kind, str]]]":
        """The manifests that are listed, and those that they list; of those that cannot be read, why."""
        found: dict[str, _Read] = {}
        broken: dict[str, tuple[Kind, str]] = {}
        top, waiting = set(listed), list(listed)
        while waiting:
            digest = waiting.pop()
            if digest in found or digest in broken:
                continue
            content = self._source.manifest(repository, digest)
            if content is None:
                # Of what an index lists and nobody else, its absence is the index's fault.
                if digest in top:
                    broken[digest] = Kind.MANIFEST_MISSING, "its bytes are not there"
                continue
            read = _parsed(digest, content.data)
            if isinstance(read, Manifest):
                found[digest] = _Read(read, content.pushed_at, len(content.data))
                waiting += [each.digest for each in read.children if each.media_type in media_types.MANIFESTS]
            else:
                broken[digest] = read
        return found, broken

    def _fault(
        self,
        repository: str,
        manifest: Manifest,
        found: "Mapping[str, _Read]",
        broken: Mapping[str, tuple[Kind, str]],
        sizes: dict[str, int],
    ) -> tuple[Kind, str] | None:
        """What is wrong with what a manifest needs, if anything is. Notes the sizes of what is there."""
        for child in manifest.children:
            if child.media_type in media_types.MANIFESTS and (
                child.digest not in found or child.digest in broken
            ):
                gone = "is left out" if child.digest in broken else "is not there"
                return Kind.CHILD_MISSING, f"it lists {child.digest}, which {gone}"
        for blob in _blobs(manifest):
            size = self._source.size(repository, blob.digest)
            if size is None:
                return Kind.BLOB_MISSING, f"blob {blob.digest} is not there"
            if size != blob.size:
                return Kind.BLOB_DAMAGED, f"blob {blob.digest} has {size:,} bytes instead of {blob.size:,}"
            if self._verify and not self._has_digest(repository, blob.digest):
                return Kind.BLOB_DAMAGED, f"blob {blob.digest} has other bytes than its digest says"
            sizes[blob.digest] = size
        return None

    def _has_digest(self, repository: str, digest: str) -> bool:
        key = self._source.home(repository), digest
        if key not in self._verified:
            algorithm, _, value = digest.partition(":")
            try:
                with self._source.open(repository, digest) as file:
                    self._verified[key] = hashlib.file_digest(file, algorithm).hexdigest() == value
            except OSError:
                return False
        return self._verified[key]


class _Read(NamedTuple):
    manifest: Manifest
    pushed_at: Instant
    size: int


def _parsed(digest: str, data: bytes) -> Manifest | tuple[Kind, str]:
    if len(data) > manifests.MAX_BYTES:
        return Kind.MANIFEST_REFUSED, f"it has more than {manifests.MAX_BYTES:,} bytes"
    if digests.digest_of(data, digests.algorithm(digest)) != digest:
        return Kind.MANIFEST_DAMAGED, "it has other bytes than its digest says"
    try:
        return manifests.parse(data)
    except InvalidManifest as error:
        if _is_schema_1(data):
            return Kind.SCHEMA_1, "it is of Docker's schema 1, which is not supported"
        return Kind.MANIFEST_REFUSED, f"it is no manifest that is taken: {error}"


class _Versioned(msgspec.Struct, rename="camel"):
    schema_version: int = 0


def _is_schema_1(data: bytes) -> bool:
    try:
        return msgspec.json.decode(data, type=_Versioned).schema_version == 1
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _blobs(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Everything that is no manifest: an index may list such, too."""
    others = (each for each in manifest.children if each.media_type not in media_types.MANIFESTS)
    return (*manifest.blobs(), *others)


def _image(digest: str, read: _Read, tags: Iterable[Tag]) -> Image:
    manifest = read.manifest
    # The same text for the same digest everywhere: layers are named by many images.
    blobs = tuple(sys.intern(blob.digest) for blob in _blobs(manifest))
    return Image(
        digest=sys.intern(digest),
        pushed_at=read.pushed_at,
        media_type=manifest.media_type,
        size=read.size,
        blobs=blobs,
        children=tuple(
            sys.intern(each.digest) for each in manifest.children if each.media_type in media_types.MANIFESTS
        ),
        subject=manifest.subject.digest if manifest.subject else None,
        artifact_type=manifest.artifact_type,
        tags=tuple(tags),
    )


def _in_order(found: Mapping[str, _Read]) -> Iterator[str]:
    """Every digest after those it needs or refers to, and else by push time."""
    done: set[str] = set()
    for first in sorted(found, key=lambda digest: (found[digest].pushed_at, digest)):
        waiting = [first]
        while waiting:
            digest = waiting[-1]
            before = [each for each in _before(found[digest].manifest) if each in found and each not in done]
            if before and digest not in done:  # no circle: a digest cannot be in what it is the digest of
                waiting += before
                continue
            waiting.pop()
            if digest not in done:
                done.add(digest)
                yield digest


def _before(manifest: Manifest) -> Iterator[str]:
    yield from (child.digest for child in manifest.children)
    if manifest.subject is not None:
        yield manifest.subject.digest


def reached_by_tags(images: list[Image]) -> list[Image]:
    """The images that tags lead to: tagged ones, what they list, and what refers to any of those. In the same order."""
    by_digest = {image.digest: image for image in images}
    referrers: defaultdict[str, list[Image]] = defaultdict(list)
    for image in images:
        if image.subject is not None:
            referrers[image.subject].append(image)
    reached: set[str] = set()
    waiting = [image for image in images if image.tags]
    while waiting:
        image = waiting.pop()
        if image.digest not in reached:
            reached.add(image.digest)
            waiting += [by_digest[child] for child in image.children]
            waiting += referrers[image.digest]
    return [image for image in images if image.digest in reached]


def asked_at(images: Sequence[Image]) -> dict[str, Instant]:
    """When each image was asked for last: pushed or tagged, or listed by an index of which the same is true."""
    found: dict[str, Instant] = {}
    for image in reversed(images):  # an index comes after what it lists
        deeds = [image.pushed_at, *(tag.tagged_at for tag in image.tags)]
        last = found[image.digest] = max(found.get(image.digest, image.pushed_at), *deeds)
        for child in image.children:
            found[child] = max(found.get(child, last), last)
    return found
