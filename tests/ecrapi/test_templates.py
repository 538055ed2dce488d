"""Repository creation templates: their life, and the repositories that they make."""

import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from careen.iam import policy
from careen.iam.policy import Kind
from tests.distribution.client import Client
from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server

PUSH = ["CREATE_ON_PUSH"]
LATEST = [{"filterType": "WILDCARD", "filter": "latest*"}]
TEAM = [{"Key": "team", "Value": "web"}]
POLICY = policy.parse(
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}]}',
    Kind.REPOSITORY,
).text
"""A repository policy, as ECR lays it out."""
FULL: dict[str, Any] = {
    "description": "what the web team pushes",
    "encryptionConfiguration": {"encryptionType": "AES256"},
    "resourceTags": TEAM,
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    "imageTagMutabilityExclusionFilters": LATEST,
    "repositoryPolicy": POLICY,
    "lifecyclePolicy": KEEP_ONE,
    "appliedFor": ["CREATE_ON_PUSH", "REPLICATION"],
    "customRoleArn": f"arn:aws:iam::{REGISTRY_ID}:role/maker",
}
"""Every setting that a template has."""

DEFAULTS = {
    "encryptionConfiguration": {"encryptionType": "AES256"},
    "imageTagMutability": "MUTABLE",
    "appliedFor": PUSH,
}
"""What a template has that was given nothing."""


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"t-{uuid.uuid4().hex[:10]}"


def make(ecr: Any, prefix: str, **settings: Any) -> dict[str, Any]:
    """CreateRepositoryCreationTemplate, for pushes if nothing else is said. Returns the template without its times."""
    made = ecr.create_repository_creation_template(prefix=prefix, **({"appliedFor": PUSH} | settings))
    assert made["registryId"] == REGISTRY_ID
    return plain(made["repositoryCreationTemplate"])


def plain(template: dict[str, Any]) -> dict[str, Any]:
    """A template without its times, which are just now."""
    now = dt.datetime.now(dt.UTC)
    for name in ("createdAt", "updatedAt"):
        assert abs(now - template[name]) < dt.timedelta(minutes=5)
    return {name: value for name, value in template.items() if name not in {"createdAt", "updatedAt"}}


def described(ecr: Any, *prefixes: str) -> list[dict[str, Any]]:
    """DescribeRepositoryCreationTemplates."""
    answer = ecr.describe_repository_creation_templates(prefixes=list(prefixes))
    assert answer["registryId"] == REGISTRY_ID
    return [plain(each) for each in answer["repositoryCreationTemplates"]]


