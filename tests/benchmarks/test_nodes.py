"""The registries that the benchmark of several nodes makes up, and the processes that it lets go together."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from benchmarks import nodes_rows, nodes_together
from benchmarks.nodes_postgres import SIZES
from benchmarks.nodes_round import policy
from careen import startup
from careen.oci.digest import digest_of
from careen.registry import lifecycle, repositories
from careen.settings import Settings
from tests.postgres import Postgres, needs_postgres

REPOSITORIES, IMAGES = 2, 100


@needs_postgres
def test_a_filled_registry_is_one_that_pushes_could_have_made(postgres: Postgres, tmp_path: Path) -> None:
    """Contents have their digests, references are whole, and the policy takes a hundredth; the copy has the same rows."""
    url = postgres.database()
    nodes_rows.fill(url, REPOSITORIES, IMAGES, policy(IMAGES))
    with psycopg.connect(url) as rows:
        contents = rows.execute(
            "SELECT digest, content FROM manifests JOIN manifest_contents ON manifest_id = id UNION ALL"
            " SELECT digest, content FROM blob_contents"
        ).fetchall()
        loose = rows.execute(
            "SELECT count(*) FROM manifest_blobs LEFT JOIN repository_blobs USING (repository_id, digest)"
            " LEFT JOIN blobs USING (digest) WHERE blobs.digest IS NULL OR seen_at IS NULL"
        ).fetchone()
        assert {name for name, *_ in rows.execute(SIZES).fetchall()} > set(nodes_rows.FILLED)
    assert len(contents) == 2 * REPOSITORIES * IMAGES
    assert all(digest_of(content) == digest for digest, content in contents)
    assert loose == (0,)
    settings = Settings(data=str(tmp_path / "node"), database=url)
    startup.prepare(settings)
    registry = startup.open_registry(settings)
    try:
        for repository in registry.read(repositories.page, "", 10):
            planned = registry.read(lifecycle.planned, repository.id)
            assert planned is not None
            assert len(planned.plan.acted_on) == IMAGES // 100
    finally:
        registry.close()
    nodes_rows.copy(url, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy" / "careen.db") as copied:
        assert copied.execute("SELECT count(*) FROM manifest_blobs").fetchone() == (
            3 * REPOSITORIES * IMAGES,
        )
        assert copied.execute("PRAGMA foreign_key_check").fetchall() == []
    copied.close()


def _double(wait: Callable[[], None], number: int) -> int:
    wait()
    return 2 * number


def _fail(_: Callable[[], None]) -> None:
    raise ValueError("before it was ready")


def test_processes_go_together_and_hand_back_what_they_found() -> None:
    """The results of all; what one of them raises is raised here, and nobody waits for ever."""
    with nodes_together.together(_double, [(1,), (2,)]) as (go, ended):
        go()
        assert sorted(ended()) == [2, 4]
    with (
        nodes_together.together(_fail, [()]) as (_, ended),
        pytest.raises(RuntimeError, match="before it was ready"),
    ):
        ended()
