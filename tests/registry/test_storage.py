"""Exact accounts: what every image, repository and state of an image takes, and that the parts are the whole."""

import json
import random

import pytest

from careen.clock import DAY
from careen.registry import archive, gc, images, lifecycle, repositories, storage
from careen.registry.registry import Registry
from tests.images import Built, image, index
from tests.registry.steps import Hands, delete, push, put, row, stored_bytes, upload, with_limits

APP, LIB = "team/app", "team/lib"
ONE, TWO = image("base", "one", size=70_000), image("base", "two", size=70_000)
BASE = len(ONE.blobs[1])


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry whose trash keeps images for a week."""
    return with_limits(registry, trash=7 * DAY)


def archived(registry: Registry, built: Built) -> None:
    stored = row(registry, APP, built)
    assert stored is not None
    registry.write_now(archive.archive, stored)


def test_images_tell_what_is_theirs_alone(registry: Registry) -> None:
    """Unique bytes are what deleting that one image gives back; what other images need, wherever, is shared."""
    push(registry, APP, ONE, "1")
    push(registry, APP, TWO, "2")
    push(registry, LIB, TWO)
    put(registry, APP, index(ONE, TWO), "both")
    listed = {each.digest: each for each in registry.read(storage.of_images, APP)}
    assert (listed[ONE.digest].unique, listed[ONE.digest].shared) == (ONE.size - BASE, BASE)
    assert (listed[TWO.digest].unique, listed[TWO.digest].shared) == (0, TWO.size)
    assert (listed[index(ONE, TWO).digest].unique, listed[index(ONE, TWO).digest].tags) == (0, ["both"])
    for each in listed.values():
        assert each.unique == registry.read(storage.freed_by, {APP: [each.digest]})


def test_amazon_bills_every_repository_by_itself(registry: Registry) -> None:
    """A layer counts once in each repository whose images need it; one that none needs is not billed."""
    push(registry, APP, ONE)
    push(registry, APP, TWO)
    push(registry, LIB, ONE)
    upload(registry, LIB, b"needless")
    found = storage.account(registry)
    billed = {each.name: each.billed for each in found.repositories}
    assert billed == {APP: ONE.size + TWO.size - BASE, LIB: ONE.size}
    assert found.billed_bytes == sum(billed.values())
    assert found.blob_bytes == ONE.size + TWO.size - BASE + len(b"needless")
    assert found.disk_bytes >= found.stored_bytes + found.database_bytes > found.blob_bytes


def test_each_byte_is_in_one_state(registry: Registry) -> None:
    """Needed, archived, in the trash, needless: a layer that two states share belongs to the livelier one."""
    push(registry, APP, ONE)
    push(registry, APP, TWO)
    upload(registry, APP, b"needless")
    assert storage.account(registry).archive_bytes == 0
    archived(registry, TWO)
    assert storage.account(registry).archive_bytes == TWO.size - BASE
    delete(registry, APP, TWO)
    found = storage.account(registry)
    assert (found.archive_bytes, found.trash_bytes, found.trash_images) == (0, TWO.size - BASE, 1)
    assert found.unneeded_bytes == len(b"needless")
    delete(registry, APP, ONE)
    found = storage.account(registry)
    assert (found.trash_bytes, found.unneeded_bytes) == (ONE.size + TWO.size - BASE, len(b"needless"))


@pytest.mark.disk
def test_a_file_that_no_row_names_is_an_orphan(registry: Registry) -> None:
    """As a crash between the bytes and their row leaves it; the sweep takes it when it is old enough."""
    push(registry, APP, ONE)
    path = registry.scratch_folder / "blobs" / "sha256" / "00" / ("0" * 64 + ".stray")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(1000))
    found = storage.account(registry)
    assert (found.orphan_bytes, found.stored_bytes - found.file_bytes) == (1000, 1000)


@pytest.mark.parametrize("seed", range(12))
def test_what_a_plan_forecasts_is_what_comes_back(registry: Registry, clock: Hands, seed: int) -> None:
    """Over stores made at random, with layers shared by images, repositories and the trash: to the byte."""
    source = random.Random(seed)  # noqa: S311 the same stores every time
    names = [f"layer {number}" for number in range(8)]
    for name in (APP, LIB):
        push(registry, name, ONE)
    for number in range(30):
        built = image(
            *source.sample(names, source.randint(1, 3)),
            f"own {number % 20}",
            size=source.choice([64, 70_000]),
        )
        push(
            registry,
            source.choice([APP, LIB]),
            built,
            f"v{source.randint(0, 12)}" if source.random() < 0.7 else None,
        )
        clock.forward()
        if source.random() < 0.2:
            delete(registry, *source.choice([(APP, built), (LIB, built)]))
    for name in (APP, LIB):
        keep = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": source.randint(1, 8)}
        rule = {"rulePriority": 1, "selection": keep, "action": {"type": "expire"}}
        registry.write_now(lifecycle.put_policy, name, json.dumps({"rules": [rule]}))
    gc.collect(registry)
    plans = {name: registry.read(lifecycle.simulate, name) for name in (APP, LIB)}
    doomed = {name: [each.image.digest for each in plan.acted_on] for name, plan in plans.items()}
    forecast, before = registry.read(storage.freed_by, doomed), storage.account(registry)
    for name in (APP, LIB):
        lifecycle.run(registry, registry.read(repositories.require, name).id)
    after = storage.account(registry)
    assert after.trash_bytes - before.trash_bytes == forecast
    clock.forward(8 * DAY)
    on_disk = stored_bytes(registry)
    collected = gc.collect(registry)
    assert collected.freed == after.trash_bytes + after.unneeded_bytes
    assert on_disk - stored_bytes(registry) == collected.freed
    left = storage.account(registry)
    assert left.blob_bytes == before.blob_bytes - before.trash_bytes - forecast
    assert (left.trash_bytes, left.unneeded_bytes, left.orphan_bytes) == (0, 0, 0)
    assert registry.read(images.find, registry.read(repositories.require, APP), tag="none") is None
