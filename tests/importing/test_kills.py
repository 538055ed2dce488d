"""Killed at any step, an import leaves nothing half done; the same command goes on."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from careen import faults, startup
from careen.faults import Point
from careen.importing.opening import opened
from careen.registry import gc, storage
from careen.settings import Settings
from tests import backend
from tests.images import artifact, image, index
from tests.importing.folder import Folder, day
from tests.importing.steps import bring, bring_from, opened_registry, pushed, tags
from tests.waiting import PATIENCE

IMAGES = [image("base", f"{number}", size=80_000) for number in range(4)]
BOTH = index(IMAGES[0], IMAGES[1])
SIGNATURE = artifact("application/vnd.example.signature", BOTH)
REPOSITORIES = ("team/one", "team/two")

POINTS = [
    (Point.REPOSITORY_CREATED, 2),
    (Point.UPLOAD_CREATED, 2),
    (Point.UPLOAD_WRITTEN, 3),
    (Point.BLOB_SYNCED, 2),
    (Point.BLOB_RENAMED, 2),
    (Point.BLOB_ADMITTED, 3),
    (Point.BLOB_LINKED, 2),
    (Point.MANIFEST_PUT, 5),
    (Point.TAG_PUT, 1),
    (Point.COMMITTED, 4),
]
"""The steps of an import, and at which passing it dies."""


def import_and_die(source: Path, chosen: Settings, point: Point, passing: int) -> None:
    """Import in a process of its own, that is killed when it reaches the point for the so-many-th time."""
    left = passing

    def at(reached: Point) -> None:
        nonlocal left
        left -= reached is point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    registry = startup.open_registry(chosen)
    faults.arm(at)
    bring_from(registry, opened(source))


@pytest.mark.disk
@pytest.mark.parametrize(("point", "passing"), POINTS, ids=[point.value for point, _ in POINTS])
def test_killed_it_goes_on(tmp_path: Path, point: Point, passing: int) -> None:
    """All that can be read is whole at that moment; in the end all is here, and nothing twice."""
    folder, data = Folder(tmp_path / "source"), tmp_path / "data"
    for repository in REPOSITORIES:
        for number, built in enumerate(IMAGES):
            folder.push(repository, built, f"v{number}", at=day(number))
        folder.push(repository, BOTH, "both", at=day(5))
        folder.push(repository, SIGNATURE, at=day(6))
    chosen = Settings(data=str(data), **backend.current().settings(data))
    startup.prepare(chosen)
    dying = multiprocessing.get_context("fork").Process(
        target=import_and_die, args=(folder.data, chosen, point, passing)
    )
    dying.start()
    dying.join(PATIENCE)
    assert dying.exitcode == -signal.SIGKILL
    with opened_registry(data) as registry:
        storage.account(registry)
        result = bring(registry, folder)
        assert not result.faults
        for repository in REPOSITORIES:
            assert pushed(registry, repository) == {
                **{built.digest: day(number) for number, built in enumerate(IMAGES)},
                BOTH.digest: day(5),
                SIGNATURE.digest: day(6),
            }
            assert tags(registry, repository)["both"] == BOTH.digest
        gc.sweep(registry)
        found = storage.account(registry)
        assert found.blobs == len({digest for built in (*IMAGES, SIGNATURE) for digest in built.digests})
