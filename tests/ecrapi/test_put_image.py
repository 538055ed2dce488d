"""PutImage and BatchGetImage."""

import json
from typing import Any

import pytest

from careen.oci import media_types
from careen.oci.digest import digest_of
from tests.ecrapi.client import push, refusal, upload
from tests.ecrapi.samples import DIGEST
from tests.images import CONFIG, Built, image, index
from tests.server import REGISTRY_ID


def upload_blobs(ecr: Any, repository: str, built: Built) -> None:
    """All that must be there before the manifest."""
    for data, digest in zip(built.blobs, built.digests, strict=True):
        upload(ecr, repository, data, digest)


def within(repository: str) -> str:
    """How ECR's sentences name a repository."""
    return f"repository with name '{repository}' in the registry with id '{REGISTRY_ID}'"


def test_an_image_is_answered_as_it_was_put(ecr: Any, repository: str) -> None:
    """PutImage and BatchGetImage answer the very text of the manifest, with what it is called."""
    built = image("base", "app")
    upload_blobs(ecr, repository, built)
    expected = {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "imageId": {"imageDigest": built.digest, "imageTag": "1"},
        "imageManifest": built.manifest.decode(),
        "imageManifestMediaType": media_types.OCI_MANIFEST,
    }
    put = ecr.put_image(
        repositoryName=repository,
        imageManifest=built.manifest.decode(),
        imageTag="1",
        imageDigest=built.digest,
        imageManifestMediaType=media_types.OCI_MANIFEST,
    )
    assert put["image"] == expected
    got = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])
    assert (got["images"], got["failures"]) == ([expected], [])


def test_an_image_may_come_without_a_tag(ecr: Any, repository: str) -> None:
    """Then its digest is its name."""
    built = image("untagged")
    push(ecr, repository, built)
    [got] = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": built.digest}])["images"]
    assert got["imageId"] == {"imageDigest": built.digest}


def test_one_image_may_have_many_tags_and_a_tag_moves(ecr: Any, repository: str) -> None:
    """A put with another tag adds it; a put of another image with the tag moves it, and the first keeps the rest."""
    old, new = image("old"), image("new")
    push(ecr, repository, old, "1.0")
    push(ecr, repository, old, "latest")
    push(ecr, repository, new, "latest")
    described = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert {one["imageDigest"]: one["imageTags"] for one in described} == {
        old.digest: ["1.0"],
        new.digest: ["latest"],
    }


@pytest.mark.parametrize("tag", ["1", None])
def test_a_put_that_changes_nothing_is_refused(ecr: Any, repository: str, tag: str | None) -> None:
    """ImageAlreadyExists, as on Amazon ECR; scripts rely on seeing it."""
    built = image("layer")
    push(ecr, repository, built, tag)
    named = {"imageTag": tag} if tag else {}
    refused = refusal(
        ecr.put_image, repositoryName=repository, imageManifest=built.manifest.decode(), **named
    )
    where = f"repository with name '{repository}' in registry with id '{REGISTRY_ID}'"
    assert (refused.code, refused.message) == (
        "ImageAlreadyExistsException",
        f"Image with digest '{built.digest}' and tag '{tag or 'null'}' already exists in the {where}",
    )


def test_every_layer_must_be_there_before_the_manifest(ecr: Any, repository: str) -> None:
    """LayersNotFound names exactly what is missing; nothing of the put remains."""
    built = image("base", "app")
    config, base, app = built.digests
    upload(ecr, repository, built.blobs[1], base)
    put = {"repositoryName": repository, "imageManifest": built.manifest.decode(), "imageTag": "1"}
    refused = refusal(ecr.put_image, **put)
    assert (refused.code, refused.message) == (
        "LayersNotFoundException",
        f"Layers with digests '[{config}, {app}]' required for pushing image into {within(repository)} do not exist",
    )
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []
    upload_blobs(ecr, repository, built)
    ecr.put_image(**put)


def test_every_image_of_an_index_must_be_there_before_it(ecr: Any, repository: str) -> None:
    """ReferencedImagesNotFound names exactly what is missing."""
    here, missing = image("here"), image("missing")
    push(ecr, repository, here)
    refused = refusal(
        ecr.put_image, repositoryName=repository, imageManifest=index(here, missing).manifest.decode()
    )
    assert (refused.code, refused.message) == (
        "ReferencedImagesNotFoundException",
        f"Images with digests '[{missing.digest}]' required for pushing image into {within(repository)} do not exist",
    )


