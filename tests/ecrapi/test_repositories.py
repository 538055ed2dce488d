"""Repositories: create, describe, delete; their resource tags."""

import datetime as dt
import uuid
from typing import Any

import pytest

from tests.ecrapi.client import push, refusal
from tests.images import artifact, image, index
from tests.server import REGION, REGISTRY_ID, Server


def arn(repository: str) -> str:
    return f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{repository}"


def test_a_created_repository_is_answered_with_all_its_settings(ecr: Any, server: Server, name: str) -> None:
    """CreateRepository answers what was asked for, where to push, and when it was made."""
    answer = ecr.create_repository(
        repositoryName=name,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest*"}],
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "AES256"},
        tags=[{"Key": "team", "Value": "web"}],
    )["repository"]
    assert abs(dt.datetime.now(dt.UTC) - answer.pop("createdAt")) < dt.timedelta(minutes=1)
    assert answer == {
        "repositoryArn": arn(name),
        "registryId": REGISTRY_ID,
        "repositoryName": name,
        "repositoryUri": f"{server.host}/{name}",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "latest*"}],
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    assert ecr.list_tags_for_resource(resourceArn=arn(name))["tags"] == [{"Key": "team", "Value": "web"}]


def test_a_repository_has_amazons_defaults(ecr: Any, repository: str) -> None:
    """Without settings: mutable tags, no scan on push, AES256."""
    [described] = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert described["imageTagMutability"] == "MUTABLE"
    assert "imageTagMutabilityExclusionFilters" not in described
    assert described["imageScanningConfiguration"] == {"scanOnPush": False}
    assert described["encryptionConfiguration"] == {"encryptionType": "AES256"}


@pytest.mark.parametrize("encryption", ["KMS", "KMS_DSSE"])
def test_keys_that_nobody_has_are_not_promised(ecr: Any, name: str, encryption: str) -> None:
    """Encryption with a managed key is refused with ECR's own exception, and nothing is created."""
    refused = refusal(
        ecr.create_repository, repositoryName=name, encryptionConfiguration={"encryptionType": encryption}
    )
    assert refused.code == "KmsException"
    assert encryption in refused.message
    assert refusal(ecr.describe_repositories, repositoryNames=[name]).code == "RepositoryNotFoundException"


def test_a_name_is_taken_once(ecr: Any, repository: str) -> None:
    """A second CreateRepository is refused in ECR's words, and changes nothing."""
    refused = refusal(ecr.create_repository, repositoryName=repository, imageTagMutability="IMMUTABLE")
    assert (refused.code, refused.message) == (
        "RepositoryAlreadyExistsException",
        f"The repository with name '{repository}' already exists in the registry with id '{REGISTRY_ID}'",
    )
    [described] = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert described["imageTagMutability"] == "MUTABLE"


def test_repositories_are_described_in_the_order_asked_for(ecr: Any, repository: str) -> None:
    """Names are answered as they came; one unknown name fails the whole call."""
    other = f"{repository}/a"
    ecr.create_repository(repositoryName=other)
    described = ecr.describe_repositories(repositoryNames=[repository, other])["repositories"]
    assert [one["repositoryName"] for one in described] == [repository, other]
    refused = refusal(ecr.describe_repositories, repositoryNames=[repository, f"{repository}/b"])
    assert refused.code == "RepositoryNotFoundException"


@pytest.mark.parametrize("page_size", [1, 2, 7, 1000])
def test_repositories_are_listed_to_the_end(ecr: Any, page_size: int) -> None:
    """Pages of every size tell each repository once, by name."""
    prefix = f"listed/{uuid.uuid4().hex[:8]}"
    made = [f"{prefix}/{number}" for number in range(5)]
    for one in reversed(made):
        ecr.create_repository(repositoryName=one)
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": page_size})
    told = [one["repositoryName"] for page in pages for one in page["repositories"]]
    assert [one for one in told if one.startswith(prefix)] == made
    assert told == sorted(set(told))


def test_names_and_pages_do_not_go_together(ecr: Any, repository: str) -> None:
    """Whoever names repositories gets them all; paging options are refused."""
    refused = refusal(ecr.describe_repositories, repositoryNames=[repository], maxResults=5)
    assert refused.code == "InvalidParameterException"


def test_a_repository_with_images_is_deleted_only_by_force(ecr: Any, repository: str) -> None:
    """Without force ECR refuses; with it images, indexes and referrers go too."""
    child = image("layer")
    push(ecr, repository, child, "one")
    push(ecr, repository, index(child), "all")
    push(ecr, repository, artifact("application/vnd.example.signature", child))
    refused = refusal(ecr.delete_repository, repositoryName=repository)
    assert (refused.code, refused.message) == (
        "RepositoryNotEmptyException",
        (
            f"The repository with name '{repository}' in registry with id '{REGISTRY_ID}' cannot be deleted"
            " because it still contains images"
        ),
    )
    deleted = ecr.delete_repository(repositoryName=repository, force=True)["repository"]
    assert deleted["repositoryName"] == repository
    assert refusal(ecr.list_images, repositoryName=repository).code == "RepositoryNotFoundException"
    ecr.create_repository(repositoryName=repository)
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []


