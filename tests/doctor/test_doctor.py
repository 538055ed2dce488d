"""Registries that were broken for the purpose, and what the doctor says of each."""

import contextlib
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from careen.doctor import Finding, Verdict, examine
from careen.settings import Settings
from tests import program
from tests.ecrapi.client import push
from tests.images import image
from tests.postgres import Postgres
from tests.seaweed import S3
from tests.server import Server, running
from tests.tls import make_certificate, needs_openssl

pytestmark = [pytest.mark.sqlite, pytest.mark.disk]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a registry with an image, which was stopped in an orderly way."""
    data = tmp_path_factory.mktemp("doctor") / "data"
    with running(data) as server:
        push(server.boto(), "team/app", image("layer", size=170_000), "1")
    return data


@pytest.fixture
def data(healthy: Path, tmp_path: Path) -> Path:
    """A copy of it, to be broken."""
    copy = tmp_path / "data"
    shutil.copytree(healthy, copy)
    return copy


def findings(
    data: Path, environ: dict[str, str] | None = None, *, deep: bool = False, **settings: Any
) -> list[Finding]:
    """What is not well."""
    found = examine(Settings(data=str(data), reserve=0, **settings), environ or {}, deep=deep)
    # Of the machine that the tests run on, nothing is known.
    return [each for each in found if each.verdict is not Verdict.OK and each.check != "disk"]


def test_of_a_healthy_registry_nothing_is_said(data: Path) -> None:
    """However deep one looks."""
    assert findings(data) == findings(data, deep=True) == []


@dataclass(frozen=True)
class Case:
    """Something wrong, and the words by which it is known."""

    damage: Callable[[Path], object]
    check: str
    verdict: Verdict
    says: str
    advises: str
    settings: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    deep: bool = False


def nothing(_: Path) -> None:
    """What is wrong is in the settings."""


def execute(statement: str, *parameters: object) -> Callable[[Path], None]:
    """Change a row."""

    def change(data: Path) -> None:
        with contextlib.closing(sqlite3.connect(data / "careen.db")) as rows, rows:
            rows.execute(statement, parameters)
        with contextlib.closing(sqlite3.connect(data / "careen.db")) as rows:
            rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return change


def blob_file(data: Path) -> Path:
    """The file of the one large blob."""
    (found,) = (path for path in (data / "blobs").rglob("*") if path.is_file())
    return found


def leave_an_orphan(data: Path) -> None:
    """A file as a crash leaves one, older than any push."""
    orphan = blob_file(data)
    copy = orphan.with_name(orphan.name[:-4] + "beef")
    shutil.copyfile(orphan, copy)
    os.utime(copy, (time.time() - 90_000,) * 2)


def leave_a_log(data: Path) -> None:
    """A log without an index: a copy of a folder in use, or a crash of the machine."""
    (data / "careen.db-wal").write_bytes(b"")


def scramble(data: Path) -> None:
    """A page in the middle, as a dying disk has it."""
    with (data / "careen.db").open("r+b") as file:
        file.seek(4096 * 20)
        file.write(os.urandom(4096 * 4))


def write_in_the_future(data: Path) -> None:
    """As before a clock was set back."""
    os.utime(data / "careen.db", (time.time() + 3600,) * 2)


HOUR_AGO = "UPDATE jobs SET run_at = run_at - 100000000000, leased_until = 0 WHERE kind = ?"
P, W = Verdict.PROBLEM, Verdict.WARNING
SHUT = {"log_level": "warning", "access_log": True}
CASES = {
    "a misspelt setting": Case(
        nothing, "settings", W, "CAREEN_LIFECYCLE_INTERVALL in the environment is no setting",
        "did you mean CAREEN_LIFECYCLE_INTERVAL?", environ={"CAREEN_LIFECYCLE_INTERVALL": "60"},
    ),
    "an access log that is not heard": Case(nothing, "settings", W, "no request is told of", "log_level", SHUT),
    "a clock for tests": Case(nothing, "settings", W, "takes its time from", "remove it", {"clock_file": "clock"}),
    "a web server that is not believed": Case(
        nothing, "settings", W, "all clients have its address", "set proxies", {"public_url": "https://registry.example.com"}
    ),
    "a scanner that is not there": Case(
        nothing, "settings", W, "no-such-scanner is not installed", "whole path", {"scanner": "no-such-scanner {image}"}
    ),
    "no data folder": Case(shutil.rmtree, "data folder", P, "there is no folder", "--data"),
    "a key for everybody": Case(
        lambda data: (data / "master.key").chmod(0o644), "master key", W, "whoever reads it can be anybody", "chmod 600"
    ),
    "half a key": Case(
        lambda data: (data / "master.key").write_bytes(b"half"), "master key", P, "4 bytes instead of 32", "backup"
    ),
    "no key": Case(lambda data: (data / "master.key").unlink(), "master key", P, "no access key", "backup"),
    "a clock that went back": Case(write_in_the_future, "clock", P, "something was written at", "set the clock"),
    "no database": Case(lambda data: (data / "careen.db").unlink(), "database", P, "there is no registry", "--data"),
    "a database that is none": Case(
        lambda data: (data / "careen.db").write_bytes(b"not a database" * 999), "database", P, "cannot be read", "runbook"
    ),
    "a database after a crash": Case(leave_a_log, "database", W, "left by a crash", "start the server"),
    "a damaged database": Case(scramble, "database", P, "careen.db", "", deep=True),
    "an older schema": Case(
        execute("UPDATE alembic_version SET version_num = '0017'"), "schema", W, "schema 0017", "backup before"
    ),
    "a newer schema": Case(
        execute("UPDATE alembic_version SET version_num = '9999'"), "schema", W, "newer than", "install the newer version"
    ),
    "a job that nobody does": Case(execute(HOUR_AGO, "sweep"), "jobs", W, "kind sweep has been due", "careen serve"),
    "a blob without its file": Case(
        lambda data: blob_file(data).unlink(), "missing bytes", P, "is gone", "push an image that has it"
    ),
    "a blob that was cut": Case(
        lambda data: os.truncate(blob_file(data), 5), "missing bytes", P, "has 5 bytes, which is not its size", "push"
    ),
    "a file without a blob": Case(leave_an_orphan, "orphan bytes", W, "1 of 2 files", "careen gc"),
    "a disk that is not mounted": Case(
        lambda data: shutil.rmtree(data / "blobs"), "store", P, "has no blobs/sha256", "is its disk mounted?"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_broken_is_named(data: Path, case: Case) -> None:
    """By what it is, how bad it is, and what to do."""
    case.damage(data)
    found = findings(data, case.environ, deep=case.deep, **case.settings)
    fitting = [each for each in found if each.check == case.check and each.verdict is case.verdict]
    assert any(case.says in each.message and case.advises in each.advice for each in fitting), found


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Each file with its time, its mode and its bytes; each folder with its time."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        about = path.stat()
        found[str(path)] = (about.st_mtime_ns, about.st_mode, path.read_bytes() if path.is_file() else b"")
    return found


@pytest.mark.parametrize(
    "case", ["a blob without its file", "a database after a crash", "an older schema", "no key"]
)
def test_nothing_is_changed(data: Path, case: str) -> None:
    """Not a byte, not a time, and nothing is made, whatever is found."""
    CASES[case].damage(data)
    before = everything(data)
    findings(data, deep=True)
    assert everything(data) == before


def test_full_is_what_leaves_no_more_than_the_reserve(data: Path) -> None:
    """Since then pushes are refused."""
    found = list(examine(Settings(data=str(data), reserve=2**60), {}))
    (disk,) = (each for each in found if each.check == "disk" and each.verdict is P)
    assert "no push is taken" in disk.message


@needs_openssl
def test_a_certificate_is_told_of_before_it_ends(data: Path, tmp_path: Path) -> None:
    """Three weeks before; one that has ended, or whose key is another's, is a problem."""
    made = make_certificate(tmp_path)  # good for two days
    (soon,) = findings(data, tls_certificate=str(made.chain), tls_key=str(made.key))
    assert (soon.check, soon.verdict) == ("certificate", W)
    assert "ends at" in soon.message
    dates = ("-not_before", "20200101000000Z", "-not_after", "20200201000000Z")
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=old", *dates]
    old = [*command, "-keyout", str(tmp_path / "old.key"), "-out", str(tmp_path / "old.crt")]
    if subprocess.run(old, capture_output=True, check=False).returncode == 0:  # OpenSSL 3.4 and later
        (ended,) = findings(
            data, tls_certificate=str(tmp_path / "old.crt"), tls_key=str(tmp_path / "old.key")
        )
        assert ended.verdict is P
    other = tmp_path / "authority.key"
    (wrong,) = findings(data, tls_certificate=str(made.chain), tls_key=str(other))
    assert (wrong.check, wrong.verdict) == ("certificate", P)
    assert "its own private key" in wrong.advice


