"""The scrub: damage is found, set aside and reported; a push brings the bytes back; nothing sound is ever touched."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from careen import worker
from careen.blobs.store import OpenFile
from careen.clock import DAY, HOUR
from careen.db.sqlite import SqliteDatabase
from careen.ecr import errors
from careen.oci.digest import digest_of
from careen.registry import gc, images, jobs, layers, repositories, scrub, storage
from careen.registry.registry import Registry
from careen.registry.scrub import COMMAND, PERIODIC, Damage, Pace, Progress
from tests import backend
from tests.images import Built, image, index
from tests.registry.steps import (
    Hands,
    blob,
    delete,
    files,
    is_whole,
    push,
    put,
    reopen,
    row,
    stored_bytes,
    upload,
    with_limits,
)

APP, LIB = "team/app", "team/lib"
LARGE = 70_000


def run(
    registry: Registry, *, repository: str | None = None, rate: float = 0
) -> tuple[Progress, list[Damage]]:
    """Scrub everything. Returns how it went and what was found."""
    found: list[Damage] = []
    pace = Pace(rate, threading.Event())
    progress = scrub.run(registry, pace, scope=COMMAND, repository=repository, found=found.append)
    return progress, found


def file_of(registry: Registry, digest: str) -> Path:
    """The file with a blob's bytes."""
    (path,) = [it for it in files(registry) if it.name.startswith(digest.partition(":")[2])]
    return path


def execute(registry: Registry, statement: str, *values: object) -> None:
    """Change rows as only a bad disk does."""
    registry.write_now(lambda tx: tx.rows.execute(statement, values))


