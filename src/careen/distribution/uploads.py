"""Uploads: end-4, 5, 6, 11 and 13 of the distribution specification, and the cancel that clients send.

An upload may come in one POST, as POST and PUT, in chunks, or streamed; it may be resumed and may meet another worker process
at every request. What a chunk says about its place must fit what is there: 416 tells the client where to go on.
"""

from careen.distribution import ranges
from careen.distribution.exchange import Exchange, Header
from careen.distribution.surface import Surface, encoded
from careen.oci import digest as digests
from careen.oci import names
from careen.oci.errors import OciError
from careen.registry import layers
from careen.registry.access import Action
from careen.registry.callers import Principal
from careen.registry.layers import INLINE_BYTES, Upload
from careen.registry.repositories import Repository


async def start_upload(surface: Surface, exchange: Exchange, principal: Principal, name: str, _: str) -> None:
    """end-4a, 4b and 11: begin an upload; take a whole blob at once (``digest``); link one of another repository (``mount``)."""
    surface.require(exchange, principal, Action.INITIATE_LAYER_UPLOAD, name)
    digest = exchange.parameter("digest")
    if digest is not None:
        _digest(digest)
    is_replica = surface.replica_of(exchange, principal, name) is not None
    repository = await surface.repository_for_push(exchange, principal, name, is_replica=is_replica)
    mount = exchange.parameter("mount")
    if mount and await _mount(surface, exchange, principal, repository, mount):
        await _created(exchange, name, mount)
        return
    if digest is not None:
        await _take_whole(surface, exchange, repository, digest)
        return
    upload_id = await layers.begin(surface.registry, repository)
    await exchange.respond(202, _place(name, upload_id, 0))


async def _mount(
    surface: Surface, exchange: Exchange, principal: Principal, repository: Repository, digest: str
) -> bool:
    """end-11: link a blob of a repository from which the caller may download it. Without ``from`` any such will do.

    What is no digest or no name is nowhere, and the client uploads, as with all that cannot be mounted.
    """
    surface.fresh.renew()  # the repository may have been made since the request began
    source = exchange.parameter("from")
    if not digests.is_digest(digest) or not (source is None or names.is_repository_name(source)):
        return False
    for name in surface.registry.read(layers.sources, digest) if source is None else [source]:
        if surface.may(exchange, principal, Action.GET_DOWNLOAD_URL_FOR_LAYER, name):
            return await surface.registry.write(layers.mount, repository, digest, name)
    return False


async def upload_status(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, upload_id: str
) -> None:
    """end-13: how far the upload has come."""
    surface.require(exchange, principal, Action.UPLOAD_LAYER_PART, name)
    async with layers.held(surface.registry, surface.repository(name), upload_id) as upload:
        place = _place(name, upload_id, upload.offset)
    await exchange.respond(204, place)


async def append_chunk(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, upload_id: str
) -> None:
    """end-5: PATCH, a chunk with its Content-Range or a stream without."""
    surface.require(exchange, principal, Action.UPLOAD_LAYER_PART, name)
    async with layers.held(surface.registry, surface.repository(name), upload_id) as upload:
        first = _check_place(exchange, upload, name, upload_id)
        await layers.append(surface.registry, upload, exchange.body(), first=first)
        place = _place(name, upload_id, upload.offset)
    # Only now: whoever has the answer may go on with the upload, and may meet another worker.
    await exchange.respond(202, place)


async def finish_upload(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, upload_id: str
) -> None:
    """end-6: PUT with the digest, and with the last or the only bytes."""
    surface.require(exchange, principal, Action.COMPLETE_LAYER_UPLOAD, name)
    digest = _digest(exchange.parameter("digest"))
    repository = surface.repository(name)
    async with layers.held(surface.registry, repository, upload_id) as upload:
        length = exchange.content_length
        if (
            upload.offset == 0
            and length
            and length <= INLINE_BYTES
            and exchange.header(b"content-range") is None
        ):
            await layers.complete_small(
                surface.registry, repository, upload, await exchange.read(INLINE_BYTES), digest
            )
        else:
            first = _check_place(exchange, upload, name, upload_id)
            await layers.append(surface.registry, upload, exchange.body(), first=first)
            await layers.complete(surface.registry, repository, upload, digest)
    await _created(exchange, name, digest)


async def cancel_upload(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, upload_id: str
) -> None:
    """DELETE of an upload: forget its bytes."""
    surface.require(exchange, principal, Action.UPLOAD_LAYER_PART, name)
    async with layers.held(surface.registry, surface.repository(name), upload_id) as upload:
        await layers.abort(surface.registry, upload)
    await exchange.respond(204)


async def _take_whole(surface: Surface, exchange: Exchange, repository: Repository, digest: str) -> None:
    """end-4b: the POST carries the blob."""
    upload_id = await layers.begin(surface.registry, repository)
    async with layers.held(surface.registry, repository, upload_id) as upload:
        try:
            await layers.append(surface.registry, upload, exchange.body())
            await layers.complete(surface.registry, repository, upload, digest)
        except BaseException:
            await layers.abort(surface.registry, upload)  # nobody knows its id
            raise
    await _created(exchange, repository.name, digest)


def _digest(text: str | None) -> str:
    if text is None or not digests.is_digest(text):
        raise OciError(
            "DIGEST_INVALID",
            "the digest parameter is missing" if text is None else f"'{text}' is not a digest",
        )
    return text


def _check_place(exchange: Exchange, upload: Upload, name: str, upload_id: str) -> int | None:
    """A chunk that says where it belongs must belong where the upload stands, or where the client knows it to. Returns where."""
    header = exchange.header(b"content-range")
    if header is None:
        return None
    place = ranges.sent(header)
    if place is None:
        raise OciError("BLOB_UPLOAD_INVALID", f"Content-Range '{header}' is not <first>-<last>")
    first, last = place
    if not upload.told <= first <= upload.offset or last < first:
        raise OciError(
            "BLOB_UPLOAD_INVALID",
            f"the upload has {upload.offset} bytes; a chunk at {first} does not follow",
            status=416,
            headers=_place(name, upload_id, upload.offset),
        )
    length = exchange.content_length
    if length is not None and length != last - first + 1:
        raise OciError("SIZE_INVALID", f"Content-Range '{header}' and Content-Length {length} do not agree")
    return first


def _place(name: str, upload_id: str, offset: int) -> list[Header]:
    return [
        (b"location", encoded(f"/v2/{name}/blobs/uploads/{upload_id}")),
        (b"range", b"0-%d" % max(offset - 1, 0)),
        (b"docker-upload-uuid", upload_id.encode()),
    ]


async def _created(exchange: Exchange, name: str, digest: str) -> None:
    location = encoded(f"/v2/{name}/blobs/{digest}")
    await exchange.respond(201, [(b"location", location), (b"docker-content-digest", digest.encode())])
