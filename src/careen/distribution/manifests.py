"""Manifests, tags and referrers: end-3, 7, 8, 9 and 12 of the distribution specification."""

import contextlib
from functools import partial

import msgspec

from careen.clock import Instant, isoformat
from careen.distribution.exchange import Exchange, Header, json_header
from careen.distribution.surface import (
    Listing,
    Surface,
    check_name,
    encoded,
    in_a_file,
    page_size,
    respond_listing,
)
from careen.ecr import errors
from careen.oci import digest as digests
from careen.oci import manifest as manifests
from careen.oci import media_types, names
from careen.oci.errors import OciError
from careen.pull_through import importer
from careen.registry import images, pull_through, repositories, trash
from careen.registry.access import EVERY_REPOSITORY, Action
from careen.registry.callers import ANONYMOUS, Principal
from careen.registry.deletions import Cause
from careen.registry.fresh import MAX_WEIGHT, TOO_HEAVY
from careen.registry.images import Pullable
from careen.registry.pull_through import Standing
from careen.registry.pulls import Pull
from careen.upstream.errors import NotFound, UpstreamError


def _weight(found: Pullable | None) -> int:
    return TOO_HEAVY if found is None else len(found.content)


async def get_manifest(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, reference: str
) -> None:
    """end-3: GET or HEAD of a manifest by tag or digest."""
    surface.require(exchange, principal, Action.BATCH_GET_IMAGE, name)
    found, until = await _with_upstream(surface, exchange, principal, name, reference)
    if found is None:
        found = await _from_trash(surface, principal, name, reference)
    digest = found.digest.encode()
    headers = [
        (b"content-type", found.media_type.encode()),
        (b"docker-content-digest", digest),
        (b"etag", b'"%b"' % digest),
    ]
    if exchange.has(f'"{found.digest}"'):
        await exchange.respond(304, headers[1:])
        return
    pull = Pull(found.manifest_id, principal.identity_arn) if exchange.method == "GET" else None
    if pull is not None:
        surface.pulls.record(pull, exchange.header(b"user-agent"))
        if len(found.content) > MAX_WEIGHT:
            size = len(found.content)
            headers.append((b"content-length", b"%d" % size))
            with in_a_file(surface, found.content) as file:
                del found  # megabytes, for as long as a slow client likes
                await exchange.respond_file(200, headers, file.fileno(), 0, size)
            return
    surface.again.keep(exchange, await exchange.respond(200, headers, found.content), pull=pull, until=until)


async def _with_upstream(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, reference: str
) -> tuple[Pullable | None, Instant | None]:
    """What a reference names, after its upstream was asked if there is one and it is time to.

    Returns:
        The manifest, and the registry's instant from which its upstream is to be asked; None: not for this reference.
    """
    rules = surface.fresh.get(("rules",), lambda: surface.registry.read(pull_through.rules))
    upstream = pull_through.upstream_of(rules, name)
    if upstream is None:
        return _manifest(surface, name, reference), None
    standing = _standing(surface, name, reference)
    if standing.is_due(surface.registry.clock()):
        check_name(name)
        _check_reference(reference)
        with contextlib.suppress(NotFound):  # then it is as if there were no upstream
            await surface.importer.refresh(
                standing, name, reference, partial(surface.may, exchange, principal, name=name)
            )
        surface.fresh.renew()
        standing = _standing(surface, name, reference)
    else:
        importer.count(upstream.rule, "cached")
    return _manifest(surface, name, reference), standing.due_at


def _manifest(surface: Surface, name: str, reference: str) -> Pullable | None:
    return surface.fresh.get(
        ("manifest", name, reference),
        lambda: images.pullable(surface.registry.single_read(), name, reference),
        _weight,
    )


def _standing(surface: Surface, name: str, reference: str) -> Standing:
    return surface.fresh.get(
        ("standing", name, reference),
        lambda: surface.registry.read(pull_through.standing, name, reference),
        lambda standing: TOO_HEAVY if standing.digest is None else 0,
    )


async def _from_trash(surface: Surface, principal: Principal, name: str, reference: str) -> Pullable:
    """What a manifest that is not there may have become: brought back now if the registry does so, else told.

    Raises:
        OciError: MANIFEST_UNKNOWN; its detail says who or which rule deleted the image, when, and how it comes back.
    """
    _check_reference(reference)
    # Who deleted what and how it comes back is nothing for strangers.
    trashed = None if principal is ANONYMOUS else surface.registry.read(trash.find, name, reference)
    if trashed is None:
        surface.repository(name)
        raise OciError("MANIFEST_UNKNOWN", "Requested image not found")
    surface.pulls.record_missed(trashed.deletion_id)
    # A repository that is gone does not come back by a pull: its policy went with it, and to make one takes a permission.
    is_there = surface.registry.read(repositories.find, name) is not None
    if surface.registry.limits.restore_on_pull and is_there:
        with contextlib.suppress(errors.ImageNotRestorable, errors.ImageNotInTrash):
            await surface.registry.write(trash.restore, name, reference, principal.arn)
            if (found := surface.registry.read(images.pullable, name, reference)) is not None:
                return found
    deletion = surface.registry.read(trash.describe, trashed.deletion_id)
    raise OciError(
        "MANIFEST_UNKNOWN",
        f"Requested image not found: it was deleted at {isoformat(deletion.deleted_at)} by {deletion.deleted_by}",
        detail=_how_it_went(deletion, trashed.purge_at),
    )


def _how_it_went(deletion: trash.Deletion, purge_at: Instant) -> dict[str, str | int | None]:
    told = {
        "imageDigest": deletion.digest,
        "deletedAt": isoformat(deletion.deleted_at),
        "deletedBy": deletion.deleted_by,
        "operation": deletion.operation,
        "rulePriority": deletion.rule_priority,
        "runId": deletion.run_id,
        "reason": deletion.reason,
        "restorableUntil": isoformat(purge_at),
        "restore": f"careen trash restore {deletion.repository} --image {deletion.digest}",
    }
    return {name: value for name, value in told.items() if value not in {None, ""}}


