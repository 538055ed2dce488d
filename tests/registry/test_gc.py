"""The collector: bytes come back exactly, leases are kept, and a crash costs nothing."""

import asyncio
import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careen import startup
from careen.clock import DAY, HOUR, SECOND
from careen.db import layers as layer_rows
from careen.oci.digest import digest_of
from careen.registry import archive, gc, layers, metrics, repositories
from careen.registry.gc import Collected
from careen.registry.registry import Registry, Transaction
from careen.settings import Settings
from tests.images import image
from tests.registry.steps import (
    Hands,
    begin,
    blob,
    cause,
    delete,
    files,
    is_whole,
    kept,
    push,
    put,
    reopen,
    stored_bytes,
    upload,
    with_limits,
)
from tests.seaweed import BUCKET, S3, needs_seaweed
from tests.waiting import PATIENCE

APP = "team/app"
LARGE = b"x" * 100_000


@pytest.mark.parametrize("size", [64, 100_000], ids=["in rows", "in files"])
def test_bytes_come_back_exactly(registry: Registry, size: int) -> None:
    """What is freed is what disk and rows have less; the layer that another image shares stays."""
    one, two = image("base", "one", size=size), image("base", "two", size=size)
    push(registry, APP, one, "1")
    push(registry, APP, two, "2")
    before = stored_bytes(registry)
    assert gc.collect(registry).blobs == 0
    delete(registry, APP, one)
    collected = gc.collect(registry)
    assert collected.blobs == 2
    assert collected.freed == one.size - len(one.blobs[1]) == before - stored_bytes(registry)
    assert is_whole(registry, APP, two)
    delete(registry, APP, two)
    assert gc.collect(registry).freed == two.size
    assert stored_bytes(registry) == 0


def test_more_than_a_batch_is_collected(registry: Registry) -> None:
    """The collector goes on until nothing is due."""
    found = registry.write_now(repositories.create, APP)
    for number in range(gc.BATCH + 5):
        data = b"%d" % number
        layers.store(registry, found, digest_of(data), data)
    assert gc.collect(registry).blobs == gc.BATCH + 5
    assert stored_bytes(registry) == 0


def test_a_collection_without_grace_ends_while_pushes_go_on(registry: Registry) -> None:
    """What comes after its beginning is the next one's, and is kept as long as ever."""
    patient = with_limits(registry, grace=DAY)
    found = patient.write_now(repositories.create, APP)
    enough = threading.Event()
    numbers = itertools.count()

    def store_many(tx: Transaction) -> None:
        """Faster than the collector is, which rests."""
        for data in (b"%d" % next(numbers) for _ in range(5 * gc.BATCH)):
            layer_rows.insert(tx.rows, digest_of(data), len(data), "", data, tx.now)
            layer_rows.link(tx.rows, found.id, digest_of(data), tx.now, tx.now + tx.limits.grace)

    def store_on() -> None:
        while not enough.is_set():
            patient.write_now(store_many)

    patient.write_now(store_many)
    with ThreadPoolExecutor(2) as threads:
        pushing = threads.submit(store_on)
        try:
            assert threads.submit(gc.collect, patient, grace=0).result(PATIENCE).blobs >= 5 * gc.BATCH
        finally:
            enough.set()
            pushing.result()


def test_a_blob_is_kept_for_the_grace_period(registry: Registry, clock: Hands) -> None:
    """A push that has not put its manifest yet has a day; whoever looks again has a day from then."""
    patient = with_limits(registry, grace=DAY)
    digest = upload(patient, APP, LARGE)
    clock.forward(DAY - HOUR)
    assert gc.collect(patient) == Collected()
    clock.forward(2 * HOUR)
    assert gc.collect(patient) == Collected(reviewed=1, blobs=1, freed=len(LARGE))
    assert blob(patient, APP, digest) is None


def test_a_lease_is_renewed_by_who_asks(registry: Registry, clock: Hands) -> None:
    """HEAD of a blob says "you have it", so it stays for at least half a grace period more."""
    patient = with_limits(registry, grace=DAY)
    digest = upload(patient, APP, LARGE)
    clock.forward(DAY - HOUR)
    seen = patient.read(layers.find, APP, digest)
    assert seen is not None
    assert asyncio.run(layers.lease(patient, seen))
    clock.forward(2 * HOUR)
    assert gc.collect(patient) == Collected(reviewed=1, waiting=1)
    clock.forward(DAY)
    assert gc.collect(patient).blobs == 1
    assert not asyncio.run(layers.lease(patient, seen))


