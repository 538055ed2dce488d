"""The archive's home: what only archived images need goes there and comes back, and is whole whatever happens on the way."""

import asyncio
import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from careen import startup, worker
from careen.blobs.archive import MARK, ArchivingBlobStore, Corrupt
from careen.clock import DAY, HOUR
from careen.db import layers as layer_rows
from careen.oci.digest import digest_of
from careen.registry import (
    archive,
    backup,
    gc,
    jobs,
    layers,
    lifecycle,
    moves,
    places,
    repositories,
    scrub,
    storage,
)
from careen.registry.registry import Registry
from careen.registry.scrub import Pace
from careen.settings import InvalidSetting, Settings, load
from careen.startup import CannotStart
from tests import backend
from tests.begun import begin
from tests.ecrapi.samples import KEEP_ONE
from tests.images import Built, artifact, image
from tests.registry.steps import Hands, cause, delete, is_whole, push, put, row, upload, with_limits
from tests.waiting import until

APP, LIB = "team/app", "team/lib"
ONE, TWO = image("base", "one", size=70_000), image("base", "two", size=70_000)
CONFIG, BASE, LAYER = ONE.digests
"""The blobs of ``ONE``; the first is a row, the second ``TWO``'s, too."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder, and another for what is archived; neither grace nor trash."""
    return Settings(
        data=str(tmp_path / "data"),
        archive_blobs=str(tmp_path / "archive"),
        create_on_push=True,
        blob_grace=0,
        trash_days=0,
        **backend.current().settings(tmp_path / "data"),
    )


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    begin(Path(settings.data))
    startup.prepare(settings)
    opened = startup.open_registry(settings)
    yield opened
    opened.close()


def work(registry: Registry) -> None:
    """Do all that is asked for, moves too."""
    moving = worker.moving(threading.Event(), "test")
    done = 0
    while worker.run_one(registry, "test") or worker.run_one(registry, "test", moving):
        done += 1
        assert done < 200, "the worker is kept busy by its own doing"


def to_archive(registry: Registry, built: Built, repository: str = APP) -> None:
    """Archive an image and make the moves that this asks for."""
    found = row(registry, repository, built)
    assert found is not None
    registry.write_now(archive.archive_with_referrers, found)
    work(registry)


def begin_restore(registry: Registry, built: Built, repository: str = APP) -> None:
    found = row(registry, repository, built)
    assert found is not None
    registry.write_now(archive.begin_restore, found)


def status(registry: Registry, built: Built, repository: str = APP) -> str:
    found = row(registry, repository, built)
    assert found is not None
    return found.status


def generation(registry: Registry, digest: str) -> str:
    found = registry.read(lambda tx: layer_rows.stored(tx.rows, digest))
    assert found is not None
    return found[1]


def homes(registry: Registry) -> dict[str, str]:
    """Per blob that is a file, where its row says that it lies; and it lies there, and nowhere else."""
    rows: list[tuple[str, str, int]] = registry.read(lambda tx: list(layer_rows.files(tx.rows)))
    gc.collect(registry, grace=0)
    stored = {(each.digest, each.generation, each.size) for each in registry.blobs.stored()}
    assert stored == set(rows)
    return {digest: "archive" if name.startswith(MARK) else "home" for digest, name, _ in rows}


def test_what_only_archived_images_need_goes_and_comes_back(registry: Registry) -> None:
    """A layer that an active image shares stays; the image is active only when all of its bytes are back."""
    push(registry, APP, ONE, "1")
    push(registry, APP, TWO, "2")
    to_archive(registry, ONE)
    assert homes(registry) == {BASE: "home", LAYER: "archive", TWO.digests[2]: "home"}
    assert is_whole(registry, APP, TWO)
    to_archive(registry, TWO)
    assert set(homes(registry).values()) == {"archive"}
    begin_restore(registry, ONE)
    assert worker.run_one(registry, "test")  # the job that would end it finds that bytes are away
    assert status(registry, ONE) == "ACTIVATING"
    work(registry)
    assert status(registry, ONE) == "ACTIVE"
    assert is_whole(registry, APP, ONE)
    assert homes(registry) == {BASE: "home", LAYER: "home", TWO.digests[2]: "archive"}


