"""What the servers hold: one image of small layers and one of 100 MB, the same bytes for every server."""

import hashlib
import json
import random
from pathlib import Path

from benchmarks.uploads import REPOSITORY, TAIL, Payload, push_bytes, push_monolithic
from benchmarks.wire import Client, Origin, WireError, connect, drain

TAG = "latest"
SMALL = 10_000
LARGE = 100_000_000
LAYERS = 8
"""Small layers beside the large one; the manifest has the size that manifests of real images have."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Content:
    """The image that is read, and the payload that is written."""

    def __init__(self, folder: Path) -> None:
        """Make the bytes; those of the payload lie in ``folder``."""
        self.payload = Payload(folder, LARGE)
        self.large = self.payload.upload(bytes(TAIL))
        self.layers = tuple(random.Random(number).randbytes(SMALL) for number in range(LAYERS))
        digests = {digest_of(layer): len(layer) for layer in self.layers} | {
            self.large.digest: self.large.size
        }
        self.config = _config(list(digests))
        self.manifest = _manifest(self.config, digests)

    @property
    def small_path(self) -> str:
        """Where a layer of 10 KB is read."""
        return blob_path(digest_of(self.layers[0]))

    @property
    def large_path(self) -> str:
        """Where the layer of 100 MB is read."""
        return blob_path(self.large.digest)

    @property
    def tag_path(self) -> str:
        """Where the manifest is read by its tag."""
        return manifest_path(TAG)

    @property
    def digest_path(self) -> str:
        """Where the manifest is read by its digest."""
        return manifest_path(digest_of(self.manifest))

    def seed(self, origin: Origin) -> None:
        """Push the image."""
        with Client(origin) as client:
            for data in (self.config, *self.layers):
                push_bytes(client, data, digest_of(data))
            push_monolithic(client, self.large)
            client.call(
                "PUT", self.tag_path, expect=201, headers={"Content-Type": MANIFEST}, body=self.manifest
            )

    def verify(self, origin: Origin) -> None:
        """Read the image back, which also warms what the server caches.

        Raises:
            WireError: something is not what was pushed; of the large layer only the length is compared.
        """
        with Client(origin) as client:
            _same(client, self.tag_path, self.manifest)
            _same(client, self.digest_path, self.manifest)
            for data in (self.config, *self.layers):
                _same(client, blob_path(digest_of(data)), data)
        with connect(origin) as sock:
            if drain(sock, origin, self.large_path) != LARGE:
                raise WireError("the large layer came back with another length")


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob_path(digest: str) -> str:
    return f"/v2/{REPOSITORY}/blobs/{digest}"


def manifest_path(reference: str) -> str:
    return f"/v2/{REPOSITORY}/manifests/{reference}"


def _same(client: Client, path: str, data: bytes) -> None:
    if client.call("GET", path, expect=200, headers={"Accept": MANIFEST}).body != data:
        raise WireError(f"GET {path}: not the bytes that were pushed")


def _config(layers: list[str]) -> bytes:
    rootfs = {"type": "layers", "diff_ids": layers}
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()


def _manifest(config: bytes, layers: dict[str, int]) -> bytes:
    image = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": digest, "size": size} for digest, size in layers.items()],
    }
    return json.dumps(image).encode()