def flip(registry: Registry, digest: str) -> None:
    """One bit of a file is another."""
    path = file_of(registry, digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(registry: Registry, digest: str) -> None:
    """A file lost its end."""
    os.truncate(file_of(registry, digest), 100)


def remove(registry: Registry, digest: str) -> None:
    """A file is gone."""
    file_of(registry, digest).unlink()


def flip_row(registry: Registry, digest: str) -> None:
    """A row has other bytes, as many."""
    other = bytes(len(blob(registry, APP, digest) or b""))
    execute(registry, "UPDATE blob_contents SET content = ? WHERE digest = ?", other, digest)


def cut_row(registry: Registry, digest: str) -> None:
    """A row has fewer bytes."""
    execute(registry, "UPDATE blob_contents SET content = ? WHERE digest = ?", bytes(1), digest)


def remove_row(registry: Registry, digest: str) -> None:
    """A row is gone."""
    execute(registry, "DELETE FROM blob_contents WHERE digest = ?", digest)


def quarantined(registry: Registry) -> set[str]:
    """The names of the files that were set aside."""
    objects = backend.current().objects(registry.scratch_folder)
    return {path.name for path in (registry.scratch_folder / "quarantine").glob("*")} | {
        key.rpartition("/")[2] for key in objects if key.startswith("quarantine/")
    }


@pytest.fixture
def two(registry: Registry) -> tuple[Built, Built]:
    """Two images that share a layer which is a file, in two repositories; each has a small layer too."""
    made = image("base", "one", size=LARGE), image("base", "two", size=LARGE)
    push(registry, APP, made[0], "1")
    push(registry, LIB, made[1], "2")
    return made


def test_a_sound_registry_has_no_damage(registry: Registry, two: tuple[Built, Built]) -> None:
    """Everything is read once, to the byte, and nothing is changed."""
    before = stored_bytes(registry)
    progress, found = run(registry)
    assert found == []
    assert (progress.blobs, progress.manifests, progress.strays) == (5, 2, 0)
    assert progress.size == before + sum(len(built.manifest) for built in two)
    assert progress.finished_at is not None
    assert registry.read(scrub.report) == ([], [], [])
    assert all(is_whole(registry, name, built) for name, built in zip((APP, LIB), two, strict=True))
    assert quarantined(registry) == set()


@pytest.mark.parametrize(
    ("harm", "size", "what"),
    [
        pytest.param(flip, LARGE, "digest", marks=pytest.mark.disk),
        pytest.param(cut, LARGE, "size", marks=pytest.mark.disk),
        pytest.param(remove, LARGE, "missing", marks=pytest.mark.disk),
        (flip_row, 64, "digest"),
        (cut_row, 64, "size"),
        (remove_row, 64, "missing"),
    ],
    ids=["a flipped bit", "a short file", "no file", "a changed row", "a short row", "no row"],
)
def test_damage_is_found_set_aside_and_repaired_by_a_push(
    registry: Registry, harm: Callable[[Registry, str], None], size: int, what: str
) -> None:
    """From the scrub on the blob is unknown; a push of the same bytes makes every image whole that has it."""
    one, two = image("base", "one", size=size), image("base", "two", size=size)
    push(registry, APP, one, "1")
    push(registry, LIB, two, "2")
    base = one.digests[1]
    harm(registry, base)
    progress, found = run(registry)
    assert found == [Damage(base, what, len(one.blobs[1]))]
    assert (progress.blobs, progress.manifests) == (5, 2)
    assert len(quarantined(registry)) == (what != "missing")
    report = registry.read(scrub.report)
    assert [(it.digest, it.what, it.size) for it in report.blobs] == [(base, what, len(one.blobs[1]))]
    assert [(it.repository, it.digest, it.tags, it.damaged) for it in report.images] == [
        (APP, one.digest, ["1"], [base]),
        (LIB, two.digest, ["2"], [base]),
    ]
    for name in (APP, LIB):
        assert registry.read(layers.find, name, base) is None
        assert registry.read(layers.availability, name, base) is None
    # Nothing new can be made of it, neither an image nor a link.
    three = image("base", "three", size=size)
    for data in (three.blobs[0], three.blobs[2]):
        upload(registry, APP, data)
    with pytest.raises(errors.LayersNotFound):
        put(registry, APP, three)
    target = registry.read(repositories.require, LIB)
    assert not registry.write_now(layers.mount, target, base, APP)
    assert not registry.read(layers.sources, base)
    # What was told once is not told again, and the manifests stay.
    assert run(registry)[1] == []
    assert len(registry.read(scrub.report).blobs) == 1
    assert registry.read(images.pullable, APP, "1") is not None

    upload(registry, LIB, one.blobs[1])
    assert registry.read(scrub.report) == ([], [], [])
    assert is_whole(registry, APP, one)
    assert is_whole(registry, LIB, two)
    assert run(registry)[1] == []
    account = storage.account(registry)
    assert account.blob_bytes == stored_bytes(registry) == account.row_bytes + account.stored_bytes


@pytest.mark.disk
def test_sums_stay_exact_while_something_is_damaged(registry: Registry, two: tuple[Built, Built]) -> None:
    """What is set aside is not stored; its row frees nothing when it goes, and the mark goes with it."""
    flip(registry, two[0].digests[2])
    run(registry)
    account = storage.account(registry)
    assert account.blob_bytes == stored_bytes(registry)
    assert account.stored_bytes == account.file_bytes
    delete(registry, APP, two[0])
    before = stored_bytes(registry)
    collected = gc.collect(registry, grace=0)
    assert (collected.blobs, collected.freed) == (2, before - stored_bytes(registry))
    assert collected.freed == len(two[0].blobs[0])
    assert registry.read(scrub.report) == ([], [], [])
    assert gc.sweep(registry) == gc.Collected()
    assert len(quarantined(registry)) == 1


@pytest.mark.disk
def test_a_download_under_way_goes_on(registry: Registry, two: tuple[Built, Built]) -> None:
    """Whoever has the file open reads it to its end while it is set aside."""
    base = two[0].digests[1]
    flip(registry, base)
    found = registry.read(layers.find, APP, base)
    assert found is not None
    opened = registry.blobs.open(base, found.generation)
    assert isinstance(opened, OpenFile)
    descriptor = opened.fd
    try:
        start = os.pread(descriptor, 1000, 0)
        run(registry)
        assert len(start + os.pread(descriptor, LARGE * 2, 1000)) == found.size
    finally:
        os.close(descriptor)
    with pytest.raises(FileNotFoundError):
        registry.blobs.open(base, found.generation)


@pytest.mark.disk
def test_a_file_that_comes_back_is_taken_back(registry: Registry, two: tuple[Built, Built]) -> None:
    """Somebody restores a file from a backup, or mounts the disk again: the next scrub finds it whole."""
    base = two[0].digests[1]
    path = file_of(registry, base)
    path.rename(path.with_name("elsewhere"))
    assert [it.what for it in run(registry)[1]] == ["missing"]
    path.with_name("elsewhere").rename(path)
    os.utime(path, (0, 0))
    assert gc.sweep(registry) == gc.Collected()  # it is no stray, however old
    assert run(registry)[1] == []
    assert registry.read(scrub.report) == ([], [], [])
    assert is_whole(registry, APP, two[0])


@pytest.mark.disk
def test_a_file_that_comes_back_damaged_is_set_aside_too(
    registry: Registry, two: tuple[Built, Built]
) -> None:
    """So is one that a crash kept from being set aside after it was marked."""
    base = two[0].digests[1]
    path = file_of(registry, base)
    flip(registry, base)
    run(registry)
    (aside,) = (registry.scratch_folder / "quarantine").iterdir()
    aside.rename(path)
    assert run(registry)[1] == []
    assert not path.exists()
    assert len(registry.read(scrub.report).blobs) == 1


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (lambda content: bytes(len(content)), "digest"),
        (lambda _: b"{}", "size"),
        (lambda _: None, "missing"),
    ],
    ids=["changed", "short", "gone"],
)
def test_a_damaged_manifest_is_unknown_until_it_is_pushed(
    registry: Registry, harm: Callable[[bytes], bytes | None], what: str
) -> None:
    """Nobody is given its bytes; a put of the manifest brings them back, and its tags were there all the time."""
    built = image("app")
    push(registry, APP, built, "1")
    if (content := harm(built.manifest)) is None:
        execute(registry, "DELETE FROM manifest_contents")
    else:
        execute(registry, "UPDATE manifest_contents SET content = ?", content)
    progress, found = run(registry)
    assert found == [Damage(built.digest, what, len(built.manifest))]
    assert progress.manifests == 1
    report = registry.read(scrub.report)
    assert [(it.repository, it.digest, it.what) for it in report.manifests] == [(APP, built.digest, what)]
    assert [(it.digest, it.tags) for it in report.images] == [(built.digest, ["1"])]
    assert len(quarantined(registry)) == (what != "missing")
    assert registry.read(images.pullable, APP, "1") is None
    assert run(registry)[1] == []
    assert not put(registry, APP, built).created
    assert registry.read(scrub.report) == ([], [], [])
    assert is_whole(registry, APP, built)


