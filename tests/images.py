"""Images for tests, built from bytes: real enough for every client (gzipped tars, a config with diff ids), and small.

The same arguments make the same bytes.
"""

import gzip
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from careen.oci import media_types
from careen.oci.digest import digest_of

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


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


def image(*names: str, size: int = 64, subject: Built | None = None) -> Built:
    """An OCI image with one layer for each name. The same name is the same layer; different ones differ throughout.

    Args:
        names: of the layers; the images of ``image("base", "app")`` and ``image("base", "lib")`` share one.
        size: bytes of the file in each layer, which do not compress.
        subject: what the image refers to.
    """
    tars = [_tar(name, random.Random(name).randbytes(size)) for name in names]  # noqa: S311 the same bytes every time
    layers = [gzip.compress(tar, mtime=0) for tar in tars]
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"layers": " ".join(names)}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }
    )
    return _manifest(
        _descriptor(CONFIG, config), [_descriptor(LAYER, data) for data in layers], (config, *layers), subject
    )


def artifact(
    kind: str, subject: Built, data: bytes = b"signed", annotations: Mapping[str, str] | None = None
) -> Built:
    """A referrer: ``kind`` is its artifact type."""
    config = b"{}"
    described = [_descriptor(media_types.EMPTY_JSON, config), _descriptor(media_types.OCTET_STREAM, data)]
    return _manifest(
        described[0], described[1:], (config, data), subject, artifactType=kind, annotations=annotations
    )


def index(*children: Built) -> Built:
    """An OCI index of images that were pushed before."""
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [
            child.descriptor | {"platform": {"os": "linux", "architecture": architecture}}
            for child, architecture in zip(children, cycle(("amd64", "arm64")), strict=False)
        ],
    }
    return Built(_json(body), media_types.OCI_INDEX)


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
    config: dict[str, Any],
    layers: Sequence[dict[str, Any]],
    blobs: tuple[bytes, ...],
    subject: Built | None,
    **members: Any,
) -> Built:
    body = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config, "layers": layers}
    if subject is not None:
        body["subject"] = subject.descriptor
    body |= {name: value for name, value in members.items() if value is not None}
    return Built(_json(body), media_types.OCI_MANIFEST, blobs)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
