"""The endpoints of the OCI distribution API 1.1, and the one place that turns refusals into responses.

==========  ======================================  ==========================================
id          request                                 handler
==========  ======================================  ==========================================
end-1       GET, HEAD /v2/                          ``_answer_root``
end-2       GET, HEAD /v2/<name>/blobs/<digest>     ``blobs.get_blob``
end-3       GET, HEAD /v2/<name>/manifests/<ref>    ``manifests.get_manifest``
end-4, 11   POST /v2/<name>/blobs/uploads/          ``uploads.start_upload``
end-5       PATCH /v2/<name>/blobs/uploads/<id>     ``uploads.append_chunk``
end-6       PUT /v2/<name>/blobs/uploads/<id>       ``uploads.finish_upload``
end-7       PUT /v2/<name>/manifests/<ref>          ``manifests.put_manifest``
end-8       GET, HEAD /v2/<name>/tags/list          ``manifests.list_tags``
end-9       DELETE /v2/<name>/manifests/<ref>       ``manifests.delete_manifest``
end-10      DELETE /v2/<name>/blobs/<digest>        ``blobs.delete_blob``
end-12      GET, HEAD /v2/<name>/referrers/<digest> ``manifests.list_referrers``
end-13      GET /v2/<name>/blobs/uploads/<id>       ``uploads.upload_status``
==========  ======================================  ==========================================

Beside them: DELETE of an upload, GET, HEAD of ``/v2/_catalog``, and of what public repositories take: ``/v2/token`` (``auth.py``)
and ``/v2/_logos/<name>`` (``anonymous.py``). Their names are none of repositories.
"""

import math
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from careen.distribution import anonymous, auth, blobs, manifests, uploads
from careen.distribution.exchange import ClientGone, Exchange, Header, json_header
from careen.distribution.surface import Surface
from careen.distribution.trail import Trail
from careen.ecr.errors import EcrError
from careen.oci.errors import OciError
from careen.oci.manifest import InvalidManifest
from careen.registry import layers, public
from careen.registry.callers import Principal
from careen.registry.images import ImageReferenced
from careen.registry.layers import UploadBusy, UploadUnknown
from careen.registry.trouble import Trouble, tell, trouble
from careen.upstream.errors import Denied, Invalid, TooManyRequests, UpstreamError

Handler = Callable[[Surface, Exchange, Principal, str, str], Awaitable[None]]

_PATH = re.compile(
    r"/v2/(?P<name>.+?)/(?:"
    r"(?P<manifests>manifests)/(?P<reference>[^/]+)|blobs/(?P<uploads>uploads)/(?P<upload>[^/]*)|"
    r"(?P<blobs>blobs)/(?P<digest>[^/]+)|(?P<tags>tags)/list|(?P<referrers>referrers)/(?P<subject>[^/]+))"
)
"""What the last named group is tells the kind of path; names are checked by the handlers."""

HANDLERS: dict[tuple[str, str], Handler] = {
    ("blobs", "GET"): blobs.get_blob,
    ("blobs", "HEAD"): blobs.get_blob,
    ("blobs", "DELETE"): blobs.delete_blob,
    ("manifests", "GET"): manifests.get_manifest,
    ("manifests", "HEAD"): manifests.get_manifest,
    ("manifests", "PUT"): manifests.put_manifest,
    ("manifests", "DELETE"): manifests.delete_manifest,
    ("uploads", "POST"): uploads.start_upload,
    ("upload", "GET"): uploads.upload_status,
    ("upload", "PATCH"): uploads.append_chunk,
    ("upload", "PUT"): uploads.finish_upload,
    ("upload", "DELETE"): uploads.cancel_upload,
    ("tags", "GET"): manifests.list_tags,
    ("tags", "HEAD"): manifests.list_tags,
    ("referrers", "GET"): manifests.list_referrers,
    ("referrers", "HEAD"): manifests.list_referrers,
}

READING = ("GET", "HEAD")

