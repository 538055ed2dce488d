"""Which tags may move, through both of the registry's languages."""

import json
from typing import Any

import pytest

from tests.ecrapi.client import oci_push, push, refusal
from tests.images import image
from tests.server import REGISTRY_ID, Server

SETTINGS = [
    ("MUTABLE", None, {"1.0", "latest", "latest-arm"}),
    ("IMMUTABLE", None, set()),
    ("IMMUTABLE_WITH_EXCLUSION", ["latest*"], {"latest", "latest-arm"}),
    ("IMMUTABLE_WITH_EXCLUSION", ["latest", "dev-*"], {"latest"}),
    ("MUTABLE_WITH_EXCLUSION", ["latest*"], {"1.0"}),
    ("MUTABLE_WITH_EXCLUSION", ["*.*", "*arm"], {"latest"}),
]
"""A setting, its filters, and which of the tags 1.0, latest and latest-arm may move under it."""


def described(filters: list[str] | None) -> dict[str, Any]:
    """Filters as the API has them."""
    if filters is None:
        return {}
    return {
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": one} for one in filters]
    }


@pytest.mark.parametrize(("setting", "filters", "movable"), SETTINGS)
def test_a_tag_moves_where_the_setting_lets_it(
    ecr: Any, server: Server, name: str, setting: str, filters: list[str] | None, movable: set[str]
) -> None:
    """New tags are always set; one that is there moves or is refused, with the same sentence in both languages."""
    ecr.create_repository(repositoryName=name, imageTagMutability=setting, **described(filters))
    first, second = image("first"), image("second")
    push(ecr, name, second, "other")
    for tag in ("1.0", "latest", "latest-arm"):
        if tag == "1.0":
            push(ecr, name, first, tag)
        else:
            assert oci_push(server, name, first, tag).status == 201
        if tag in movable:
            push(ecr, name, second, tag)
            assert oci_push(server, name, first, tag).status == 201
            continue
        sentence = (
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten"
            " because the tag is immutable."
        )
        for built in (second, first):
            put = {"repositoryName": name, "imageManifest": built.manifest.decode(), "imageTag": tag}
            refused = refusal(ecr.put_image, **put)
            assert (refused.code, refused.message) == ("ImageTagAlreadyExistsException", sentence)
        answer = oci_push(server, name, second, tag)
        assert answer.status == 400
        assert json.loads(answer.body)["errors"] == [{"code": "TAG_INVALID", "message": sentence}]
        [kept] = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": tag}])["images"]
        assert kept["imageId"]["imageDigest"] == first.digest


def test_an_immutable_tag_may_be_deleted_and_set_anew(ecr: Any, name: str) -> None:
    """Immutable says that it does not move, not that it stays."""
    ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    push(ecr, name, image("first"), "1")
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "1"}])
    push(ecr, name, image("second"), "1")


@pytest.mark.parametrize(("setting", "filters", "_movable"), SETTINGS)
def test_the_setting_changes_later(
    ecr: Any, repository: str, setting: str, filters: list[str] | None, _movable: set[str]
) -> None:
    """PutImageTagMutability answers the setting, and the repository is described with it."""
    answer = ecr.put_image_tag_mutability(
        repositoryName=repository, imageTagMutability=setting, **described(filters)
    )
    del answer["ResponseMetadata"]
    expected = {"repositoryName": repository, "imageTagMutability": setting, **described(filters)}
    assert answer == expected | {"registryId": REGISTRY_ID}
    [found] = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert {key: value for key, value in found.items() if key in expected} == expected


def test_a_change_takes_effect_at_once(ecr: Any, server: Server, repository: str) -> None:
    """Tags that were pushed before are held from now on, and let go again."""
    first, second = image("first"), image("second")
    push(ecr, repository, second, "other")
    push(ecr, repository, first, "1")
    ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="IMMUTABLE")
    assert oci_push(server, repository, second, "1").status == 400
    ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="MUTABLE")
    assert oci_push(server, repository, second, "1").status == 201


@pytest.mark.parametrize(
    ("setting", "filters"),
    [
        pytest.param("IMMUTABLE_WITH_EXCLUSION", None, id="filters missing"),
        pytest.param("MUTABLE_WITH_EXCLUSION", None, id="filters missing, mutable"),
        pytest.param("IMMUTABLE", ["latest"], id="filters needless"),
        pytest.param("MUTABLE", ["latest"], id="filters needless, mutable"),
        pytest.param("MUTABLE_WITH_EXCLUSION", ["*a*b*"], id="three wildcards"),
        pytest.param("MUTABLE_WITH_EXCLUSION", ["with space"], id="no filter"),
    ],
)
def test_filters_and_setting_must_go_together(
    ecr: Any, repository: str, setting: str, filters: list[str] | None
) -> None:
    """At creation and later alike, InvalidParameter; the setting stays as it was."""
    asked = {"imageTagMutability": setting, **described(filters)}
    for call, name in (
        (ecr.put_image_tag_mutability, repository),
        (ecr.create_repository, f"{repository}/new"),
    ):
        refused = refusal(call, repositoryName=name, **asked)
        assert refused.code == "InvalidParameterException"
        assert "mageTagMutabilityExclusionFilters" in refused.message
    [found] = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert found["imageTagMutability"] == "MUTABLE"
