"""Images for tests, built from bytes: real enough for every client (gzipped tars, a config with diff ids), and small.

The same arguments make the same bytes.
"""

import gzip
import io
import json
import random
import struct
import tarfile
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from careen.oci import media_types
from careen.oci.digest import digest_of

CONFIG = "application/vnd.oci.image.config.v1+json"


class Form(NamedTuple):
    """The media types of an image, which say in whose format it is and how its layers are compressed."""

    manifest: str
    listing: str
    config: str
    layer: str


OCI = Form(
    media_types.OCI_MANIFEST,
    media_types.OCI_INDEX,
    CONFIG,
    "application/vnd.oci.image.layer.v1.tar+gzip",
)
OCI_ZSTD = OCI._replace(layer="application/vnd.oci.image.layer.v1.tar+zstd")
DOCKER = Form(
    media_types.DOCKER_MANIFEST,
    media_types.DOCKER_LIST,
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)

_ZSTD_BLOCK = 128 * 1024


class Built(NamedTuple):
    """A manifest, and the blobs that have to be there before it."""

    manifest: bytes
    media_type: str
    blobs: tuple[bytes, ...] = ()
    """The config first, then the layers."""

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digest_of(self.manifest)

    @property
    def digests(self) -> list[str]:
        """The blobs' digests."""
        return [digest_of(blob) for blob in self.blobs]

    @property
    def size(self) -> int:
        """Bytes of config and layers: what ECR calls ``imageSizeInBytes``."""
        return sum(map(len, self.blobs))

    @property
    def descriptor(self) -> dict[str, Any]:
        """What an index, or a referrer's ``subject``, says of it."""
        return _descriptor(self.media_type, self.manifest)


def image(*names: str, size: int = 64, subject: Built | None = None, form: Form = OCI) -> Built:
    """An image with one layer for each name. The same name is the same layer; different ones differ throughout.

    Args:
        names: of the layers; the images of ``image("base", "app")`` and ``image("base", "lib")`` share one.
        size: bytes of the file in each layer, which do not compress.
        subject: what the image refers to.
        form: its format and its layers' compression.
    """
    tars = [_tar(name, random.Random(name).randbytes(size)) for name in names]  # noqa: S311 the same bytes every time
    layers = [_zstd(tar) if form is OCI_ZSTD else gzip.compress(tar, mtime=0) for tar in tars]
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"layers": " ".join(names)}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }
    )
    described = [_descriptor(form.layer, data) for data in layers]
    return _manifest(form.manifest, _descriptor(form.config, config), described, (config, *layers), subject)


def artifact(
    kind: str, subject: Built | None, data: bytes = b"signed", annotations: Mapping[str, str] | None = None
) -> Built:
    """What is no image; with a ``subject``, a referrer. ``kind`` is its artifact type."""
    config = b"{}"
    described = [_descriptor(media_types.EMPTY_JSON, config), _descriptor(media_types.OCTET_STREAM, data)]
    return _manifest(
        media_types.OCI_MANIFEST,
        described[0],
        described[1:],
        (config, data),
        subject,
        artifactType=kind,
        annotations=annotations,
    )


def index(*children: Built, form: Form = OCI) -> Built:
    """An index of images that were pushed before: OCI's, or Docker's manifest list."""
    body = {
        "schemaVersion": 2,
        "mediaType": form.listing,
        "manifests": [
            child.descriptor | {"platform": {"os": "linux", "architecture": architecture}}
            for child, architecture in zip(children, cycle(("amd64", "arm64")), strict=False)
        ],
    }
    return Built(_json(body), form.listing)


def write_layout(folder: Path, built: Built, tag: str) -> str:
    """Write an OCI image layout (image-spec, image-layout.md). Returns what skopeo and podman call it: ``oci:folder:tag``."""
    for data in (built.manifest, *built.blobs):
        path = folder / "blobs" / digest_of(data).replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    named = built.descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return f"oci:{folder}:{tag}"


def _manifest(
    media_type: str,
    config: dict[str, Any],
    layers: Sequence[dict[str, Any]],
    blobs: tuple[bytes, ...],
    subject: Built | None,
    **members: Any,
) -> Built:
    body = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    if subject is not None:
        body["subject"] = subject.descriptor
    body |= {name: value for name, value in members.items() if value is not None}
    return Built(_json(body), media_type, blobs)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _zstd(data: bytes) -> bytes:
    """A zstd frame whose blocks are raw (RFC 8878, section 3.1.1): Python 3.11 has no zstd, and what is here does not compress."""
    frame = [
        b"\x28\xb5\x2f\xfd",
        b"\xa0",
        struct.pack("<I", len(data)),
    ]  # one segment, its size in four bytes
    for start in range(0, len(data), _ZSTD_BLOCK):
        block = data[start : start + _ZSTD_BLOCK]
        is_last = start + _ZSTD_BLOCK >= len(data)
        frame += [struct.pack("<I", len(block) << 3 | is_last)[:3], block]
    return b"".join(frame)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
