"""On PostgreSQL transactions overlap; the log of events still tells what happened in the order in which it counts."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careen import startup
from careen.registry import images, repositories
from careen.registry.registry import Registry, Transaction
from careen.registry.repositories import Repository
from careen.settings import Settings
from tests.faults.model import seen
from tests.images import artifact
from tests.postgres import Postgres, needs_postgres
from tests.registry import steps
from tests.waiting import PATIENCE

pytestmark = needs_postgres

REPOSITORY, TAG = "team/app", "latest"
OLD, NEW = (artifact("kind/of", None, annotations={"name": name}) for name in ("old", "new"))


@pytest.fixture
def registry(postgres: Postgres, tmp_path: Path) -> Iterator[Registry]:
    """A registry with a tag that names the old image; the blobs of the new one are there."""
    settings = Settings(data=str(tmp_path / "data"), database=postgres.database(), create_on_push=True)
    startup.prepare(settings)
    opened = startup.open_registry(settings)
    steps.push(opened, REPOSITORY, OLD, TAG)
    yield opened
    opened.close()


@pytest.fixture
def target(registry: Registry) -> Repository:
    """Its repository."""
    return registry.read(repositories.require, REPOSITORY)


def test_a_tag_is_put_where_one_is_being_deleted(registry: Registry, target: Repository) -> None:
    """The push has begun before the deletion and ends after it: so it comes after it."""
    has_begun, is_gone = threading.Event(), threading.Event()

    def push(tx: Transaction) -> None:
        images.put(tx, target, NEW.manifest)
        has_begun.set()
        assert is_gone.wait(PATIENCE)
        images.put(tx, target, NEW.manifest, tag=TAG)

    with ThreadPoolExecutor(1) as threads:
        pushing = threads.submit(registry.write_now, push)
        assert has_begun.wait(PATIENCE)
        registry.write_now(images.untag, target, TAG)
        is_gone.set()
        pushing.result(PATIENCE)
    assert steps.told_tags(registry) == seen(registry).tags == {(REPOSITORY, TAG): NEW.digest}


def test_an_image_is_deleted_while_its_tag_moves_on(registry: Registry, target: Repository) -> None:
    """The deletion has seen the tag on its image, and the push moves it first: the deletion does not tell that the tag went."""
    has_moved, may_end = threading.Event(), threading.Event()

    def push(tx: Transaction) -> None:
        images.put(tx, target, NEW.manifest, tag=TAG)
        has_moved.set()
        assert may_end.wait(PATIENCE)

    with ThreadPoolExecutor(1) as threads:
        pushing = threads.submit(registry.write_now, push)
        assert has_moved.wait(PATIENCE)

        def delete(tx: Transaction) -> None:
            images.find(tx, target, tag=TAG)
            may_end.set()
            pushing.result(PATIENCE)
            images.delete_by_digest(tx, target, OLD.digest, steps.cause())

        registry.write_now(delete)
    assert steps.told_tags(registry) == seen(registry).tags == {(REPOSITORY, TAG): NEW.digest}
