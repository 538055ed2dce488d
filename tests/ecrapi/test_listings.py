"""ListImages, DescribeImages and ListImageReferrers: what they tell, filtered and in pages."""

import datetime as dt
import uuid
from typing import Any

import pytest

from careen.oci import media_types
from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import DIGEST
from tests.images import CONFIG, artifact, image, index
from tests.server import REGISTRY_ID

SIGNATURE, SBOM = "application/vnd.example.signature", "application/vnd.example.sbom"


def fill(ecr: Any, repository: str) -> str:
    """Push seven images: six tags on four of them, and three without a tag."""
    ecr.create_repository(repositoryName=repository)
    for number, tags in enumerate(("abc", "d", "e", "f", " ", " ", " ")):
        for tag in tags:
            push(ecr, repository, image(f"layer {number}"), tag.strip() or None)
    return repository


@pytest.fixture(scope="session")
def filled(ecr: Any) -> str:
    """A repository with these images, for tests that only read."""
    return fill(ecr, f"filled/{uuid.uuid4().hex[:8]}")


@pytest.mark.parametrize(
    ("tag_status", "tags"),
    [("TAGGED", "abcdef"), ("UNTAGGED", "   "), ("ANY", "   abcdef"), (None, "   abcdef")],
)
@pytest.mark.parametrize("page_size", [1, 2, 4, 1000])
def test_image_ids_are_listed_to_the_end(
    ecr: Any, filled: str, tag_status: str | None, tags: str, page_size: int
) -> None:
    """One entry for each tag and one for each untagged image, each of them once, whatever the pages."""
    selected = {} if tag_status is None else {"filter": {"tagStatus": tag_status}}
    pages = ecr.get_paginator("list_images").paginate(
        repositoryName=filled, PaginationConfig={"PageSize": page_size}, **selected
    )
    told = [(one["imageDigest"], one.get("imageTag", " ")) for page in pages for one in page["imageIds"]]
    assert "".join(sorted(tag for _, tag in told)) == tags
    assert told == sorted(set(told))


@pytest.mark.parametrize(("tag_status", "count"), [("TAGGED", 4), ("UNTAGGED", 3), ("ANY", 7), (None, 7)])
@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_images_are_described_to_the_end(
    ecr: Any, filled: str, tag_status: str | None, count: int, page_size: int
) -> None:
    """One entry for each image, with all its tags; an untagged one has none."""
    selected = {} if tag_status is None else {"filter": {"tagStatus": tag_status}}
    pages = ecr.get_paginator("describe_images").paginate(
        repositoryName=filled, PaginationConfig={"PageSize": page_size}, **selected
    )
    told = [one for page in pages for one in page["imageDetails"]]
    assert len({one["imageDigest"] for one in told}) == len(told) == count
    wanted = {"TAGGED": [True], "UNTAGGED": [False]}.get(tag_status or "ANY", [True, False])
    assert all(("imageTags" in one) in wanted for one in told)


def test_an_image_is_described_in_full(ecr: Any, repository: str) -> None:
    """Sizes are those of config and layers; an index has the size of its largest child, a referrer its subject."""
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    small, large = image("small"), image("base", "large")
    parent, signature = index(small, large), artifact(SIGNATURE, small)
    for built, tag in ((small, None), (large, "large"), (parent, "all"), (signature, None)):
        push(ecr, repository, built, tag)
    described = {
        one["imageDigest"]: one for one in ecr.describe_images(repositoryName=repository)["imageDetails"]
    }
    assert all(before <= one.pop("imagePushedAt") <= dt.datetime.now(dt.UTC) for one in described.values())
    common = {"registryId": REGISTRY_ID, "repositoryName": repository, "imageStatus": "ACTIVE"}
    oci = {"imageManifestMediaType": media_types.OCI_MANIFEST}
    assert described == {
        small.digest: common
        | oci
        | {"imageDigest": small.digest, "imageSizeInBytes": small.size, "artifactMediaType": CONFIG},
        large.digest: common
        | oci
        | {
            "imageDigest": large.digest,
            "imageTags": ["large"],
            "imageSizeInBytes": large.size,
            "artifactMediaType": CONFIG,
        },
        parent.digest: common
        | {
            "imageDigest": parent.digest,
            "imageTags": ["all"],
            "imageSizeInBytes": large.size,
            "imageManifestMediaType": media_types.OCI_INDEX,
        },
        signature.digest: common
        | oci
        | {
            "imageDigest": signature.digest,
            "imageSizeInBytes": signature.size,
            "artifactMediaType": SIGNATURE,
            "subjectManifestDigest": small.digest,
        },
    }


def test_images_are_described_by_id(ecr: Any, filled: str) -> None:
    """By tag, by digest, by both; an image that is named twice is described once."""
    [a] = ecr.describe_images(repositoryName=filled, imageIds=[{"imageTag": "a"}])["imageDetails"]
    ids = [{"imageDigest": a["imageDigest"]}, {"imageTag": "b"}, {"imageTag": "f"}]
    described = ecr.describe_images(repositoryName=filled, imageIds=ids)["imageDetails"]
    assert [one["imageTags"] for one in described] == [["a", "b", "c"], ["f"]]


