"""One image on its way to a destination: what is missing there of blobs, listed images and manifest, then the tags.

Everything is looked for before it is sent, so a transfer that was cut short goes on where it was, and one of an image that is
there sends nothing at all.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from careen.oci import manifest as manifests
from careen.oci import media_types
from careen.oci.manifest import Descriptor, Manifest
from careen.registry import images, layers, replication
from careen.registry.registry import Registry
from careen.registry.replication import Outcome, Outgoing, Removal
from careen.replication.ecr import EcrApi
from careen.upstream.errors import Denied, Invalid, NotFound, TooManyRequests, Unavailable, UpstreamError

if TYPE_CHECKING:
    from careen.upstream.client import Client

ACCESS_DENIED = "DESTINATION_REGISTRY_ACCESS_DENIED"
"""Amazon's code for a destination that does not allow it (observed: aws/containers-roadmap#2675). The others are ours."""

NO_REPOSITORY = "DESTINATION_REPOSITORY_NOT_FOUND"
REFUSED = "DESTINATION_REFUSED_IMAGE"
UNAVAILABLE = "DESTINATION_UNAVAILABLE"
NOT_CONFIGURED = "DESTINATION_NOT_CONFIGURED"
DAMAGED = "SOURCE_IMAGE_DAMAGED"
GONE = "IMAGE_NOT_FOUND"
SUB_IMAGES = "SUB_IMAGE_REPLICATION_FAILED"

REMEDIABLE = frozenset({ACCESS_DENIED, NO_REPOSITORY, NOT_CONFIGURED})
"""What somebody can put right at the destination or in the file of targets: it is tried again for a while."""


LOST = frozenset({"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"})
"""What the destination had a moment ago and has no more (distribution-spec 1.1, "Error Codes"): worth another try."""


