"""The archive storage class: there, invisible, and back."""

import datetime as dt
from typing import Any

import pytest

from tests.ecrapi.client import basic, oci_get, push, refusal, request
from tests.ecrapi.samples import DIGEST
from tests.images import Built, artifact, image, index
from tests.server import REGISTRY_ID, Server
from tests.waiting import found

SIGNATURE = "application/vnd.example.signature"


def move(ecr: Any, repository: str, to: str, **image_id: str) -> dict[str, Any]:
    """UpdateImageStorageClass."""
    answer: dict[str, Any] = ecr.update_image_storage_class(
        repositoryName=repository, imageId=image_id, targetStorageClass=to
    )
    return answer


def describe(ecr: Any, repository: str, built: Built) -> dict[str, Any]:
    """One image's details."""
    [detail] = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": built.digest}])[
        "imageDetails"
    ]
    described: dict[str, Any] = detail
    return described


def wait_until_active(ecr: Any, repository: str, built: Built) -> dict[str, Any]:
    """A restored image's details, once it is back. The API's model has no waiter for this."""

    def active() -> dict[str, Any] | None:
        detail = describe(ecr, repository, built)
        assert detail["imageStatus"] in {"ACTIVE", "ACTIVATING"}
        return detail if detail["imageStatus"] == "ACTIVE" else None

    return found(active, "the image is still on its way")


def listed(ecr: Any, repository: str, status: str | None) -> set[str]:
    """Digests that ListImages and DescribeImages tell, which must agree."""
    selected = {} if status is None else {"filter": {"imageStatus": status}}
    ids = ecr.list_images(repositoryName=repository, **selected)["imageIds"]
    details = ecr.describe_images(repositoryName=repository, **selected)["imageDetails"]
    told = {one["imageDigest"] for one in ids}
    assert told == {one["imageDigest"] for one in details}
    return told


def test_an_image_goes_to_the_archive_and_comes_back(ecr: Any, server: Server, repository: str) -> None:
    """While it is away it cannot be pulled in either language; it comes back with its tags, and says when."""
    built = image("layer")
    push(ecr, repository, built, "1")
    answer = move(ecr, repository, "ARCHIVE", imageTag="1")
    assert (answer["registryId"], answer["repositoryName"], answer["imageStatus"]) == (
        REGISTRY_ID,
        repository,
        "ARCHIVED",
    )
    assert answer["imageId"] == {"imageDigest": built.digest, "imageTag": "1"}
    archived = describe(ecr, repository, built)
    assert dt.datetime.now(dt.UTC) - archived["lastArchivedAt"] < dt.timedelta(minutes=1)
    assert "lastActivatedAt" not in archived
    for reference in ("1", built.digest):
        assert oci_get(server, repository, reference).status == 404
    [failure] = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])["failures"]
    assert failure["failureCode"] == "ImageNotFound"
    assert move(ecr, repository, "STANDARD", imageDigest=built.digest)["imageStatus"] == "ACTIVATING"
    restored = wait_until_active(ecr, repository, built)
    assert restored["imageTags"] == ["1"]
    assert restored["lastArchivedAt"] == archived["lastArchivedAt"] <= restored["lastActivatedAt"]
    assert restored["imagePushedAt"] == archived["imagePushedAt"]
    assert oci_get(server, repository, "1").body == built.manifest


def test_listings_tell_active_images_unless_asked_for_others(ecr: Any, repository: str) -> None:
    """The filter imageStatus, in both listings: ACTIVE is the default, ANY is everything."""
    active, archived = image("active"), image("archived")
    push(ecr, repository, active, "1")
    push(ecr, repository, archived)
    move(ecr, repository, "ARCHIVE", imageDigest=archived.digest)
    assert listed(ecr, repository, None) == listed(ecr, repository, "ACTIVE") == {active.digest}
    assert listed(ecr, repository, "ARCHIVED") == {archived.digest}
    assert listed(ecr, repository, "ACTIVATING") == set()
    assert listed(ecr, repository, "ANY") == {active.digest, archived.digest}
    both = {"repositoryName": repository, "filter": {"imageStatus": "ANY", "tagStatus": "UNTAGGED"}}
    assert [one["imageDigest"] for one in ecr.list_images(**both)["imageIds"]] == [archived.digest]


def test_layers_are_archived_when_every_image_that_needs_them_is(ecr: Any, repository: str) -> None:
    """BatchCheckLayerAvailability tells shared layers from those that are needed no longer."""
    one, two = image("base", "one"), image("base", "two")
    push(ecr, repository, one, "1")
    push(ecr, repository, two, "2")
    move(ecr, repository, "ARCHIVE", imageTag="1")
    layers = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=one.digests)["layers"]
    assert [layer["layerAvailability"] for layer in layers] == ["ARCHIVED", "AVAILABLE", "ARCHIVED"]


