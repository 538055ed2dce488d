"""Pushing: what must be there before a manifest, and what a manifest brings."""

import json

import pytest

from careen.ecr import errors
from careen.oci import media_types
from careen.oci.digest import digest_of
from careen.registry import archive, images, layers, repositories
from careen.registry.registry import Registry
from tests.images import Built, image, index
from tests.registry.steps import cause, is_whole, push, put, row, upload, with_limits

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.mark.parametrize("size", [64, 100_000], ids=["in rows", "in files"])
def test_what_was_pushed_can_be_pulled(registry: Registry, size: int) -> None:
    """Manifest and blobs come back byte for byte, also after the registry was closed and opened again."""
    built = image("base", "app", size=size)
    done = push(registry, "team/app", built, "1")
    assert (done.created, done.image.tags) == (True, ["1"])
    assert done.image.row.image_size == built.size
    assert is_whole(registry, "team/app", built)


def test_the_same_push_again_changes_nothing(registry: Registry) -> None:
    """The manifest is not new, keeps its time, and its tags stay."""
    first = push(registry, "team/app", image("app"), "1")
    again = push(registry, "team/app", image("app"), "1")
    assert (again.created, again.image) == (False, first.image)


def test_a_push_creates_only_where_the_registry_lets_it(registry: Registry) -> None:
    """Without ``create_on_push`` a missing repository is refused, as on Amazon ECR."""
    strict = with_limits(registry, create_on_push=False)
    with pytest.raises(errors.RepositoryNotFound):
        strict.write_now(repositories.require_for_push, "team/app")
    made = strict.write_now(repositories.create, "team/app")
    assert strict.write_now(repositories.require_for_push, "team/app") == made


def test_a_layer_of_another_repository_must_be_mounted_first(registry: Registry) -> None:
    """A digest alone does not open another repository's bytes; a mount from where it can be read does."""
    built = image("app")
    push(registry, "team/app", built)
    with pytest.raises(errors.LayersNotFound):
        put(registry, "team/copy", built)
    copy = registry.read(repositories.require, "team/copy")
    for digest in built.digests:
        assert not registry.write_now(layers.mount, copy, digest, "team/none")
        assert registry.write_now(layers.mount, copy, digest, "team/app")
    put(registry, "team/copy", built)
    assert is_whole(registry, "team/copy", built)


def test_a_mount_may_leave_the_source_open(registry: Registry) -> None:
    """Without ``from`` any repository will do that has the blob."""
    digest = upload(registry, "team/app", b"layer")
    copy = registry.write_now(repositories.create, "team/copy")
    assert registry.read(layers.sources, digest) == ["team/app"]
    assert registry.write_now(layers.mount, copy, digest, "team/app")
    assert registry.read(layers.sources, digest) == ["team/app", "team/copy"]
    assert registry.read(layers.sources, digest_of(b"unknown")) == []


def test_a_foreign_layer_need_not_be_there(registry: Registry) -> None:
    """Layers that may live elsewhere are not asked for, and do not count."""
    built = image("app")
    manifest = json.loads(built.manifest)
    manifest["layers"].append({"mediaType": FOREIGN, "digest": digest_of(b"elsewhere"), "size": 9})
    foreign = Built(json.dumps(manifest).encode(), built.media_type, built.blobs)
    assert push(registry, "team/app", foreign, "1").image.row.image_size == built.size


@pytest.mark.parametrize("data", [b"", b"wheel"], ids=["empty", "some bytes"])
def test_an_index_may_list_blobs_that_are_no_manifests(registry: Registry, data: bytes) -> None:
    """An artifact that an index lists directly is needed like a layer: it must be there, and then it stays."""
    listed = {"mediaType": "application/vnd.example.wheel", "digest": digest_of(data), "size": len(data)}
    body = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [listed]}
    built = Built(json.dumps(body).encode(), media_types.OCI_INDEX)
    with pytest.raises(errors.ReferencedImagesNotFound):
        put(registry, "team/app", built)
    target = registry.write_now(repositories.require_for_push, "team/app")
    layers.store(registry, target, digest_of(data), data)
    put(registry, "team/app", built, "1")
    with pytest.raises(layers.BlobInUse):
        registry.write_now(layers.delete, "team/app", digest_of(data))


def test_an_index_is_as_large_as_its_largest_image(registry: Registry) -> None:
    """``imageSizeInBytes`` is what a pull on one platform takes, not the sum."""
    small, large = image("small"), image("large", size=5000)
    push(registry, "team/app", small)
    push(registry, "team/app", large)
    assert put(registry, "team/app", index(small, large), "all").image.row.image_size == large.size


def test_the_largest_image_of_an_index_of_indexes_counts(registry: Registry) -> None:
    """Indexes may be nested."""
    built = image("app")
    push(registry, "team/app", built)
    put(registry, "team/app", inner := index(built))
    assert put(registry, "team/app", index(inner)).image.row.image_size == built.size


def test_a_repository_that_is_deleted_during_a_push_takes_nothing_more(registry: Registry) -> None:
    """The bytes that were on their way find no home, and say so."""
    target = registry.write_now(repositories.create, "team/app")
    registry.write_now(repositories.delete, "team/app", cause())
    with pytest.raises(errors.RepositoryNotFound):
        layers.store(registry, target, digest_of(b"late"), b"late")


def test_an_archived_image_comes_back_by_a_push(registry: Registry) -> None:
    """At once, and counting as pushed now; a restore that was under way does not bring it back a second time."""
    built = image("app")
    push(registry, "team/app", built, "1")
    stored = row(registry, "team/app", built)
    assert stored is not None
    registry.write_now(archive.archive_with_referrers, stored)
    registry.write_now(archive.begin_restore, stored._replace(status=archive.ARCHIVED))
    put(registry, "team/app", built, "1")
    back = row(registry, "team/app", built)
    assert back is not None
    assert (back.status, back.pushed_at) == (images.ACTIVE, stored.pushed_at)
    registry.write_now(archive.archive_with_referrers, back)
    registry.write_now(archive.end_restore, back.id)
    away = row(registry, "team/app", built)
    assert away is not None
    assert (away.status, away.activated_at) == (archive.ARCHIVED, back.activated_at)
