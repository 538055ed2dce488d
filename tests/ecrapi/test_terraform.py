"""What Terraform's AWS provider asks, resource by resource, in its order: made, read back as it was written, changed, gone.

The provider was read (internal/service/ecr of hashicorp/terraform-provider-aws): which operation each step calls, which members
it reads, and by which error it knows that something is gone. A resource that is read back otherwise than it was written would be
planned anew at every run.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server

PULL_STATEMENT = {
    "Sid": "pull",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{REGISTRY_ID}:root"},
    "Action": ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
}
REPOSITORY_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [PULL_STATEMENT]})
REGISTRY_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            PULL_STATEMENT | {"Sid": "import", "Action": ["ecr:BatchImportUpstreamImage"], "Resource": ["*"]},
        ],
    }
)


class Resource(NamedTuple):
    """A resource of the provider, on a repository or of the whole registry."""

    make: Callable[[Any, str], object]
    read: Callable[[Any, str], Mapping[str, Any]]
    """What the provider keeps in its state."""
    written: Mapping[str, Any]
    remove: Callable[[Any, str], object]
    gone: str
    """The error by which the provider knows that it is gone."""


def parsed(text: str) -> Any:
    """A policy, as the provider compares it: by what it says, not by how it is laid out."""
    return json.loads(text)


RESOURCES = {
    "aws_ecr_lifecycle_policy": Resource(
        lambda ecr, name: ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=KEEP_ONE),
        lambda ecr, name: {
            "policy": parsed(
                ecr.get_lifecycle_policy(repositoryName=name, registryId=REGISTRY_ID)["lifecyclePolicyText"]
            )
        },
        {"policy": parsed(KEEP_ONE)},
        lambda ecr, name: ecr.delete_lifecycle_policy(repositoryName=name, registryId=REGISTRY_ID),
        "LifecyclePolicyNotFoundException",
    ),
    "aws_ecr_repository_policy": Resource(
        lambda ecr, name: ecr.set_repository_policy(repositoryName=name, policyText=REPOSITORY_POLICY),
        lambda ecr, name: {
            "policy": parsed(
                ecr.get_repository_policy(repositoryName=name, registryId=REGISTRY_ID)["policyText"]
            )
        },
        {"policy": parsed(REPOSITORY_POLICY)},
        lambda ecr, name: ecr.delete_repository_policy(repositoryName=name, registryId=REGISTRY_ID),
        "RepositoryPolicyNotFoundException",
    ),
    "aws_ecr_registry_policy": Resource(
        lambda ecr, _: ecr.put_registry_policy(policyText=REGISTRY_POLICY),
        lambda ecr, _: {"policy": parsed(ecr.get_registry_policy()["policyText"])},
        {"policy": parsed(REGISTRY_POLICY)},
        lambda ecr, _: ecr.delete_registry_policy(),
        "RegistryPolicyNotFoundException",
    ),
    "aws_ecr_pull_through_cache_rule": Resource(
        lambda ecr, _: ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="terraform", upstreamRegistryUrl="public.ecr.aws"
        ),
        lambda ecr, _: {
            key: value
            for key, value in ecr.describe_pull_through_cache_rules(ecrRepositoryPrefixes=["terraform"])[
                "pullThroughCacheRules"
            ][0].items()
            if key in {"ecrRepositoryPrefix", "upstreamRegistryUrl", "registryId"}
        },
        {
            "ecrRepositoryPrefix": "terraform",
            "upstreamRegistryUrl": "public.ecr.aws",
            "registryId": REGISTRY_ID,
        },
        lambda ecr, _: ecr.delete_pull_through_cache_rule(
            ecrRepositoryPrefix="terraform", registryId=REGISTRY_ID
        ),
        "PullThroughCacheRuleNotFoundException",
    ),
}


@pytest.fixture(scope="module")
def ecr(strict_server: Server) -> Any:
    """Of a server of these tests' own: some of the resources are the whole registry's."""
    return strict_server.boto()


@pytest.fixture
def repository(ecr: Any, name: str) -> str:
    """A repository that no other test uses."""
    ecr.create_repository(repositoryName=name)
    return name


@pytest.mark.parametrize("kind", RESOURCES)
def test_what_is_read_is_what_was_written_and_then_it_is_gone(ecr: Any, repository: str, kind: str) -> None:
    """A second plan finds nothing to do, and one after the destruction finds it missing."""
    resource = RESOURCES[kind]
    resource.make(ecr, repository)
    assert resource.read(ecr, repository) == resource.written
    resource.remove(ecr, repository)
    assert refusal(partial(resource.read, ecr, repository)).code == resource.gone


def test_a_repository(ecr: Any, name: str) -> None:
    """aws_ecr_repository: tags and all settings come back, each change is seen, and its end is an error that says so."""
    made = ecr.create_repository(
        repositoryName=name,
        imageTagMutability="IMMUTABLE",
        encryptionConfiguration={"encryptionType": "AES256"},
        imageScanningConfiguration={"scanOnPush": True},
        tags=[{"Key": "team", "Value": "web"}],
    )["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name}"

    def read() -> dict[str, Any]:
        (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
        tags = ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
        kept = ("imageTagMutability", "encryptionConfiguration", "imageScanningConfiguration", "registryId")
        return {key: found[key] for key in kept} | {"tags": tags}

    state = {
        "imageTagMutability": "IMMUTABLE",
        "encryptionConfiguration": {"encryptionType": "AES256"},
        "imageScanningConfiguration": {"scanOnPush": True},
        "registryId": REGISTRY_ID,
        "tags": [{"Key": "team", "Value": "web"}],
    }
    assert read() == state
    whose = {"registryId": REGISTRY_ID, "repositoryName": name}
    ecr.put_image_tag_mutability(**whose, imageTagMutability="MUTABLE")
    ecr.put_image_scanning_configuration(**whose, imageScanningConfiguration={"scanOnPush": False})
    ecr.untag_resource(resourceArn=made["repositoryArn"], tagKeys=["team"])
    ecr.tag_resource(resourceArn=made["repositoryArn"], tags=[{"Key": "owner", "Value": "ops"}])
    assert read() == state | {
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "tags": [{"Key": "owner", "Value": "ops"}],
    }
    push(ecr, name, image("terraform"), "1")
    assert refusal(ecr.delete_repository, **whose, force=False).code == "RepositoryNotEmptyException"
    ecr.delete_repository(**whose, force=True)
    gone = refusal(ecr.describe_repositories, repositoryNames=[name])
    assert gone.code == "RepositoryNotFoundException"


def test_a_creation_template(ecr: Any) -> None:
    """aws_ecr_repository_creation_template: a change leaves alone what it does not name; one that is gone is not listed."""
    written = {"prefix": "terraform", "appliedFor": ["PULL_THROUGH_CACHE"], "description": "made by a plan"}
    ecr.create_repository_creation_template(**written, resourceTags=[{"Key": "team", "Value": "web"}])

    def read() -> list[dict[str, Any]]:
        found = ecr.describe_repository_creation_templates(prefixes=["terraform"])
        listed: list[dict[str, Any]] = found["repositoryCreationTemplates"]
        return listed

    assert {key: read()[0][key] for key in written} == written
    ecr.update_repository_creation_template(prefix="terraform", imageTagMutability="IMMUTABLE")
    assert read()[0]["imageTagMutability"] == "IMMUTABLE"
    assert read()[0]["resourceTags"] == [{"Key": "team", "Value": "web"}]
    ecr.delete_repository_creation_template(prefix="terraform")
    assert read() == []


@pytest.mark.parametrize(
    ("put", "get", "rules"),
    [
        (
            lambda ecr, rules: ecr.put_registry_scanning_configuration(scanType="BASIC", rules=rules),
            lambda ecr: ecr.get_registry_scanning_configuration()["scanningConfiguration"]["rules"],
            [
                {
                    "scanFrequency": "SCAN_ON_PUSH",
                    "repositoryFilters": [{"filter": "team/*", "filterType": "WILDCARD"}],
                }
            ],
        ),
        (
            lambda ecr, rules: ecr.put_replication_configuration(replicationConfiguration={"rules": rules}),
            lambda ecr: ecr.describe_registry()["replicationConfiguration"]["rules"],
            [
                {
                    "destinations": [{"region": "eu-west-1", "registryId": REGISTRY_ID}],
                    "repositoryFilters": [{"filter": "team", "filterType": "PREFIX_MATCH"}],
                }
            ],
        ),
    ],
    ids=["aws_ecr_registry_scanning_configuration", "aws_ecr_replication_configuration"],
)
def test_what_a_registry_has_once_is_destroyed_by_making_it_empty(
    ecr: Any, put: Callable[[Any, Any], object], get: Callable[[Any], Any], rules: list[Any]
) -> None:
    """The provider puts no rules where it destroys, and reads none."""
    put(ecr, rules)
    assert get(ecr) == rules
    put(ecr, [])
    assert get(ecr) == []


def test_an_account_setting(ecr: Any) -> None:
    """aws_ecr_account_setting: what was put is what is read."""
    ecr.put_account_setting(name="BASIC_SCAN_TYPE_VERSION", value="AWS_NATIVE")
    assert ecr.get_account_setting(name="BASIC_SCAN_TYPE_VERSION")["value"] == "AWS_NATIVE"


def test_who_the_provider_is(strict_server: Server) -> None:
    """Before anything else it asks for the account's number."""
    assert strict_server.boto("sts").get_caller_identity()["Account"] == REGISTRY_ID
