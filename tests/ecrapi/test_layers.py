"""Layers through ECR's own operations: parts in, a signed URL out."""

import urllib.parse
from typing import Any

import pytest

from careen.oci.digest import digest_of
from tests.ecrapi.client import push, refusal, request, upload
from tests.ecrapi.samples import DIGEST, UPLOAD_ID
from tests.images import image
from tests.server import REGISTRY_ID, Server

DATA = b"0123456789" * 10_000
"""A layer larger than what is kept in a row, so that its bytes are a file."""


def begin(ecr: Any, repository: str, *parts: bytes) -> str:
    """An upload with some parts."""
    upload_id: str = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    offset = 0
    for part in parts:
        send(ecr, repository, upload_id, offset, part)
        offset += len(part)
    return upload_id


def send(ecr: Any, repository: str, upload_id: str, first: int, part: bytes, last: int | None = None) -> Any:
    """UploadLayerPart."""
    return ecr.upload_layer_part(
        repositoryName=repository,
        uploadId=upload_id,
        partFirstByte=first,
        partLastByte=first + len(part) - 1 if last is None else last,
        layerPartBlob=part,
    )


def availability(ecr: Any, repository: str, *digests: str) -> list[dict[str, Any]]:
    """What BatchCheckLayerAvailability says of layers."""
    answer = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=list(digests))
    assert answer["failures"] == []
    layers: list[dict[str, Any]] = answer["layers"]
    return layers