@needs_openssl
def test_authorities_of_clients_are_looked_at_too(data: Path, tmp_path: Path) -> None:
    """A file that has none keeps the server from starting."""
    made = make_certificate(tmp_path)
    files = {"tls_certificate": made.chain, "tls_key": made.key, "tls_client_ca": made.key}
    (wrong,) = findings(data, None, deep=False, **{name: str(path) for name, path in files.items()})
    assert (wrong.check, wrong.verdict) == ("certificate", P)
    assert "has no certificates of authorities" in wrong.message


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_somebody_else_is_told_whose_it_is(data: Path, tmp_path: Path) -> None:
    """The commonest mistake: the doctor is called as a user who may not look."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    data.chmod(0o700)
    forks = multiprocessing.get_context("fork")
    ours, theirs = forks.Pipe()
    child = forks.Process(target=_as_nobody, args=(data, theirs))
    child.start()
    assert ours.poll(60)
    found = {each.check: each for each in ours.recv()}
    child.join()
    assert found["data folder"].verdict is P
    assert f"user 65534 may not read and write {data}, which is user 0's" in found["data folder"].message
    assert found["store"].verdict is P


def _as_nobody(data: Path, told: Connection) -> None:
    os.setresuid(65534, 65534, 65534)
    told.send(findings(data))


def test_a_server_for_rows_is_looked_at(tmp_path: Path, postgres: Postgres) -> None:
    """What version it is; and that it does not answer, with no secret in the words."""
    with running(tmp_path / "data", database=postgres.database()) as server:
        settings = Settings(data=str(server.data), database=server.environment()["CAREEN_DATABASE"])
        found = {each.check: each for each in examine(settings, {}) if each.verdict is Verdict.OK}
        assert "PostgreSQL" in found["database"].message
        assert "schema" in found
    away = "postgresql://careen:a-password@127.0.0.1:9/careen"
    (lost,) = (
        each
        for each in examine(msgspec.structs.replace(settings, database=away), {})
        if each.check == "database"
    )
    assert lost.verdict is P
    assert "a-password" not in lost.message


def test_a_bucket_is_asked(data: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is there; deep, whether it takes and gives. Nothing of that stays in it."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    place = s3.url("doctor")
    for deep in (False, True):
        assert not [each for each in findings(data, blobs=place, deep=deep) if each.check == "store"]
    assert s3.keys("doctor") == []
    gone = place.replace("s3://", "s3://no-such-")
    for deep in (False, True):
        (lost,) = (each for each in findings(data, blobs=gone, deep=deep) if each.check == "store")
        assert lost.verdict is P


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    """The registry at work."""
    with running(data, reserve=0) as started:
        yield started


def test_the_command_says_it_to_people_and_programs(server: Server) -> None:
    """Beside a server at work. The worst finding is the exit status."""
    told = server.careen("doctor")
    assert "jobs: none is late" in told.stdout
    assert told.returncode in {0, 1}, told  # how full the disk of this machine is, is its own business
    (server.data / "master.key").chmod(0o604)
    blob_file(server.data).unlink()
    worse = server.careen("doctor", "--json", "--deep")
    assert worse.returncode == 2
    answer = msgspec.json.decode(worse.stdout)
    assert answer["verdict"] == "problem"
    assert {"master key", "missing bytes"} <= {
        each["check"] for each in answer["findings"] if each["verdict"] != "ok" and each["advice"]
    }


def test_settings_that_cannot_be_read_are_a_problem(server: Server) -> None:
    """As for every command."""
    told = program.run("doctor", env=server.environment() | {"CAREEN_PORT": "many"})
    assert told.returncode == 2
    assert "port" in told.stderr
