"""Deleting: what goes along, what stands in the way, and that the database itself insists."""

import sqlite3

import psycopg
import pytest

from careen.registry import images, layers, repositories
from careen.registry.registry import Registry
from tests.images import artifact, image, index
from tests.registry.steps import cause, delete, digests, push, put, row, upload

SIGNATURE = "application/vnd.example.signature"


def test_referrers_of_referrers_go_along(registry: Registry) -> None:
    """The image first, then all that only describes it; tagged ones too."""
    subject = image("app")
    signature = artifact(SIGNATURE, subject)
    counter = artifact(SIGNATURE, signature, b"counter-signed")
    push(registry, "team/app", subject, "1")
    push(registry, "team/app", signature, "sha256-signature")
    push(registry, "team/app", counter)
    assert delete(registry, "team/app", subject) == [subject.digest, signature.digest, counter.digest]
    assert digests(registry, "team/app") == set()


def test_a_referrer_that_an_index_lists_stays(registry: Registry) -> None:
    """It has a purpose of its own, and so has what refers to it."""
    subject, signature = image("app"), artifact(SIGNATURE, image("app"))
    counter = artifact(SIGNATURE, signature, b"counter-signed")
    for built in (subject, signature, counter):
        push(registry, "team/app", built)
    put(registry, "team/app", listing := index(signature))
    assert delete(registry, "team/app", subject) == [subject.digest]
    assert digests(registry, "team/app") == {signature.digest, counter.digest, listing.digest}


def test_referrers_in_other_repositories_stay(registry: Registry) -> None:
    """A subject is meant in the same repository only."""
    subject, signature = image("app"), artifact(SIGNATURE, image("app"))
    push(registry, "team/app", subject)
    push(registry, "team/other", signature)
    delete(registry, "team/app", subject)
    assert digests(registry, "team/other") == {signature.digest}


def test_an_index_holds_what_it_lists(registry: Registry) -> None:
    """By digest and by last tag; the index first, then its images."""
    child = image("app")
    push(registry, "team/app", child, "amd64")
    push(registry, "team/app", child, "1")
    put(registry, "team/app", one := index(child), "all")
    put(registry, "team/app", two := index(child, child))
    repository = registry.read(repositories.require, "team/app")
    with pytest.raises(images.ImageReferenced) as caught:
        delete(registry, "team/app", child)
    held_by = ", ".join(sorted({one.digest, two.digest}))
    assert str(caught.value) == f"Requested image referenced by manifest list: [{held_by}]"
    registry.write_now(images.delete_by_tag, repository, "1", cause())
    with pytest.raises(images.ImageReferenced):
        registry.write_now(images.delete_by_tag, repository, "amd64", cause())
    delete(registry, "team/app", one)
    delete(registry, "team/app", two)
    assert delete(registry, "team/app", child) == [child.digest]


def test_a_tag_may_go_without_its_image(registry: Registry) -> None:
    """The OCI way: the image stays, untagged."""
    built = image("app")
    push(registry, "team/app", built, "1")
    repository = registry.read(repositories.require, "team/app")
    assert registry.write_now(images.untag, repository, "1")
    assert not registry.write_now(images.untag, repository, "1")
    assert registry.write_now(images.delete_by_tag, repository, "1", cause()) is None
    assert digests(registry, "team/app") == {built.digest}


def test_what_is_not_there_is_no_error(registry: Registry) -> None:
    """Nothing went, and that is the answer."""
    push(registry, "team/app", image("app"))
    assert delete(registry, "team/app", image("other")) == []
    assert not registry.write_now(layers.delete, "team/app", image("other").digests[0])


def test_a_blob_that_an_image_needs_is_not_deleted(registry: Registry) -> None:
    """One that none needs is; in other repositories it stays."""
    built = image("app")
    push(registry, "team/app", built)
    with pytest.raises(layers.BlobInUse):
        registry.write_now(layers.delete, "team/app", built.digests[0])
    for name in ("team/app", "team/other"):
        digest = upload(registry, name, b"alone")
    assert registry.write_now(layers.delete, "team/app", digest)
    assert registry.read(layers.find, "team/app", digest) is None
    assert registry.read(layers.find, "team/other", digest) is not None


def test_a_deleted_repository_takes_all_of_it_along(registry: Registry) -> None:
    """Images, tags, indexes and links; what other repositories have of the same blobs stays."""
    shared, own = image("base", "shared"), image("base", "own")
    push(registry, "team/other", shared, "1")
    for built in (shared, own):
        push(registry, "team/app", built)
    put(registry, "team/app", index(shared, own), "all")
    registry.write_now(repositories.delete, "team/app", cause(), force=True)
    assert registry.read(repositories.find, "team/app") is None
    assert registry.read(images.pullable, "team/app", "all") is None
    left = registry.read(lambda tx: {row[0] for row in tx.rows.execute("SELECT digest FROM blobs")})
    assert left == set(shared.digests)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM blobs",
        "DELETE FROM repository_blobs",
        "DELETE FROM manifests WHERE digest = :child",
        "UPDATE manifest_blobs SET digest = 'sha256:none'",
    ],
)
def test_the_database_itself_keeps_what_is_needed(registry: Registry, statement: str) -> None:
    """Foreign keys refuse what no caller may do, if one should ever try."""
    child = image("app")
    push(registry, "team/app", child)
    put(registry, "team/app", index(child))
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        registry.write_now(
            lambda tx: tx.rows.execute(statement, {"child": child.digest} if ":" in statement else {})
        )
    assert row(registry, "team/app", child) is not None