@pytest.mark.parametrize(
    ("given", "kept"), [({}, DEFAULTS), (FULL, FULL)], ids=["with defaults", "with everything"]
)
def test_a_templates_life(ecr: Any, prefix: str, given: dict[str, Any], kept: dict[str, Any]) -> None:
    """Every operation answers the template as it is; the last one as it was."""
    expected = {"prefix": prefix} | kept
    assert make(ecr, prefix, **given) == expected
    assert described(ecr, prefix) == [expected]
    expected["description"] = "changed"
    before = ecr.describe_repository_creation_templates(prefixes=[prefix])["repositoryCreationTemplates"][0]
    updated = ecr.update_repository_creation_template(prefix=prefix, description="changed")
    after = updated["repositoryCreationTemplate"]
    assert plain(after) == expected
    assert after["createdAt"] == before["createdAt"] == before["updatedAt"] < after["updatedAt"]
    deleted = ecr.delete_repository_creation_template(prefix=prefix)["repositoryCreationTemplate"]
    assert deleted == after
    assert described(ecr, prefix) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            {"imageTagMutability": "IMMUTABLE"}, {"imageTagMutability": "IMMUTABLE"}, id="mutability"
        ),
        pytest.param(
            {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev*"}]},
            {
                "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev*"}],
            },
            id="filters alone",
        ),
        pytest.param(
            {"appliedFor": ["PULL_THROUGH_CACHE"]}, {"appliedFor": ["PULL_THROUGH_CACHE"]}, id="applied for"
        ),
        pytest.param({"resourceTags": []}, {"resourceTags": None}, id="no tags"),
        pytest.param({"repositoryPolicy": ""}, {"repositoryPolicy": None}, id="no repository policy"),
        pytest.param({"lifecyclePolicy": ""}, {"lifecyclePolicy": None}, id="no lifecycle policy"),
        pytest.param({"description": ""}, {"description": None}, id="no description"),
    ],
)
def test_an_update_changes_what_it_names(
    ecr: Any, prefix: str, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The rest stays; something empty takes a setting away; a new mutability has the filters that come with it."""
    make(ecr, prefix, **FULL)
    updated = ecr.update_repository_creation_template(prefix=prefix, **change)["repositoryCreationTemplate"]
    after = {"prefix": prefix} | FULL
    if "imageTagMutability" in expected:
        del after["imageTagMutabilityExclusionFilters"]
    after = {name: value for name, value in (after | expected).items() if value is not None}
    assert plain(updated) == after
    assert described(ecr, prefix) == [after]


WRONG: list[Any] = [
    pytest.param({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}, "can't be null", id="no filters"),
    pytest.param({"imageTagMutability": "MUTABLE", "imageTagMutabilityExclusionFilters": LATEST}, "not allowed", id="filters"),
    pytest.param(
        {"repositoryPolicy": '{"Version":"2012-10-17","Statement":[]}'},
        "Invalid repository policy provided",
        id="no repository policy",
    ),
    pytest.param({"lifecyclePolicy": '{"rules":[]'}, "Lifecycle policy validation failure", id="a broken policy"),
    pytest.param({"encryptionConfiguration": {"encryptionType": "KMS"}}, "key management", id="a key"),
    pytest.param({"encryptionConfiguration": {"encryptionType": "KMS_DSSE"}}, "KMS_DSSE", id="two keys"),
    pytest.param({"resourceTags": TEAM * 2}, "more than once", id="a tag twice"),
    pytest.param({"resourceTags": [{"Key": str(n), "Value": ""} for n in range(51)]}, "50", id="too many tags"),
    pytest.param({"appliedFor": ["EVERYTHING"]}, "enum value set", id="an unknown occasion"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "reason"), WRONG)
def test_settings_that_no_repository_could_have_are_refused(
    ecr: Any, prefix: str, settings: dict[str, Any], reason: str
) -> None:
    """When the template is made or changed, not when somebody pushes; nothing is kept."""
    asked = {"prefix": prefix, "appliedFor": PUSH} | settings
    refused = refusal(ecr.create_repository_creation_template, **asked)
    assert refused.code == "InvalidParameterException"
    assert reason in refused.message
    assert described(ecr, prefix) == []
    before = make(ecr, prefix)
    assert refusal(ecr.update_repository_creation_template, **asked).message == refused.message
    assert described(ecr, prefix) == [before]


def test_a_prefix_has_one_template(ecr: Any, prefix: str) -> None:
    """With a slash at its end it is the same prefix; and who names one that is not there is told."""
    make(ecr, f"{prefix}/", description="first")
    refused = refusal(ecr.create_repository_creation_template, prefix=prefix, appliedFor=PUSH)
    assert refused.code == "TemplateAlreadyExistsException"
    assert f"'{prefix}'" in refused.message
    assert [each["prefix"] for each in described(ecr, prefix)] == [f"{prefix}/"]
    ecr.delete_repository_creation_template(prefix=prefix)
    for call in (ecr.update_repository_creation_template, ecr.delete_repository_creation_template):
        refused = refusal(call, prefix=prefix)
        assert refused.code == "TemplateNotFoundException"
        assert f"'{prefix}'" in refused.message


@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_templates_are_listed_to_the_end(ecr: Any, prefix: str, page_size: int) -> None:
    """Pages of every size tell each template once, by prefix."""
    made = [f"{prefix}/{number}" for number in range(5)]
    for one in reversed(made):
        make(ecr, one)
    paginator = ecr.get_paginator("describe_repository_creation_templates")
    pages = paginator.paginate(PaginationConfig={"PageSize": page_size})
    told = [one["prefix"] for page in pages for one in page["repositoryCreationTemplates"]]
    assert [one for one in told if one.startswith(prefix)] == made
    assert told == sorted(set(told))


def test_a_push_makes_a_repository_by_its_template(
    strict_server: Server, strict_ecr: Any, prefix: str
) -> None:
    """Through either door; with all settings of the template, which are the repository's own from then on."""
    make(strict_ecr, prefix, **FULL)
    Client(strict_server).push_blob(f"{prefix}/oci", b"pushed")
    push(strict_ecr, f"{prefix}/aws", image("pushed"), "1")
    strict_ecr.delete_repository_creation_template(prefix=prefix)
    for name in (f"{prefix}/oci", f"{prefix}/aws"):
        [made] = strict_ecr.describe_repositories(repositoryNames=[name])["repositories"]
        assert {key: made[key] for key in FULL.keys() & made.keys()} == {
            key: FULL[key] for key in FULL.keys() & made.keys()
        }
        arn = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}"
        assert strict_ecr.list_tags_for_resource(resourceArn=arn)["tags"] == TEAM
        kept = strict_ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
        assert json.loads(kept) == json.loads(KEEP_ONE)
        assert strict_ecr.get_repository_policy(repositoryName=name)["policyText"] == POLICY