def test_small_blobs_stay_rows(registry: Registry) -> None:
    """Configs and thin layers are in the database, wherever the image belongs."""
    push(registry, APP, small := image("thin"), "1")
    to_archive(registry, small)
    assert homes(registry) == {}
    begin_restore(registry, small)
    work(registry)
    assert is_whole(registry, APP, small)


def test_a_layer_that_another_repository_needs_stays(registry: Registry) -> None:
    """Until the image there is archived or deleted, too."""
    push(registry, APP, ONE)
    push(registry, LIB, ONE)
    to_archive(registry, ONE)
    assert set(homes(registry).values()) == {"home"}
    delete(registry, LIB, ONE)
    work(registry)
    assert set(homes(registry).values()) == {"archive"}


def test_a_push_of_an_archived_image_brings_it_back(registry: Registry) -> None:
    """It can be pulled at once, out of the archive's home; the bytes follow."""
    push(registry, APP, ONE, "1")
    to_archive(registry, ONE)
    put(registry, APP, ONE, "1")
    assert status(registry, ONE) == "ACTIVE"
    assert generation(registry, LAYER).startswith(MARK)
    assert is_whole(registry, APP, ONE)
    work(registry)
    assert set(homes(registry).values()) == {"home"}
    assert is_whole(registry, APP, ONE)


def test_a_mounted_layer_comes_back_with_the_image_that_needs_it(registry: Registry) -> None:
    """As one does that the client finds there and does not send."""
    push(registry, APP, ONE)
    to_archive(registry, ONE)
    for data in TWO.blobs:
        upload(registry, LIB, data)
    assert generation(registry, BASE).startswith(MARK), (
        "an upload that finds the blob does not store it again"
    )
    put(registry, LIB, TWO)
    work(registry)
    assert is_whole(registry, LIB, TWO)
    assert homes(registry) == {BASE: "home", LAYER: "archive", TWO.digests[2]: "home"}


def test_signatures_go_and_come_with_their_subject(registry: Registry) -> None:
    """They are images like others."""
    signature = artifact("application/vnd.example.signature", ONE)
    push(registry, APP, ONE)
    push(registry, APP, signature)
    to_archive(registry, ONE)
    assert status(registry, signature) == "ARCHIVED"
    begin_restore(registry, ONE)
    work(registry)
    assert is_whole(registry, APP, ONE)
    assert is_whole(registry, APP, signature)


def test_a_rule_that_archives_moves_bytes(registry: Registry) -> None:
    """A transition of a lifecycle policy is an archiving like any other."""
    push(registry, APP, ONE, "1")
    push(registry, APP, TWO, "2")
    registry.write_now(
        lifecycle.put_policy, APP, KEEP_ONE.replace('"expire"', '"transition","targetStorageClass":"archive"')
    )
    lifecycle.enqueue_runs(registry)
    work(registry)
    assert (status(registry, ONE), status(registry, TWO)) == ("ARCHIVED", "ACTIVE")
    assert homes(registry) == {BASE: "home", LAYER: "archive", TWO.digests[2]: "home"}


def test_a_deleted_repository_is_found_by_looking_at_all(registry: Registry) -> None:
    """What nothing told of: there is one image less that needs the layer, and the daily look finds it."""
    push(registry, APP, ONE)
    push(registry, LIB, ONE)
    to_archive(registry, ONE)
    registry.write_now(repositories.delete, LIB, cause(), force=True)
    assert moves.look_at_all(registry) == 2
    work(registry)
    assert set(homes(registry).values()) == {"archive"}
    assert moves.look_at_all(registry) == 0


def test_a_deleted_archived_image_is_collected_there(registry: Registry) -> None:
    """The collector and its accounts know both homes."""
    push(registry, APP, ONE)
    to_archive(registry, ONE)
    account = storage.account(registry)
    assert account.archive_home_bytes == account.file_bytes == account.condemned_bytes > 140_000
    assert account.stored_bytes == account.file_bytes + account.condemned_bytes
    dear, cheap = account.disk_bytes - account.archive_home_bytes, account.archive_home_bytes
    assert account.monthly_dollars(2, 1) == pytest.approx((2 * dear + cheap) / 2**30)
    delete(registry, APP, ONE)
    assert gc.collect(registry, grace=0).freed == ONE.size
    assert list(registry.blobs.stored()) == []


