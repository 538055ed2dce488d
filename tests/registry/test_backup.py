"""Backups made while everything is in motion, and what a restore makes of them."""

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import psycopg
import pytest

from careen import startup
from careen.blobs.store import BlobsUnavailable
from careen.clock import SECOND, system_now
from careen.db import copies, holds, schema
from careen.db.engine import Away, OutcomeUnknown
from careen.db.sqlite import SqliteDatabase
from careen.ecr import errors
from careen.registry import backup, gc, images, lifecycle, repositories, scrub, storage
from careen.registry.backup import BackupFailed
from careen.registry.registry import Registry
from careen.settings import Settings
from tests.ecrapi.samples import KEEP_ONE
from tests.images import Built, image, index
from tests.registry import contents, killed
from tests.registry.contents import APP, LARGE, LIB
from tests.registry.steps import (
    damage,
    delete,
    everything,
    files,
    is_whole,
    push,
    put,
    reopen,
    stored_bytes,
    upload,
)
from tests.waiting import PATIENCE

# What is copied is the data folder's: its database with SQLite's own backup, its files by links.
pytestmark = pytest.mark.disk


def folder(registry: Registry) -> Path:
    """The registry's data folder."""
    return registry.scratch_folder


def make(registry: Registry, target: Path, *, verify: bool = False) -> backup.Made:
    """Make a backup."""
    return backup.make(registry, folder(registry), target, verify=verify)


def restore(source: Path, data: Path) -> Registry:
    """Restore and open it. Close it."""
    settings = Settings(data=str(data), create_on_push=True, blob_grace=0)
    startup.restore(source, settings)
    startup.prepare(settings)
    return startup.open_registry(settings)


@pytest.fixture
def filled(registry: Registry) -> dict[str, Built]:
    """A registry with something of everything."""
    return contents.fill(registry)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where backups go."""
    return tmp_path / "backup"


def test_a_restored_registry_is_the_same(
    registry: Registry, filled: dict[str, Built], target: Path, tmp_path: Path
) -> None:
    """Images, tags, bytes, policy, key and accounts."""
    made = make(registry, target, verify=True)
    assert made.backup.lost == ()
    assert (made.backup.repositories, made.backup.manifests) == (2, 5)
    assert made.copied == made.backup.files == len(files(registry))
    assert made.copied_size == made.backup.file_size == sum(it.stat().st_size for it in files(registry))
    restored = restore(target, tmp_path / "restored")
    try:
        assert everything(restored) == everything(registry)
        assert restored.master_key == registry.master_key
        assert restored.read(lifecycle.get_policy, LIB) == registry.read(lifecycle.get_policy, LIB)
        accounts = [storage.account(each)._replace(database_bytes=0) for each in (restored, registry)]
        assert accounts[0] == accounts[1]
        assert damage(restored) == []
        push(restored, APP, image("new"), "2.0")
        assert gc.collect(restored, grace=0).freed == len(b"alone")
    finally:
        restored.close()
    assert all(is_whole(registry, APP, built) for built in filled.values())


@pytest.mark.usefixtures("filled")
def test_what_is_in_a_backup(registry: Registry, target: Path) -> None:
    """The layout that the module describes; nobody but the owner reads the key; the manifest says what it is."""
    made = make(registry, target)
    blobs = {f"blobs/{it.relative_to(folder(registry) / 'blobs')}" for it in files(registry)}
    assert {str(it.relative_to(target)) for it in target.rglob("*") if it.is_file()} == blobs | {
        "careen-backup.json", "careen-backup.lock", "master.key", made.backup.database,
    }  # fmt: skip
    assert target.stat().st_mode & 0o777 == 0o700
    assert (target / "master.key").stat().st_mode & 0o777 == 0o600
    assert (target / "master.key").read_bytes() == registry.master_key
    said = json.loads((target / "careen-backup.json").read_text())
    assert (said["format"], said["schema"], said["files"]) == (1, schema.head(), len(blobs))
    assert backup.read(target) == made.backup


def test_only_what_is_new_is_copied(registry: Registry, filled: dict[str, Built], target: Path) -> None:
    """Into the folder of an earlier backup; what the new one does not need goes."""
    first = make(registry, target)
    assert first.copied == 4
    same = make(registry, target)
    assert (same.copied, same.kept, same.removed) == (0, 4, 0)
    push(registry, LIB, image("large", size=LARGE), "2")
    for built in (index(*filled.values()), filled["amd64"]):
        delete(registry, APP, built)
    gc.collect(registry, grace=0)
    second = make(registry, target)
    assert (second.copied, second.copied_size) == (1, len(image("large", size=LARGE).blobs[1]))
    assert (second.kept, second.removed) == (2, 2)  # the other image's layers; this one's and its referrer's
    assert len(list(target.glob("careen-*.db"))) == 1
    assert {it.name for it in (target / "blobs").rglob("*.*")} == {it.name for it in files(registry)}


def test_on_one_file_system_a_file_is_linked(
    registry: Registry, filled: dict[str, Built], target: Path
) -> None:
    """Blobs never change, so no second copy is made; the database is a copy, because it does."""
    make(registry, target)
    for path in files(registry):
        copy = target / "blobs" / path.relative_to(folder(registry) / "blobs")
        assert copy.stat().st_ino == path.stat().st_ino
    delete(registry, APP, index(*filled.values()))
    for built in filled.values():
        delete(registry, APP, built)
    gc.collect(registry, grace=0)
    assert files(registry) == []
    assert len([it for it in (target / "blobs").rglob("*.*") if it.is_file()]) == 4


@pytest.mark.usefixtures("filled")
def test_elsewhere_it_is_copied(registry: Registry, tmp_path: Path) -> None:
    """On another file system: shared memory is one."""
    elsewhere = Path("/dev/shm") / f"careen-{os.getpid()}"  # noqa: S108 another file system than the tests'
    if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    try:
        assert make(registry, elsewhere, verify=True).backup.lost == ()
        restored = restore(elsewhere, tmp_path / "restored")
        try:
            assert everything(restored) == everything(registry)
        finally:
            restored.close()
    finally:
        shutil.rmtree(elsewhere)


def client(registry: Registry, number: int, stop: threading.Event) -> int:
    """Push, tag, index and delete, without a pause, in a process of one's own as it were."""
    mine = reopen(registry)
    try:
        for turn in itertools.count():
            if stop.is_set():
                return turn
            built = image("base", f"{number}.{turn % 7}", size=LARGE if turn % 2 else 64)
            try:
                push(mine, APP, built, f"v{number}")
                if turn % 3 == 0:
                    put(mine, APP, index(built), f"index{number}")
            except (errors.LayersNotFound, errors.ReferencedImagesNotFound):
                continue  # collected without grace: a client would push again
            if turn % 2:
                try:
                    delete(mine, APP, built)
                except images.ImageReferenced:
                    continue
    finally:
        mine.close()
    raise AssertionError


