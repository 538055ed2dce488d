"""The forms in which images and artifacts come, each to be taken and given to the byte."""

from collections.abc import Callable

from tests import images
from tests.distribution.client import Client
from tests.images import DOCKER, OCI, OCI_ZSTD, Built, artifact, image, index

Form = Callable[[str], tuple[Built, ...]]
"""Makes the manifests of a form out of a name, in the order of pushing: what has a tag is the last."""

IMAGES: dict[str, Form] = {
    "Docker's format": lambda name: (image(name, size=90_000, form=DOCKER),),
    "OCI": lambda name: (image(name, size=90_000),),
    "OCI, zstd layers": lambda name: (image(name, size=300_000, form=OCI_ZSTD),),
    "Docker's manifest list": lambda name: _listed(name, DOCKER),
    "OCI index": lambda name: _listed(name, OCI),
}
"""What an engine can run."""

FORMS: dict[str, Form] = IMAGES | {
    "an artifact": lambda name: (artifact("application/vnd.example.notes", None, name.encode()),),
}
"""What a registry keeps."""


def _listed(name: str, form: images.Form) -> tuple[Built, ...]:
    children = [image(f"{name} {architecture}", size=9_000, form=form) for architecture in ("amd64", "arm64")]
    return (*children, index(*children, form=form))


def push(client: Client, repository: str, built: tuple[Built, ...], tag: str) -> Built:
    """Push a form by HTTP, byte for byte. Returns what the tag names."""
    for child in built[:-1]:
        client.push(repository, child)
    client.push(repository, built[-1], tag)
    return built[-1]


def assert_is_there(client: Client, repository: str, built: tuple[Built, ...], tag: str) -> None:
    """Every manifest and every blob is in the repository as it was made, and the tag names the last."""
    tagged = client.send("HEAD", f"/v2/{repository}/manifests/{tag}")
    assert tagged.headers["docker-content-digest"] == built[-1].digest
    for one in built:
        found = client.send("GET", f"/v2/{repository}/manifests/{one.digest}")
        assert (found.body, found.headers["content-type"]) == (one.manifest, one.media_type)
        for digest, blob in zip(one.digests, one.blobs, strict=True):
            assert client.send("GET", f"/v2/{repository}/blobs/{digest}").body == blob