def test_the_longest_prefix_holds(strict_ecr: Any, prefix: str) -> None:
    """Of the templates for pushes; a prefix ends at a slash; ROOT is for what no other matches."""
    make(strict_ecr, prefix, description="short", imageTagMutability="IMMUTABLE")
    make(strict_ecr, f"{prefix}/team/", imageTagMutability="MUTABLE", resourceTags=TEAM)
    make(strict_ecr, f"{prefix}/team/app", imageTagMutability="IMMUTABLE", appliedFor=["REPLICATION"])

    def made(name: str) -> tuple[str, int]:
        strict_ecr.initiate_layer_upload(repositoryName=name)
        [found] = strict_ecr.describe_repositories(repositoryNames=[name])["repositories"]
        tags = strict_ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
        return found["imageTagMutability"], len(tags)

    assert made(f"{prefix}/one") == ("IMMUTABLE", 0)
    assert made(f"{prefix}/team/app/one") == ("MUTABLE", 1)
    assert made(f"{prefix}/teams/one") == ("IMMUTABLE", 0)
    for name in (prefix, f"{prefix}s/one"):
        assert (
            refusal(strict_ecr.initiate_layer_upload, repositoryName=name).code
            == "RepositoryNotFoundException"
        )
    make(strict_ecr, "ROOT", resourceTags=TEAM)
    try:
        assert made(f"{prefix}s/one") == ("MUTABLE", 1)
        assert made(f"{prefix}/two") == ("IMMUTABLE", 0)
    finally:
        strict_ecr.delete_repository_creation_template(prefix="ROOT")


def test_without_a_template_a_push_finds_no_repository(
    strict_server: Server, strict_ecr: Any, prefix: str
) -> None:
    """NAME_UNKNOWN, as on Amazon ECR; a template for replication does not help."""
    make(strict_ecr, prefix, appliedFor=["REPLICATION", "PULL_THROUGH_CACHE"])
    answer = Client(strict_server).send("POST", f"/v2/{prefix}/app/blobs/uploads/")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")


def test_who_may_not_create_creates_nothing_by_a_template(
    ecr: Any, as_holder: Callable[[str], Any], prefix: str
) -> None:
    """The template says how a repository begins, not who may begin one."""
    make(ecr, prefix)
    refused = refusal(as_holder("PowerUser").initiate_layer_upload, repositoryName=f"{prefix}/app")
    assert refused.code == "AccessDeniedException"
    assert "ecr:CreateRepository" in refused.message
