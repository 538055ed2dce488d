"""Small real images: gzip-compressed tar layers, a config with their diff ids, a manifest. Any client can pull them."""

import gzip
import io
import random
import tarfile
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from careen.oci import digest as digests
from careen.oci import media_types

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"


digest_of = lru_cache(64)(digests.digest_of)
"""Layers that many images share are hashed once."""


class Layer(NamedTuple):
    """A layer's bytes and the digest of what they unpack to."""

    data: bytes
    diff_id: str


class Image(NamedTuple):
    """A manifest and the blobs it needs."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digests.digest_of(self.manifest)


def layer(path: str, size: int, seed: str) -> Layer:
    """A layer with one file of ``size`` bytes that do not compress, the same for the same seed."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as tar:
        info = tarfile.TarInfo(path)
        info.size = size
        tar.addfile(info, io.BytesIO(random.Random(seed).randbytes(size)))  # noqa: S311 a filling, not a secret
    return Layer(gzip.compress(unpacked.getvalue(), 0, mtime=0), digests.digest_of(unpacked.getvalue()))


def image(layers: tuple[Layer, ...], platform: str, labels: dict[str, str]) -> Image:
    """An image of these layers for ``os/architecture``."""
    system, _, architecture = platform.partition("/")
    config = msgspec.json.encode(
        {
            "architecture": architecture,
            "os": system,
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in layers]},
        }
    )
    manifest = _manifest(CONFIG, config, [_descriptor(LAYER, one.data) for one in layers])
    return Image(manifest, (config, *(one.data for one in layers)))


def index(images: dict[str, Image]) -> bytes:
    """An index of images by platform."""
    listed = []
    for platform, one in images.items():
        system, _, architecture = platform.partition("/")
        described = _descriptor(media_types.OCI_MANIFEST, one.manifest)
        listed.append(described | {"platform": {"os": system, "architecture": architecture}})
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": listed})


def signature(subject: bytes, subject_type: str) -> Image:
    """A referrer that says it signs ``subject``."""
    payload = msgspec.json.encode(
        {"critical": {"image": {"docker-manifest-digest": digests.digest_of(subject)}}}
    )
    empty = b"{}"
    manifest = _manifest(
        media_types.EMPTY_JSON,
        empty,
        [_descriptor("application/vnd.dev.cosign.simplesigning.v1+json", payload)],
        artifactType=SIGNATURE,
        subject=_descriptor(subject_type, subject),
    )
    return Image(manifest, (empty, payload))


def _manifest(config_type: str, config: bytes, layers: list[dict[str, Any]], **more: Any) -> bytes:
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": _descriptor(config_type, config),
    }
    return msgspec.json.encode(body | {"layers": layers} | more)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
