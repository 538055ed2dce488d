"""Manifests: image manifests and indexes, OCI's and Docker's schema 2, read once into a frozen view.

The bytes a client pushed are the manifest; its digest is over them, so they are stored and served as they came. What is read
here is only what a registry must know: what the manifest refers to, its subject, its artifact type and annotations.
"""

from typing import Any

import msgspec

from careen.oci import digest as digests
from careen.oci import media_types

MAX_BYTES = 4 * 1024 * 1024
"""A manifest may have 4 MiB (distribution-spec 1.1, "Pushing Manifests"; Amazon ECR's limit too)."""


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A reference to content (image-spec, descriptor.md)."""

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        """Refuse what no registry can hold."""
        if not digests.is_digest(self.digest):
            raise ValueError(f"'{self.digest}' is not a sha256 or sha512 digest")
        if self.size < 0:
            raise ValueError("size is negative")


class Manifest(msgspec.Struct, frozen=True):
    """What a registry knows of a manifest."""

    media_type: str
    config: Descriptor | None = None
    """The image's or artifact's configuration; an index has none."""
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    """What an index lists."""
    subject: Descriptor | None = None
    artifact_type: str | None = None
    """As the referrers API reports it: the manifest's own, else its config's media type (image-spec 1.1)."""
    annotations: dict[str, str] | None = None

    @property
    def is_index(self) -> bool:
        """Whether this is an image index or a Docker manifest list."""
        return self.media_type in media_types.INDEXES

    @property
    def is_container_image(self) -> bool:
        """Whether this is an image that can run: its config is an image's, its layers are file systems.

        Signatures of cosign and attestations of buildkit have such a config too, but other layers.
        """
        return (
            self.config is not None
            and self.config.media_type in media_types.IMAGE_CONFIGS
            and all(media_types.is_file_system(layer.media_type) for layer in self.layers)
        )

    def blobs(self) -> tuple[Descriptor, ...]:
        """The configuration and layers that the registry must hold, each digest once, in their order."""
        listed = ((self.config,) if self.config else ()) + self.layers
        return tuple({d.digest: d for d in listed if not media_types.is_foreign_layer(d.media_type)}.values())


class InvalidManifest(Exception):
    """The bytes are not a manifest that this registry takes. The message says which part is wrong."""


class _Body(msgspec.Struct, rename="camel"):
    schema_version: int
    media_type: str | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(_Body)


def parse(data: bytes, content_type: str | None = None) -> Manifest:
    """Read a manifest.

    Args:
        data: the pushed bytes, at most :data:`MAX_BYTES` (the caller's check: it has a status of its own).
        content_type: the media type the client sent beside them, if any.

    Raises:
        InvalidManifest: not JSON, not of a known type, a type that contradicts ``content_type``, a malformed descriptor.
    """
    try:
        body = _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise InvalidManifest(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidManifest("Invalid JSON syntax") from None
    media_type = _media_type(body, content_type)
    read = _index if media_type in media_types.INDEXES else _image
    manifest = read(body, media_type)
    if "\0" in (manifest.artifact_type or ""):  # the rest is kept as JSON, which escapes it
        raise InvalidManifest("the artifact's type has a NUL character")
    return manifest


def _media_type(body: _Body, content_type: str | None) -> str:
    sent = content_type.partition(";")[0].strip() if content_type else None
    if sent and body.media_type and sent != body.media_type:
        raise InvalidManifest(f"the manifest says mediaType '{body.media_type}', the request '{sent}'")
    # Neither is required of OCI manifests by every client of the past; then the shape tells (image-spec, "mediaType").
    media_type = (
        body.media_type
        or sent
        or (media_types.OCI_MANIFEST if body.manifests is None else media_types.OCI_INDEX)
    )
    if body.schema_version != 2 or media_type not in media_types.MANIFESTS:
        raise InvalidManifest(f"schema {body.schema_version} of media type '{media_type}' is not supported")
    return media_type


def _image(body: _Body, media_type: str) -> Manifest:
    if body.config is None:
        raise InvalidManifest("Object missing required field `config`")
    if body.layers is None:
        raise InvalidManifest("Object missing required field `layers`")
    if body.manifests is not None:
        raise InvalidManifest("an image manifest has no `manifests`")
    return Manifest(
        media_type=media_type,
        config=body.config,
        layers=body.layers,
        subject=body.subject,
        artifact_type=body.artifact_type or body.config.media_type,
        annotations=body.annotations,
    )


def _index(body: _Body, media_type: str) -> Manifest:
    if body.manifests is None:
        raise InvalidManifest("Object missing required field `manifests`")
    if body.layers is not None or body.config is not None:
        raise InvalidManifest("an index has no `config` and no `layers`")
    return Manifest(
        media_type=media_type,
        children=tuple({d.digest: d for d in body.manifests}.values()),
        subject=body.subject,
        artifact_type=body.artifact_type,
        annotations=body.annotations,
    )


def referrer(
    digest: str, size: int, media_type: str, artifact_type: str | None, annotations: dict[str, str] | None
) -> dict[str, Any]:
    """One descriptor of a referrers list (distribution-spec 1.1, "Listing Referrers")."""
    descriptor: dict[str, Any] = {"mediaType": media_type, "digest": digest, "size": size}
    if artifact_type:
        descriptor["artifactType"] = artifact_type
    if annotations:
        descriptor["annotations"] = annotations
    return descriptor
