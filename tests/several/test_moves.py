"""Moves of a registry's rows between its starts: its key and the homes of its blobs go along, and nobody serves it twice."""

from pathlib import Path

import msgspec
import psycopg
import pytest

from careen import startup
from careen.iam import keys
from careen.registry.nodes import Company
from careen.settings import Settings
from tests.postgres import Postgres, needs_postgres
from tests.several.conftest import MakeSettings
from tests.several.test_founding import KEY, OTHER, kept

pytestmark = needs_postgres


def move(settings: Settings, target: str) -> Settings:
    """Move. Returns the settings with which it is served from then on."""
    startup.move_database(settings, target, lambda *_: None)
    return msgspec.structs.replace(settings, database=target)


def write_key(settings: Settings, key: bytes) -> None:
    """Give a node the key in its data folder."""
    Path(settings.data).mkdir(exist_ok=True)
    (Path(settings.data) / "master.key").write_bytes(key)


def test_a_key_that_is_not_the_registrys_is_refused(
    settings_of: MakeSettings, postgres: Postgres, tmp_path: Path
) -> None:
    """As one that lies in a folder that had another registry once: nothing has moved, and the right one is kept."""
    source = settings_of("first")
    startup.prepare(source)
    stray = settings_of("second", data=str(tmp_path / "stray"))
    write_key(stray, OTHER)
    target = postgres.database()
    with pytest.raises(startup.CannotStart, match="is not the master key that this registry began with"):
        move(stray, target)
    assert kept(move(source, target)) == kept(source)


def test_a_key_that_nobody_brings_is_asked_for(
    settings_of: MakeSettings, postgres: Postgres, tmp_path: Path
) -> None:
    """A registry whose key is a file's is not moved without the file, and not into a database that would have its key."""
    source = settings_of("first")
    write_key(source, KEY)
    startup.prepare(source)
    target = postgres.database()
    without = settings_of("second", data=str(tmp_path / "another"))
    with pytest.raises(startup.CannotStart, match="the registry began with a master key in a file"):
        move(without, target)
    moved = move(source, target)
    assert kept(moved) is None
    assert kept(moved, "master-key-fingerprint") == keys.fingerprint(KEY, "master key")
    startup.prepare(moved)


@pytest.mark.parametrize("is_target", [False, True], ids=["source", "target"])
def test_a_node_that_connects_as_another_user_is_seen(
    settings_of: MakeSettings, postgres: Postgres, tmp_path: Path, *, is_target: bool
) -> None:
    """Its sessions are not ours to see, but it says in a row that it is at work."""
    source = settings_of("first")
    another = settings_of("second", database=postgres.database(), data=str(tmp_path / "another"))
    startup.prepare(source)
    served = another if is_target else source
    as_user = postgres.as_another_user(served.database)
    if is_target:
        startup.prepare(another)
    node = startup.open_registry(msgspec.structs.replace(served, database=as_user))
    company = Company(node)
    company.note()
    try:
        with pytest.raises(
            startup.CannotMove, match=r"nodes are at work .*: (first|second); stop the registry"
        ):
            move(source, another.database)
        if not is_target:
            company.leave()
            startup.prepare(move(source, another.database))
    finally:
        node.close()


def test_a_registry_that_is_open_and_has_not_asked_yet_is_seen(postgres: Postgres, tmp_path: Path) -> None:
    """From the moment on at which it looked whether it may be served, its file is not moved away."""
    source = Settings(data=str(tmp_path / "data"))
    startup.prepare(source)
    registry = startup.open_registry(source)
    try:
        with pytest.raises(startup.CannotMove, match="open; stop the registry"):
            move(source, postgres.database())
    finally:
        registry.close()
    target = move(source, postgres.database())
    with pytest.raises(startup.CannotStart, match="was moved to"):
        startup.open_registry(source)
    startup.prepare(target)


@pytest.mark.parametrize("blobs", ["", "elsewhere"], ids=["blobs in the folder", "blobs elsewhere"])
@pytest.mark.parametrize("begins", ["in a folder", "on a server"])
def test_the_homes_of_blobs_stay_the_registrys(
    postgres: Postgres, tmp_path: Path, begins: str, blobs: str
) -> None:
    """With an archive, there and back and there: every start finds them its own, and another node with other folders is refused."""
    url = postgres.database()
    here = Settings(
        data=str(tmp_path / "data"),
        blobs=blobs and str(tmp_path / blobs),
        archive_blobs=str(tmp_path / "archive"),
        database="" if begins == "in a folder" else url,
    )
    startup.prepare(here)
    for _ in range(3):
        here = move(here, "" if here.database else url)
        startup.prepare(here)
    there = here if here.database else move(here, url)
    startup.prepare(there)
    for other in ({"blobs": str(tmp_path / "other")}, {"archive_blobs": str(tmp_path / "other")}):
        with pytest.raises(startup.CannotStart, match="is not where the other nodes of this registry have"):
            startup.prepare(msgspec.structs.replace(there, **other))


def test_a_folder_with_another_registrys_blobs_is_not_moved_to(
    settings_of: MakeSettings, tmp_path: Path
) -> None:
    """Its sweep would delete them."""
    source = settings_of("first", blobs=str(tmp_path / "blobs"))
    startup.prepare(source)
    (tmp_path / "data" / "owner").write_text("another:1")
    with pytest.raises(startup.CannotMove, match="has the blobs of another registry"):
        move(source, "")
    startup.prepare(source)


def test_a_folder_that_is_not_there_yet_is_made(settings_of: MakeSettings, tmp_path: Path) -> None:
    """Where it cannot be, that is said, and nothing has moved."""
    source = settings_of("first", blobs=str(tmp_path / "blobs"))
    startup.prepare(source)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(startup.CannotMove, match=r"the data folder .*/link cannot be used: File exists"):
        move(settings_of("first", data=str(tmp_path / "link"), blobs=source.blobs), "")
    startup.prepare(move(settings_of("first", data=str(tmp_path / "a" / "b"), blobs=source.blobs), ""))


def test_a_start_sees_to_the_events_of_a_dump(settings_of: MakeSettings) -> None:
    """Events that no transaction of this server can have told: it goes on after them."""
    settings = settings_of("first")
    startup.prepare(settings)
    assert kept(settings, "event-shift") is None
    with psycopg.connect(settings.database) as connection:
        connection.execute(
            "INSERT INTO events (id, recorded_at, detail_type, action, repository, detail) VALUES (%s, 1, 'T', '', NULL, '{}')",
            (2**45,),
        )
    startup.prepare(settings)
    assert int(kept(settings, "event-shift") or 0) > 0
