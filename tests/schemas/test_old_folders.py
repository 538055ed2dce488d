"""Data folders of every released schema: opened, migrated, served as if nothing had happened."""

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from careen import startup
from careen.db import schema
from careen.registry import gc, images, lifecycle, repositories, scrub, storage
from careen.registry.registry import Registry
from careen.settings import Settings
from release.packages import extract
from tests.cli.test_commands import careen
from tests.db.test_schema import master
from tests.distribution.client import Client
from tests.images import image
from tests.registry.steps import blob, digests, is_whole, push, row
from tests.schemas.contents import AMD64, APP, BOTH, LEFTOVER, NEW, OLD, POLICY, PUSHED
from tests.server import running

FOLDER = Path(__file__).parent
FOLDERS = sorted(FOLDER.glob("[0-9]*.tar.xz"))
REVISIONS = [path.name.partition(".")[0] for path in FOLDERS]


@pytest.fixture(params=FOLDERS, ids=REVISIONS)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder as that version left it."""
    folder = tmp_path / "data"
    extract(request.param, folder)
    assert schema.current(folder / "careen.db") == request.param.name.partition(".")[0]
    return folder


@pytest.fixture
def old(data: Path) -> Iterator[Registry]:
    """It, opened by this version."""
    settings = Settings(data=str(data), create_on_push=True, blob_grace=0, trash_days=0)
    startup.prepare(settings)
    opened = startup.open_registry(settings)
    yield opened
    opened.close()


def test_every_folder_that_was_made_is_here() -> None:
    """A folder that got lost would be a promise that nobody keeps."""
    made = re.findall(r"^\| `(\d{4})\.tar\.xz` \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert made == REVISIONS
    assert REVISIONS[0] == "0001"


def test_what_was_pushed_then_is_pulled_now(old: Registry) -> None:
    """Every image whole, under its tag, with its pull; and this version finds no damage in it."""
    for repository, built, tag in PUSHED:
        assert is_whole(old, repository, built)
        if tag is not None:
            found = old.read(images.pullable, repository, tag)
            assert found is not None
            assert found.digest == built.digest
    pulled = row(old, APP, BOTH)
    assert pulled is not None
    assert pulled.pulled_at is not None
    referrers = old.read(images.active_referrers, APP, AMD64.digest)
    assert [it.artifact_type for it in referrers] == ["application/vnd.example.sbom"]
    pace = scrub.Pace(0, threading.Event())
    done = scrub.run(old, pace, scope=scrub.COMMAND)
    assert done.manifests == len(PUSHED)
    assert old.read(scrub.report) == ([], [], [])


def test_a_lifecycle_run_and_a_collection_work(old: Registry) -> None:
    """The policy of then expires the older image; what no image needs goes, to the byte; a push goes on."""
    ran = lifecycle.run(old, old.read(repositories.require, POLICY).id)
    assert ran is not None
    assert (ran.repository, ran.images, ran.expired) == (POLICY, 2, 1)
    assert digests(old, POLICY) == {NEW.digest}
    before = storage.account(old)
    collected = gc.collect(old, grace=0)
    assert collected.freed == OLD.size + len(LEFTOVER) == before.blob_bytes - storage.account(old).blob_bytes
    assert gc.sweep(old) == gc.Collected()
    after = storage.account(old)
    assert after.unneeded_bytes == 0
    assert after.stored_bytes == after.file_bytes
    push(old, APP, image("another"), "2.0")
    assert is_whole(old, APP, image("another"))
    assert is_whole(old, APP, BOTH)
    assert blob(old, APP, BOTH.digest) is None


def test_the_key_of_then_logs_in_now(data: Path) -> None:
    """A server of this version on that folder: the key pulls, a wrong secret does not."""
    key = json.loads((data / "key.json").read_text())
    with running(data) as serving:
        client = Client(serving, key["accessKeyId"], key["secretAccessKey"])
        assert client.send("GET", f"/v2/{APP}/manifests/1.0").body == BOTH.manifest
        client.push(APP, image("new"), "1")
        wrong = Client(serving, key["accessKeyId"], key["secretAccessKey"][::-1])
        assert wrong.send("GET", f"/v2/{APP}/manifests/1.0").status == 401


def test_the_schema_is_that_of_a_new_folder(data: Path, tmp_path: Path) -> None:
    """Table for table, in SQLite's own words but for the order of columns: those that came later are last."""
    schema.migrate(data / "careen.db")
    schema.migrate(tmp_path / "fresh.db")
    migrated, fresh = master(data / "careen.db"), master(tmp_path / "fresh.db")
    assert migrated == fresh
    assert schema.current(data / "careen.db") == schema.head()


KILLED_AT = """
import os, pathlib, shutil, signal, sys
import sqlalchemy
from sqlalchemy import event
from alembic import command  # imported once, for all the children
from careen.db import schema

original, copy = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

def migrate(kill_before):
    executed = 0
    @event.listens_for(sqlalchemy.engine.Engine, "before_cursor_execute")
    def count(*_):
        nonlocal executed
        executed += 1
        if executed == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
    schema.migrate(copy)
    os._exit(0)

number = 0
while True:
    number += 1
    copy.parent.mkdir()
    for file in original.parent.iterdir():
        if file.name.startswith(original.name):
            shutil.copy(file, copy.parent / file.name)
    child = os.fork() or migrate(number)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break  # it has not so many statements
    assert os.WTERMSIG(status) == signal.SIGKILL, (number, status)
    again = os.fork() or migrate(0)
    assert os.waitpid(again, 0)[1] == 0, f"the migration killed before statement {number} cannot be repeated"
    assert schema.current(copy) == schema.head()
    shutil.rmtree(copy.parent)
print(number)
"""


@pytest.mark.parametrize(
    "revision",
    [
        pytest.param("none", marks=pytest.mark.slow),
        pytest.param(REVISIONS[0], marks=pytest.mark.slow),
        REVISIONS[-1],
    ],
)
def test_a_migration_that_is_killed_is_repeated(revision: str, tmp_path: Path) -> None:
    """Before each of its statements in turn: the next start does it all, and nothing is done twice."""
    original = tmp_path / "original" / "careen.db"
    original.parent.mkdir()
    if revision == "none":
        original.touch()
    else:
        extract(FOLDERS[REVISIONS.index(revision)], original.parent)
    copy = tmp_path / "copy" / "careen.db"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED_AT, original, copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5
    schema.migrate(tmp_path / "fresh.db")
    assert master(copy) == master(tmp_path / "fresh.db")


def test_a_folder_of_a_later_version_is_refused(data: Path) -> None:
    """In the words that say what to do; nothing is changed."""
    with contextlib.closing(sqlite3.connect(data / "careen.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (data / "careen.db").read_bytes()
    for command in (("serve",), ("storage",), ("scrub",), ("backup", str(data.parent / "backup"))):
        done = careen(*command, "--data", str(data))
        assert done.returncode == 1
        assert (
            f"has schema 9999; this version of Careen knows {schema.head()}. Install the newer" in done.stderr
        )
    assert (data / "careen.db").read_bytes() == before
    assert not (data.parent / "backup").exists()


def test_a_folder_without_its_master_key_is_refused(data: Path) -> None:
    """A new key would make every access key of the folder worthless without a word."""
    (data / "master.key").unlink()
    with pytest.raises(startup.CannotStart, match="restore it from a backup"):
        startup.prepare(Settings(data=str(data)))
    assert schema.current(data / "careen.db") != schema.head()
