"""Manifests on their way in: end-7 of the distribution specification."""

import json

import pytest

from careen.oci import media_types
from careen.oci.digest import digest_of
from tests import images
from tests.distribution.client import Client
from tests.distribution.stock import ABSENT, APP, ARM, BOTH, SIGNATURE
from tests.images import Built


def put(
    client: Client, name: str, reference: str, data: bytes, media_type: str | None = None
) -> dict[str, str]:
    """Put a manifest that is taken. Returns the headers of the answer."""
    sent = {} if media_type is None else {"Content-Type": media_type}
    done = client.send("PUT", f"/v2/{name}/manifests/{reference}", data, sent)
    assert (done.status, done.body) == (201, b"")
    return done.headers


def with_blobs(client: Client, name: str, *built: Built) -> None:
    for image in built:
        for blob in image.blobs:
            client.push_blob(name, blob)


@pytest.mark.parametrize("reference", ["v1", APP.digest, digest_of(APP.manifest, "sha512")])
def test_a_manifest_is_put_by_tag_or_digest(client: Client, name: str, reference: str) -> None:
    """201 with the location by digest; the same bytes come back by what it was put under, and by that digest."""
    with_blobs(client, name, APP)
    headers = put(client, name, reference, APP.manifest, APP.media_type)
    digest = reference if ":" in reference else APP.digest
    assert headers["docker-content-digest"] == digest
    assert headers["location"] == f"/v2/{name}/manifests/{digest}"
    assert "oci-subject" not in headers
    for known in {reference, digest}:
        got = client.send("GET", f"/v2/{name}/manifests/{known}")
        assert (got.body, got.headers["docker-content-digest"]) == (APP.manifest, digest)


def as_docker(built: Built, media_type: str) -> bytes:
    """The same manifest, called by Docker's names."""
    body = json.loads(built.manifest) | {"mediaType": media_type}
    for child in body.get("manifests", ()):
        child["mediaType"] = media_types.DOCKER_MANIFEST
    return json.dumps(body, indent=3).encode()


TYPES = {
    "OCI image": (APP.manifest, media_types.OCI_MANIFEST),
    "Docker image": (as_docker(APP, media_types.DOCKER_MANIFEST), media_types.DOCKER_MANIFEST),
    "OCI index": (BOTH.manifest, media_types.OCI_INDEX),
    "Docker list": (as_docker(BOTH, media_types.DOCKER_LIST), media_types.DOCKER_LIST),
    "OCI index of indexes": (images.index(BOTH, APP).manifest, media_types.OCI_INDEX),
    "index of nothing": (images.index().manifest, media_types.OCI_INDEX),
}


@pytest.mark.parametrize("sent", [True, False], ids=["with its type", "without"])
@pytest.mark.parametrize(("data", "media_type"), TYPES.values(), ids=TYPES.keys())
def test_every_kind_of_manifest_comes_back_as_it_came(
    client: Client, name: str, data: bytes, media_type: str, sent: bool
) -> None:
    """Byte for byte, with its own media type, whether the request said it or not."""
    client.push(name, APP)
    client.push(name, ARM)
    client.push_manifest(name, BOTH)
    put(client, name, "v1", data, media_type if sent else None)
    got = client.send("GET", f"/v2/{name}/manifests/v1")
    assert (got.body, got.headers["content-type"]) == (data, media_type)


def test_the_type_of_the_request_counts_where_the_manifest_has_none(client: Client, name: str) -> None:
    """As of images from before manifests said it themselves."""
    with_blobs(client, name, APP)
    body = {key: value for key, value in json.loads(APP.manifest).items() if key != "mediaType"}
    put(client, name, "v1", json.dumps(body).encode(), media_types.DOCKER_MANIFEST)
    got = client.send("HEAD", f"/v2/{name}/manifests/v1")
    assert got.headers["content-type"] == media_types.DOCKER_MANIFEST


def test_putting_it_again_changes_nothing(client: Client, name: str) -> None:
    """Same answer, same tags."""
    with_blobs(client, name, APP)
    first, second = (put(client, name, "v1", APP.manifest) for _ in range(2))
    for header in ("date", "x-request-id"):
        assert first.pop(header)
        assert second.pop(header)
    assert first == second
    assert client.send("GET", f"/v2/{name}/tags/list").json()["tags"] == ["v1"]