def test_pushing_an_archived_image_restores_it_at_once(ecr: Any, server: Server, repository: str) -> None:
    """As on Amazon ECR; the image keeps the time of its first push."""
    built = image("layer")
    push(ecr, repository, built, "1")
    pushed_at = describe(ecr, repository, built)["imagePushedAt"]
    move(ecr, repository, "ARCHIVE", imageTag="1")
    ecr.put_image(repositoryName=repository, imageManifest=built.manifest.decode(), imageTag="1")
    restored = describe(ecr, repository, built)
    assert (restored["imageStatus"], restored["imagePushedAt"]) == ("ACTIVE", pushed_at)
    assert restored["lastActivatedAt"] >= restored["lastArchivedAt"]
    assert oci_get(server, repository, "1").status == 200


def test_an_archived_image_can_be_deleted(ecr: Any, repository: str) -> None:
    """BatchDeleteImage finds it by tag and by digest."""
    built = image("layer")
    push(ecr, repository, built, "1")
    move(ecr, repository, "ARCHIVE", imageTag="1")
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])
    assert listed(ecr, repository, "ANY") == set()


def test_referrers_go_to_the_archive_and_come_back_with_their_subject(
    ecr: Any, server: Server, repository: str
) -> None:
    """ListImageReferrers tells where they are; the OCI list tells only those that can be pulled."""
    subject = image("subject")
    push(ecr, repository, subject, "1")
    push(ecr, repository, signature := artifact(SIGNATURE, subject))
    wanted = {"repositoryName": repository, "subjectId": {"imageDigest": subject.digest}}
    move(ecr, repository, "ARCHIVE", imageTag="1")
    assert ecr.list_image_referrers(**wanted)["referrers"] == []
    [archived] = ecr.list_image_referrers(**wanted, filter={"artifactStatus": "ARCHIVED"})["referrers"]
    assert (archived["digest"], archived["artifactStatus"]) == (signature.digest, "ARCHIVED")
    assert len(ecr.list_image_referrers(**wanted, filter={"artifactStatus": "ANY"})["referrers"]) == 1
    assert oci_get(server, repository, signature.digest).status == 404
    move(ecr, repository, "STANDARD", imageTag="1")
    wait_until_active(ecr, repository, subject)
    wait_until_active(ecr, repository, signature)
    assert len(ecr.list_image_referrers(**wanted)["referrers"]) == 1


def test_an_image_of_an_active_index_cannot_be_archived_before_it(ecr: Any, repository: str) -> None:
    """First the index, then what it lists."""
    child = image("child")
    push(ecr, repository, child)
    push(ecr, repository, parent := index(child), "all")
    by_digest = {"repositoryName": repository, "imageId": {"imageDigest": child.digest}}
    refused = refusal(ecr.update_image_storage_class, **by_digest, targetStorageClass="ARCHIVE")
    assert refused.code == "ImageStorageClassUpdateNotSupportedException"
    assert parent.digest in refused.message
    move(ecr, repository, "ARCHIVE", imageTag="all")
    move(ecr, repository, "ARCHIVE", imageDigest=child.digest)
    assert listed(ecr, repository, None) == set()


@pytest.mark.parametrize("target", ["STANDARD", "ARCHIVE"])
def test_an_image_that_is_there_already_does_not_move(ecr: Any, repository: str, target: str) -> None:
    """Restoring an active image and archiving an archived one are refused."""
    push(ecr, repository, image("layer"), "1")
    if target == "ARCHIVE":
        move(ecr, repository, target, imageTag="1")
    same = {"repositoryName": repository, "imageId": {"imageTag": "1"}, "targetStorageClass": target}
    refused = refusal(ecr.update_image_storage_class, **same)
    assert refused.code == "ImageStorageClassUpdateNotSupportedException"


@pytest.mark.parametrize("image_id", [{"imageTag": "absent"}, {"imageDigest": DIGEST}, {}])
def test_an_unknown_image_does_not_move(ecr: Any, repository: str, image_id: dict[str, str]) -> None:
    """ImageNotFound."""
    unknown = {"repositoryName": repository, "imageId": image_id, "targetStorageClass": "ARCHIVE"}
    assert refusal(ecr.update_image_storage_class, **unknown).code == "ImageNotFoundException"


def test_an_archived_tag_is_not_listed_to_oci_clients(ecr: Any, server: Server, repository: str) -> None:
    """What tags/list tells can be pulled."""
    push(ecr, repository, image("active"), "1")
    push(ecr, repository, image("archived"), "2")
    move(ecr, repository, "ARCHIVE", imageTag="2")
    tags = request(server, "GET", f"/v2/{repository}/tags/list", headers=basic())
    assert tags.body == f'{{"name":"{repository}","tags":["1"]}}'.encode()
