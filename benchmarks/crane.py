"""Whole images by a real client: crane pushes an image from a layout and pulls it into one."""

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

from benchmarks.content import CONFIG, LAYER, MANIFEST, digest_of
from benchmarks.load import Work, programs
from benchmarks.wire import Origin, WireError

IMAGES = 5
"""In one window, one after the other."""
LAYERS = (20_000_000, 5_000_000, 300_000, 20_000)
"""Bytes of the layers of an image: a base, packages, an application, a configuration."""
REPOSITORY = "bench/crane"


def push(origin: Origin, folder: Path) -> Work:
    """Push images none of whose layers the server has."""
    layouts = [_layout(folder / f"in-{number}") for number in range(IMAGES)]
    try:
        commands = [
            (_program(), "--insecure", "push", str(each), f"{_host(origin)}/{REPOSITORY}:{number}")
            for number, each in enumerate(layouts)
        ]
        return programs(commands, _environment(origin, folder))
    finally:
        for each in layouts:
            shutil.rmtree(each)


def pull(origin: Origin, folder: Path) -> Work:
    """Pull the images that were pushed last."""
    targets = [folder / f"out-{number}" for number in range(IMAGES)]
    try:
        commands = [
            (
                _program(),
                "--insecure",
                "pull",
                "--format=oci",
                f"{_host(origin)}/{REPOSITORY}:{number}",
                str(each),
            )
            for number, each in enumerate(targets)
        ]
        return programs(commands, _environment(origin, folder))
    finally:
        for each in targets:
            shutil.rmtree(each, ignore_errors=True)


def _program() -> str:
    found = shutil.which("crane")
    if found is None:
        raise WireError(
            "crane is not installed: go install github.com/google/go-containerregistry/cmd/crane@v0.22.1"
        )
    return found


def _host(origin: Origin) -> str:
    return f"{origin.host}:{origin.port}"


def _environment(origin: Origin, folder: Path) -> dict[str, str]:
    configuration = folder / f"docker-{origin.port}"
    configuration.mkdir(exist_ok=True)
    auths = (
        {_host(origin): {"auth": origin.authorization.removeprefix("Basic ")}} if origin.authorization else {}
    )
    (configuration / "config.json").write_text(json.dumps({"auths": auths}))
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_CONFIG": str(configuration)}


def _layout(folder: Path) -> Path:
    """An image of bytes that nobody has seen, as an OCI layout."""
    source = random.Random(os.urandom(16))
    layers = [source.randbytes(size) for size in LAYERS]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [*map(digest_of, layers)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer) for layer in layers],
        }
    ).encode()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for data in (*layers, config, manifest):
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "manifests": [_descriptor(MANIFEST, manifest)]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def _descriptor(media_type: str, data: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