def test_a_tag_moves(client: Client, name: str) -> None:
    """To what was put last; what it named before stays, by its digest."""
    with_blobs(client, name, APP, ARM)
    put(client, name, "v1", APP.manifest)
    assert client.send("GET", f"/v2/{name}/manifests/v1").body == APP.manifest
    put(client, name, "v1", ARM.manifest)
    assert client.send("GET", f"/v2/{name}/manifests/v1").body == ARM.manifest
    assert client.send("GET", f"/v2/{name}/manifests/{APP.digest}").body == APP.manifest


def test_a_manifest_with_a_subject_says_so(client: Client, name: str) -> None:
    """``OCI-Subject`` tells the client that it need not keep a list of referrers itself, also if the subject comes later."""
    for built, subject in ((SIGNATURE, APP), (images.artifact("application/x", ABSENT), ABSENT)):
        with_blobs(client, name, built)
        assert put(client, name, built.digest, built.manifest)["oci-subject"] == subject.digest
        listed = client.send("GET", f"/v2/{name}/referrers/{subject.digest}").json()["manifests"]
        assert [entry["digest"] for entry in listed] == [built.digest]


def test_a_blob_of_another_repository_is_not_enough(client: Client, name: str) -> None:
    """What a manifest names must be in its own repository: 404 names each that is not."""
    client.push(f"{name}-other", APP, "v1")
    client.push_blob(name, APP.blobs[0])
    refused = client.send("PUT", f"/v2/{name}/manifests/v1", APP.manifest)
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert all(digest in refused.message for digest in APP.digests[1:])
    assert APP.digests[0] not in refused.message


def test_a_layer_that_lives_elsewhere_is_not_asked_for(client: Client, name: str) -> None:
    """Docker's foreign layers need not be here."""
    with_blobs(client, name, APP)
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"elsewhere"),
        "size": 9,
        "urls": ["https://example.com/layer"],
    }
    body = json.loads(APP.manifest)
    body["layers"].append(foreign)
    put(client, name, "v1", json.dumps(body).encode())


@pytest.mark.parametrize("again", [APP, ARM], ids=["the same image", "another image"])
def test_an_immutable_tag_stays(client: Client, name: str, again: Built) -> None:
    """400 TAG_INVALID with Amazon ECR's sentence, even for the same image; by digest it is taken."""
    ecr = client.server.boto()
    ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    client.push(name, APP, "v1")
    with_blobs(client, name, again)
    refused = client.send("PUT", f"/v2/{name}/manifests/v1", again.manifest)
    assert (refused.status, refused.code) == (400, "TAG_INVALID")
    assert refused.message == (
        f"The image tag 'v1' already exists in the '{name}' repository and cannot be overwritten "
        "because the tag is immutable."
    )
    put(client, name, again.digest, again.manifest)
    assert client.send("GET", f"/v2/{name}/manifests/v1").body == APP.manifest


def test_repositories_may_be_called_anything(client: Client) -> None:
    """Words of the API, and of the program, are names like others."""
    words = (
        "manifests",
        "blobs",
        "blobs/uploads",
        "tags/list",
        "referrers",
        "uploads",
        "manifest",
        "v2",
        "blob",
    )
    for word in words:
        client.push(word, APP, "uploads")
        assert client.send("GET", f"/v2/{word}/manifests/uploads").body == APP.manifest
        assert client.send("GET", f"/v2/{word}/tags/list").json() == {"name": word, "tags": ["uploads"]}


def test_an_answer_for_one_repository_is_never_another_s(client: Client, name: str) -> None:
    """Tags named like repositories, repositories named like what the server remembers: each keeps its own."""
    repository = "repository"
    tag = name.replace("/", "-")
    client.push(repository, APP, tag)
    client.push(tag, ARM, repository)
    for _ in range(2):
        location = client.begin(tag)
        assert client.send("GET", f"/v2/{repository}/manifests/{tag}").body == APP.manifest
        assert client.send("GET", location).status == 204
        assert client.send("GET", f"/v2/{tag}/manifests/{repository}").body == ARM.manifest
