"""Images of public repositories through ECR Public's operations."""

import base64
import datetime as dt
from typing import Any

from tests.ecrapi.client import push, refusal, request
from tests.images import image
from tests.server import REGISTRY_ID, Server

DIGEST = f"sha256:{0:064x}"


def test_an_image_is_pushed_by_layers(server: Server, ecr: Any, ecr_public: Any, repository: str) -> None:
    """In parts; answers and refusals have the short name. Anybody gets it then, and ECR has it under the whole name."""
    built = image("base", "app", size=70_000)
    layer = {"repositoryName": repository, "layerDigests": [built.digests[1]]}
    (before,) = ecr_public.batch_check_layer_availability(**layer)["layers"]
    assert before == {"layerDigest": built.digests[1], "layerAvailability": "UNAVAILABLE"}
    push(ecr_public, repository, built, "1")
    (after,) = ecr_public.batch_check_layer_availability(**layer)["layers"]
    assert (after["layerAvailability"], after["layerSize"]) == ("AVAILABLE", len(built.blobs[1]))
    pulled = request(server, "GET", f"/v2/public/{repository}/manifests/1")
    assert (pulled.status, pulled.body) == (200, built.manifest)
    listed = ecr.list_images(repositoryName=f"public/{repository}")["imageIds"]
    assert listed == [{"imageDigest": built.digest, "imageTag": "1"}]


def test_a_put_that_changes_nothing_is_refused(ecr_public: Any, repository: str) -> None:
    """As on ECR, and by the short name; so is a manifest without its layers."""
    built = image("app")
    put = {"repositoryName": repository, "imageManifest": built.manifest.decode(), "imageTag": "1"}
    refused = refusal(ecr_public.put_image, **put)
    assert (refused.code, f"'{repository}'" in refused.message) == ("LayersNotFoundException", True)
    push(ecr_public, repository, built, "1")
    refused = refusal(ecr_public.put_image, **put)
    assert (refused.code, f"'{repository}'" in refused.message) == ("ImageAlreadyExistsException", True)
    answer = ecr_public.put_image(**put | {"imageTag": "2"})["image"]
    assert (answer["repositoryName"], answer["registryId"]) == (repository, REGISTRY_ID)
    refused = refusal(ecr_public.put_image, **put, imageDigest=DIGEST)
    assert refused.code == "ImageDigestDoesNotMatchException"


def test_a_part_that_does_not_follow_says_where_to_go_on(ecr_public: Any, repository: str) -> None:
    """The exception's members have the short name, too."""
    upload = {"repositoryName": repository} | {
        "uploadId": ecr_public.initiate_layer_upload(repositoryName=repository)["uploadId"]
    }
    part = upload | {"partFirstByte": 5, "partLastByte": 9, "layerPartBlob": b"bytes"}
    refused = refusal(ecr_public.upload_layer_part, **part)
    assert refused.code == "InvalidLayerPartException"
    assert (refused.members["repositoryName"], refused.members["lastValidByteReceived"]) == (repository, -1)
    assert (
        refusal(ecr_public.complete_layer_upload, **upload, layerDigests=[DIGEST]).code
        == "EmptyUploadException"
    )
    answer = ecr_public.upload_layer_part(**part | {"partFirstByte": 0, "partLastByte": 4})
    assert (answer["repositoryName"], answer["lastByteReceived"]) == (repository, 4)
    assert (
        refusal(ecr_public.complete_layer_upload, **upload, layerDigests=[DIGEST]).code
        == "InvalidLayerException"
    )