@pytest.mark.parametrize(
    "harm",
    ["DELETE FROM manifest_blobs WHERE digest = ?", "DELETE FROM manifest_children"],
    ids=["a layer", "a child"],
)
def test_a_manifest_whose_rows_forget_something_is_reported(registry: Registry, harm: str) -> None:
    """Its bytes are right, so it is given as before; but the collector would take what its rows do not name."""
    built = image("app")
    both = index(built)
    push(registry, APP, built, "1")
    put(registry, APP, both, "both")
    execute(registry, harm, *[built.digests[1]] * harm.count("?"))
    _, found = run(registry)
    hurt = both if "children" in harm else built
    assert found == [Damage(hurt.digest, "references", len(hurt.manifest))]
    assert registry.read(images.pullable, APP, hurt.digest) is not None


@pytest.mark.disk
def test_an_index_suffers_with_what_it_lists(registry: Registry) -> None:
    """It is reported with its tags, because nobody knows the digests of its children by heart."""
    built = image("app", size=LARGE)
    push(registry, APP, built)
    put(registry, APP, index(built), "both")
    flip(registry, built.digests[1])
    run(registry)
    affected = registry.read(scrub.report).images
    assert {(it.digest, *it.tags) for it in affected} == {(built.digest,), (index(built).digest, "both")}