def cleaner(registry: Registry, stop: threading.Event) -> gc.Collected:
    """Lifecycle runs, collections without grace and sweeps, without a pause."""
    mine = reopen(registry)
    total = gc.Collected()
    try:
        repository = mine.read(repositories.require, APP).id
        while not stop.is_set():
            lifecycle.run(mine, repository)
            total = total.plus(gc.collect(mine, grace=0)).plus(gc.sweep(mine))
    finally:
        mine.close()
    return total


@pytest.mark.parametrize("backups", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_backup_is_right_whatever_happens_meanwhile(
    registry: Registry, tmp_path: Path, backups: int
) -> None:
    """Pushes, deletions, lifecycle runs and a collector without grace, all the time.

    Each backup restores to a registry in which every image has all that it needs, and in which a scrub finds nothing.
    """
    push(registry, APP, image("first", size=LARGE), "first")
    push(registry, LIB, image(*map(str, range(30)), size=LARGE), "many")  # so that copying takes a while
    registry.write_now(lifecycle.put_policy, APP, KEEP_ONE)
    stop = threading.Event()
    with ThreadPoolExecutor(5) as threads:
        cleaning = threads.submit(cleaner, registry, stop)
        pushing = [threads.submit(client, registry, number, stop) for number in range(3)]
        try:
            for turn in range(backups):
                target = tmp_path / ("backup" if turn % 2 else f"backup-{turn}")
                made = make(registry, target, verify=bool(turn % 2))
                assert made.backup.lost == ()
                data = tmp_path / f"restored-{turn}"
                restored = restore(target, data)
                try:
                    assert len(everything(restored)) == made.backup.manifests > 0
                    assert damage(restored) == []
                    assert gc.sweep(restored).orphans == 0
                    gc.collect(restored, grace=0)
                    account = storage.account(restored)
                    assert account.stored_bytes == account.file_bytes
                    assert len(everything(restored)) == made.backup.manifests
                finally:
                    restored.close()
                shutil.rmtree(data)
        finally:
            stop.set()
        assert all(one.result() for one in pushing)
        assert cleaning.result().blobs > 0
    gc.collect(registry, grace=0)
    assert storage.account(registry).condemned_bytes == 0


def test_while_a_backup_holds_no_file_is_deleted(registry: Registry, filled: dict[str, Built]) -> None:
    """The collector does everything else; what it condemned goes when the backup has ended."""
    registry.write_now(lambda tx: holds.hold(tx.rows, "test", system_now() + 60 * SECOND))
    before = {it.name for it in files(registry)}
    delete(registry, APP, index(*filled.values()))
    for built in filled.values():
        delete(registry, APP, built)
    assert gc.collect(registry, grace=0).blobs > 4
    assert gc.sweep(registry) == gc.Collected()
    assert {it.name for it in files(registry)} == before
    registry.write_now(lambda tx: holds.release(tx.rows, "test", system_now()))
    gc.collect(registry, grace=0)
    assert files(registry) == []


def test_a_dead_backup_holds_nothing_for_long(registry: Registry, filled: dict[str, Built]) -> None:
    """Its hold ends by itself, by the system's clock."""
    registry.write_now(lambda tx: holds.hold(tx.rows, "dead", system_now() - 1))
    delete(registry, APP, index(*filled.values()))
    delete(registry, APP, filled["arm64"])
    assert (
        gc.collect(registry, grace=0).blobs == 3
    )  # its layer and its config, and the blob that no image needed
    assert len(files(registry)) == 4 - 1


@pytest.mark.usefixtures("filled")
def test_a_backup_that_lost_its_hold_does_not_count(
    registry: Registry, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a machine that slept: files may be gone that its database names."""
    monkeypatch.setattr(backup, "HOLD_SECONDS", 0.0)
    with pytest.raises(BackupFailed, match="start it again"):
        make(registry, target)
    with pytest.raises(BackupFailed, match="no complete backup"):
        backup.read(target)
    monkeypatch.undo()
    assert make(registry, target).kept == 4


def test_a_renewal_that_fails_is_no_lost_hold(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is started again is away for some seconds, and the hold lasts for minutes."""
    monkeypatch.setattr(backup, "RENEW_SECONDS", 0.01)
    renew, tries, came_back = holds.renew, itertools.count(1), threading.Event()

    def renew_at_last(*arguments: Any) -> bool:
        if next(tries) <= 3:
            raise Away
        came_back.set()
        return renew(*arguments)

    monkeypatch.setattr(holds, "renew", renew_at_last)
    with backup._held(registry) as hold:
        assert came_back.wait(PATIENCE)
        assert hold.check()


TROUBLES: dict[str, tuple[Exception, str]] = {
    "the database is away": (Away(), "the database does not answer"),
    "a commit is lost": (OutcomeUnknown(), "lost on a commit"),
    "the driver": (psycopg.OperationalError("server closed the connection"), "closed the connection"),
    "the bucket": (BlobsUnavailable("503 SlowDown"), "503 SlowDown"),
}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("error", "says"), TROUBLES.values(), ids=TROUBLES.keys())
@pytest.mark.parametrize(
    "step", [(holds, "hold"), (holds, "renew"), (copies, "make")], ids=["first", "last", "rows"]
)
def test_a_backup_that_meets_trouble_says_so(
    registry: Registry,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    says: str,
    step: tuple[ModuleType, str],
) -> None:
    """And what to do. Not even the hold can be ended then: it ends by itself."""

    def fail(*_: Any) -> NoReturn:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*step, fail)
        patch.setattr(holds, "release", fail)
        with pytest.raises(BackupFailed, match=f"{says}.*start it again: what is copied stays"):
            make(registry, target)
    assert make(registry, target).backup.lost == ()