def test_a_change_of_mind_while_a_copy_is_made(registry: Registry) -> None:
    """The image is pushed again while its layer is on its way out: the copy is thrown away, nothing is asked for twice."""
    push(registry, APP, ONE)
    found = row(registry, APP, ONE)
    assert found is not None
    registry.write_now(archive.archive, found)
    before = generation(registry, LAYER)

    def back() -> None:
        put(registry, APP, ONE)

    assert moves.move(registry, LAYER, back) is None
    assert generation(registry, LAYER) == before
    work(registry)
    assert set(homes(registry).values()) == {"home"}
    assert is_whole(registry, APP, ONE)


@pytest.mark.disk
def test_old_bytes_stay_for_those_who_read_them(registry: Registry) -> None:
    """A download under way goes on; who has just read the row finds the bytes; after an hour they are gone."""
    clock = Hands()
    registry = dataclasses.replace(with_limits(registry, grace=DAY), clock=clock)
    push(registry, APP, ONE)
    read = registry.read(layers.find, APP, LAYER)
    assert read is not None
    to_archive(registry, ONE)
    gc.collect(registry)
    assert registry.blobs.size(LAYER, read.generation) == read.size
    clock.forward(HOUR)
    gc.collect(registry)
    assert registry.blobs.size(LAYER, read.generation) is None
    source = asyncio.run(layers.source(registry, read, by_front=False))
    assert isinstance(source, layers.OpenFile), "who comes later still is told where they are now"
    with os.fdopen(source.fd, "rb") as file:
        assert digest_of(file.read()) == LAYER


def test_an_image_waits_for_bytes_that_do_not_come(registry: Registry) -> None:
    """It is not active while a layer is not there; once a scrub knows that it is lost, the image is, and a push heals it."""
    push(registry, APP, ONE)
    to_archive(registry, ONE)
    assert isinstance(registry.blobs, ArchivingBlobStore)
    registry.blobs.delete(LAYER, generation(registry, LAYER))
    begin_restore(registry, ONE)
    work(registry)
    assert status(registry, ONE) == "ACTIVATING"
    with pytest.raises(FileNotFoundError):
        moves.move(registry, LAYER)
    scrub.run(registry, Pace(0, threading.Event()), scope=scrub.COMMAND)
    assert moves.move(registry, LAYER) is None
    work(registry)
    assert status(registry, ONE) == "ACTIVE"
    assert registry.read(layers.find, APP, LAYER) is None
    push(registry, APP, ONE)
    assert is_whole(registry, APP, ONE)


def test_rotten_bytes_are_not_passed_on(registry: Registry) -> None:
    """The copy is compared with the digest before a row names it."""
    push(registry, APP, ONE)
    to_archive(registry, ONE)
    begin_restore(registry, ONE)
    name = generation(registry, LAYER)
    [path] = [
        each
        for each in Path(registry.scratch_folder.parent / "archive").rglob("*")
        if name.removeprefix(MARK) in each.name
    ]
    path.write_bytes(b"x" * 70_000)
    with pytest.raises(Corrupt):
        moves.move(registry, LAYER)
    assert generation(registry, LAYER) == name


def test_the_scrub_reads_both_homes(registry: Registry) -> None:
    """Every byte of every home, and strays in either."""
    push(registry, APP, ONE)
    push(registry, LIB, image("other", size=80_000))
    to_archive(registry, ONE)
    gc.collect(registry, grace=0)
    progress = scrub.run(registry, Pace(0, threading.Event()), scope=scrub.COMMAND)
    manifests = storage.account(registry).manifest_bytes
    assert progress.size == storage.account(registry).blob_bytes + manifests
    assert registry.read(scrub.report).blobs == []


def test_a_worker_that_stops_leaves_the_move_to_the_next(registry: Registry) -> None:
    """In the middle of a copy, of which nothing stays; the job is anyone's again at once."""
    push(registry, APP, ONE)
    found = row(registry, APP, ONE)
    assert found is not None
    registry.write_now(archive.archive, found)
    stop = threading.Event()
    stop.set()
    assert worker.run_one(registry, "test", worker.moving(stop, "test"))
    assert set(homes(registry).values()) == {"home"}
    work(registry)
    assert set(homes(registry).values()) == {"archive"}


