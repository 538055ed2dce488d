"""What several nodes agree on before they serve: one key, one home of blobs."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from careen import startup
from careen.db import founding
from careen.faults import Point
from careen.iam import keys
from careen.settings import Settings
from tests.faults import programs
from tests.faults.programs import Kill
from tests.postgres import Postgres, needs_postgres
from tests.several.conftest import MakeSettings

pytestmark = needs_postgres

KEY = bytes(range(32))
OTHER = bytes(32)


def kept(settings: Settings, kind: str = "master-key") -> str | None:
    """What the database has of a kind."""
    with psycopg.connect(settings.database) as connection:
        row = connection.execute("SELECT content FROM registry_documents WHERE kind = %s", (kind,)).fetchone()
    return None if row is None else str(row[0])


def refusal(settings: Settings) -> str:
    """Why a node cannot start."""
    with pytest.raises(startup.CannotStart) as refused:
        startup.prepare(settings)
    return str(refused.value)


def test_nodes_that_start_at_the_same_moment_have_one_key(settings_of: MakeSettings) -> None:
    """It is made once, kept in the database, and nowhere on a disk."""
    nodes = [settings_of(f"node-{number}") for number in range(4)]
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(startup.prepare, nodes))
    began = {startup.begin(each).master_key for each in nodes}
    assert len(began) == 1
    assert bytes.fromhex(kept(nodes[0]) or "") in began
    assert not list(Path(nodes[0].data).glob("master.key*"))


def test_a_key_in_a_file_is_not_in_the_database(settings_of: MakeSettings, tmp_path: Path) -> None:
    """Only its fingerprint is; a node without the file is told what to do, and one with another key, too."""
    file = tmp_path / "secret"
    file.write_bytes(KEY)
    first = settings_of("first", master_key=str(file))
    startup.prepare(first)
    assert startup.begin(first).master_key == KEY
    assert kept(first) is None
    assert KEY.hex() not in (kept(first, "master-key-fingerprint") or KEY.hex())
    assert "setting master_key, or copy it into the data folder" in refusal(settings_of("second"))
    file.write_bytes(OTHER)
    assert f"{file} is not the master key that this registry began with" in refusal(first)
    file.unlink()
    assert f"{file} has 0 bytes instead of 32" in refusal(first)


def test_a_key_in_the_data_folder_counts(settings_of: MakeSettings) -> None:
    """As a folder has it that was served with SQLite: only the right one lets a node start."""
    first = settings_of("first")
    key = Path(first.data) / "master.key"
    key.parent.mkdir()
    key.write_bytes(KEY)
    startup.prepare(first)
    assert startup.begin(first).master_key == KEY
    assert kept(first) is None
    key.write_bytes(OTHER)
    assert "is not the master key that this registry began with" in refusal(first)


def test_a_data_folder_knows_its_key_by_a_fingerprint(tmp_path: Path) -> None:
    """Another key in its place is told; nothing is made anew."""
    settings = Settings(data=str(tmp_path / "data"))
    startup.prepare(settings)
    key = tmp_path / "data" / "master.key"
    right = key.read_bytes()
    key.write_bytes(keys.new_master_key())
    assert "is not the master key that this registry began with" in refusal(settings)
    key.write_bytes(right)
    startup.prepare(settings)


def test_blobs_of_two_nodes_in_two_folders_are_refused(settings_of: MakeSettings, tmp_path: Path) -> None:
    """Each would miss what the other took. The same folder at another place is the same home."""
    startup.prepare(settings_of("first"))
    apart = tmp_path / "apart"
    said = refusal(settings_of("second", data=str(apart)))
    assert f"{apart} is not where the other nodes of this registry have their blobs" in said
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "data", moved)
    startup.prepare(settings_of("second", data=str(moved)))


def test_nodes_that_start_at_the_same_moment_have_one_home(settings_of: MakeSettings, tmp_path: Path) -> None:
    """Of folders that are not shared one wins, and whoever has another does not start."""
    nodes = [settings_of(f"node-{number}", data=str(tmp_path / f"apart-{number}")) for number in range(3)]

    with ThreadPoolExecutor(len(nodes)) as pool:
        starting = [pool.submit(startup.prepare, settings) for settings in nodes]
    started = [each.exception() for each in starting]
    assert started.count(None) == 1
    assert sum("is not where the other nodes" in str(error) for error in started) == 2


def test_an_archive_of_one_node_alone_is_refused(settings_of: MakeSettings, tmp_path: Path) -> None:
    """The archive's home is everybody's, too."""
    startup.prepare(settings_of("first", archive_blobs=str(tmp_path / "archive")))
    said = refusal(settings_of("second", archive_blobs=str(tmp_path / "another")))
    assert "have their archived blobs: set archive_blobs as theirs is" in said


def test_the_blobs_of_another_registry_are_refused(
    settings_of: MakeSettings, postgres: Postgres, tmp_path: Path
) -> None:
    """Its sweep would delete ours, and ours its."""
    first = settings_of("first")
    startup.prepare(first)
    said = refusal(Settings(data=first.data, database=postgres.empty_database()))
    assert f"{first.data} has the blobs of another registry" in said
    assert (tmp_path / "data" / "owner").read_text() == kept(first, founding.HOME)


@pytest.mark.parametrize(
    ("point", "passing"), [(Point.KEY_AGREED, 1), *((Point.AGREED, n) for n in (1, 2, 3))], ids=str
)
def test_killed_while_it_agrees(
    settings_of: MakeSettings, tmp_path: Path, point: Point, passing: int
) -> None:
    """The next start finds nothing in its way, whichever node it is."""
    settings = settings_of("first", archive_blobs=str(tmp_path / "archive"))
    life = programs.start(programs.prepare, settings, kill=Kill((point,), passing))
    assert life.was_killed()
    startup.prepare(settings)
    second = settings_of("second", archive_blobs=settings.archive_blobs)
    startup.prepare(second)
    assert startup.begin(second).master_key == startup.begin(settings).master_key