@pytest.mark.sqlite
def test_a_broken_foreign_key_is_reported(registry: Registry, two: tuple[Built, Built]) -> None:
    """A row that refers to nothing, which no transaction can make."""
    assert isinstance(registry.database, SqliteDatabase)
    connection = sqlite3.connect(registry.database.path)
    connection.execute("DELETE FROM blobs WHERE digest = ?", (two[0].digests[2],))
    connection.commit()
    connection.close()
    found = run(registry)[1]
    assert [it.digest for it in found] == [""]
    assert found[0].what == "a row of repository_blobs refers to a row of blobs that is not there"


@pytest.mark.disk
def test_files_without_a_row_are_counted_and_left_to_the_sweep(registry: Registry) -> None:
    """A young one may be a commit under way, and is not counted either."""
    built = image("app", size=LARGE)
    push(registry, APP, built)
    stray = file_of(registry, built.digests[1]).with_name("ab" * 32 + ".0123456789abcdef")
    stray.write_bytes(b"x" * 1000)
    assert run(registry)[0].strays == 0
    os.utime(stray, (0, 0))
    progress, found = run(registry)
    assert (progress.strays, progress.stray_size, found) == (1, 1000, [])
    assert stray.exists()
    assert gc.sweep(registry).orphans == 1


@pytest.mark.disk
def test_one_repository_alone(registry: Registry, two: tuple[Built, Built]) -> None:
    """Only its blobs and manifests are read; a name that is none is an error."""
    flip(registry, two[1].digests[2])
    progress, found = run(registry, repository=APP)
    assert (progress.blobs, progress.manifests, found) == (3, 1, [])
    progress, found = run(registry, repository=LIB)
    assert (progress.blobs, progress.manifests, [it.what for it in found]) == (3, 1, ["digest"])
    with pytest.raises(errors.RepositoryNotFound):
        run(registry, repository="team/none")


def test_it_goes_on_where_it_was_stopped(registry: Registry) -> None:
    """Also in another process: what was read is not read again."""
    for number in range(8):
        push(registry, APP, image(f"{number}", size=LARGE))
    stop = threading.Event()
    pace = Pace(200_000, stop)
    timer = threading.Timer(0.8, stop.set)
    timer.start()
    first = scrub.run(registry, pace, scope=PERIODIC)
    timer.join()
    assert first.finished_at is None
    assert first.phase == "blobs"
    assert 0 < first.blobs < 16
    another = reopen(registry)
    try:
        assert another.read(scrub.last, PERIODIC) == first
        assert another.read(scrub.last, COMMAND) is None
        total = scrub.run(another, Pace(0, threading.Event()), scope=PERIODIC)
    finally:
        another.close()
    assert (total.blobs, total.manifests, total.started_at) == (16, 8, first.started_at)
    assert total.size == stored_bytes(registry) + sum(
        len(image(f"{it}", size=LARGE).manifest) for it in range(8)
    )
    again = scrub.run(registry, Pace(0, threading.Event()), scope=PERIODIC)
    assert again.started_at > total.started_at


def test_it_keeps_to_its_rate(registry: Registry) -> None:
    """A second's worth at once, then so many bytes a second."""
    push(registry, APP, image("a", "b", "c", size=LARGE))
    pauses = Pauses()
    began = time.monotonic()
    progress = scrub.run(registry, Pace(100_000, pauses), scope=COMMAND)
    assert time.monotonic() - began >= (progress.size - 100_000) / 100_000
    assert pauses.seconds <= progress.size / 100_000


class Pauses(threading.Event):
    """Adds up how long is waited for it, as was meant: a busy machine takes longer."""

    seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """As long as that."""
        self.seconds += timeout or 0.0
        return super().wait(timeout)


