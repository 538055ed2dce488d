"""Layers and other blobs: uploads on their way in, and blobs as repositories see them.

Bytes become durable before the row that names them. An upload belongs to one repository and is held by one request at a time;
hashing and writing happen in threads, a portion at a time, while the next arrives.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from careen import figures
from careen.blobs.store import INLINE_BYTES as INLINE_BYTES
from careen.blobs.store import BlobStore
from careen.blobs.store import BlobsUnavailable as BlobsUnavailable
from careen.blobs.store import Elsewhere as Elsewhere
from careen.blobs.store import FrontFile as FrontFile
from careen.blobs.store import OpenFile as OpenFile
from careen.blobs.store import Pieces as Pieces
from careen.blobs.store import Source as Source
from careen.blobs.store import Upload as Upload
from careen.blobs.store import UploadBusy as UploadBusy
from careen.blobs.store import UploadUnknown as UploadUnknown
from careen.clock import Instant
from careen.db import layers, repositories
from careen.db.layers import Blob as Blob
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.faults import Point, reach
from careen.oci import digest as digests
from careen.registry import account_settings
from careen.registry import repositories as repository_cases
from careen.registry.registry import Registry, Transaction
from careen.registry.trouble import Trouble, trouble

T = TypeVar("T")

MAX_SOURCES = 100

ASK_AGAIN_SECONDS = 0.5
"""How often an upload is asked for that another request holds."""

FLUSH_BYTES = 16 * 1024 * 1024
"""How much is written before the disk is asked to begin: at the commit little is left to wait for."""


class BlobTooLarge(Exception):
    """The upload would be larger than the registry's limit."""


class DigestMismatch(Exception):
    """The bytes have another digest than the client said."""


class BlobInUse(Exception):
    """A manifest of the repository needs the blob."""


def find(tx: Transaction, repository: str, digest: str) -> Blob | None:
    """The blob, if it is linked in that repository."""
    return layers.linked(tx.rows, repository, digest)


def another_home(tx: Transaction, repository: str, digest: str) -> str | None:
    """Another repository that has the blob, too: at a registry that is a copy of this one, it may be mounted from there."""
    return layers.another_home(tx.rows, repository, digest)


def availability(tx: Transaction, repository: str, digest: str) -> str | None:
    """``AVAILABLE`` or ``ARCHIVED`` (only archived images need it), or None if the repository has no such blob."""
    found = repository_cases.require(tx, repository)
    if layers.size(tx.rows, found.id, digest) is None:
        return None
    return "ARCHIVED" if layers.all_referenced_are_archived(tx.rows, found.id, digest) else "AVAILABLE"


def is_needed(tx: Transaction, repository: str, digest: str) -> bool:
    """Whether a manifest of the repository needs the blob."""
    return layers.is_referenced(tx.rows, repository_cases.require(tx, repository).id, digest)


async def lease(registry: Registry, blob: Blob) -> bool:
    """Make sure the blob stays for at least half a grace period, as a client that was told "you have it" relies on.

    Returns:
        False if the collector was faster and the blob is gone, or its file is damaged: either way the client sends it again.
    """
    if _is_damaged(registry.blobs, blob.digest, blob.generation, blob.size):
        return False
    if registry.clock() < leased_until(registry, blob):
        return True
    return await registry.write(_renew, blob.repository_id, blob.digest)


def leased_until(registry: Registry, blob: Blob) -> Instant:
    """Up to when a client may be told "you have it" without the lease being renewed."""
    return blob.seen_at + registry.limits.grace // 2


def _renew(tx: Transaction, repository_id: int, digest: str) -> bool:
    return layers.renew(tx.rows, repository_id, digest, tx.now)


async def begin(registry: Registry, repository: Repository) -> str:
    """Begin an upload. Returns its id, a UUID."""
    upload_id = str(uuid.uuid4())
    await _asked(registry, registry.blobs.create_upload, repository.id, upload_id)
    figures.UPLOADS.add("begun")
    return upload_id