def test_a_worker_begins_by_looking_at_all(registry: Registry) -> None:
    """So a home for the archive that is new gets what was archived before it was there."""
    before = with_limits(registry, has_archive=False)
    push(before, APP, ONE)
    found = row(before, APP, ONE)
    assert found is not None
    before.write_now(archive.archive, found)
    assert not before.read(jobs.any_due, [places.MOVE])
    stop = threading.Event()
    working = threading.Thread(target=worker.run, args=(registry, stop))
    working.start()
    try:
        until(lambda: all(generation(registry, each).startswith(MARK) for each in (LAYER, BASE)))
    finally:
        stop.set()
        working.join()
    assert set(homes(registry).values()) == {"archive"}


@pytest.mark.disk
@pytest.mark.sqlite
def test_a_backup_has_both_homes_and_its_restore_stands_alone(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    """Every byte is in the restored data folder, whatever becomes of the archive's home."""
    push(registry, APP, ONE, "1")
    push(registry, APP, TWO, "2")
    to_archive(registry, ONE)
    backup.make(registry, Path(settings.data), tmp_path / "backup", verify=True)
    alone = Settings(data=str(tmp_path / "restored"), blob_grace=0)
    assert startup.restore(tmp_path / "backup", alone).lost == []
    startup.prepare(alone)
    restored = startup.open_registry(alone)
    try:
        assert set(homes(restored).values()) == {"home"}
        assert is_whole(restored, APP, TWO)
        begin_restore(restored, ONE)
        work(restored)
        assert is_whole(restored, APP, ONE)
    finally:
        restored.close()


def test_a_registry_does_not_start_without_its_archive(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    """A setting that is gone, a folder that is not mounted: it says so, and takes nothing for lost."""
    push(registry, APP, ONE)
    to_archive(registry, ONE)
    gc.collect(registry, grace=0)
    startup.prepare(settings)
    with pytest.raises(CannotStart, match="set archive_blobs as it was"):
        startup.prepare(msgspec.structs.replace(settings, archive_blobs=""))
    with pytest.raises(CannotStart, match="is it mounted"):
        startup.prepare(msgspec.structs.replace(settings, archive_blobs=str(tmp_path / "empty")))


@pytest.mark.disk
@pytest.mark.sqlite
def test_an_archive_is_one_registrys(settings: Settings, registry: Registry, tmp_path: Path) -> None:
    """A restored registry that is given the same place would delete what it does not know: it does not start."""
    startup.prepare(settings)
    backup.make(registry, Path(settings.data), tmp_path / "backup")
    drill = Settings(data=str(tmp_path / "drill"), archive_blobs=settings.archive_blobs)
    startup.restore(tmp_path / "backup", drill)
    with pytest.raises(CannotStart, match="has the blobs of another registry"):
        startup.prepare(drill)
    startup.prepare(settings)


@pytest.mark.parametrize(
    ("blobs", "archive_blobs", "words"),
    [
        ("", "data", "a folder of its own"),
        ("", "data/blobs/archive", "a folder of its own"),
        ("", "gs://bucket", "archive_blobs is s3://bucket/prefix"),
        ("s3://bucket/a", "s3://bucket/a", "in one another"),
        ("s3://bucket", "s3://bucket/archive", "in one another"),
        ("", "s3://bucket/a?class=DEEP_ARCHIVE", "read at once"),
        ("", "s3://bucket/a?sse=SSE-C", "sse of archive_blobs is AES256 or aws:kms"),
    ],
)
def test_a_place_that_cannot_be_the_archives_is_refused(blobs: str, archive_blobs: str, words: str) -> None:
    """Two homes in one would delete each other's bytes as strays."""
    with pytest.raises(InvalidSetting, match=words):
        load({"data": "data", "blobs": blobs, "archive_blobs": archive_blobs}, {})


@pytest.mark.parametrize(
    "archive_blobs", ["s3://bucket/b?class=GLACIER_IR&region=r", "s3://other", "elsewhere"]
)
def test_a_place_of_its_own_is_taken(archive_blobs: str) -> None:
    """Another bucket, another prefix, a folder."""
    loaded = load({"data": "data", "blobs": "s3://bucket/a", "archive_blobs": archive_blobs}, {})
    assert loaded.archive_blobs == archive_blobs
