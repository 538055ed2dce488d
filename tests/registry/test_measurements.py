"""What is stored over time: every byte in one place, and what tidying up gives back is what it then gives back."""

import pytest

from careen.clock import DAY, HOUR
from careen.registry import archive, gc, lifecycle, measurements, pins, storage
from careen.registry.measurements import Sample
from careen.registry.pins import InUse
from careen.registry.registry import Registry
from careen.registry.rules import put_default
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.registry.steps import Hands, delete, push, row, upload, with_limits

APP, LIB, OLD = "team/app", "team/lib", "team/old"
ONE, TWO, THREE, FOUR = (image("base", layer, size=70_000) for layer in ("one", "two", "three", "four"))


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry whose trash keeps images for a week."""
    return with_limits(registry, trash=7 * DAY)


def every(registry: Registry) -> list[Sample]:
    return registry.read(measurements.page, 0, 2**62, 2**62, 10_000)


def test_every_byte_is_in_one_place(registry: Registry) -> None:
    """Live, shared, archived, in the trash, unneeded: together they are what the exact account says is stored."""
    for built in (ONE, TWO, THREE, FOUR):
        push(registry, APP, built, built.digest[7:13])
    push(registry, LIB, ONE, "one")
    delete(registry, APP, TWO)
    stored = row(registry, APP, THREE)
    assert stored is not None
    registry.write_now(archive.archive, stored)
    upload(registry, LIB, b"needless")
    database_bytes = registry.database.size()
    sample, exact = measurements.measure(registry), storage.account(registry)
    base = len(ONE.blobs[1])
    assert sample.shared_bytes == ONE.size
    assert sample.live_bytes == FOUR.size - base
    assert (sample.archive_bytes, sample.trash_bytes) == (exact.archive_bytes, exact.trash_bytes)
    assert sample.archive_bytes == THREE.size - base
    assert sample.trash_bytes == TWO.size - base
    assert sample.unneeded_bytes == exact.unneeded_bytes == len(b"needless")
    assert exact.blob_bytes == sum(sample[1:6])
    assert sample.taken_bytes == exact.file_bytes + database_bytes
    assert (sample.repositories, sample.images, sample.trash_images) == (2, 4, 1)
    assert every(registry) == [sample]


def test_what_tidying_up_would_give_back(registry: Registry, clock: Hands) -> None:
    """Untagged images of two weeks, where no rule acts: their bytes are what deleting them frees, to the byte."""
    push(registry, APP, ONE)
    push(registry, APP, TWO, "two")
    push(registry, LIB, THREE)
    push(registry, OLD, FOUR)
    registry.write_now(put_default, OLD, measurements.TIDY)
    clock.forward(13 * DAY)
    push(registry, LIB, ONE)
    young = measurements.measure(registry)
    assert (young.unruled, young.stale_images, young.stale_bytes) == (2, 0, 0)
    clock.forward(2 * DAY)
    sample = measurements.measure(registry)
    base = len(ONE.blobs[1])
    assert (sample.unruled, sample.stale_images) == (2, 2)
    assert sample.stale_bytes == THREE.size - base, (
        "the young copy in the other repository keeps the layer of the first"
    )
    before = storage.account(registry).blob_bytes
    for name, built in ((APP, ONE), (LIB, THREE)):
        delete(registry, name, built)
    clock.forward(8 * DAY)
    gc.collect(registry, grace=0)
    assert before - storage.account(registry).blob_bytes == sample.stale_bytes


def test_what_is_in_use_is_not_counted(registry: Registry, clock: Hands) -> None:
    """Tidying up would keep it, as every rule does."""
    push(registry, APP, ONE)
    clock.forward(15 * DAY)
    assert measurements.measure(registry).stale_images == 1
    registry.write_now(pins.put, "cluster", DAY, [InUse(APP, ONE.digest, None, "deployment/web")])
    assert measurements.measure(registry).stale_images == 0


def test_what_only_its_use_keeps(registry: Registry) -> None:
    """An image that a rule would take were it not in use is told; one in use that no rule would take is not."""
    push(registry, APP, ONE, "one")
    push(registry, APP, TWO, "two")
    registry.write_now(lifecycle.put_policy, APP, KEEP_ONE)
    registry.write_now(pins.put, "cluster", DAY, [InUse(APP, TWO.digest, None, "deployment/new")])
    assert measurements.measure(registry).spared_images == 0
    registry.write_now(pins.put, "cluster", DAY, [InUse(APP, ONE.digest, None, "deployment/old")])
    assert measurements.measure(registry).spared_images == 1


def test_old_measurements_are_thinned(registry: Registry, clock: Hands) -> None:
    """Of two weeks every one, and of the days before the first of each."""
    for _ in range(20 * 4):
        measurements.measure(registry)
        clock.forward(6 * HOUR)
    kept = [each.sampled_at for each in every(registry)]
    now = kept[0]
    hourly = [instant for instant in kept if instant >= now - measurements.WHOLE]
    daily = [instant for instant in kept if instant < now - measurements.WHOLE]
    assert len(hourly) == 14 * 4
    assert len({instant // DAY for instant in daily}) == len(daily) == 6
    assert all(instant % DAY < 6 * HOUR for instant in daily), "the first of its day"


def test_pages_of_a_time(registry: Registry, clock: Hands) -> None:
    """Between two instants, both included, the latest first, and then those before the last one told."""
    taken = []
    for _ in range(5):
        taken.append(measurements.measure(registry).sampled_at)
        clock.forward(HOUR)
    first = registry.read(measurements.page, taken[1], taken[3], 2**62, 2)
    rest = registry.read(measurements.page, taken[1], taken[3], first[-1].sampled_at, 2)
    assert [each.sampled_at for each in (*first, *rest)] == [taken[3], taken[2], taken[1]]


def test_the_archives_home_has_its_own_price(registry: Registry) -> None:
    """What is taken costs the price of where it is."""
    sample = measurements.measure(registry)._replace(taken_bytes=3 * 2**30, archive_home_bytes=2**30)
    limits = with_limits(registry, price=0.1, archive_price=0.01).limits
    assert measurements.dollars(sample, limits) == pytest.approx(0.21)


def test_the_policy_of_tidying_up_is_one(registry: Registry) -> None:
    """It could be put as it is."""
    push(registry, APP, ONE)
    registry.write_now(lifecycle.put_policy, APP, measurements.TIDY)
