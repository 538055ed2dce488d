"""The import itself: blobs are copied and verified, manifests are put, each after all that it needs, with the times that they had.

It is what a push is, at every step: an upload, a blob, a manifest in one transaction, by the registry's own use cases. So it may be
stopped or killed anywhere and what is there is whole; started again, it goes on with what is missing. The registry may serve
meanwhile, in any number of processes, and so may the source.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, ParamSpec, TypeVar

from careen.clock import Instant
from careen.ecr import errors
from careen.ecr.errors import EcrError
from careen.importing.fault import Fault, Kind
from careen.importing.reading import Contents, Image, Reader, asked_at, reached_by_tags
from careen.importing.selection import Selection
from careen.importing.source import Source
from careen.oci.manifest import InvalidManifest
from careen.registry import imports, layers
from careen.registry.registry import Registry
from careen.registry.repositories import Repository

P = ParamSpec("P")
T = TypeVar("T")

IMAGES = 8
"""How many images are under way at a time: their transactions are committed together."""

BLOBS = 4
"""How many blobs are copied at a time."""

PORTION_BYTES = 1024 * 1024
"""How much of a blob is read before it is written."""

TRIES = 3
"""How often an image is begun anew when a collection took what was there before its manifest was put."""


@dataclass(slots=True)
class Result:
    """What an import did."""

    repositories: int = 0
    images: int = 0
    """Images that are new here."""
    present: int = 0
    """Images that were here already."""
    tags: int = 0
    """Tags that were set."""
    blobs: int = 0
    """Blobs whose bytes were copied."""
    bytes: int = 0
    """Theirs."""
    linked: int = 0
    """Blobs that another repository here had already."""
    faults: list[Fault] = field(default_factory=list)
    """What was left out."""
    newer_here: list[tuple[str, str]] = field(default_factory=list)
    """Repositories and tags that were set here to another image since."""
    deleted_here: list[tuple[str, str]] = field(default_factory=list)
    """Repositories and digests of images that were deleted here since."""


Told = Callable[[Result], None]
"""Hears after every image how far it is."""


class _Unusable(Exception):
    """A blob or a manifest of the source cannot be taken."""

    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(why)
        self.kind = kind


async def transfer(
    registry: Registry,
    source: Source,
    selection: Selection,
    told: Told = lambda _: None,
    *,
    bring_back: bool = False,
) -> Result:
    """Import what is selected.

    Args:
        registry: where to.
        source: where from.
        selection: what, and under which names.
        told: hears how far it is.
        bring_back: whether images come, too, that were deleted here since.

    Raises:
        OSError: the source cannot be read at all, or the registry's disk is in trouble.
    """
    result, reader = Result(), Reader(source)
    for name in await registry.in_thread(lambda: list(filter(selection.selects, source.repositories()))):
        refused = selection.refused(name)
        contents = await registry.in_thread(reader.read, name)
        if refused is not None:
            result.faults += [refused] if contents.images or contents.faults else []
            continue
        result.faults += contents.faults
        images = reached_by_tags(contents.images) if selection.is_tagged_only else contents.images
        if images:
            try:
                repository = await registry.write(imports.repository_for, selection.target(name))
            except EcrError as error:
                result.faults.append(Fault(name, "", (), Kind.REFUSED, error.message))
                continue
            result.repositories += 1
            here = _Here(registry, source, contents, repository, result, told, bring_back=bring_back)
            await here.take_all(images)
    return result


class _Here:
    """One repository on its way in. Belongs to the event loop."""

    def __init__(
        self,
        registry: Registry,
        source: Source,
        contents: Contents,
        repository: Repository,
        result: Result,
        told: Told,
        *,
        bring_back: bool,
    ) -> None:
        self._registry = registry
        self._source = source
        self._name = contents.name
        self._sizes = contents.sizes
        self._repository = repository
        self._result = result
        self._told = told
        self._bring_back = bring_back
        self._asked_at: dict[str, Instant] = {}
        """Of each image: the last deed at the source that asks for it."""
        self._places = asyncio.Semaphore(BLOBS)
        self._under_way: dict[str, asyncio.Event] = {}
        """Images by digest; set when one has come, or not."""
        self._blobs: dict[str, asyncio.Task[None]] = {}
        """Blobs by digest, those on their way: images share them."""
        self._here: set[str] = set()
        """Digests of blobs that have come, and are leased to the repository."""

    async def take_all(self, images: Sequence[Image]) -> None:
        """Take images that come in an order in which they can be put."""
        self._asked_at = asked_at(images)
        waiting = iter(images)
        workers = [asyncio.create_task(self._work(waiting)) for _ in range(IMAGES)]
        try:
            await asyncio.gather(*workers)
        finally:
            under_way = [*workers, *self._blobs.values()]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _work(self, waiting: Iterable[Image]) -> None:
        for image in waiting:
            ended = self._under_way[image.digest] = asyncio.Event()
            # What it needs comes before it, so it is done or under way by now.
            for digest in (*image.children, image.subject or ""):
                if digest in self._under_way:
                    await self._under_way[digest].wait()
            try:
                await self._take(image)
            finally:
                del self._under_way[image.digest]
                ended.set()
            self._told(self._result)

    async def _take(self, image: Image) -> None:
        """Take an image, or note why it is left out."""
        try:
            await self._put(image)
        except _Unusable as error:
            self._leave_out(image, error.kind, str(error))
        except errors.ReferencedImagesNotFound as error:
            self._leave_out(image, Kind.CHILD_MISSING, error.message)
        except InvalidManifest as error:
            self._leave_out(image, Kind.MANIFEST_REFUSED, str(error))
        except EcrError as error:
            self._leave_out(image, Kind.REFUSED, error.message)

    def _leave_out(self, image: Image, kind: Kind, why: str) -> None:
        tags = tuple(tag.name for tag in image.tags)
        self._result.faults.append(Fault(self._name, image.digest, tags, kind, why))

    async def _put(self, image: Image) -> None:
        incoming = imports.Incoming(
            digest=image.digest,
            media_type=image.media_type,
            pushed_at=image.pushed_at,
            asked_at=self._asked_at[image.digest],
            tags=tuple(imports.Stamped(tag.name, tag.tagged_at) for tag in image.tags),
        )
        wanted = self._registry.read(imports.wanted, self._repository, incoming, bring_back=self._bring_back)
        try:
            if not wanted.is_nothing:
                wanted = await self._bring(image, incoming, is_here=wanted.is_here)
        finally:
            self._note(wanted, image.digest)

    def _note(self, wanted: imports.Wanted, digest: str) -> None:
        """Count what was not to be done."""
        result, name = self._result, self._repository.name
        if wanted.deleted_at is not None:
            result.deleted_here.append((name, digest))
        result.newer_here += [(name, tag) for tag in wanted.newer_here]
        result.present += wanted.is_here

    async def _bring(self, image: Image, incoming: imports.Incoming, *, is_here: bool) -> imports.Wanted:
        """Copy what an image needs, unless it is here, and put it. Returns what was wanted of it by then."""
        data = await self._manifest(image)
        for left in reversed(range(TRIES)):
            if not is_here:
                await self._take_blobs(image)
            try:
                done = await self._registry.write(
                    imports.put, self._repository, data, incoming, bring_back=self._bring_back
                )
            except errors.LayersNotFound:
                if not left:
                    raise
                is_here = False  # or not any more
                self._here.difference_update(image.blobs)
            else:
                break
        self._result.images += done.created
        self._result.tags += len(done.tags)
        for tag, why in done.refused:
            self._result.faults.append(Fault(self._name, tag, (tag,), Kind.REFUSED, why))
        return done.wanted

    async def _manifest(self, image: Image) -> bytes:
        content = await self._read(self._source.manifest, self._name, image.digest)
        if content is None:
            raise _Unusable(Kind.MANIFEST_MISSING, "it has been deleted since it was looked at")
        return content.data

    async def _take_blobs(self, image: Image) -> None:
        for task in [self._begin(blob) for blob in image.blobs if blob not in self._here]:
            await asyncio.shield(task)

    def _begin(self, digest: str) -> "asyncio.Task[None]":
        """The task that takes a blob: the one that is under way, or a new one."""
        task = self._blobs.get(digest)
        if task is None:
            task = self._blobs[digest] = asyncio.create_task(self._take_blob(digest))
            task.add_done_callback(lambda done: self._end(digest, done))
        return task

    def _end(self, digest: str, done: "asyncio.Task[None]") -> None:
        del self._blobs[digest]
        if not done.cancelled() and done.exception() is None:
            self._here.add(digest)

    async def _take_blob(self, digest: str) -> None:
        async with self._places:
            found = self._registry.read(layers.find, self._repository.name, digest)
            if found is not None and await layers.lease(self._registry, found):
                return
            # Its digest is in a manifest of this repository, so whoever may pull that may have it, from wherever it came.
            if await layers.link(self._registry, self._repository, digest):
                self._result.linked += 1
                return
            try:
                await self._copy(digest)
            except layers.DigestMismatch:
                why = f"blob {digest} has other bytes than its digest says"
                raise _Unusable(Kind.BLOB_DAMAGED, why) from None
            except layers.BlobTooLarge:
                why = f"blob {digest} has {self._sizes[digest]:,} bytes, more than this registry takes"
                raise _Unusable(Kind.REFUSED, why) from None
            self._result.blobs += 1
            self._result.bytes += self._sizes[digest]

    async def _copy(self, digest: str) -> None:
        registry, repository = self._registry, self._repository
        file = await self._read(self._source.open, self._name, digest)
        try:
            if self._sizes[digest] <= layers.INLINE_BYTES:
                content = await self._read(file.read, layers.INLINE_BYTES + 1)
                await layers.admit_small(registry, repository, content, digest)
                return
            upload_id = await layers.begin(registry, repository)
            async with layers.held(registry, repository, upload_id) as upload:
                try:
                    await layers.append(registry, upload, self._portions(file))
                    await layers.complete(registry, repository, upload, digest)
                finally:
                    await layers.abort(registry, upload)  # nothing happens if it was completed
        finally:
            with contextlib.suppress(OSError):
                file.close()

    async def _portions(self, file: IO[bytes]) -> AsyncIterator[list[bytes]]:
        while piece := await self._read(file.read, PORTION_BYTES):
            yield [piece]

    async def _read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read something of the source.

        Raises:
            _Unusable: it cannot be read.
        """
        try:
            return await self._registry.in_bytes_thread(lambda: work(*args, **kwargs))
        except FileNotFoundError:
            raise _Unusable(Kind.BLOB_MISSING, "a file of it was deleted since it was looked at") from None
        except OSError as error:
            raise _Unusable(Kind.BLOB_MISSING, f"a file of it cannot be read: {error.strerror}") from None