def test_images_are_described_without_what_is_private(ecr_public: Any, repository: str) -> None:
    """By page and by id: no pull times, no storage class, no status."""
    pushed = sorted(push(ecr_public, repository, image(f"app {number}"), f"v{number}") for number in range(5))
    pages = ecr_public.get_paginator("describe_images").paginate(
        repositoryName=repository, PaginationConfig={"PageSize": 2}
    )
    details = [detail for page in pages for detail in page["imageDetails"]]
    assert [detail["imageDigest"] for detail in details] == pushed
    assert {detail["repositoryName"] for detail in details} == {repository}
    assert set(details[0]) == {
        *("registryId", "repositoryName", "imageDigest", "imageTags"),
        *("imageSizeInBytes", "imagePushedAt", "imageManifestMediaType", "artifactMediaType"),
    }
    wanted = {"repositoryName": repository, "imageIds": [{"imageTag": "v3"}]}
    (one,) = ecr_public.describe_images(**wanted)["imageDetails"]
    assert one["imageTags"] == ["v3"]
    assert refusal(ecr_public.describe_images, **wanted, maxResults=1).code == "InvalidParameterException"
    refused = refusal(ecr_public.describe_images, repositoryName=repository, imageIds=[{"imageTag": "v9"}])
    assert (refused.code, f"'{repository}'" in refused.message) == ("ImageNotFoundException", True)


def test_tags_are_described_by_page(ecr_public: Any, repository: str) -> None:
    """One entry per tag, by name, with its image; an untagged image has none."""
    first, second = (push(ecr_public, repository, image(text), text) for text in ("one", "two"))
    for tag in ("three", "four"):
        ecr_public.put_image(
            repositoryName=repository, imageManifest=image("one").manifest.decode(), imageTag=tag
        )
    push(ecr_public, repository, image("untagged"))
    pages = ecr_public.get_paginator("describe_image_tags").paginate(
        repositoryName=repository, PaginationConfig={"PageSize": 3}
    )
    found = [detail for page in pages for detail in page["imageTagDetails"]]
    assert {detail["imageTag"]: detail["imageDetail"]["imageDigest"] for detail in found} == {
        "four": first, "one": first, "three": first, "two": second
    }  # fmt: skip
    assert [detail["imageTag"] for detail in found] == ["four", "one", "three", "two"]
    assert all(detail["createdAt"] >= detail["imageDetail"]["imagePushedAt"] for detail in found)
    refused = refusal(ecr_public.describe_image_tags, repositoryName=repository, nextToken="none")
    assert refused.code == "InvalidParameterException"


def test_images_are_deleted(ecr_public: Any, repository: str) -> None:
    """By tag and by digest, with failures for what is not there."""
    digest = push(ecr_public, repository, image("app"), "1")
    ids = [{"imageTag": "1"}, {"imageDigest": DIGEST}, {}]
    answer = ecr_public.batch_delete_image(repositoryName=repository, imageIds=ids)
    assert answer["imageIds"] == [{"imageDigest": digest, "imageTag": "1"}]
    codes = [failure["failureCode"] for failure in answer["failures"]]
    assert codes == ["ImageNotFound", "MissingDigestAndTag"]


def test_an_archived_layer_is_there_for_a_push(ecr: Any, ecr_public: Any, repository: str) -> None:
    """ECR Public's model knows of no archive; its images are not listed, as ECR does not list them either."""
    built = image("archived")
    push(ecr_public, repository, built, "1")
    ecr.update_image_storage_class(
        repositoryName=f"public/{repository}", imageId={"imageTag": "1"}, targetStorageClass="ARCHIVE"
    )
    checked = ecr_public.batch_check_layer_availability(
        repositoryName=repository, layerDigests=[built.digests[0]]
    )
    assert [layer["layerAvailability"] for layer in checked["layers"]] == ["AVAILABLE"]
    assert ecr_public.describe_images(repositoryName=repository)["imageDetails"] == []
    assert ecr_public.describe_image_tags(repositoryName=repository)["imageTagDetails"] == []


def test_a_token_is_good_for_both_ways_to_send_it(server: Server, ecr_public: Any) -> None:
    """``docker login`` sends its user and password as Basic; ECR Public's own documentation sends it whole, as Bearer."""
    data = ecr_public.get_authorization_token()["authorizationData"]
    assert set(data) == {"authorizationToken", "expiresAt"}
    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    assert data["expiresAt"] > dt.datetime.now(dt.UTC) + dt.timedelta(hours=11)
    for scheme in ("Basic", "Bearer"):
        headers = {"Authorization": f"{scheme} {data['authorizationToken']}"}
        assert request(server, "GET", "/v2/", headers=headers).status == 200
