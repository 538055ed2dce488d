"""Previews from rows to rows: one at a time, the latest counts, and nothing else changes."""

import pytest

from careen.db.tables import metadata
from careen.ecr import errors
from careen.registry import lifecycle, previews, repositories
from careen.registry.registry import Registry, Transaction
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.registry.steps import cause, push, stored_bytes

APP = "team/app"


def contents(registry: Registry) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but those of previews and jobs."""

    def read(tx: Transaction) -> dict[str, list[tuple[object, ...]]]:
        kept = [name for name in metadata.tables if not name.startswith(("lifecycle_preview", "jobs"))]
        return {name: tx.rows.execute(f"SELECT * FROM {name}").fetchall() for name in kept}

    return registry.read(read)


def test_a_preview_changes_nothing(registry: Registry) -> None:
    """Whatever it finds, rows and bytes are as they were."""
    for number in range(3):
        push(registry, APP, image(f"layer {number}", size=70_000), f"v{number}")
    before, size = contents(registry), stored_bytes(registry)
    registry.write_now(previews.start, APP, KEEP_ONE)
    previews.compute(registry, registry.read(repositories.require, APP).id)
    _, preview, counts = registry.read(previews.get, APP)
    assert (preview.status, counts) == (previews.COMPLETE, {"EXPIRE": 2})
    assert (contents(registry), stored_bytes(registry)) == (before, size)


def test_one_preview_at_a_time(registry: Registry) -> None:
    """Until it is complete or given up, another is refused in ECR's words; then it takes the old one's place."""
    found = registry.write_now(repositories.create, APP)
    registry.write_now(previews.start, APP, KEEP_ONE)
    with pytest.raises(errors.LifecyclePolicyPreviewInProgress) as caught:
        registry.write_now(previews.start, APP, KEEP_ONE)
    assert caught.value.message.startswith(
        "The previous lifecycle policy preview has not completed for the repository"
    )
    registry.write_now(previews.fail, found.id)
    assert registry.read(previews.get, APP)[1].status == previews.FAILED
    registry.write_now(previews.start, APP, KEEP_ONE)
    previews.compute(registry, found.id)
    previews.compute(registry, found.id)
    assert registry.read(previews.get, APP)[1].status == previews.COMPLETE
    registry.write_now(previews.fail, found.id)
    assert registry.read(previews.get, APP)[1].status == previews.COMPLETE


def test_a_preview_of_a_deleted_repository_comes_to_nothing(registry: Registry) -> None:
    """The worker finds nothing to do, and nothing to fail."""
    found = registry.write_now(repositories.create, APP)
    registry.write_now(previews.start, APP, KEEP_ONE)
    registry.write_now(repositories.delete, APP, cause())
    previews.compute(registry, found.id)
    registry.write_now(previews.fail, found.id)


def test_a_deleted_policy_cannot_be_previewed(registry: Registry) -> None:
    """Without text the stored policy is previewed; there must be one."""
    registry.write_now(repositories.create, APP)
    registry.write_now(lifecycle.put_policy, APP, KEEP_ONE)
    registry.write_now(lifecycle.delete_policy, APP)
    with pytest.raises(errors.LifecyclePolicyNotFound):
        registry.write_now(previews.start, APP, None)
