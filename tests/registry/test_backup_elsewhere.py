"""Backups of registries whose rows and blobs are on servers, and restores into such places."""

import itertools
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from careen import startup
from careen.blobs.s3 import client
from careen.db import copies
from careen.registry import backup, events, gc, lifecycle, scrub, storage
from careen.registry.backup import BackupFailed
from careen.registry.registry import Registry
from careen.settings import Settings
from tests.faulty_s3 import SLOW_DOWN, FaultyS3, error
from tests.images import image
from tests.postgres import Postgres, needs_postgres
from tests.registry import contents
from tests.registry.contents import APP, LARGE, LIB
from tests.registry.steps import damage, delete, everything, prepared, push, settle
from tests.seaweed import S3, needs_seaweed
from tests.upstream.proxy import Fault

pytestmark = [needs_postgres, needs_seaweed]


Places = Callable[[str], Settings]


@pytest.fixture
def places(postgres: Postgres, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Settings of a registry that is not there yet: in a folder, with its rows on a server, or with its blobs on one as well."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)

    def settings(where: str) -> Settings:
        return Settings(
            data=str(tmp_path / f"data-{uuid.uuid4().hex[:6]}"),
            create_on_push=True,
            blob_grace=0,
            trash_days=0,
            database=postgres.empty_database() if "rows" in where else "",
            blobs=s3.url(uuid.uuid4().hex) if "blobs" in where else "",
        )

    return settings


def fill(registry: Registry) -> None:
    """Something of everything, and before it an image that was deleted and collected."""
    push(registry, LIB, image("gone", size=LARGE), "2")
    delete(registry, LIB, image("gone", size=LARGE))
    gc.collect(registry, grace=0)
    contents.fill(registry)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("folder", "rows, blobs"),
        ("rows, blobs", "folder"),
        ("rows, blobs", "rows, blobs"),
        ("folder", "blobs"),
    ],
)
def test_wherever_it_was_and_wherever_it_goes_it_is_the_same(
    places: Places, tmp_path: Path, there: str, here: str
) -> None:
    """Images, bytes, policy and key; it works on, and tells events that come after those it told."""
    target, restored_to = tmp_path / "backup", places(here)
    with prepared(places(there)) as registry:
        fill(registry)
        before = everything(registry)
        policy = registry.read(lifecycle.get_policy, LIB)
        settle(registry)
        last = registry.read(events.latest)
        key = registry.master_key
        counted = storage.account(registry)
        made = backup.make(registry, registry.scratch_folder, target, verify=True)
        again = backup.make(registry, registry.scratch_folder, target)
    assert made.backup.lost == ()
    assert (made.copied, again.copied, again.kept) == (4, 0, 4)
    assert (target / "master.key").read_bytes() == key
    assert startup.restore(target, restored_to).lost == []
    with prepared(restored_to) as restored:
        assert everything(restored) == before
        assert damage(restored) == []
        assert restored.master_key == key
        assert restored.read(lifecycle.get_policy, LIB) == policy
        settle(restored)
        assert restored.read(events.latest) == last
        assert storage.account(restored)._replace(database_bytes=0) == counted._replace(database_bytes=0)
        push(restored, APP, image("new"), "2.0")
        settle(restored)
        assert restored.read(events.latest) > last
        assert gc.collect(restored, grace=0).freed == len(b"alone")
        assert gc.sweep(restored).orphans == 0
    assert (Path(restored_to.data) / "careen.db").exists() == (not restored_to.database)


def test_what_is_lost_is_said_on_the_server_too(places: Places, tmp_path: Path) -> None:
    """A blob that the backup does not have is known as damaged there, and a push heals it."""
    target, restored_to = tmp_path / "backup", places("rows, blobs")
    with prepared(places("folder")) as registry:
        fill(registry)
        backup.make(registry, registry.scratch_folder, target)
    lost = next(path for path in (target / "blobs").rglob("*.*") if path.is_file())
    lost.unlink()
    assert [each.what for each in startup.restore(target, restored_to).lost] == ["missing"]
    with prepared(restored_to) as restored:
        report = restored.read(scrub.report)
        assert [each.digest for each in report.blobs] == [f"sha256:{lost.name.partition('.')[0]}"]


@pytest.fixture
def a_backup(places: Places, tmp_path: Path) -> Path:
    """Of a registry in a folder."""
    with prepared(places("folder")) as registry:
        fill(registry)
        backup.make(registry, registry.scratch_folder, tmp_path / "backup")
    return tmp_path / "backup"


def test_a_restore_needs_empty_places(places: Places, a_backup: Path) -> None:
    """A database that has rows is refused, and a bucket that has blobs; what they have stays, and nothing was begun."""
    taken = places("rows, blobs")
    with prepared(taken) as registry:
        fill(registry)
        before = everything(registry)
    for mixed, says in (
        (places("rows, blobs"), "where the blobs are to go there are some"),
        (places("blobs"), "where the blobs are to go there are some"),
    ):
        with pytest.raises(BackupFailed, match=says):
            startup.restore(a_backup, Settings(data=mixed.data, database=mixed.database, blobs=taken.blobs))
        assert list(Path(mixed.data).iterdir()) == []
    with pytest.raises(BackupFailed, match=r"postgresql://127.0.0.1:\d+/\w+ is not empty: there are rows in"):
        startup.restore(a_backup, Settings(data=places("").data, database=taken.database))
    with prepared(taken) as registry:
        assert everything(registry) == before