@pytest.mark.parametrize(
    ("image_id", "told"),
    [
        ({"imageTag": "absent"}, "{imageDigest:'null', imageTag:'absent'}"),
        ({"imageDigest": DIGEST}, f"{{imageDigest:'{DIGEST}', imageTag:'null'}}"),
    ],
)
def test_an_unknown_image_fails_the_whole_description(
    ecr: Any, filled: str, image_id: dict[str, str], told: str
) -> None:
    """ImageNotFound, with the id as it was asked for."""
    refused = refusal(ecr.describe_images, repositoryName=filled, imageIds=[{"imageTag": "a"}, image_id])
    assert (refused.code, refused.message) == (
        "ImageNotFoundException",
        (
            f"The image with imageId {told} does not exist within the repository with name '{filled}' in the registry"
            f" with id '{REGISTRY_ID}'"
        ),
    )


def test_ids_and_pages_do_not_go_together(ecr: Any, filled: str) -> None:
    """Whoever names images gets them all; paging options are refused."""
    refused = refusal(ecr.describe_images, repositoryName=filled, imageIds=[{"imageTag": "a"}], maxResults=1)
    assert refused.code == "InvalidParameterException"


def test_a_page_goes_on_where_it_was_whatever_happens_meanwhile(ecr: Any, name: str) -> None:
    """Images that were told already may go and others come: nothing is told twice and nothing left out."""
    filled = fill(ecr, name)
    first = ecr.list_images(repositoryName=filled, maxResults=4)
    before = ecr.list_images(repositoryName=filled)["imageIds"]
    ecr.batch_delete_image(repositoryName=filled, imageIds=first["imageIds"][:3])
    push(ecr, filled, image("a new one"), "new")
    rest = ecr.list_images(repositoryName=filled, nextToken=first["nextToken"])["imageIds"]
    assert [one for one in rest if one.get("imageTag") != "new"] == before[4:]


@pytest.mark.parametrize("token", ["", "nonsense", "AAAA", "ü", "a" * 5000])
def test_a_token_that_is_none_is_refused(ecr: Any, filled: str, token: str) -> None:
    """InvalidParameter, for whatever was not handed out."""
    refused = refusal(ecr.list_images, repositoryName=filled, nextToken=token)
    assert refused.code == "InvalidParameterException"
    assert "nextToken" in refused.message


def test_a_token_belongs_to_its_listing(ecr: Any, filled: str, repository: str) -> None:
    """Another repository, filter or operation does not take it."""
    token = ecr.list_images(repositoryName=filled, maxResults=1)["nextToken"]
    for call, parameters in (
        (ecr.list_images, {"repositoryName": repository}),
        (ecr.list_images, {"repositoryName": filled, "filter": {"tagStatus": "TAGGED"}}),
        (ecr.describe_images, {"repositoryName": filled}),
        (ecr.describe_repositories, {}),
    ):
        assert refusal(call, **parameters, nextToken=token).code == "InvalidParameterException"


@pytest.fixture
def signed(ecr: Any, repository: str) -> dict[str, Any]:
    """An image with two signatures and an SBOM, and another with none."""
    subject, bare = image("subject"), image("bare")
    referrers = [
        artifact(SIGNATURE, subject, b"one", {"signer": "alice"}),
        artifact(SIGNATURE, subject, b"two"),
        artifact(SBOM, subject, b"three"),
    ]
    for built in (subject, bare, *referrers):
        push(ecr, repository, built)
    return {"repository": repository, "subject": subject, "bare": bare, "referrers": referrers}


def test_referrers_are_listed_in_full(ecr: Any, signed: dict[str, Any]) -> None:
    """What OCI's referrers list says of each, and ECR's status beside it."""
    answer = ecr.list_image_referrers(
        repositoryName=signed["repository"], subjectId={"imageDigest": signed["subject"].digest}
    )
    told = {one["digest"]: one for one in answer["referrers"]}
    first = signed["referrers"][0]
    assert told.keys() == {one.digest for one in signed["referrers"]}
    assert told[first.digest] == {
        "digest": first.digest,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": SIGNATURE,
        "size": len(first.manifest),
        "annotations": {"signer": "alice"},
        "artifactStatus": "ACTIVE",
    }


@pytest.mark.parametrize(
    ("types", "count"), [([SIGNATURE], 2), ([SBOM], 1), ([SIGNATURE, SBOM], 3), ([], 3), (["text/plain"], 0)]
)
def test_referrers_are_filtered_by_type(
    ecr: Any, signed: dict[str, Any], types: list[str], count: int
) -> None:
    """Any of the types will do; no type at all means all of them."""
    answer = ecr.list_image_referrers(
        repositoryName=signed["repository"],
        subjectId={"imageDigest": signed["subject"].digest},
        filter={"artifactTypes": types},
    )
    assert len(answer["referrers"]) == count


def test_referrers_are_paged(ecr: Any, signed: dict[str, Any]) -> None:
    """Two pages of at most two, told once each; what has no referrers has an empty list."""
    parameters = {
        "repositoryName": signed["repository"],
        "subjectId": {"imageDigest": signed["subject"].digest},
    }
    first = ecr.list_image_referrers(**parameters, maxResults=2)
    second = ecr.list_image_referrers(**parameters, maxResults=2, nextToken=first["nextToken"])
    told = [one["digest"] for one in first["referrers"] + second["referrers"]]
    assert told == sorted(one.digest for one in signed["referrers"])
    assert "nextToken" not in second
    bare = parameters | {"subjectId": {"imageDigest": signed["bare"].digest}}
    assert ecr.list_image_referrers(**bare)["referrers"] == []
