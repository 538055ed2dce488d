"""BatchDeleteImage: by tag, by digest, and what stands in the way."""

from typing import Any

from tests.ecrapi.client import push
from tests.ecrapi.samples import DIGEST
from tests.images import artifact, image, index


def delete(
    ecr: Any, repository: str, *image_ids: dict[str, str]
) -> tuple[list[dict[str, str]], list[tuple[Any, str]]]:
    """What went, and what failed with which code."""
    answer = ecr.batch_delete_image(repositoryName=repository, imageIds=list(image_ids))
    return answer["imageIds"], [
        (failure["imageId"], failure["failureCode"]) for failure in answer["failures"]
    ]


def digests(ecr: Any, repository: str) -> set[str]:
    """What is left."""
    return {one["imageDigest"] for one in ecr.list_images(repositoryName=repository)["imageIds"]}


def test_a_tag_goes_and_the_image_with_its_last_one(ecr: Any, repository: str) -> None:
    """Deleting by tag removes that tag; the image stays while it has another."""
    built = image("layer")
    push(ecr, repository, built, "1")
    push(ecr, repository, built, "latest")
    named = {"imageDigest": built.digest, "imageTag": "1"}
    assert delete(ecr, repository, {"imageTag": "1"}) == ([named], [])
    assert ecr.list_images(repositoryName=repository)["imageIds"] == [named | {"imageTag": "latest"}]
    assert delete(ecr, repository, {"imageTag": "latest"}) == ([named | {"imageTag": "latest"}], [])
    assert digests(ecr, repository) == set()


def test_a_digest_takes_the_image_and_all_its_tags(ecr: Any, repository: str) -> None:
    """One imageId is answered for every tag that is gone; for an untagged image its digest alone."""
    tagged, untagged = image("tagged"), image("untagged")
    push(ecr, repository, tagged, "b")
    push(ecr, repository, tagged, "a")
    push(ecr, repository, untagged)
    gone, failed = delete(ecr, repository, {"imageDigest": tagged.digest}, {"imageDigest": untagged.digest})
    assert gone == [
        {"imageDigest": tagged.digest, "imageTag": "a"},
        {"imageDigest": tagged.digest, "imageTag": "b"},
        {"imageDigest": untagged.digest},
    ]
    assert failed == []
    assert digests(ecr, repository) == set()


def test_both_names_together_take_the_tag_alone(ecr: Any, repository: str) -> None:
    """Digest and tag must go together; then it is a deletion by tag."""
    built = image("layer")
    push(ecr, repository, built, "1")
    push(ecr, repository, built, "2")
    mismatched = {"imageDigest": DIGEST, "imageTag": "1"}
    both = {"imageDigest": built.digest, "imageTag": "1"}
    gone, failed = delete(ecr, repository, mismatched, both)
    assert gone == [both]
    assert failed == [(mismatched, "ImageNotFound")]
    assert ecr.list_images(repositoryName=repository)["imageIds"] == [both | {"imageTag": "2"}]


def test_what_cannot_be_deleted_does_not_stop_the_others(ecr: Any, repository: str) -> None:
    """Each failure is answered for itself; naming an image twice finds it gone the second time."""
    built = image("layer")
    push(ecr, repository, built, "1")
    gone, failed = delete(
        ecr,
        repository,
        {"imageTag": "absent"},
        {},
        {"imageTag": "1"},
        {"imageTag": "1"},
        {"imageDigest": "short"},
    )
    assert gone == [{"imageDigest": built.digest, "imageTag": "1"}]
    assert failed == [
        ({"imageTag": "absent"}, "ImageNotFound"),
        ({}, "MissingDigestAndTag"),
        ({"imageTag": "1"}, "ImageNotFound"),
        ({"imageDigest": "short"}, "InvalidImageDigest"),
    ]


def test_an_image_that_an_index_lists_stays(ecr: Any, repository: str) -> None:
    """By digest and by its last tag alike, with the index named; another tag of it may go."""
    child = image("child")
    push(ecr, repository, child, "amd64")
    push(ecr, repository, child, "extra")
    parent = index(child)
    push(ecr, repository, parent, "all")
    assert delete(ecr, repository, {"imageTag": "extra"})[1] == []
    for image_id in ({"imageDigest": child.digest}, {"imageTag": "amd64"}):
        answer = ecr.batch_delete_image(repositoryName=repository, imageIds=[image_id])
        assert answer["imageIds"] == []
        assert answer["failures"] == [
            {
                "imageId": image_id,
                "failureCode": "ImageReferencedByManifestList",
                "failureReason": f"Requested image referenced by manifest list: [{parent.digest}]",
            }
        ]
    assert digests(ecr, repository) == {child.digest, parent.digest}


def test_an_index_and_its_images_go_in_one_call_in_any_order(ecr: Any, repository: str) -> None:
    """The guard looks at what is left, not at the order of the ids."""
    children = [image("amd64"), image("arm64")]
    for child in children:
        push(ecr, repository, child)
    parent = index(*children)
    push(ecr, repository, parent, "all")
    gone, failed = delete(ecr, repository, *({"imageDigest": one.digest} for one in (*children, parent)))
    assert {one["imageDigest"] for one in gone} == {one.digest for one in (*children, parent)}
    assert failed == []
    assert digests(ecr, repository) == set()


def test_referrers_go_with_their_subject(ecr: Any, repository: str) -> None:
    """A signature, and the signature of the signature, describe nothing any more."""
    subject, other = image("subject"), image("other")
    push(ecr, repository, subject, "1")
    push(ecr, repository, other, "2")
    signature = artifact("application/vnd.example.signature", subject)
    push(ecr, repository, signature)
    push(ecr, repository, artifact("application/vnd.example.signature", signature, b"counter-signed"))
    kept = artifact("application/vnd.example.signature", other)
    push(ecr, repository, kept)
    delete(ecr, repository, {"imageTag": "1"})
    assert digests(ecr, repository) == {other.digest, kept.digest}