@pytest.mark.parametrize(
    "digest", [DIGEST, "sha256:short", "md5:d41d8cd98f00b204e9800998ecf8427e", "shake_128:00", "nonsense"]
)
def test_a_digest_that_is_not_the_manifests_is_refused(ecr: Any, repository: str, digest: str) -> None:
    """Whatever is given for a digest is compared, never trusted."""
    built = image("layer")
    upload_blobs(ecr, repository, built)
    put = {"repositoryName": repository, "imageManifest": built.manifest.decode()}
    assert refusal(ecr.put_image, **put, imageDigest=digest).code == "ImageDigestDoesNotMatchException"
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []


def test_an_image_may_be_named_by_its_sha512(ecr: Any, repository: str) -> None:
    """The digest's algorithm is the client's choice among the registered ones."""
    built = image("layer")
    upload_blobs(ecr, repository, built)
    digest = digest_of(built.manifest, "sha512")
    put = ecr.put_image(
        repositoryName=repository, imageManifest=built.manifest.decode(), imageDigest=digest, imageTag="1"
    )
    assert put["image"]["imageId"]["imageDigest"] == digest


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param("not JSON", id="no JSON"),
        pytest.param("[]", id="no object"),
        pytest.param('{"schemaVersion":1}', id="schema 1"),
        pytest.param('{"schemaVersion":2}', id="neither image nor index"),
        pytest.param(json.dumps({"schemaVersion": 2, "layers": []}), id="no config"),
        pytest.param(
            json.dumps(
                {"schemaVersion": 2, "config": {"mediaType": CONFIG, "digest": "x", "size": 1}, "layers": []}
            ),
            id="a digest that is none",
        ),
        pytest.param("[" * 100_000, id="deeply nested"),
    ],
)
def test_what_is_no_manifest_is_refused(ecr: Any, repository: str, manifest: str) -> None:
    """InvalidParameter at ImageManifest, with what is wrong."""
    refused = refusal(ecr.put_image, repositoryName=repository, imageManifest=manifest)
    assert refused.code == "InvalidParameterException"
    assert refused.message.startswith("Invalid parameter at 'ImageManifest' failed to satisfy constraint: '")


@pytest.mark.parametrize("tag", ["with space", "a/b", "-dash", ".dot", "ü", "a" * 129, "a\nb", "a:b"])
def test_what_is_no_tag_is_refused(ecr: Any, repository: str, tag: str) -> None:
    """A tag that no client could pull is not set; asked for in a batch, it is a failure of its own."""
    built = image("layer")
    upload_blobs(ecr, repository, built)
    refused = refusal(
        ecr.put_image, repositoryName=repository, imageManifest=built.manifest.decode(), imageTag=tag
    )
    assert refused.code == "InvalidParameterException"
    assert "imageTag" in refused.message
    [failure] = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])["failures"]
    assert failure["failureCode"] == "InvalidImageTag"


def test_the_largest_tag_is_taken(ecr: Any, repository: str) -> None:
    """128 characters, by the OCI specification."""
    push(ecr, repository, image("layer"), "a" * 128)


def test_what_cannot_be_got_is_a_failure_of_its_own(ecr: Any, repository: str) -> None:
    """A batch answers what it can; each of the others says why not, in Amazon's words."""
    one, two = image("one"), image("two")
    push(ecr, repository, one, "1")
    push(ecr, repository, two, "2")
    got = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[
            {"imageTag": "1"},
            {"imageTag": "absent"},
            {"imageDigest": DIGEST},
            {"imageDigest": "short"},
            {},
            {"imageDigest": one.digest, "imageTag": "2"},
            {"imageDigest": two.digest, "imageTag": "2"},
        ],
    )
    assert [found["imageId"]["imageDigest"] for found in got["images"]] == [one.digest, two.digest]
    assert [
        (failure["imageId"], failure["failureCode"], failure["failureReason"]) for failure in got["failures"]
    ] == [
        ({"imageTag": "absent"}, "ImageNotFound", "Requested image not found"),
        ({"imageDigest": DIGEST}, "ImageNotFound", "Requested image not found"),
        (
            {"imageDigest": "short"},
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        ({}, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"),
        (
            {"imageDigest": one.digest, "imageTag": "2"},
            "ImageTagDoesNotMatchDigest",
            "Requested image tag does not match the requested image digest",
        ),
    ]


def test_the_accepted_media_types_do_not_change_what_is_answered(ecr: Any, repository: str) -> None:
    """A manifest is answered as it was pushed: its digest is over its bytes."""
    built = image("layer")
    push(ecr, repository, built, "1")
    [got] = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageTag": "1"}],
        acceptedMediaTypes=[media_types.DOCKER_MANIFEST],
    )["images"]
    assert digest_of(got["imageManifest"].encode()) == built.digest