async def put_manifest(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, reference: str
) -> None:
    """end-7: PUT of a manifest by tag or digest. Answers ``OCI-Subject`` when the manifest has one (spec 1.1)."""
    surface.require(exchange, principal, Action.PUT_IMAGE, name)
    _check_reference(reference)
    data = await exchange.read(manifests.MAX_BYTES)
    source = surface.replica_of(exchange, principal, name)
    repository = await surface.repository_for_push(exchange, principal, name, is_replica=source is not None)
    digest, tag = (reference, None) if ":" in reference else (None, reference)
    put = await surface.registry.write(
        images.put,
        repository,
        data,
        media_type=exchange.header(b"content-type"),
        digest=digest,
        tag=tag,
        replica_of=source,
    )
    row = put.image.row
    headers: list[Header] = [
        (b"location", encoded(f"/v2/{name}/manifests/{row.digest}")),
        (b"docker-content-digest", row.digest.encode()),
    ]
    if row.subject is not None:
        headers.append((b"oci-subject", row.subject.encode()))
    await exchange.respond(201, headers)


async def delete_manifest(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, reference: str
) -> None:
    """end-9: DELETE. A tag loses its name only; a digest loses the manifest, all its tags and its referrers."""
    surface.require(exchange, principal, Action.BATCH_DELETE_IMAGE, name)
    _check_reference(reference)
    repository = surface.repository(name)
    source = surface.replica_of(exchange, principal, name)
    is_replica = source is not None
    if ":" in reference:
        reason = f"it was deleted in {source}, which replicates to here" if is_replica else ""
        cause = Cause(principal.arn, "DELETE manifest", reason, is_replica=is_replica)
        done = bool(await surface.registry.write(images.delete_by_digest, repository, reference, cause))
    else:
        done = await surface.registry.write(images.untag, repository, reference, is_replica=is_replica)
    if not done:
        raise OciError("MANIFEST_UNKNOWN", "Requested image not found")
    await exchange.respond(202)


async def list_tags(surface: Surface, exchange: Exchange, principal: Principal, name: str, _: str) -> None:
    """end-8: tags in lexical order; ``n`` and ``last`` page, and a Link header leads on."""
    surface.require(exchange, principal, Action.LIST_IMAGES, name)
    check_name(name)
    last, size = exchange.parameter("last") or "", page_size(exchange)
    await respond_listing(surface, exchange, lambda: _page_of_tags(surface, name, last, size))


def _page_of_tags(surface: Surface, name: str, last: str, size: int) -> Listing:
    found = surface.registry.read(images.tag_names, name, last, size + 1)
    page = found[:size]
    headers = [json_header()]
    if len(found) > size and page:
        headers.append((b"link", encoded(f'</v2/{name}/tags/list?n={size}&last={page[-1]}>; rel="next"')))
    return headers, msgspec.json.encode({"name": name, "tags": page})


async def list_referrers(
    surface: Surface, exchange: Exchange, principal: Principal, name: str, digest: str
) -> None:
    """end-12: an index of the manifests whose subject is ``digest``.

    Whether the subject or even the repository is there makes no difference: this endpoint never answers 404 (spec 1.1).
    """
    surface.require(exchange, principal, Action.BATCH_GET_IMAGE, name)
    check_name(name)
    if not digests.is_digest(digest):
        raise OciError("DIGEST_INVALID", f"'{digest}' is not a digest")
    standing = surface.registry.read(pull_through.referrers_standing, name, digest)
    with contextlib.suppress(UpstreamError):  # it was told of, and what is known is listed
        await surface.importer.refresh_referrers(
            standing, name, digest, partial(surface.may, exchange, principal, name=name)
        )
    wanted = exchange.parameter("artifactType")
    await respond_listing(surface, exchange, lambda: _referrers(surface, name, digest, wanted))


def _referrers(surface: Surface, name: str, digest: str, wanted: str | None) -> Listing:
    found = surface.registry.read(images.active_referrers, name, digest)
    listed = [images.as_referrer(row) for row in found if wanted is None or row.artifact_type == wanted]
    headers = [json_header(media_types.OCI_INDEX.encode())]
    if wanted is not None:
        headers.append((b"oci-filters-applied", b"artifactType"))
    body = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": listed}
    return headers, msgspec.json.encode(body)


async def list_catalog(surface: Surface, exchange: Exchange, principal: Principal) -> None:
    """``GET /v2/_catalog``: repository names in order. Not in the OCI specification; Docker's registry and ECR have it."""
    surface.require(exchange, principal, Action.DESCRIBE_REPOSITORIES, EVERY_REPOSITORY)
    last, size = exchange.parameter("last") or "", page_size(exchange)
    await respond_listing(surface, exchange, lambda: _page_of_catalog(surface, last, size))


def _page_of_catalog(surface: Surface, last: str, size: int) -> Listing:
    found = surface.registry.read(repositories.catalog, last, size + 1)
    page = found[:size]
    headers = [json_header()]
    if len(found) > size and page:
        headers.append((b"link", encoded(f'</v2/_catalog?n={size}&last={page[-1]}>; rel="next"')))
    return headers, msgspec.json.encode({"repositories": page})


def _check_reference(reference: str) -> None:
    if ":" in reference:
        if not digests.is_digest(reference):
            raise OciError("DIGEST_INVALID", f"'{reference}' is not a digest")
    elif not names.is_tag(reference):
        raise OciError("TAG_INVALID", f"'{reference}' is not a tag")