def test_a_blob_that_is_collected_meanwhile_is_no_damage(
    registry: Registry, two: tuple[Built, Built]
) -> None:
    """Its file is gone because its row is; and another life of the same digest is not marked for the sins of the first."""
    base = two[0].digests[1]
    first = registry.read(layers.find, APP, base)
    assert first is not None
    for name, built in zip((APP, LIB), two, strict=True):
        delete(registry, name, built)
    gc.collect(registry, grace=0)
    assert not registry.write_now(scrub.mark, base, first.generation, "missing")
    push(registry, APP, two[0], "1")
    assert not registry.write_now(scrub.mark, base, first.generation, "missing")
    assert is_whole(registry, APP, two[0])


@pytest.mark.parametrize("seconds", [2.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_nothing_sound_is_marked_while_all_is_in_motion(registry: Registry, seconds: float) -> None:
    """Scrub after scrub beside pushes, deletions and a collector without grace."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def work(what: Callable[[Registry, int], None]) -> None:
        mine = reopen(registry)
        turn = 0
        try:
            while not stop.is_set():
                what(mine, turn := turn + 1)
        except BaseException as failure:
            failures.append(failure)
            raise
        finally:
            mine.close()

    def churn(mine: Registry, turn: int) -> None:
        built = image("base", f"{turn % 3}", size=LARGE if turn % 2 else 64)
        while True:
            try:
                push(mine, APP, built, "1")
                break
            except errors.LayersNotFound:
                continue
        delete(mine, APP, built)

    working = [
        threading.Thread(target=work, args=(what,))
        for what in (churn, lambda mine, _: gc.collect(mine, grace=0).blobs and None)
    ]
    for one in working:
        one.start()
    try:
        until, scrubs = time.monotonic() + seconds, 0
        while time.monotonic() < until or scrubs < 2:
            assert run(registry)[1] == []
            scrubs += 1
    finally:
        stop.set()
        for one in working:
            one.join()
    assert failures == []
    assert quarantined(registry) == set()


@pytest.mark.disk
def test_the_worker_scrubs_when_it_is_time(
    registry: Registry, clock: Hands, two: tuple[Built, Built], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what it found with the images that suffer, and comes back after its time."""
    timed = with_limits(registry, scrub_every=30 * DAY, scrub_rate=0)
    timed.write_now(jobs.schedule)
    work = worker.scrubs(threading.Event(), "test")
    assert worker.run_one(timed, "test", work)
    assert not worker.run_one(timed, "test", work)
    flip(registry, two[0].digests[1])
    clock.forward(30 * DAY - HOUR)
    assert not worker.run_one(timed, "test", work)
    clock.forward(2 * HOUR)
    assert worker.run_one(timed, "test", work)
    said = capsys.readouterr().out
    assert "damaged" in said
    assert f"images=['{APP}:1', '{LIB}:2']" in said
    stopped = threading.Event()
    stopped.set()
    clock.forward(31 * DAY)
    assert worker.run_one(timed, "test", worker.scrubs(stopped, "test"))
    interrupted = timed.read(scrub.last, PERIODIC)
    assert interrupted is not None
    assert interrupted.finished_at is None
    assert worker.run_one(timed, "test", work)  # at once, not in a month
    finished = timed.read(scrub.last, PERIODIC)
    assert finished is not None
    assert finished.finished_at is not None
    assert finished.started_at == interrupted.started_at


@pytest.mark.disk
def test_the_digest_may_be_sha512(registry: Registry) -> None:
    """Whatever algorithm names the blob, that one is used."""
    data = b"x" * LARGE
    digest = digest_of(data, "sha512")
    target = registry.write_now(repositories.require_for_push, APP)
    layers.store(registry, target, digest, data)
    assert run(registry)[1] == []
    flip(registry, digest)
    assert [it.digest for it in run(registry)[1]] == [digest]
    layers.store(registry, target, digest, data)
    assert blob(registry, APP, digest) == data
    assert row(registry, APP, image("none")) is None
