"""Blobs: end-2 and end-10 of the distribution specification: pull, check, range, delete."""

import os

from careen.clock import isoformat
from careen.distribution import ranges
from careen.distribution.exchange import Exchange, Header
from careen.distribution.surface import Surface
from careen.oci import digest as digests
from careen.oci.errors import OciError
from careen.registry import layers, scrub
from careen.registry.access import Action
from careen.registry.callers import Principal
from careen.registry.fresh import TOO_HEAVY
from careen.registry.layers import Blob, Elsewhere, FrontFile, OpenFile, Pieces

FRONT_LOCATION = "/-/blobs/"
"""The internal location under which a web server in front finds committed bytes (deploy/nginx/careen.conf)."""

_JUDGED_ELSEWHERE = (b"if-match", b"if-range", b"if-unmodified-since")
"""Conditions that nginx would judge by the file's own times, so such a request is answered here."""


async def get_blob(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, digest: str
) -> None:
    """end-2: GET or HEAD of a blob, whole or one range of it (RFC 9110, section 14)."""
    action = (
        Action.BATCH_CHECK_LAYER_AVAILABILITY
        if exchange.method == "HEAD"
        else Action.GET_DOWNLOAD_URL_FOR_LAYER
    )
    surface.require(exchange, principal, action, name)
    blob, response = await get_granted_blob(surface, exchange, name, digest)
    until = layers.leased_until(surface.registry, blob) if exchange.method == "HEAD" else None
    surface.again.keep(exchange, response, until=until)


async def get_granted_blob(
    surface: Surface, exchange: Exchange, name: str, digest: str
) -> tuple[Blob, bytes | None]:
    """The same for a caller whose right is established. Returns the blob, and as :meth:`Exchange.respond_exactly`."""
    head = exchange.method == "HEAD"
    blob = surface.fresh.get(
        ("blob", name, digest), lambda: layers.find(surface.registry.single_read(), name, digest), _weight
    )
    if blob is None or (head and not await layers.lease(surface.registry, blob)):
        _check_digest(digest)
        surface.repository(name)
        raise _unknown(surface, name, digest)
    return blob, await send_blob(surface, exchange, blob)


async def send_blob(surface: Surface, exchange: Exchange, blob: Blob) -> bytes | None:
    """Answer with a blob's bytes. Returns as :meth:`Exchange.respond_exactly`; None for those of a file."""
    etag = f'"{blob.digest}"'
    named: list[Header] = [(b"docker-content-digest", blob.digest.encode()), (b"etag", etag.encode())]
    headers: list[Header] = [
        (b"content-type", b"application/octet-stream"),
        *named,
        (b"accept-ranges", b"bytes"),
    ]
    if exchange.has(etag):
        return await exchange.respond(304, headers[1:])
    status, start, count = 200, 0, blob.size
    wanted = exchange.header(b"range") if exchange.method == "GET" else None
    if wanted is not None and exchange.header(b"if-range") in {None, etag}:
        try:
            part = ranges.wanted(wanted, blob.size)
        except ranges.Unsatisfiable:
            raise _outside(blob, wanted) from None
        if part is not None:
            status, (start, count) = 206, part
            headers.append((b"content-range", b"bytes %d-%d/%d" % (start, start + count - 1, blob.size)))
    headers.append((b"content-length", b"%d" % count))
    if exchange.method == "HEAD":
        return await exchange.respond_exactly(200, headers)
    if blob.content is not None:
        return await exchange.respond_exactly(status, headers, blob.content[start : start + count])
    # A range that we ignored, nginx would refuse or answer in several parts.
    by_front = _comes_by_front(exchange) and (wanted is None or status == 206)
    try:
        match await layers.source(surface.registry, blob, by_front=by_front):
            case OpenFile(fd):
                try:
                    await exchange.respond_file(status, headers, fd, start, count)
                finally:
                    os.close(fd)
            case FrontFile(location):  # length, range and Accept-Ranges are the front's
                place = f"{FRONT_LOCATION}{location}".encode()
                await exchange.respond(200, [headers[0], *named, (b"x-accel-redirect", place)])
            case Elsewhere(url):  # a client asks there for the same range
                await exchange.respond(307, [*named, (b"location", url.encode())])
            case Pieces(read):
                in_thread = surface.registry.in_bytes_thread
                await exchange.respond_pieces(status, headers, read(start, count), in_thread)
    except FileNotFoundError:  # the collector was between our statement and this line
        raise OciError("BLOB_UNKNOWN", "blob unknown to registry", detail=blob.digest) from None
    return None


def _comes_by_front(exchange: Exchange) -> bool:
    """Whether the request came through a web server that can send a file for us, and may be left to it.

    The server says so in a header of every request, so that who connects to us directly gets the bytes. A client that says so
    without one learns where the bytes of a blob lie that it may read anyway.
    """
    return exchange.header(b"x-sendfile-type") == "X-Accel-Redirect" and not any(
        exchange.header(name) for name in _JUDGED_ELSEWHERE
    )


async def delete_blob(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, digest: str
) -> None:
    """end-10: DELETE. A blob that a manifest of the repository needs is not deleted."""
    surface.require(exchange, principal, Action.BATCH_DELETE_IMAGE, name)
    _check_digest(digest)
    surface.repository(name)
    try:
        deleted = await surface.registry.write(layers.delete, name, digest)
    except layers.BlobInUse:
        raise OciError(
            "UNSUPPORTED", "a manifest of the repository needs this blob: delete the image", detail=digest
        ) from None
    if not deleted:
        raise OciError("BLOB_UNKNOWN", "blob unknown to registry", detail=digest)
    await exchange.respond(202)


def _unknown(surface: Surface, name: str, digest: str) -> OciError:
    """Why a blob is not there: a damaged one is told as such, in the words of one that a push brings back."""
    damage = scrub.damage_of(surface.registry.single_read(), name, digest)
    if damage is None:
        return OciError("BLOB_UNKNOWN", "blob unknown to registry", detail=digest)
    return OciError(
        "BLOB_UNKNOWN",
        "the bytes of this blob were damaged and set aside: push an image that has it to bring it back",
        detail={"digest": digest, "damage": damage.what, "foundAt": isoformat(damage.found_at)},
    )


def _outside(blob: Blob, wanted: str) -> OciError:
    return OciError(
        "SIZE_INVALID",
        f"the blob has {blob.size} bytes; '{wanted}' is outside",
        status=416,
        detail={"size": blob.size},
        headers=[(b"content-range", b"bytes */%d" % blob.size)],
    )


def _weight(blob: Blob | None) -> int:
    return TOO_HEAVY if blob is None else len(blob.content or b"")


def _check_digest(digest: str) -> None:
    if not digests.is_digest(digest):
        raise OciError("DIGEST_INVALID", f"'{digest}' is not a digest")