class Failed(Exception):
    """An image does not get there."""

    def __init__(self, code: str, reason: str, sub_image_codes: list[str] | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.sub_image_codes = sub_image_codes


@dataclass(frozen=True, slots=True)
class Transfer:
    """Images on their way from this registry to one destination."""

    registry: Registry
    client: "Client"
    api: EcrApi | None
    """Its ECR API, if it has one."""
    beat: Callable[[], None]
    """Called again and again while bytes move: it keeps the job's lease."""

    def copy(self, image: Outgoing) -> Outcome:
        """Bring an image with its tags to the destination.

        Raises:
            careen.upstream.errors.UpstreamError: ``Unavailable`` or ``TooManyRequests``: the destination is away or busy.
        """
        try:
            sub_image_codes = self._bring(image)
            refused = [tag for tag in image.tags if not self._tag(image, tag)]
        except Failed as failed:
            return Outcome(failed.code, failed.reason, sub_image_codes=failed.sub_image_codes)
        except (Unavailable, TooManyRequests):
            raise
        except UpstreamError as error:
            if error.code in LOST:
                raise Unavailable(str(error), status=error.status, code=error.code) from None
            return refusal(error)
        reason = f"the destination keeps {', '.join(refused)} on another image" if refused else None
        return Outcome(None, reason, refused, sub_image_codes)

    def _bring(self, image: Outgoing) -> list[str] | None:
        """Bring an image without its tags. Returns an empty list for an index, None for any other."""
        if image.content is None:
            raise Failed(DAMAGED, f"the manifest {image.digest} is damaged here: push it again")
        manifest = manifests.parse(image.content, image.media_type)
        if not self.client.has_manifest(image.repository, image.digest):
            self._bring_children(image, manifest)
            for blob in manifest.blobs():
                self._bring_blob(image.repository, blob)
            self._in_repository(image.repository, lambda: self._put(image, image.digest, manifest))
        return [] if manifest.is_index else None

    def _bring_children(self, image: Outgoing, manifest: Manifest) -> None:
        failures: list[Failed] = []
        for listed in manifest.children:
            if listed.media_type not in media_types.MANIFESTS:  # an index may list blobs
                self._bring_blob(image.repository, listed)
                continue
            child = self.registry.read(replication.find, image.repository, listed.digest)
            try:
                if child is None:
                    raise Failed(GONE, f"{listed.digest}, which {image.digest} lists, is archived here")  # noqa: TRY301
                self._bring(child)
            except Failed as failed:
                failures.append(failed)
        if failures:
            reasons = "; ".join(each.reason for each in failures)
            raise Failed(SUB_IMAGES, reasons, [each.code for each in failures])

    def _bring_blob(self, repository: str, blob: Descriptor) -> None:
        self.beat()
        if self.client.has_blob(repository, blob.digest):
            return
        found = self.registry.read(layers.find, repository, blob.digest)
        if found is None:
            raise Failed(DAMAGED, f"the layer {blob.digest} is damaged here: push it again")

        def content(offset: int) -> Iterator[bytes]:
            for piece in layers.read(self.registry, found, offset):
                self.beat()
                yield piece

        elsewhere = self.registry.read(layers.another_home, repository, blob.digest)
        try:
            self._in_repository(
                repository,
                lambda: self.client.push_blob(
                    repository, blob.digest, found.size, content, mount_from=elsewhere
                ),
            )
        except FileNotFoundError:
            raise Failed(
                DAMAGED, f"the bytes of the layer {blob.digest} are gone here: push it again"
            ) from None

    def _in_repository(self, repository: str, push: Callable[[], object]) -> None:
        """Push something; where there is no such repository and none is made by pushing, it is made first."""
        try:
            push()
        except NotFound as error:
            if self.api is None or error.code not in {"NAME_UNKNOWN", ""}:
                raise
            self.api.create_repository(repository)
            push()

    def _put(self, image: Outgoing, reference: str, manifest: Manifest) -> None:
        content = image.content or b""
        listed = self.client.push_manifest(image.repository, reference, content, image.media_type)
        if manifest.subject is not None and not listed:
            self._list_referrers(image.repository, manifest.subject.digest)

    def _list_referrers(self, repository: str, subject: str) -> None:
        """Say under a tag who refers to an image, for a registry that does not list that by itself.

        Source: distribution-spec 1.1, "Pushing Manifests with Subject", the referrers tag schema.
        """
        rows = self.registry.read(images.active_referrers, repository, subject)
        body = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": [
                images.as_referrer(row) for row in rows if self.client.has_manifest(repository, row.digest)
            ],
        }
        data = msgspec.json.encode(body)
        from careen.upstream.client import referrers_tag  # noqa: PLC0415 the client is there by now

        self.client.push_manifest(repository, referrers_tag(subject), data, media_types.OCI_INDEX)

    def _tag(self, image: Outgoing, tag: str) -> bool:
        """Let a tag name the image there. Returns False if it names another, which the destination keeps."""
        try:
            if self.client.resolve(image.repository, tag).digest == image.digest:
                return True
        except NotFound:
            pass
        if not self.registry.read(replication.is_tagged, image, tag):
            return True  # it has moved on here, and may be there before us
        try:
            self.client.push_manifest(image.repository, tag, image.content or b"", image.media_type)
        except Invalid as error:  # 400, 409, 412: registries differ in how they refuse to move a tag
            if error.code in LOST:
                raise
            return False
        return True

    def delete(self, removal: Removal) -> Outcome:
        """Delete an image there, or tags of it. What is not there is deleted.

        A tag that names another image there is removed if that image is here, too, and so without the tag: it was moved and
        removed again before anybody looked. On an image that is only there it is somebody's own, and stays.

        Raises:
            careen.upstream.errors.UpstreamError: ``Unavailable`` or ``TooManyRequests``.
        """
        try:
            for tag in removal.tags:
                self._delete_tag(removal, tag)
            if removal.is_image:
                self._delete(removal.repository, removal.digest, None)
        except (Unavailable, TooManyRequests):
            raise
        except UpstreamError as error:
            return refusal(error)
        return Outcome()

    def _delete_tag(self, removal: Removal, tag: str) -> None:
        try:
            named = self.client.resolve(removal.repository, tag).digest
        except NotFound:
            return
        if named == removal.digest:
            if not removal.is_image:  # else it goes with the image
                self._delete(removal.repository, named, tag)
        elif self.registry.read(replication.is_ours, removal.repository, named):
            self._delete(removal.repository, named, tag)

    def _delete(self, repository: str, digest: str, tag: str | None) -> None:
        with contextlib.suppress(NotFound):
            if self.api is not None:
                self.api.delete(repository, digest, tag)
            else:
                self.client.delete_manifest(repository, tag or digest)


def refusal(error: UpstreamError) -> Outcome:
    """What became of an image, or a deletion, whose destination refused it."""
    code = {Denied: ACCESS_DENIED, NotFound: NO_REPOSITORY}.get(type(error), REFUSED)
    return Outcome(code, str(error))
