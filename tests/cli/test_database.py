"""``careen database move``, as somebody does it whom one machine does not suffice any more."""

from pathlib import Path
from typing import Any

from careen.db import schema
from tests.postgres import Postgres, needs_postgres
from tests.server import Server

pytestmark = needs_postgres


def served(data: Path, database: str) -> Server:
    """The registry of a data folder, with its rows in the folder or on a server."""
    return Server(data, database=database, blobs="")


def names(ecr: Any) -> list[str]:
    """The repositories."""
    return sorted(each["repositoryName"] for each in ecr.describe_repositories()["repositories"])


def test_from_the_folder_to_a_server_and_back(tmp_path: Path, postgres: Postgres) -> None:
    """Not while it is served; after it only with the setting that the move names; and the same way back."""
    data, url = tmp_path / "data", postgres.empty_database()
    here, there = served(data, ""), served(data, url)
    here.start()
    here.boto().create_repository(repositoryName="team/app")
    try:
        refused = here.careen("database", "move", url)
        assert refused.returncode == 1
        assert (
            "careen.db open; stop the registry on every machine, and start the move again" in refused.stderr
        )
        here.boto().create_repository(repositoryName="team/lib")
    finally:
        here.stop()

    moved = here.careen("database", "move", url)
    assert moved.returncode == 0, moved.stderr
    assert "           2  repositories\n" in moved.stdout
    assert f"the registry is in postgresql://127.0.0.1:{postgres.port}/" in moved.stdout
    assert "set CAREEN_DATABASE" in moved.stdout
    assert "only-for-tests" not in moved.stdout + moved.stderr
    refused = here.careen("serve")
    assert refused.returncode == 1
    assert "this registry was moved to postgresql://127.0.0.1" in refused.stderr

    there.start()
    try:
        assert names(there.boto()) == ["team/app", "team/lib"]
        there.boto().create_repository(repositoryName="team/new")
        again = here.careen("database", "move", url)
        assert again.returncode == 0, again.stderr
        assert "the move has ended before: the registry is in postgresql://127.0.0.1" in again.stdout
        refused = there.careen("database", "move", "sqlite")
        assert refused.returncode == 1
        assert "others are connected to the database as our user" in refused.stderr
    finally:
        there.stop()

    back = there.careen("database", "move", "sqlite")
    assert back.returncode == 0, back.stderr
    assert "leave out the setting `database`" in back.stdout
    assert "this registry was moved to" in there.careen("serve").stderr
    here.start()
    try:
        assert names(here.boto()) == ["team/app", "team/lib", "team/new"]
    finally:
        here.stop()


def test_no_command_but_serve_begins_a_registry(tmp_path: Path, postgres: Postgres) -> None:
    """It would agree with itself on where the blobs are, and the nodes would not start then."""
    url = postgres.empty_database()
    node = served(tmp_path / "here", url)
    refused = node.careen("storage")
    assert refused.returncode == 1
    assert f"there is no registry in postgresql://127.0.0.1:{postgres.port}/" in refused.stderr
    assert "careen serve" in refused.stderr
    assert schema.current(url) is None


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """With the form that it must have, and where there is no registry that is said."""
    server = served(tmp_path / "data", "")
    refused = server.careen("database", "move", "mysql://db/careen")
    assert refused.returncode == 2
    assert "postgresql://user:password@host:port/database" in refused.stderr
    refused = server.careen("database", "move", "postgresql://127.0.0.1:9/careen")
    assert refused.returncode == 1
    assert "there is no registry in" in refused.stderr