def found_in(target: Path, data: Path) -> dict[tuple[str, str], tuple[list[str], bytes]]:
    """Everything that a backup restores to."""
    restored = restore(target, data)
    try:
        return everything(restored)
    finally:
        restored.close()


@pytest.mark.usefixtures("filled")
def test_a_killed_backup_never_looks_complete(registry: Registry, target: Path, tmp_path: Path) -> None:
    """At every change of a name in turn: there is no backup yet, or the one before is whole; the next run completes it."""
    before = everything(registry)
    for number in itertools.count(1):
        if not killed.backup(folder(registry), target, number):
            break
        if (target / backup.MANIFEST).exists():  # killed when it tidied up
            assert found_in(target, tmp_path / f"first-{number}") == before
            (target / backup.MANIFEST).unlink()
        with pytest.raises(BackupFailed, match="no complete backup"):
            backup.read(target)
    assert number > 6
    push(registry, LIB, image("another", size=LARGE), "2")
    after = everything(registry)
    for number in itertools.count(1):
        if not killed.backup(folder(registry), target, number):
            break
        assert found_in(target, tmp_path / f"second-{number}") in (before, after)
    assert found_in(target, tmp_path / "last") == after
    # The dead left holds, which end by themselves; they do not keep the collector for ever.
    held = registry.read(lambda tx: tx.rows.execute("SELECT max(until) FROM holds").fetchone())[0]
    assert held is None or held <= system_now() + round(backup.HOLD_SECONDS * SECOND)