def test_until_it_has_ended_no_node_serves_it(places: Places, a_backup: Path) -> None:
    """Neither the one with the folder nor another, which has only the two settings; then both do."""
    settings = places("rows, blobs")
    another, third = (
        Settings(data=places("").data, database=settings.database, blobs=settings.blobs) for _ in range(2)
    )
    backup.begin_restore(backup.Goal(Path(settings.data), settings.database, settings.blobs), None)
    with pytest.raises(startup.CannotStart, match="has not ended: start it again"):
        startup.prepare(settings)
    with pytest.raises(
        startup.CannotStart, match=rf"the restore into {settings.data} and s3://\S+ has not ended"
    ):
        startup.prepare(another)
    with pytest.raises(BackupFailed, match=rf"awaits another copy: the restore into {settings.data}"):
        startup.restore(a_backup, third)
    startup.restore(a_backup, settings)
    with prepared(settings) as registry:
        found, key = everything(registry), registry.master_key
    with prepared(another) as registry:  # whose folder has no key: the database has it
        assert everything(registry) == found != {}
        assert registry.master_key == key


@pytest.mark.parametrize("begun", ["folder", "rows, blobs"])
@pytest.mark.parametrize(
    "now",
    ["rows, blobs", *(pytest.param(now, marks=pytest.mark.slow) for now in ("rows", "blobs", "folder"))],
)
def test_a_restore_goes_on_only_where_it_began(
    places: Places, a_backup: Path, monkeypatch: pytest.MonkeyPatch, begun: str, now: str
) -> None:
    """Another database or bucket may be another registry's: it is not looked at again whether that is empty."""
    settings, other = places(begun), places(now)
    with monkeypatch.context() as patch:
        patch.setattr(backup, "restore", lambda *_: (_ for _ in ()).throw(BackupFailed("stopped")))
        with pytest.raises(BackupFailed, match="stopped"):
            startup.restore(a_backup, settings)
    wrong = Settings(data=settings.data, database=other.database, blobs=other.blobs)
    if begun != now or now != "folder":
        with pytest.raises(BackupFailed, match="has not ended whose rows or blobs go elsewhere"):
            startup.restore(a_backup, wrong)
    assert startup.restore(a_backup, settings).lost == []
    with prepared(settings) as registry:
        assert damage(registry) == []


def test_a_restore_that_has_only_to_be_released_takes_no_other_bucket(
    places: Places, a_backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder says nothing any more, but the database does."""
    settings, other = places("rows, blobs"), places("blobs")
    with monkeypatch.context() as patch:
        patch.setattr(copies, "release", lambda *_: (_ for _ in ()).throw(copies.CopyFailed("stopped")))
        with pytest.raises(BackupFailed, match="stopped"):
            startup.restore(a_backup, settings)
    assert not (Path(settings.data) / backup.RESTORING).exists()
    with pytest.raises(BackupFailed, match="is not empty: a restore needs a folder of its own"):
        startup.restore(a_backup, Settings(data=settings.data, database=settings.database, blobs=other.blobs))
    assert startup.restore(a_backup, settings).lost == []


@pytest.mark.parametrize("text", ["", "careen restore has not ended\n"], ids=["empty", "of an older version"])
def test_what_says_nothing_of_places_is_of_the_folder(places: Places, a_backup: Path, text: str) -> None:
    """A restore that an older version began goes on in the folder, and nowhere else."""
    settings = places("folder")
    Path(settings.data).mkdir()
    (Path(settings.data) / backup.RESTORING).write_text(text)
    with pytest.raises(BackupFailed, match="go elsewhere"):
        startup.restore(a_backup, Settings(data=settings.data, blobs=places("blobs").blobs))
    assert startup.restore(a_backup, settings).lost == []


BROKEN = {
    "the listing": ("ListObjectsV2", "", SLOW_DOWN, "SlowDown"),
    "bytes": ("PutObject", "/blobs/", SLOW_DOWN, "SlowDown"),
    "a part": (
        "UploadPart",
        "/blobs/",
        error(404, "NoSuchUpload", "No such upload."),
        "does not know the upload",
    ),
}


@pytest.mark.parametrize(("operation", "key", "fault", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_restore_into_a_bucket_that_fails_is_started_again(
    places: Places,
    a_backup: Path,
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    key: str,
    fault: Fault,
    says: str,
) -> None:
    """It says so, and what to do; then it goes on."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    if operation == "UploadPart":
        monkeypatch.setattr("careen.blobs.s3.store.PART_BYTES", LARGE // 2)
    with FaultyS3(s3).running() as bucket:
        settings = Settings(data=places("").data, blobs=bucket.url(uuid.uuid4().hex))
        bucket.fail(1, [fault], only=lambda asked: asked.operation == operation and key in asked.key)
        with pytest.raises(BackupFailed, match=f"{says}.*; start it again: it goes on where it was"):
            startup.restore(a_backup, settings)
        bucket.heal()
        monkeypatch.undo()
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        assert startup.restore(a_backup, settings).lost == []
        with prepared(settings) as registry:
            assert damage(registry) == []


def test_a_backup_of_a_bucket_that_fails_is_started_again(
    places: Places, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied stays, and the rest is copied then."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with FaultyS3(s3).running() as bucket:
        settings = Settings(
            data=places("").data, blobs=bucket.url(uuid.uuid4().hex), create_on_push=True, blob_grace=0
        )
        with prepared(settings) as registry:
            fill(registry)
            left = itertools.count()
            bucket.fail(1, [SLOW_DOWN], only=lambda asked: asked.operation == "GetObject" and next(left) > 1)
            with pytest.raises(BackupFailed, match=r"SlowDown.*; start it again: what is copied stays"):
                backup.make(registry, registry.scratch_folder, tmp_path / "backup")
            bucket.heal()
            made = backup.make(registry, registry.scratch_folder, tmp_path / "backup")
    assert (made.copied > 0, made.kept > 0, made.backup.lost) == (True, True, ())