async def source(registry: Registry, blob: Blob, *, by_front: bool) -> Source:
    """Where the bytes of a blob that is no row can be had from.

    Args:
        registry: the registry.
        blob: the blob.
        by_front: whether the request came through a web server that would send a file by itself.

    Raises:
        FileNotFoundError: the collector was faster.
    """
    try:
        return await _opened(registry, blob.digest, blob.generation, by_front=by_front)
    except FileNotFoundError:
        found = registry.read(_stored, blob.digest)
        if found is None or found[1] in {"", blob.generation}:
            raise
        return await _opened(registry, blob.digest, found[1], by_front=by_front)  # it has just been moved


async def _opened(registry: Registry, digest: str, generation: str, *, by_front: bool) -> Source:
    if registry.blobs.is_far(generation):
        return await registry.in_bytes_thread(
            lambda: registry.blobs.open(digest, generation, by_front=by_front)
        )
    return registry.blobs.open(digest, generation, by_front=by_front)


async def abort(registry: Registry, upload: Upload) -> None:
    """End an upload and forget its bytes."""
    await _asked(registry, upload.abort)


async def _asked(registry: Registry, work: Callable[..., T], *arguments: Any) -> T:
    """What the store answers: a folder at once, which a thread would only delay; another server in its own time."""
    if registry.blobs.is_remote:
        return await registry.in_bytes_thread(work, *arguments)
    return work(*arguments)


@contextlib.asynccontextmanager
async def held(registry: Registry, repository: Repository, upload_id: str) -> AsyncIterator[Upload]:
    """Hold an upload for one request; it knows of everything that earlier requests appended, in whatever process.

    When the block is left, what it appended is there for whoever comes next.

    Raises:
        careen.blobs.store.UploadUnknown: there is no such upload in that repository.
        careen.blobs.store.UploadBusy: another request is writing to it; or, at the end, took it over.
    """
    if not _is_upload_id(upload_id):
        raise UploadUnknown
    upload = await _hold(registry, repository.id, upload_id)
    renewing = asyncio.create_task(_keep(upload)) if registry.blobs.is_remote else None
    try:
        if upload.is_behind:
            await registry.in_bytes_thread(upload.catch_up)
        yield upload
    except BaseException:
        # As much as can be kept is; why the request failed is worth more than why not all of it could.
        with contextlib.suppress(BlobsUnavailable, UploadBusy, UploadUnknown):
            await _asked(registry, partial(upload.release, is_told=False))
        raise
    else:
        await _asked(registry, upload.release)
    finally:
        if renewing is not None:
            renewing.cancel()


async def _hold(registry: Registry, repository_id: int, upload_id: str) -> Upload:
    """Take an upload. If it is held, perhaps by a process that has died, wait until that is known: the client asks only once."""
    patience = asyncio.get_running_loop().time() + registry.blobs.patience
    while True:
        try:
            return await _asked(registry, registry.blobs.hold_upload, repository_id, upload_id)
        except UploadBusy:
            if asyncio.get_running_loop().time() >= patience:
                raise
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _keep(upload: Upload) -> None:
    """Say now and then that a request still holds an upload, however slow its client or the bucket is."""
    while True:
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        upload.renew()


async def append(
    registry: Registry, upload: Upload, body: AsyncIterator[list[bytes]], *, first: int | None = None
) -> None:
    """Add the body to the upload. If the client goes away, what has arrived stays, for it to resume after.

    A client whose request was cut off sends it again, as if nothing had arrived: what did is passed over. That it was the same is
    proved by the digest in the end. Not more than two portions are held: one that is being written, and one that waits for it.

    Args:
        registry: the registry.
        upload: the upload.
        body: the bytes.
        first: where they belong, from :attr:`Upload.told` to :attr:`Upload.offset`; None: behind what the client was told of.

    Raises:
        BlobTooLarge: more than the registry's limit; what was within it stays.
    """
    writing: asyncio.Future[None] | None = None
    flushing: asyncio.Future[None] | None = None
    flushed = upload.offset
    over = upload.offset - (upload.told if first is None else first)
    try:
        async for portion in body:
            over = _pass_over(portion, over)
            if writing is not None:
                await writing
            if upload.offset + sum(map(len, portion)) > registry.limits.max_blob_bytes:
                raise BlobTooLarge
            writing = asyncio.ensure_future(registry.in_bytes_thread(upload.write, portion))
            del portion  # the thread lets go of it as soon as it is written
            if upload.offset - flushed >= FLUSH_BYTES and (flushing is None or flushing.done()):
                flushed = upload.offset
                flushing = asyncio.ensure_future(registry.in_bytes_thread(upload.flush))
    finally:
        # Also when the client has gone, or the disk is full: nobody may use the file after this request lets go of it.
        try:
            if writing is not None:
                await writing
        finally:
            if flushing is not None:
                await flushing