def test_an_empty_repository_is_deleted_without_force(ecr: Any, repository: str) -> None:
    """Layers that no image needs do not keep a repository."""
    built = image("alone")
    push(ecr, repository, built, "only")
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "only"}])
    ecr.delete_repository(repositoryName=repository)
    assert refusal(ecr.delete_repository, repositoryName=repository).code == "RepositoryNotFoundException"


def test_resource_tags_are_added_replaced_and_removed(ecr: Any, repository: str) -> None:
    """TagResource replaces the values of keys that are there; UntagResource does not mind keys that are not."""
    ecr.tag_resource(
        resourceArn=arn(repository), tags=[{"Key": "team", "Value": "web"}, {"Key": "cost", "Value": "7"}]
    )
    ecr.tag_resource(resourceArn=arn(repository), tags=[{"Key": "team", "Value": ""}])
    told = ecr.list_tags_for_resource(resourceArn=arn(repository))["tags"]
    assert told == [{"Key": "cost", "Value": "7"}, {"Key": "team", "Value": ""}]
    # Policies could not tell it from the one that is there.
    refused = refusal(ecr.tag_resource, resourceArn=arn(repository), tags=[{"Key": "Team", "Value": "a"}])
    assert refused.code == "InvalidTagParameterException"
    ecr.untag_resource(resourceArn=arn(repository), tagKeys=["cost", "absent"])
    assert ecr.list_tags_for_resource(resourceArn=arn(repository))["tags"] == [{"Key": "team", "Value": ""}]


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        pytest.param([("a", "1"), ("a", "2")], "InvalidTagParameterException", id="a key twice"),
        pytest.param(
            [("team", "b"), ("Team", "a")], "InvalidTagParameterException", id="a key in other letters"
        ),
        pytest.param([("aws:name", "1")], "InvalidTagParameterException", id="a reserved key"),
        pytest.param([("", "1")], "InvalidTagParameterException", id="an empty key"),
        pytest.param([("k" * 129, "1")], "InvalidTagParameterException", id="a long key"),
        pytest.param([("k", "v" * 257)], "InvalidTagParameterException", id="a long value"),
        pytest.param([(f"k{n}", "") for n in range(51)], "TooManyTagsException", id="more than fifty"),
    ],
)
def test_bad_resource_tags_are_refused(
    ecr: Any, repository: str, tags: list[tuple[str, str]], code: str
) -> None:
    """At creation and later alike; nothing is created and nothing is tagged."""
    sent = [{"Key": key, "Value": value} for key, value in tags]
    assert refusal(ecr.tag_resource, resourceArn=arn(repository), tags=sent).code == code
    assert ecr.list_tags_for_resource(resourceArn=arn(repository))["tags"] == []
    assert refusal(ecr.create_repository, repositoryName=f"{repository}/new", tags=sent).code == code
    assert (
        refusal(ecr.describe_repositories, repositoryNames=[f"{repository}/new"]).code
        == "RepositoryNotFoundException"
    )


def test_the_limit_of_tags_counts_those_that_are_there(ecr: Any, repository: str) -> None:
    """Fifty in all: a fifty-first key is refused, a new value for one of the fifty is not."""
    ecr.tag_resource(resourceArn=arn(repository), tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    one_more = refusal(ecr.tag_resource, resourceArn=arn(repository), tags=[{"Key": "more", "Value": ""}])
    assert one_more.code == "TooManyTagsException"
    ecr.tag_resource(resourceArn=arn(repository), tags=[{"Key": "k0", "Value": "new"}])


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        pytest.param("not-an-arn", "InvalidParameterException", id="no ARN"),
        pytest.param("arn:aws:s3:::bucket", "InvalidParameterException", id="of another service"),
        pytest.param(
            f"arn:aws:ecr:us-east-2:{REGISTRY_ID}:repository/a0",
            "RepositoryNotFoundException",
            id="another Region",
        ),
        pytest.param(
            f"arn:aws:ecr:{REGION}:999999999999:repository/a0",
            "RepositoryNotFoundException",
            id="another registry",
        ),
    ],
)
def test_only_repositories_of_this_registry_have_resource_tags(ecr: Any, resource: str, code: str) -> None:
    """All three operations on tags refuse any other resource."""
    assert refusal(ecr.list_tags_for_resource, resourceArn=resource).code == code
    assert refusal(ecr.tag_resource, resourceArn=resource, tags=[]).code == code
    assert refusal(ecr.untag_resource, resourceArn=resource, tagKeys=[]).code == code