OCI_CODES = {
    "AccessDeniedException": "DENIED",
    "ImageDigestDoesNotMatchException": "DIGEST_INVALID",
    "ImageNotFoundException": "MANIFEST_UNKNOWN",
    "ImageTagAlreadyExistsException": "TAG_INVALID",
    "InvalidParameterException": "UNSUPPORTED",
    "LayersNotFoundException": "MANIFEST_BLOB_UNKNOWN",
    "ReferencedImagesNotFoundException": "MANIFEST_BLOB_UNKNOWN",
    "RepositoryNotFoundException": "NAME_UNKNOWN",
}
"""What the use cases raise, in this API's words."""

TROUBLE_STATUS = {each: 507 if each is Trouble.FULL else 503 for each in Trouble}
"""Clients repeat a 503 by themselves. A full disk they would only ask for more room: 507 is said once (docs/adr/0018)."""

PASSES = {Trouble.BUSY, Trouble.AWAY, Trouble.UNKNOWN, Trouble.BYTES_AWAY}
"""What is over soon, more often than not: clients are told to come again."""

RETRY_AFTER = 1
"""Seconds after which a client may find that the trouble is over."""

_ALONE = {"/v2": "root", "/v2/": "root", "/v2/_catalog": "catalog", auth.TOKEN_PATH: "token"}
"""What the figures call the paths that are of no repository."""

LINGER_BYTES = 16 * 1024 * 1024
"""How much is still read of a body that is too large, before the connection is closed."""


class DistributionApp:
    """The ASGI application for everything under ``/v2``."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        trail = Trail(self._surface.registry, exchange)
        try:
            await self._dispatch(exchange, trail)
        except ClientGone:
            pass
        except auth.Unauthenticated:
            await auth.challenge(self._surface.registry, exchange)
        except Exception as error:
            if exchange.started:
                raise  # the server closes the connection: nobody must take what is out, if anything is, for the whole
            await _refuse(exchange, error, trail)

    async def _renew(self) -> None:
        """See what is still true; if the database is away, when it is back: nothing of the request was done yet."""
        try:
            self._surface.fresh.renew()
        except Exception as error:
            if trouble(error) is not Trouble.AWAY or not await self._surface.registry.reachable():
                raise
            self._surface.fresh.renew()

    async def _dispatch(self, exchange: Exchange, trail: Trail) -> None:
        surface = self._surface
        await self._renew()
        exchange.version = surface.fresh.version
        match = _PATH.fullmatch(exchange.path)
        kind, argument = ("", "") if match is None else _kind(match)
        if match is not None:
            trail.kind, trail.name, trail.argument = kind, match["name"], argument
        exchange.served.operation = kind or _ALONE.get(exchange.path, "")
        if (
            kind == "blobs"
            and match is not None
            and exchange.method in READING
            and auth.may_download(surface.registry, exchange, match["name"], argument)
        ):
            await blobs.get_granted_blob(surface, exchange, match["name"], argument)
            return
        if exchange.path == auth.TOKEN_PATH:
            await auth.hand_out_token(surface.registry, surface.fresh, exchange)
            return
        if exchange.path.startswith(public.LOGOS):
            exchange.served.operation = "logo"
            await anonymous.send_logo(surface, exchange)
            return
        try:
            principal = auth.authenticate(surface.registry, surface.fresh, exchange)
        except auth.Unauthenticated:
            principal = anonymous.admit(surface, exchange, kind, "" if match is None else match["name"])
        trail.principal = exchange.served.principal = principal
        if match is not None:
            handler = HANDLERS.get((kind, exchange.method))
            if handler is None:
                raise _not_allowed(exchange, [method for known, method in HANDLERS if known == kind])
            await handler(surface, exchange, principal, match["name"], argument)
        else:
            await _answer_root(surface, exchange, principal)


async def _answer_root(surface: Surface, exchange: Exchange, principal: Principal) -> None:
    """What is asked of the registry as a whole."""
    if exchange.path not in {"/v2/", "/v2", "/v2/_catalog"}:
        raise OciError("UNSUPPORTED", "no such endpoint", status=404)
    if exchange.method not in READING:
        raise _not_allowed(exchange, READING)
    if exchange.path == "/v2/_catalog":
        await manifests.list_catalog(surface, exchange, principal)
    else:
        await exchange.respond(200, [json_header()], b"{}")


def _not_allowed(exchange: Exchange, allowed: Iterable[str]) -> OciError:
    headers = [(b"allow", ", ".join(allowed).encode())]
    return OciError("UNSUPPORTED", f"{exchange.method} is not supported here", headers=headers)


def _kind(match: re.Match[str]) -> tuple[str, str]:
    group = match.lastgroup
    if group == "reference":
        return "manifests", match["reference"]
    if group == "digest":
        return "blobs", match["digest"]
    if group == "upload":
        return ("upload" if match["upload"] else "uploads"), match["upload"]
    if group == "subject":
        return "referrers", match["subject"]
    return "tags", ""


async def _refuse(exchange: Exchange, error: Exception, trail: Trail) -> None:
    """Write a refusal in the specification's envelope."""
    refusal, wrong = _in_oci_words(error), trouble(error)
    exchange.served.refusal = auth.refused_for(error)
    headers: list[Header] = [json_header(), *refusal.headers]
    if refusal.status >= 500 and not isinstance(error, UpstreamError):  # that was told where it happened
        about = {"method": exchange.method, "path": exchange.path, "request_id": exchange.served.id}
        tell(error, "request failed", **about)
    trail.refusal = refusal.with_traceback(None)  # which leads to frames that have the trail
    if refusal.status == 413 or wrong is not None:
        await exchange.discard(LINGER_BYTES)
    if refusal.status == 503 and wrong is not None:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER))
    if refusal.status in {408, 413} or refusal.status >= 500:
        headers.append((b"connection", b"close"))  # the rest of the body is not waited for
    await exchange.respond(refusal.status, headers, refusal.body())