def _pass_over(portion: list[bytes], over: int) -> int:
    """Take up to ``over`` bytes from the beginning of a portion. Returns how many are left to be taken."""
    while over and portion:
        if over < len(portion[0]):
            portion[0] = portion[0][over:]
            return 0
        over -= len(portion.pop(0))
    return over


async def complete(registry: Registry, repository: Repository, upload: Upload, digest: str) -> int:
    """End an upload: the bytes become a blob, linked in the repository.

    Returns:
        The blob's size in bytes.

    Raises:
        DigestMismatch: the bytes have another digest; the upload goes on.
        careen.ecr.errors.RepositoryNotFound: the repository was deleted meanwhile.
    """
    size = upload.offset
    if await registry.in_bytes_thread(upload.digest, digests.algorithm(digest)) != digest:
        raise DigestMismatch
    if size <= INLINE_BYTES:
        content = await registry.in_bytes_thread(upload.content)
        await registry.write(_admit, repository, digest, size, "", content)
        await abort(registry, upload)
    elif await link(registry, repository, digest):
        await abort(registry, upload)
    else:
        generation = await registry.in_bytes_thread(upload.commit, digest)
        try:
            admitted = await registry.write(_admit_file, registry.blobs, repository, digest, size, generation)
        except Exception as error:
            if trouble(error) is Trouble.FULL:
                # Then nothing was committed: this would be the sweep's in an hour.
                await _forget(registry, digest, generation)
            raise
        if not admitted:  # another push of the same bytes was first
            await _forget(registry, digest, generation)
    figures.UPLOADS.add("completed")
    return size


async def link(registry: Registry, repository: Repository, digest: str) -> bool:
    """Let a repository have a blob that the registry has, for callers who know that it may: they have its bytes.

    Returns:
        False if the registry does not have it, or not whole.
    """
    return _is_whole(registry, digest) and await registry.write(_link_stored, repository, digest)


async def _forget(registry: Registry, digest: str, generation: str) -> None:
    """Delete bytes that no row names, or leave them to the sweep."""
    with contextlib.suppress(BlobsUnavailable):
        await registry.in_bytes_thread(registry.blobs.delete, digest, generation)


async def complete_small(
    registry: Registry, repository: Repository, upload: Upload, content: bytes, digest: str
) -> None:
    """End an empty upload with up to :data:`INLINE_BYTES` that came in one piece: one transaction, nothing written to a file.

    Raises:
        DigestMismatch: the bytes have another digest; the upload goes on, empty.
    """
    await admit_small(registry, repository, content, digest)
    await abort(registry, upload)
    figures.UPLOADS.add("completed")


async def admit_small(registry: Registry, repository: Repository, content: bytes, digest: str) -> None:
    """Store up to :data:`INLINE_BYTES` that are all there, without an upload.

    Raises:
        DigestMismatch: the bytes have another digest.
    """
    if digests.digest_of(content, digests.algorithm(digest)) != digest:
        raise DigestMismatch
    await registry.write(_admit, repository, digest, len(content), "", content)


def store(registry: Registry, target: Repository, digest: str, data: bytes) -> None:
    """Store a blob that is in memory, for callers outside an event loop who vouch for its digest."""
    if _is_whole(registry, digest) and registry.write_now(_link_stored, target, digest):
        return
    if len(data) <= INLINE_BYTES:
        registry.write_now(_admit, target, digest, len(data), "", data)
        return
    upload_id = str(uuid.uuid4())
    registry.blobs.create_upload(target.id, upload_id)
    upload = registry.blobs.hold_upload(target.id, upload_id)
    upload.write([data])
    generation = upload.commit(digest)
    registry.write_now(_admit_file, registry.blobs, target, digest, len(data), generation)


