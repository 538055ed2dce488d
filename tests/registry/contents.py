"""A registry that has something of everything, for those who bring it elsewhere."""

from careen.registry import lifecycle
from careen.registry.registry import Registry
from tests.ecrapi.samples import KEEP_ONE
from tests.images import Built, artifact, image, index
from tests.registry.steps import push, put, upload

APP, LIB = "team/app", "team/lib"
LARGE = 70_000
"""Bytes of a layer that is a file."""


def fill(registry: Registry) -> dict[str, Built]:
    """An index, a referrer, a policy and a blob that no image needs. Returns the images that the index lists, by platform."""
    made = {name: image("base", name, size=LARGE) for name in ("amd64", "arm64")}
    for built in made.values():
        push(registry, APP, built)
    put(registry, APP, index(*made.values()), "1.0")
    push(registry, APP, artifact("application/vnd.example.sbom", made["amd64"], b"parts" * 20_000))
    push(registry, LIB, image("small"), "1")
    upload(registry, LIB, b"alone")
    registry.write_now(lifecycle.put_policy, LIB, KEEP_ONE)
    return made