def test_a_layer_comes_in_parts(ecr: Any, repository: str) -> None:
    """Each step answers what the next one needs, and in the end the layer is there."""
    started = ecr.initiate_layer_upload(repositoryName=repository)
    assert started["partSize"] == 10 * 1024 * 1024
    digest = digest_of(DATA)
    assert availability(ecr, repository, digest) == [
        {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}
    ]
    for first, last in ((0, 69_999), (70_000, 99_999)):
        answer = send(ecr, repository, started["uploadId"], first, DATA[first : last + 1])
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": REGISTRY_ID,
            "repositoryName": repository,
            "uploadId": started["uploadId"],
            "lastByteReceived": last,
        }
    done = ecr.complete_layer_upload(
        repositoryName=repository, uploadId=started["uploadId"], layerDigests=[DIGEST, digest]
    )
    del done["ResponseMetadata"]
    assert done == {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "uploadId": started["uploadId"],
        "layerDigest": digest,
    }
    assert availability(ecr, repository, digest) == [
        {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": len(DATA)}
    ]


@pytest.mark.parametrize(
    ("first", "last", "data"),
    [
        pytest.param(3, 7, b"after", id="a gap"),
        pytest.param(0, 4, b"again", id="the same part again"),
        pytest.param(5, 5, b"more", id="more bytes than said"),
        pytest.param(5, 20, b"fewer", id="fewer bytes than said"),
    ],
)
def test_a_part_must_follow_on(ecr: Any, repository: str, first: int, last: int, data: bytes) -> None:
    """What does not is refused with the last byte that counts, and the upload goes on from there."""
    upload_id = begin(ecr, repository, b"first")
    refused = refusal(
        ecr.upload_layer_part,
        repositoryName=repository,
        uploadId=upload_id,
        partFirstByte=first,
        partLastByte=last,
        layerPartBlob=data,
    )
    assert refused.code == "InvalidLayerPartException"
    told = {
        name: refused.members[name]
        for name in ("registryId", "repositoryName", "uploadId", "lastValidByteReceived")
    }
    assert told == {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "uploadId": upload_id,
        "lastValidByteReceived": 4,
    }
    assert send(ecr, repository, upload_id, 5, b" second")["lastByteReceived"] == 11


def test_a_wrong_digest_is_refused_and_the_upload_goes_on(ecr: Any, repository: str) -> None:
    """InvalidLayer names both digests; the right one still ends the upload."""
    upload_id = begin(ecr, repository, DATA)
    wrong = {"repositoryName": repository, "uploadId": upload_id, "layerDigests": [DIGEST]}
    refused = refusal(ecr.complete_layer_upload, **wrong)
    assert refused.code == "InvalidLayerException"
    assert DIGEST in refused.message
    assert digest_of(DATA) in refused.message
    ecr.complete_layer_upload(**wrong | {"layerDigests": [digest_of(DATA)]})


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("data", [b"small", DATA], ids=["in a row", "in a file"])
def test_a_layer_has_the_digest_that_the_client_uses(
    ecr: Any, repository: str, algorithm: str, data: bytes
) -> None:
    """Both registered algorithms, for layers of every size."""
    digest = digest_of(data, algorithm)
    upload(ecr, repository, data, digest)
    [layer] = availability(ecr, repository, digest)
    assert (layer["layerAvailability"], layer["layerSize"]) == ("AVAILABLE", len(data))


def test_an_upload_without_a_part_cannot_end(ecr: Any, repository: str) -> None:
    """EmptyUpload, in which a client sees that it forgot to send."""
    upload_id = begin(ecr, repository)
    refused = refusal(
        ecr.complete_layer_upload, repositoryName=repository, uploadId=upload_id, layerDigests=[DIGEST]
    )
    assert refused.code == "EmptyUploadException"
    assert upload_id in refused.message


def test_a_layer_that_is_there_already_is_said_to_be(ecr: Any, repository: str) -> None:
    """LayerAlreadyExists ends the second upload, and the layer stays as it is."""
    upload(ecr, repository, DATA, digest_of(DATA))
    again = begin(ecr, repository, DATA)
    parameters = {"repositoryName": repository, "uploadId": again, "layerDigests": [digest_of(DATA)]}
    refused = refusal(ecr.complete_layer_upload, **parameters)
    assert (refused.code, refused.message) == (
        "LayerAlreadyExistsException",
        (
            f"The layer with digest '{digest_of(DATA)}' already exists within the repository with name '{repository}'"
            f" in the registry with id '{REGISTRY_ID}'"
        ),
    )
    assert refusal(ecr.complete_layer_upload, **parameters).code == "UploadNotFoundException"


def test_an_upload_belongs_to_its_repository_and_ends_once(ecr: Any, repository: str) -> None:
    """Unknown, finished and other repositories' uploads are not found."""
    other = f"{repository}/other"
    ecr.create_repository(repositoryName=other)
    open_there = begin(ecr, other)
    finished = begin(ecr, repository, b"data")
    done = {"repositoryName": repository, "uploadId": finished, "layerDigests": [digest_of(b"data")]}
    ecr.complete_layer_upload(**done)
    for upload_id in (UPLOAD_ID, open_there, finished):
        part = {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"data"}
        lost = {"repositoryName": repository, "uploadId": upload_id}
        assert refusal(ecr.upload_layer_part, **lost, **part).code == "UploadNotFoundException"
        refused = refusal(ecr.complete_layer_upload, **done | lost)
        assert (refused.code, refused.message) == (
            "UploadNotFoundException",
            (
                f"The upload with id '{upload_id}' does not exist within the repository with name '{repository}'"
                f" in the registry with id '{REGISTRY_ID}'"
            ),
        )


def test_availability_is_told_for_each_digest(ecr: Any, repository: str) -> None:
    """Digests that are none are failures of their own and do not spoil the others."""
    upload(ecr, repository, b"here", digest_of(b"here"))
    answer = ecr.batch_check_layer_availability(
        repositoryName=repository, layerDigests=[digest_of(b"here"), "sha256:short", "", DIGEST]
    )
    assert answer["layers"] == [
        {"layerDigest": digest_of(b"here"), "layerAvailability": "AVAILABLE", "layerSize": 4},
        {"layerDigest": DIGEST, "layerAvailability": "UNAVAILABLE"},
    ]
    assert [(failure["layerDigest"], failure["failureCode"]) for failure in answer["failures"]] == [
        ("sha256:short", "InvalidLayerDigest"),
        ("", "MissingLayerDigest"),
    ]


def test_a_layer_of_another_repository_is_not_available(ecr: Any, repository: str) -> None:
    """Repositories share bytes, not rights: a digest alone opens nothing."""
    other = f"{repository}/other"
    ecr.create_repository(repositoryName=other)
    push(ecr, other, built := image("secret"), "1")
    [layer] = availability(ecr, repository, built.digests[1])
    assert layer["layerAvailability"] == "UNAVAILABLE"
    refused = refusal(ecr.get_download_url_for_layer, repositoryName=repository, layerDigest=built.digests[1])
    assert (refused.code, refused.message) == (
        "LayersNotFoundException",
        (
            f"The layer with digest '{built.digests[1]}' does not exist within the repository with name '{repository}'"
            f" in the registry with id '{REGISTRY_ID}'"
        ),
    )


def test_a_layer_that_no_image_needs_has_no_download_url(ecr: Any, repository: str) -> None:
    """As on Amazon ECR: a layer becomes readable with the image that needs it."""
    upload(ecr, repository, DATA, digest_of(DATA))
    refused = refusal(ecr.get_download_url_for_layer, repositoryName=repository, layerDigest=digest_of(DATA))
    assert refused.code == "LayerInaccessibleException"


@pytest.mark.parametrize("size", [64, 100_000], ids=["in a row", "in a file"])
def test_the_download_url_needs_no_credentials(ecr: Any, server: Server, repository: str, size: int) -> None:
    """A plain HTTP client gets the layer's very bytes, whole or in part."""
    built = image("layer", size=size)
    push(ecr, repository, built, "1")
    answer = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=built.digests[1])
    assert answer["layerDigest"] == built.digests[1]
    target = answer["downloadUrl"].removeprefix(server.url)
    whole = request(server, "GET", target)
    assert (whole.status, whole.body) == (200, built.blobs[1])
    part = request(server, "GET", target, headers={"Range": "bytes=2-5"})
    assert (part.status, part.body) == (206, built.blobs[1][2:6])


def test_a_download_url_is_for_one_layer_of_one_repository(ecr: Any, server: Server, repository: str) -> None:
    """Altered in any way it opens nothing, and it never lets anybody change anything."""
    other = f"{repository}/other"
    ecr.create_repository(repositoryName=other)
    built = image("layer")
    push(ecr, repository, built, "1")
    push(ecr, other, built, "1")
    config, layer = built.digests
    url = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=layer)["downloadUrl"]
    good = url.removeprefix(server.url)
    [token] = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["token"]
    middle = len(token) // 2
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for target in (
        good.replace(layer, config),
        good.replace(repository, other),
        good.replace(token, forged),
        good.replace(token, token[:-1]),
        good.replace(token, ""),
        good.partition("?")[0],
        good.replace(f"/blobs/{layer}", "/manifests/1"),
        good.replace(f"/blobs/{layer}", "/blobs/uploads/"),
    ):
        assert request(server, "GET", target).status == 401, target
    request(server, "DELETE", good)
    assert request(server, "GET", good).body == built.blobs[1]