def read(registry: Registry, blob: Blob, offset: int = 0) -> Iterator[bytes]:
    """A blob's bytes from an offset on, in pieces. For callers outside an event loop: it blocks.

    Raises:
        FileNotFoundError: at the first piece: the collector was faster.
    """
    if blob.content is not None:
        return iter([blob.content[offset:]])
    return registry.blobs.pieces(blob.digest, blob.generation, blob.size - offset, offset)


def _is_whole(registry: Registry, digest: str) -> bool:
    """Whether the registry has the blob, with as many bytes as it should have."""
    found = registry.read(_stored, digest)
    return found is not None and not _is_damaged(registry.blobs, digest, found[1], found[0])


def _is_damaged(blobs: BlobStore, digest: str, generation: str, size: int) -> bool:
    """Whether a file is gone or has another size than its row says. What is far away is believed."""
    return bool(generation) and not blobs.is_far(generation) and blobs.size(digest, generation) != size


def _stored(tx: Transaction, digest: str) -> tuple[int, str] | None:
    return layers.stored(tx.rows, digest)


def _link_stored(tx: Transaction, repository: Repository, digest: str) -> bool:
    """Link a blob that the registry has; False if it was collected since we looked."""
    if not layers.exists(tx.rows, digest):
        return False
    _link(tx, repository, digest)
    reach(Point.BLOB_LINKED)
    return True


def _admit(
    tx: Transaction, repository: Repository, digest: str, size: int, generation: str, content: bytes | None
) -> bool:
    """Name durable bytes. Returns False if the blob was there already, so that this generation is one too many."""
    added = layers.insert(tx.rows, digest, size, generation, content, tx.now)
    _link(tx, repository, digest)
    reach(Point.BLOB_ADMITTED)
    return added


def _admit_file(
    tx: Transaction, blobs: BlobStore, repository: Repository, digest: str, size: int, generation: str
) -> bool:
    """:func:`_admit` for bytes in a file. If the blob was there already and its file is damaged, this one takes its place."""
    if _admit(tx, repository, digest, size, generation, None):
        return True
    found = layers.stored(tx.rows, digest)
    if found is not None and found[1] == generation:  # an earlier try of this whose end was not heard of
        return True
    if found is None or not _is_damaged(blobs, digest, found[1], size):
        return False
    return layers.replace(tx.rows, digest, found[1], generation)


def _link(tx: Transaction, repository: Repository, digest: str) -> None:
    if repositories.by_id(tx.rows, repository.id) is None:  # deleted while the bytes came in
        raise errors.RepositoryNotFound(repository.name, tx.registry_id)
    layers.link(tx.rows, repository.id, digest, tx.now, tx.now + tx.limits.grace)


def sources(tx: Transaction, digest: str) -> list[str]:
    """The names of repositories that have a blob, up to :data:`MAX_SOURCES` (distribution-spec 1.1, end-11 without ``from``)."""
    return layers.repositories_with(tx.rows, digest, MAX_SOURCES)


def mount(tx: Transaction, repository: Repository, digest: str, source: str) -> bool:
    """Link a blob of another repository in ``repository``.

    Args:
        tx: the transaction.
        repository: where to.
        digest: the blob.
        source: the name of the repository that has it.

    Returns:
        False if there is no such blob there, or the account setting BLOB_MOUNTING forbids it: then the client uploads.
    """
    if not account_settings.is_mounting_enabled(tx) or layers.linked(tx.rows, source, digest) is None:
        return False
    _link(tx, repository, digest)
    reach(Point.BLOB_LINKED)
    return True


def delete(tx: Transaction, repository: str, digest: str) -> bool:
    """Remove a blob from a repository; its bytes go if no other repository has it. False if it is not there.

    Raises:
        BlobInUse: a manifest of the repository needs it.
    """
    found = layers.linked(tx.rows, repository, digest)
    if found is None:
        return False
    if layers.is_referenced(tx.rows, found.repository_id, digest):
        raise BlobInUse
    layers.unlink(tx.rows, found.repository_id, digest)
    layers.condemn_if_unlinked(tx.rows, digest)
    reach(Point.BLOB_DELETED)
    return True


def _is_upload_id(text: str) -> bool:
    """Ids become file names, so nothing but the form we hand out is looked for."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