def _in_oci_words(error: Exception) -> OciError:
    match error:
        case OciError():
            return error
        case EcrError():
            return OciError(OCI_CODES.get(error.code, "UNSUPPORTED"), error.message)
        case ImageReferenced():
            return OciError("UNSUPPORTED", str(error))
        case UpstreamError():
            return _not_given(error)
        case InvalidManifest():
            return OciError(
                "MANIFEST_INVALID",
                f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{error}'",
            )
        case UploadUnknown():
            return OciError(
                "BLOB_UPLOAD_UNKNOWN", "there is no such upload: it was finished, cancelled or abandoned"
            )
        case UploadBusy():
            return OciError("BLOB_UPLOAD_INVALID", "another request is writing to this upload", status=409)
        case layers.DigestMismatch():
            return OciError("DIGEST_INVALID", "the digest does not match the uploaded bytes")
        case layers.BlobTooLarge():
            return OciError("SIZE_INVALID", "the blob is larger than the registry allows", status=413)
        case _:
            wrong = trouble(error)
            if wrong is not None:
                code = "UNAVAILABLE" if wrong in PASSES else "UNSUPPORTED"
                return OciError(code, wrong.value, status=TROUBLE_STATUS[wrong])
            return OciError("UNSUPPORTED", "the registry failed; its log says why", status=500)


def _not_given(error: UpstreamError) -> OciError:
    """What an upstream did not give: clients repeat what passes, and show the rest."""
    match error:
        case Denied():
            return OciError("DENIED", f"The upstream registry refused: {error}")
        case TooManyRequests():
            wait = math.ceil(60 if error.retry_after is None else error.retry_after)
            headers = [(b"retry-after", b"%d" % wait)]
            return OciError("TOOMANYREQUESTS", f"The upstream registry is busy: {error}", headers=headers)
        case Invalid():
            return OciError(
                "MANIFEST_INVALID", f"What the upstream registry has is no image: {error}", status=502
            )
        case _:
            return OciError("UNSUPPORTED", f"The upstream registry is unavailable: {error}", status=503)