def mount_again(registry: Registry, digest: str) -> None:
    """A mount of what is there already."""
    found = registry.read(repositories.require, APP)
    registry.write_now(layers.mount, found, digest, APP)


def push_again(registry: Registry, _digest: str) -> None:
    """The same bytes once more."""
    upload(registry, APP, LARGE)


@pytest.mark.parametrize("again", [push_again, mount_again])
def test_a_lease_is_renewed_by_who_pushes(
    registry: Registry, clock: Hands, again: Callable[[Registry, str], None]
) -> None:
    """Whose push or mount was answered has a whole grace period to put the manifest."""
    patient = with_limits(registry, grace=DAY)
    digest = upload(patient, APP, LARGE)
    clock.forward(DAY - HOUR)
    again(patient, digest)
    clock.forward(DAY - HOUR)
    assert gc.collect(patient).waiting == 1
    clock.forward(2 * HOUR)
    assert gc.collect(patient).blobs == 1


def test_a_lease_that_is_young_costs_no_write(registry: Registry, clock: Hands) -> None:
    """Renewals are coalesced: in the first half of the grace period nothing is written."""
    patient = with_limits(registry, grace=DAY)
    digest = upload(patient, APP, LARGE)
    clock.forward(DAY // 2 - HOUR)
    seen = patient.read(layers.find, APP, digest)
    assert seen is not None
    assert asyncio.run(layers.lease(patient, seen))
    assert patient.read(layers.find, APP, digest) == seen


def test_the_blobs_of_a_deleted_image_keep_their_lease(registry: Registry, clock: Hands) -> None:
    """Delete and push again at once: the layers are still there, and then they stay."""
    patient = with_limits(registry, grace=DAY)
    built = image("app", size=70_000)
    push(patient, APP, built)
    delete(patient, APP, built)
    assert gc.collect(patient).waiting == len(built.blobs)
    put(patient, APP, built)
    clock.forward(2 * DAY)
    assert gc.collect(patient).blobs == 0
    assert is_whole(patient, APP, built)
    delete(patient, APP, built)
    assert gc.collect(patient).freed == built.size


def test_a_shorter_grace_reaches_what_is_not_due_yet(registry: Registry, clock: Hands) -> None:
    """``careen gc`` may be told to be less patient than the registry; what is younger than that stays."""
    patient = with_limits(registry, grace=DAY)
    upload(patient, APP, b"older")
    clock.forward(HOUR)
    upload(patient, APP, b"younger")
    assert gc.collect(patient, grace=HOUR) == Collected(reviewed=2, blobs=1, freed=5, waiting=1)
    assert gc.collect(patient, grace=0).freed == 7


def test_bytes_stay_until_the_last_repository_lets_go(registry: Registry) -> None:
    """Mounted blobs are links to the same bytes; each repository lets go for itself."""
    built = image("app", size=70_000)
    push(registry, APP, built)
    copy = registry.write_now(repositories.create, "team/copy")
    for digest in built.digests:
        registry.write_now(layers.mount, copy, digest, APP)
    put(registry, "team/copy", built)
    assert len(kept(registry)) == 1
    delete(registry, APP, built)
    assert gc.collect(registry) == Collected(reviewed=4)
    assert blob(registry, APP, built.digests[1]) is None
    assert is_whole(registry, "team/copy", built)
    delete(registry, "team/copy", built)
    assert gc.collect(registry).freed == built.size
    assert kept(registry) == {}


def test_a_deleted_repository_gives_its_bytes_back(registry: Registry) -> None:
    """The next collection deletes the files of blobs that nobody links any more."""
    push(registry, APP, image("app", size=70_000))
    registry.write_now(repositories.delete, APP, cause(), force=True)
    gc.collect(registry)
    assert stored_bytes(registry) == 0


def test_an_interrupted_deletion_is_finished_by_the_next_run(registry: Registry) -> None:
    """Between the row and its bytes the process dies: the mark stays, and the bytes go later."""
    upload(registry, APP, LARGE)
    registry.write_now(gc._review_step, gc._begin(registry, gc.COLLECT), 0)
    assert len(kept(registry)) == 1
    another = reopen(registry)
    gc.collect(another)
    assert kept(another) == {}
    assert another.read(gc._condemned) == []
    another.close()


def test_a_push_of_condemned_bytes_gets_bytes_of_its_own(registry: Registry) -> None:
    """The collector has marked the old generation; the new one is another file, and is not touched."""
    digest = upload(registry, APP, LARGE)
    registry.write_now(gc._review_step, gc._begin(registry, gc.COLLECT), 0)
    assert upload(registry, APP, LARGE) == digest
    assert len(kept(registry)) == 2
    gc._delete_condemned(registry)
    assert len(kept(registry)) == 1
    assert blob(registry, APP, digest) == LARGE


@pytest.mark.disk
def test_the_sweep_finds_files_without_a_row(registry: Registry) -> None:
    """A push that died between file and row leaves one; it goes once it is too old to be a push under way."""
    digest = upload(registry, APP, LARGE)
    [named] = files(registry)
    orphan = named.with_name(f"{named.name.partition('.')[0]}.0123456789abcdef")
    orphan.write_bytes(LARGE)
    assert gc.sweep(registry) == Collected()
    old = orphan.stat().st_mtime - gc.ORPHAN_AGE - 1
    for path in (orphan, named):
        os.utime(path, (old, old))
    assert gc.sweep(registry) == Collected(orphans=1, freed=len(LARGE))
    assert files(registry) == [named]
    assert blob(registry, APP, digest) == LARGE


def test_the_sweep_finds_blobs_without_a_link(registry: Registry) -> None:
    """Nothing should leave one, and nothing is lost if something does."""
    upload(registry, APP, LARGE)
    upload(registry, APP, b"small")
    registry.write_now(lambda tx: tx.rows.execute("DELETE FROM repository_blobs"))
    assert gc.sweep(registry) == Collected(blobs=2, freed=len(LARGE) + 5)
    assert stored_bytes(registry) == 0


@pytest.mark.disk
def test_the_sweep_finds_abandoned_uploads(registry: Registry) -> None:
    """One that has stood still for too long goes with its bytes; one that another request holds does not."""
    found = registry.write_now(repositories.create, APP)
    folder = registry.scratch_folder / "uploads" / str(found.id)
    old, young, busy = (begin(registry, found) for _ in range(3))
    long_ago = 0
    for upload_id in (old, busy):
        (folder / upload_id).write_bytes(b"half")
        os.utime(folder / upload_id, (long_ago, long_ago))
    another = reopen(registry)
    held = another.blobs.hold_upload(found.id, busy)
    assert gc.sweep(registry) == Collected(uploads=1, freed=4)
    assert {path.name for path in folder.iterdir()} == {young, busy}
    held.release()
    assert gc.sweep(registry).uploads == 1
    another.close()


def test_time_on_the_registrys_clock_does_not_age_files(registry: Registry, clock: Hands) -> None:
    """Files are aged by the store's own clock: a demonstration in which weeks pass loses no upload."""
    found = registry.write_now(repositories.create, APP)
    begin(registry, found)
    clock.forward(100 * DAY)
    assert gc.sweep(registry) == Collected()


def test_reviews_do_not_pile_up(registry: Registry) -> None:
    """Everything that was reviewed is forgotten: needed blobs, gone ones, and links that vanished by themselves."""
    push(registry, APP, image("app"))
    upload(registry, APP, b"alone")
    registry.write_now(layers.delete, APP, digest_of(b"alone"))
    assert gc.collect(registry) == Collected(reviewed=3)
    assert registry.read(lambda tx: tx.rows.execute("SELECT count(*) FROM reviews").fetchone()) == (0,)


def test_an_archived_image_keeps_its_bytes(registry: Registry) -> None:
    """Out of sight is not out of the registry."""
    built = image("app", size=70_000)
    stored = push(registry, APP, built).image.row
    registry.write_now(archive.archive_with_referrers, stored)
    gc.collect(registry, grace=0)
    registry.write_now(archive.begin_restore, stored._replace(status=archive.ARCHIVED))
    registry.write_now(archive.end_restore, stored.id)
    assert is_whole(registry, APP, built)


def test_waiting_is_not_forever(registry: Registry, clock: Hands) -> None:
    """A lease of a second is over a second later."""
    quick = with_limits(registry, grace=SECOND)
    upload(quick, APP, b"data")
    assert gc.collect(quick) == Collected()
    clock.forward(2 * SECOND)
    assert gc.collect(quick).blobs == 1


@needs_seaweed
def test_the_sweep_of_a_bucket_asks_the_rows(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no row names goes, also if nothing says its digest; what a row names stays, also if its name was lost or has company."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings(data=str(tmp_path), blobs=s3.url("swept"), s3_redirect=False, create_on_push=True)
    startup.prepare(settings)
    opened = startup.open_registry(settings)
    try:
        digest = upload(opened, APP, LARGE)
        (kept,) = opened.blobs.stored()
        s3.remove("swept", f"blobs/{kept.generation}.{digest.replace(':', '-')}")
        s3.client().put_object(Bucket=BUCKET, Key=f"swept/blobs/{uuid.uuid4()}", Body=b"never named")
        twice = upload(opened, APP, LARGE + b"two names")
        (named,) = (each for each in opened.blobs.stored() if each.digest == twice)
        for algorithm in ("sha256", "sha512"):  # of holders that lost the upload
            wrong = digest_of(b"another's", algorithm).replace(":", "-")
            s3.client().put_object(Bucket=BUCKET, Key=f"swept/blobs/{named.generation}.{wrong}")
        assert gc.sweep(opened) == Collected()
        monkeypatch.setattr(gc, "ORPHAN_AGE", -10.0)
        assert gc.sweep(opened) == Collected(orphans=1, freed=11)
        assert {stored.generation for stored in opened.blobs.stored()} == {kept.generation, named.generation}
        for name, generation, data in (
            (digest, kept.generation, LARGE),
            (twice, named.generation, LARGE + b"two names"),
        ):
            source = opened.blobs.open(name, generation)
            assert isinstance(source, layers.Pieces)
            assert b"".join(source.read(0, len(data))) == data
    finally:
        opened.close()


def test_every_collection_that_gave_something_back_is_listed(registry: Registry) -> None:
    """With what it gave back, to the byte; one that found nothing is only counted."""
    gc.collect(registry)
    assert registry.read(gc.history, 10) == []
    upload(registry, APP, LARGE)
    collected = gc.collect(registry)
    (only,) = registry.read(gc.history, 10)
    assert (only.kind, only.blobs, only.freed) == ("collect", 1, len(LARGE)) == ("collect", *collected[1:3])
    assert only.ended_at is not None
    assert only.started_at < only.ended_at < registry.clock()
    (total,) = registry.read(metrics.measure).collections
    assert (total.runs, total.blobs, total.freed, total.ended_at) == (2, 1, len(LARGE), only.ended_at)


@pytest.mark.disk
def test_a_sweep_tells_of_files_and_uploads(registry: Registry) -> None:
    """A file without a row and an upload that was left are what only the sweep finds."""
    upload(registry, APP, LARGE)
    (path,) = files(registry)
    stray = path.with_name(path.name[:-1] + ("0" if path.name[-1] != "0" else "1"))
    stray.write_bytes(b"stray")
    begin(registry, registry.read(repositories.require, APP))
    year_old = time.time() - 366 * 86_400
    for each in (stray, *(path.parents[3] / "uploads").rglob("*")):
        os.utime(each, (year_old, year_old))
    swept = gc.sweep(registry)
    assert (swept.orphans, swept.uploads, swept.freed) == (1, 1, len(b"stray"))
    (only,) = registry.read(gc.history, 10)
    assert (only.kind, only.orphans, only.uploads, only.freed) == ("sweep", 1, 1, len(b"stray"))


def test_a_collection_that_died_is_listed_with_what_it_gave_back(registry: Registry) -> None:
    """What a step gave back was noted with it, so the sums are right although no end was noted."""
    upload(registry, APP, LARGE)
    dying = gc._begin(registry, gc.COLLECT)
    registry.write_now(gc._review_step, dying, 0)
    gc.collect(registry)
    (only,) = registry.read(gc.history, 10)
    assert (only.freed, only.ended_at) == (len(LARGE), None)
    (total,) = registry.read(metrics.measure).collections
    assert (total.runs, total.freed) == (1, len(LARGE))


def test_the_list_forgets_and_the_sum_does_not(registry: Registry, clock: Hands) -> None:
    """Ninety days after it began a collection is dropped from the list."""
    upload(registry, APP, LARGE)
    gc.collect(registry)
    clock.forward(gc.KEPT - HOUR)
    gc.collect(registry)
    assert len(registry.read(gc.history, 10)) == 1
    clock.forward(2 * HOUR)
    gc.collect(registry)
    assert registry.read(gc.history, 10) == []
    (total,) = registry.read(metrics.measure).collections
    assert total.freed == len(LARGE)
