"""Push a history into a registry, each push at its own time."""

from collections.abc import Callable, Sequence
from functools import cache

from careen.clock import Instant
from careen.demo import images
from careen.demo.history import BASE, Push
from careen.oci import digest as digests
from careen.oci import media_types
from careen.registry import images as image_cases
from careen.registry import layers as layer_cases
from careen.registry import repositories
from careen.registry.registry import Registry, Transaction
from careen.registry.repositories import Repository

KIB = 1024


def fill(
    registry: Registry,
    pushes: Sequence[Push],
    set_clock: Callable[[Instant], None],
    progress: Callable[[int], None],
) -> None:
    """Push them all.

    Args:
        registry: an empty registry that creates on push.
        pushes: the history, the oldest first.
        set_clock: sets the registry's clock.
        progress: told after each push how many are done.
    """
    for done, push in enumerate(pushes, start=1):
        set_clock(push.at)
        built = {platform: _build(push.repository, push.build, platform) for platform in push.platforms}
        signatures = [_signature(built)] if push.signed else []
        target = registry.write_now(repositories.require_for_push, push.repository)
        for data in [data for one in [*built.values(), *signatures] for data in one.blobs]:
            _send(registry, target, data)
        registry.write_now(_put, push, built)
        for one in signatures:
            registry.write_now(_put_one, push.repository, one.manifest, ())
        progress(done)


def _send(registry: Registry, target: Repository, data: bytes) -> None:
    """As clients do: ask first, send what is not there."""
    digest = images.digest_of(data)
    if registry.read(layer_cases.find, target.name, digest) is None:
        layer_cases.store(registry, target, digest, data)


def _put(tx: Transaction, push: Push, built: dict[str, images.Image]) -> None:
    if len(built) == 1:
        (one,) = built.values()
        _put_one(tx, push.repository, one.manifest, push.tags)
        return
    for one in built.values():
        _put_one(tx, push.repository, one.manifest, ())
    _put_one(tx, push.repository, images.index(built), push.tags)


def _put_one(tx: Transaction, repository: str, manifest: bytes, tags: Sequence[str]) -> None:
    target = repositories.require_for_push(tx, repository)
    for tag in tags or (None,):
        image_cases.put(tx, target, manifest, digest=digests.digest_of(manifest), tag=tag)


def _signature(built: dict[str, images.Image]) -> images.Image:
    if len(built) == 1:
        (one,) = built.values()
        return images.signature(one.manifest, media_types.OCI_MANIFEST)
    return images.signature(images.index(built), media_types.OCI_INDEX)


def _build(repository: str, build: int, platform: str) -> images.Image:
    """A base layer that every image shares, dependencies that change now and then, and the application itself."""
    layers: tuple[images.Layer, ...]
    base = _layer("usr/base", 6 * KIB * KIB, f"base {platform}")
    if repository == BASE:
        layers = (base, _layer("usr/updates", 900 * KIB, f"updates {build} {platform}"))
    else:
        layers = (
            base,
            _layer("app/dependencies", 1500 * KIB, f"{repository} {build // 40} {platform}"),
            _layer("app/program", 220 * KIB + 977 * (build % 50), f"{repository} {build} {platform}"),
        )
    return images.image(layers, platform, {"org.opencontainers.image.title": repository, "build": str(build)})


@cache
def _layer(path: str, size: int, seed: str) -> images.Layer:
    return images.layer(path, size, seed)