@pytest.mark.usefixtures("filled")
def test_a_killed_restore_is_not_served_and_goes_on(registry: Registry, target: Path, tmp_path: Path) -> None:
    """At every change of a name in turn, until one attempt comes through."""
    make(registry, target)
    data = tmp_path / "restored"
    settings = Settings(data=str(data))
    for number in itertools.count(1):
        if not killed.restore(data, target, number):
            break
        assert (data / backup.RESTORING).exists() or not any(data.glob("careen.db"))
        if (data / backup.RESTORING).exists():
            with pytest.raises(startup.CannotStart, match="has not ended: start it again"):
                startup.prepare(settings)
    assert number > 6
    startup.prepare(settings)
    opened = startup.open_registry(settings)
    try:
        assert everything(opened) == everything(registry)
    finally:
        opened.close()


def cut(path: Path) -> None:
    """A file loses its end."""
    os.truncate(path, 10)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda it: (it / "careen-backup.json").unlink(), "no complete backup"),
        (lambda it: (it / "careen-backup.json").write_text("{"), "cannot be read"),
        (lambda it: cut(next(it.glob("careen-*.db"))), "does not have the"),
        (lambda it: (it / "master.key").unlink(), "master.key does not have 32 bytes"),
        (shutil.rmtree, "no complete backup"),
    ],
    ids=["no manifest", "half a manifest", "half a database", "no key", "no folder"],
)
def test_what_is_not_whole_is_not_restored(
    registry: Registry, target: Path, tmp_path: Path, harm: Callable[[Path], object], says: str
) -> None:
    """It is refused before anything is made."""
    make(registry, target)
    harm(target)
    with pytest.raises(BackupFailed, match=says):
        restore(target, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def change(target: Path, **members: object) -> None:
    """Change what the backup says of itself."""
    said = json.loads((target / "careen-backup.json").read_text())
    (target / "careen-backup.json").write_text(json.dumps(said | members))


def test_a_backup_of_a_later_version_is_refused(registry: Registry, target: Path, tmp_path: Path) -> None:
    """With what to do."""
    make(registry, target)
    change(target, schema="9999")
    with pytest.raises(
        BackupFailed, match=rf"schema 9999, .* knows {schema.head()}. Install the newer version"
    ):
        restore(target, tmp_path / "restored")
    change(target, schema=schema.head(), format=2)
    with pytest.raises(BackupFailed, match="Install the newer version"):
        restore(target, tmp_path / "restored")


@pytest.mark.parametrize("occupied", ["data", "other"])
def test_a_restore_needs_an_empty_folder(
    registry: Registry, target: Path, tmp_path: Path, occupied: str
) -> None:
    """Nothing is written over, whatever it is; an empty folder that is there is fine."""
    make(registry, target)
    data = folder(registry) if occupied == "data" else tmp_path / "other"
    data.mkdir(exist_ok=True)
    if occupied == "other":
        (data / "letter.txt").write_text("dear reader")
    before = {it: it.stat().st_mtime_ns for it in data.rglob("*")}
    with pytest.raises(BackupFailed, match="is not empty"):
        startup.restore(target, Settings(data=str(data)))
    assert {it: it.stat().st_mtime_ns for it in data.rglob("*")} == before
    empty = tmp_path / "empty"
    (empty / "lost+found").mkdir(parents=True)
    restore(target, empty).close()


def test_a_backup_needs_a_folder_of_its_own(registry: Registry, target: Path) -> None:
    """Not the data folder, not somebody's home, and not one in which another backup is at work."""
    with pytest.raises(BackupFailed, match="is in the data folder"):
        make(registry, folder(registry) / "backup")
    target.mkdir()
    (target / "letter.txt").write_text("dear reader")
    with pytest.raises(BackupFailed, match="is not empty"):
        make(registry, target)
    (target / "letter.txt").unlink()
    with backup._locked(folder(registry), target), pytest.raises(BackupFailed, match="another backup"):
        make(registry, target)
    make(registry, target)


def one_file(target: Path) -> Path:
    """The first file of a backup."""
    return min(it for it in (target / "blobs").rglob("*.*") if it.is_file())


def unlink_from(path: Path) -> None:
    """Give a linked file a life of its own."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def flip(path: Path) -> None:
    """Turn a bit of a file that is no link."""
    unlink_from(path)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("filled")
def test_verify_finds_and_mends_what_rotted_in_the_backup(registry: Registry, target: Path) -> None:
    """The registry has it still, so it is copied anew. Without --verify only sizes are compared."""
    make(registry, target)
    good = one_file(target).read_bytes()
    flip(one_file(target))
    assert make(registry, target).kept == 4
    assert one_file(target).read_bytes() != good
    assert make(registry, target, verify=True).backup.lost == ()
    assert one_file(target).read_bytes() == good
    unlink_from(one_file(target))
    cut(one_file(target))
    assert make(registry, target).copied == 1
    assert one_file(target).read_bytes() == good


HARMS: dict[str, Callable[[Path], None]] = {"missing": Path.unlink, "size": cut, "digest": flip}


@pytest.mark.parametrize("harm", HARMS)
def test_a_registry_with_damage_is_backed_up_all_the_same(
    registry: Registry, filled: dict[str, Built], target: Path, tmp_path: Path, harm: str
) -> None:
    """What is lost is said; the restored registry says the same, and a push heals it there."""
    base = filled["amd64"].digests[1]
    (path,) = [it for it in files(registry) if it.name.startswith(base.partition(":")[2])]
    HARMS[harm](path)
    made = make(registry, target, verify=True)
    assert [(it.digest, it.what) for it in made.backup.lost] == [(base, harm)]
    restored = restore(target, tmp_path / "restored")
    try:
        report = restored.read(scrub.report)
        assert [it.digest for it in report.blobs] == [base]
        assert {(it.repository, *it.tags) for it in report.images} == {(APP,), (APP, "1.0")}
        upload(restored, LIB, filled["amd64"].blobs[1])
        assert restored.read(scrub.report) == ([], [], [])
        everything(restored)
        assert stored_bytes(restored) > 0
    finally:
        restored.close()


@pytest.mark.usefixtures("filled")
def test_damage_in_the_database_is_found_by_verify(registry: Registry, target: Path) -> None:
    """Small blobs and manifests are rows; they are compared as well."""
    registry.write_now(
        lambda tx: tx.rows.execute(
            "UPDATE blob_contents SET content = ? WHERE digest = ?",
            (bytes(len(image("small").blobs[1])), image("small").digests[1]),
        )
    )
    assert make(registry, target).backup.lost == ()
    lost = make(registry, target, verify=True).backup.lost
    assert [(it.digest, it.what) for it in lost] == [(image("small").digests[1], "digest")]


def test_what_a_scrub_set_aside_is_not_missed(
    registry: Registry, filled: dict[str, Built], target: Path, tmp_path: Path
) -> None:
    """It is known as damaged, in the registry and in what is restored."""
    base = filled["amd64"].digests[1]
    (path,) = [it for it in files(registry) if it.name.startswith(base.partition(":")[2])]
    flip(path)
    damage(registry)
    assert make(registry, target, verify=True).backup.lost == ()
    restored = restore(target, tmp_path / "restored")
    try:
        assert [it.digest for it in restored.read(scrub.report).blobs] == [base]
    finally:
        restored.close()


def rot(path: Path, table: str) -> None:
    """Fill the first page of a table with rubbish, as a bad disk does. Nobody has the database open."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xa5" * 300)


@pytest.mark.sqlite
@pytest.mark.parametrize("table", ["blobs", "blob_contents", "manifest_contents", "tags"])
def test_a_rotten_database_takes_no_good_ones_place(
    registry: Registry, target: Path, tmp_path: Path, table: str
) -> None:
    """The backup is refused and the one before stays; a scrub says that it is the database."""
    for number in range(40):
        push(registry, APP, image("base", f"{number}"), f"{number}")
    before = everything(registry)
    made = make(registry, target)
    registry.database.close()
    assert isinstance(registry.database, SqliteDatabase)
    rot(registry.database.path, table)
    found = damage(registry)
    assert found
    assert {it.digest for it in found} == {""}
    with pytest.raises(BackupFailed, match=r"is damaged .*: an earlier backup stays"):
        make(registry, target)
    assert backup.read(target) == made.backup
    assert len(list(target.glob("careen-*.db"))) == 1
    assert found_in(target, tmp_path / "restored") == before
