"""Nodes of two versions on one database: upgraded one after the other, and back."""

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from careen import startup
from careen.db import schema
from careen.registry.nodes import Company
from careen.registry.registry import Registry
from tests import backend
from tests.distribution.client import Client
from tests.images import image
from tests.postgres import Postgres, needs_postgres
from tests.server import Server, serving
from tests.several.another import CONTRACT, EXPAND, AnotherServer, migrations
from tests.several.conftest import MakeSettings

pytestmark = needs_postgres

APP = "team/app"


@pytest.fixture
def shared(postgres: Postgres, tmp_path: Path) -> dict[str, Any]:
    """The settings that several nodes have in common."""
    return backend.current().settings(tmp_path / "data") | {"database": postgres.database()}


class Traffic:
    """Pushes and pulls through one node, one after the other, until it is told to stop; what was refused is kept."""

    def __init__(self, node: Server) -> None:
        self._client = Client(node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.pushed: list[str] = []
        self.refused: list[object] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            tag = f"n{len(self.pushed)}"
            try:
                self._client.push(APP, image(tag), tag)
                answer = self._client.send("GET", f"/v2/{APP}/manifests/{tag}")
                if answer.status != 200:
                    self.refused.append(answer)
            except (AssertionError, OSError) as error:
                self.refused.append(error)
            self.pushed.append(tag)


def pulls(node: Server, tag: str) -> bool:
    """Whether a node has an image."""
    return Client(node).send("GET", f"/v2/{APP}/manifests/{tag}").status == 200


def pushes(node: Server, tag: str) -> None:
    """Push an image through a node."""
    Client(node).push(APP, image(tag), tag)


@pytest.fixture
def old(tmp_path: Path, shared: dict[str, Any]) -> Iterator[Server]:
    """A node of this version."""
    with serving(Server(tmp_path / "data", **shared)) as node:
        yield node


def test_a_node_serves_while_a_later_version_migrates(
    tmp_path: Path, shared: dict[str, Any], old: Server
) -> None:
    """Nobody is refused; both work on the new schema, and a node that goes back to the version before does, too."""
    new = AnotherServer(tmp_path / "data", migrations(tmp_path / "later", r9001=EXPAND), **shared)
    with Traffic(old) as traffic, serving(new):
        assert schema.current(shared["database"]) == "9001"
        done = len(traffic.pushed)
        pushes(new, "by-the-new")
        assert pulls(old, "by-the-new")
        pushes(old, "by-the-old")
        assert pulls(new, "by-the-old")
        token = old.boto().get_authorization_token()["authorizationData"][0]["authorizationToken"]
        user, _, password = base64.b64decode(token).decode().partition(":")
        assert Client(new, user, password).send("GET", f"/v2/{APP}/manifests/by-the-old").status == 200
    assert (traffic.refused, done > 0) == ([], True)
    old.stop()
    with serving(Server(tmp_path / "data", **shared)) as again:  # it finds a schema that it does not know
        assert all(pulls(again, tag) for tag in ("by-the-new", "by-the-old", traffic.pushed[-1]))
        pushes(again, "gone-back")
    assert schema.current(shared["database"]) == "9001"


def test_what_an_older_version_cannot_work_with_waits_until_it_is_gone(
    opened: Callable[..., Registry],
    settings_of: MakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node of the later version does not start and names who must stop first; then the older one does not start."""
    old, settings = Company(opened("old")), settings_of("another")
    old.note()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", migrations(tmp_path / "later", r9001=EXPAND, r9002=CONTRACT))
        with pytest.raises(startup.CannotStart, match=r"cannot go on: stop old \(Careen [^)]*\) first"):
            startup.prepare(settings)
        old.leave()
        startup.prepare(settings)
    assert schema.current(settings.database) == "9002"
    with pytest.raises(startup.CannotStart, match="has schema 9002; this version of Careen knows 0"):
        startup.prepare(settings)


def test_a_migration_waits_for_a_table_and_lets_others_pass(postgres: Postgres, tmp_path: Path) -> None:
    """Somebody's long transaction is in its way: it gives up its place in the queue, and tries again."""
    url = postgres.database()
    later = migrations(tmp_path / "later", r9001=EXPAND.replace("pg_sleep(1)", "1"))
    passed = []
    with psycopg.connect(url) as reading, pytest.MonkeyPatch.context() as patch:
        reading.execute("SELECT count(*) FROM repositories")
        patch.setattr(schema, "MIGRATIONS", later)
        patch.setattr(schema, "LOCK_REST_SECONDS", 0.1)
        migrating = threading.Thread(target=schema.migrate, args=(url,))
        migrating.start()
        with psycopg.connect(url, autocommit=True) as other:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
            while not other.execute(waiting).fetchall()[0][0]:
                assert migrating.is_alive()
            other.execute("SET statement_timeout = '30s'")
            passed += other.execute("SELECT count(*) FROM repositories").fetchall()  # behind it in the queue
        assert migrating.is_alive()
        reading.rollback()
        migrating.join()
    assert passed == [(0,)]
    assert schema.current(url) == "9001"
