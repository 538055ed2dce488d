"""Previews of lifecycle policies: asked for, waited for, read in pages; and that they change nothing."""

import json
from typing import Any

import pytest

from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import KEEP_ONE
from tests.images import Built, artifact, image, index
from tests.server import REGISTRY_ID

KEEP_TWO_ARCHIVE_REST = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 3,
                "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 7,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2},
                "action": {"type": "transition", "targetStorageClass": "archive"},
            },
        ]
    },
    indent=2,
)


def preview(ecr: Any, repository: str, policy: str | None = None, **parameters: Any) -> dict[str, Any]:
    """Start a preview, wait for it with botocore's own waiter, and read it."""
    text = {} if policy is None else {"lifecyclePolicyText": policy}
    started = ecr.start_lifecycle_policy_preview(repositoryName=repository, **text)
    assert (started["registryId"], started["repositoryName"], started["status"]) == (
        REGISTRY_ID,
        repository,
        "IN_PROGRESS",
    )
    waiter = ecr.get_waiter("lifecycle_policy_preview_complete")
    waiter.wait(repositoryName=repository, WaiterConfig={"Delay": 0.1, "MaxAttempts": 1000})
    answer: dict[str, Any] = ecr.get_lifecycle_policy_preview(repositoryName=repository, **parameters)
    del answer["ResponseMetadata"]
    return answer


@pytest.fixture
def images(ecr: Any, repository: str) -> list[Built]:
    """Six images, the oldest first, tagged and untagged in turn."""
    pushed = [image(f"layer {number}") for number in range(6)]
    for number, built in enumerate(pushed):
        push(ecr, repository, built, None if number % 2 else f"v{number}")
    return pushed


def test_a_preview_tells_what_would_go_in_the_order_it_would(
    ecr: Any, repository: str, images: list[Built]
) -> None:
    """Oldest first, with the rule and the action; images that stay are not told. Nothing happens to any image."""
    before = ecr.describe_images(repositoryName=repository)["imageDetails"]
    answer = preview(ecr, repository, KEEP_TWO_ARCHIVE_REST)
    pushed_at = {one["imageDigest"]: one["imagePushedAt"] for one in before}
    expected = [
        (0, ["v0"], {"type": "TRANSITION", "targetStorageClass": "ARCHIVE"}, 7),
        (1, [], {"type": "EXPIRE"}, 3),
        (2, ["v2"], {"type": "TRANSITION", "targetStorageClass": "ARCHIVE"}, 7),
        (3, [], {"type": "EXPIRE"}, 3),
    ]
    assert answer == {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "lifecyclePolicyText": KEEP_TWO_ARCHIVE_REST,
        "status": "COMPLETE",
        "previewResults": [
            {
                "imageTags": tags,
                "imageDigest": images[number].digest,
                "imagePushedAt": pushed_at[images[number].digest],
                "action": action,
                "appliedRulePriority": priority,
                "storageClass": "STANDARD",
            }
            for number, tags, action, priority in expected
        ],
        "summary": {
            "expiringImageTotalCount": 2,
            "transitioningImageTotalCounts": [{"targetStorageClass": "ARCHIVE", "imageTotalCount": 2}],
        },
    }
    assert ecr.describe_images(repositoryName=repository)["imageDetails"] == before


def test_the_stored_policy_is_previewed_if_no_other_is_given(
    ecr: Any, repository: str, images: list[Built]
) -> None:
    """Without text and without a stored policy there is nothing to preview."""
    refused = refusal(ecr.start_lifecycle_policy_preview, repositoryName=repository)
    assert refused.code == "LifecyclePolicyNotFoundException"
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=KEEP_ONE)
    answer = preview(ecr, repository)
    assert answer["lifecyclePolicyText"] == KEEP_ONE
    assert [one["imageDigest"] for one in answer["previewResults"]] == [one.digest for one in images[:-1]]
    assert answer["summary"] == {"expiringImageTotalCount": 5}


@pytest.mark.parametrize("page_size", [1, 2, 100])
@pytest.mark.usefixtures("images")
def test_results_are_paged_in_their_order(ecr: Any, repository: str, page_size: int) -> None:
    """Pages of every size tell each result once; the summary counts all of them on every page."""
    whole = preview(ecr, repository, KEEP_ONE)["previewResults"]
    pages = list(
        ecr.get_paginator("get_lifecycle_policy_preview").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": page_size}
        )
    )
    assert [one for page in pages for one in page["previewResults"]] == whole
    assert [page["summary"]["expiringImageTotalCount"] for page in pages] == [5] * len(pages)


@pytest.mark.usefixtures("images")
def test_results_are_filtered(ecr: Any, repository: str) -> None:
    """By tag status, or by naming images; named images and paging do not go together."""
    everything = preview(ecr, repository, KEEP_ONE)["previewResults"]
    named = {"repositoryName": repository}
    for status, tags in (("TAGGED", [["v0"], ["v2"], ["v4"]]), ("UNTAGGED", [[], []])):
        found = ecr.get_lifecycle_policy_preview(**named, filter={"tagStatus": status})["previewResults"]
        assert [one["imageTags"] for one in found] == tags
    wanted = [{"imageTag": "v2"}, {"imageDigest": everything[1]["imageDigest"]}, {"imageTag": "absent"}]
    found = ecr.get_lifecycle_policy_preview(**named, imageIds=wanted)["previewResults"]
    assert found == [everything[1], everything[2]]
    refused = refusal(ecr.get_lifecycle_policy_preview, **named, imageIds=wanted, maxResults=1)
    assert refused.code == "InvalidParameterException"


def test_a_preview_leaves_out_what_only_follows_or_is_held_back(ecr: Any, repository: str) -> None:
    """Referrers follow their subject and listed images wait for their index: neither is told, as on Amazon ECR."""
    child, signed = image("child"), image("signed")
    push(ecr, repository, child)
    push(ecr, repository, signed, "signed")
    push(ecr, repository, artifact("application/vnd.example.signature", signed))
    push(ecr, repository, parent := index(child), "all")
    push(ecr, repository, image("newest"), "newest")
    answer = preview(ecr, repository, KEEP_ONE)
    assert [one["imageDigest"] for one in answer["previewResults"]] == [signed.digest, parent.digest]


def test_a_preview_of_an_empty_repository_is_complete(ecr: Any, repository: str) -> None:
    """No results, and a summary that says so."""
    answer = preview(ecr, repository, KEEP_ONE)
    assert (answer["previewResults"], answer["summary"]) == ([], {"expiringImageTotalCount": 0})


def test_a_new_preview_takes_the_place_of_the_old(ecr: Any, repository: str, images: list[Built]) -> None:
    """Its results and text are the latest's; a token of the old one is refused."""
    preview(ecr, repository, KEEP_ONE)
    token = ecr.get_lifecycle_policy_preview(repositoryName=repository, maxResults=1)["nextToken"]
    push(ecr, repository, image("one more"), "newest")
    answer = preview(ecr, repository, KEEP_ONE + "\n")
    assert answer["lifecyclePolicyText"] == KEEP_ONE + "\n"
    assert len(answer["previewResults"]) == len(images)
    refused = refusal(ecr.get_lifecycle_policy_preview, repositoryName=repository, nextToken=token)
    assert refused.code == "InvalidParameterException"


def test_without_a_preview_there_is_none_to_get(ecr: Any, repository: str) -> None:
    """LifecyclePolicyPreviewNotFound."""
    refused = refusal(ecr.get_lifecycle_policy_preview, repositoryName=repository)
    assert refused.code == "LifecyclePolicyPreviewNotFoundException"
    assert repository in refused.message
