"""Public repositories: made, listed, described, tagged and deleted by ECR Public, and what ECR says of them."""

import json
from typing import Any

import pytest

from tests.ecrapi.client import push, refusal, request, strict
from tests.ecrapi.public.samples import ABSENT
from tests.images import image
from tests.server import REGISTRY_ID, Server, running

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 100
CATALOGUE = {
    "description": "says hello",
    "architectures": ["x86-64", "ARM 64"],
    "operatingSystems": ["Linux"],
    "aboutText": "# Hello\n\nIt says hello.",
    "usageText": "docker run hello",
}


def test_a_public_repository_has_a_public_arn_and_a_uri_under_the_alias(
    server: Server, ecr_public: Any, name: str
) -> None:
    """As `public.ecr.aws/ALIAS/NAME` is on Amazon; made without catalogue data, it has none."""
    answer = ecr_public.create_repository(repositoryName=name)
    made = answer["repository"]
    assert "catalogData" not in answer
    assert made["repositoryName"] == name
    assert made["registryId"] == REGISTRY_ID
    assert made["repositoryArn"] == f"arn:aws:ecr-public::{REGISTRY_ID}:repository/{name}"
    assert made["repositoryUri"] == f"{server.host}/public/{name}"
    assert ecr_public.describe_repositories(repositoryNames=[name])["repositories"] == [made]
    refused = refusal(ecr_public.get_repository_catalog_data, repositoryName=name)
    assert refused[:2] == (
        "RepositoryCatalogDataNotFoundException",
        f"Catalog data does not exist for the repository with name '{name}' in the registry with id '{REGISTRY_ID}'",
    )


def test_a_name_is_given_once(ecr: Any, ecr_public: Any, repository: str, name: str) -> None:
    """Also where ECR has it: a repository that was made as a private one does not become public."""
    assert refusal(ecr_public.create_repository, repositoryName=repository)[:2] == (
        "RepositoryAlreadyExistsException",
        f"The repository with name '{repository}' already exists in the registry with id '{REGISTRY_ID}'",
    )
    ecr.create_repository(repositoryName=f"public/{name}/private")
    refused = refusal(ecr_public.create_repository, repositoryName=f"{name}/private")
    assert refused.code == "RepositoryAlreadyExistsException"
    assert refusal(ecr.create_repository, repositoryName=f"public/{repository}").code == refused.code


@pytest.mark.parametrize("bad", ["Team/app", "a--b", "x/"])
def test_a_name_outside_the_grammar_is_refused(ecr_public: Any, bad: str) -> None:
    """ECR Public's grammar is narrower than ECR's."""
    assert refusal(ecr_public.create_repository, repositoryName=bad).code == "InvalidParameterException"


def test_repositories_are_listed_by_page(ecr: Any, ecr_public: Any, name: str) -> None:
    """The public ones alone, by name; a token is good for this listing only."""
    names = [f"{name}/{letter}" for letter in "abcde"]
    for each in reversed(names):
        ecr_public.create_repository(repositoryName=each)
    ecr.create_repository(repositoryName=f"public/{name}/aa")
    pages = ecr_public.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    found = [each["repositoryName"] for page in pages for each in page["repositories"]]
    assert [each for each in found if each.startswith(name)] == names
    assert found == sorted(found)
    token = ecr_public.describe_repositories(maxResults=1)["nextToken"]
    assert refusal(ecr.describe_repositories, nextToken=token).code == "InvalidParameterException"
    refused = refusal(ecr_public.describe_repositories, repositoryNames=names, maxResults=2)
    assert refused.code == "InvalidParameterException"


def test_one_unknown_name_fails_the_whole_call(ecr_public: Any, repository: str) -> None:
    """As on ECR."""
    refused = refusal(ecr_public.describe_repositories, repositoryNames=[repository, ABSENT])
    assert (refused.code, f"'{ABSENT}'" in refused.message) == ("RepositoryNotFoundException", True)


def test_a_repository_with_images_is_deleted_by_force_only(
    ecr: Any, ecr_public: Any, repository: str
) -> None:
    """And is gone for ECR, too."""
    push(ecr_public, repository, image("app"), "1")
    refused = refusal(ecr_public.delete_repository, repositoryName=repository)
    assert (refused.code, f"'{repository}'" in refused.message) == ("RepositoryNotEmptyException", True)
    deleted = ecr_public.delete_repository(repositoryName=repository, force=True)["repository"]
    assert deleted["repositoryName"] == repository
    for call, name in (
        (ecr_public.describe_images, repository),
        (ecr.describe_images, f"public/{repository}"),
    ):
        assert refusal(call, repositoryName=name).code == "RepositoryNotFoundException"


def test_ecr_deletes_a_public_repository_with_its_catalogue(ecr: Any, ecr_public: Any, name: str) -> None:
    """One that is made anew is not described."""
    ecr_public.create_repository(repositoryName=name, catalogData=CATALOGUE)
    ecr.delete_repository(repositoryName=f"public/{name}")
    ecr_public.create_repository(repositoryName=name)
    refused = refusal(ecr_public.get_repository_catalog_data, repositoryName=name)
    assert refused.code == "RepositoryCatalogDataNotFoundException"


def test_everything_of_ecr_works_on_a_public_repository(
    ecr: Any, careen: Any, ecr_public: Any, repository: str
) -> None:
    """Under its whole name: lifecycle policies, previews of them, plans, pulls."""
    push(ecr_public, repository, image("app"), "1")
    whole = {"repositoryName": f"public/{repository}"}
    policy = {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
    ecr.put_lifecycle_policy(**whole, lifecyclePolicyText=json.dumps(policy))
    (decision,) = careen.simulate_lifecycle_policy(**whole)["decisions"]
    assert (decision["imageTags"], decision["action"]) == (["1"], "KEEP")


def test_what_was_deleted_comes_back_into_a_public_repository_or_a_private_one(
    server: Server, ecr_public: Any, careen: Any, repository: str
) -> None:
    """A restore makes nothing public: the repository that it makes is private, the one that is public again stays so."""
    path = f"/v2/public/{repository}/manifests/1"
    back = {"repositoryName": f"public/{repository}", "imageIds": [{"imageTag": "1"}]}
    for makes, status in ((False, 401), (True, 200)):
        push(ecr_public, repository, image("app"), "1")
        ecr_public.delete_repository(repositoryName=repository, force=True)
        if makes:
            ecr_public.create_repository(repositoryName=repository)
        assert careen.restore_images(**back)["images"]
        assert request(server, "GET", path).status == status
        if not makes:
            server.boto().delete_repository(repositoryName=f"public/{repository}", force=True)
            ecr_public.create_repository(repositoryName=repository)


def test_resource_tags(ecr: Any, ecr_public: Any, name: str) -> None:
    """By the public ARN; ECR sees the same by its own."""
    tags = [{"Key": "team", "Value": "web"}]
    made = ecr_public.create_repository(repositoryName=name, tags=tags)["repository"]
    arn = {"resourceArn": made["repositoryArn"]}
    ecr_public.tag_resource(**arn, tags=[{"Key": "tier", "Value": "free"}])
    ecr_public.untag_resource(**arn, tagKeys=["team"])
    assert ecr_public.list_tags_for_resource(**arn)["tags"] == [{"Key": "tier", "Value": "free"}]
    private = ecr.describe_repositories(repositoryNames=[f"public/{name}"])["repositories"][0][
        "repositoryArn"
    ]
    assert ecr.list_tags_for_resource(resourceArn=private)["tags"] == [{"Key": "tier", "Value": "free"}]
    for bad in (tags + tags, [{"Value": "web"}]):
        assert refusal(ecr_public.tag_resource, **arn, tags=bad).code == "InvalidTagParameterException"
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert refusal(ecr_public.tag_resource, **arn, tags=many).code == "TooManyTagsException"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:ecr:eu-central-1:{registry}:repository/public/{name}",
        "arn:aws:ecr-public:us-east-1:{registry}:repository/{name}",
        "arn:aws:ecr-public::{registry}:registry/{registry}",
    ],
)
def test_another_arn_is_no_resource_of_ecr_public(ecr_public: Any, repository: str, arn: str) -> None:
    """ECR's for the same repository, one with a Region, and the registry's own."""
    text = arn.format(registry=REGISTRY_ID, name=repository)
    refused = refusal(ecr_public.list_tags_for_resource, resourceArn=text)
    assert refused[:2] == (
        "InvalidParameterException",
        "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'",
    )


def test_another_registry_s_arn_is_of_no_repository_here(ecr_public: Any, repository: str) -> None:
    """It may be anybody's."""
    arn = f"arn:aws:ecr-public::999999999999:repository/{repository}"
    refused = refusal(ecr_public.list_tags_for_resource, resourceArn=arn)
    assert (refused.code, "'999999999999'" in refused.message) == ("RepositoryNotFoundException", True)


def test_a_repository_is_described(server: Server, ecr_public: Any, name: str) -> None:
    """At its making or later; what is put takes the place of all that was there, the logo included."""
    made = ecr_public.create_repository(repositoryName=name, catalogData=CATALOGUE | {"logoImageBlob": PNG})[
        "catalogData"
    ]
    url = f"{server.url}/v2/_logos/public/{name}"
    assert made == CATALOGUE | {"logoUrl": url, "marketplaceCertified": False}
    assert ecr_public.get_repository_catalog_data(repositoryName=name)["catalogData"] == made
    put = ecr_public.put_repository_catalog_data(repositoryName=name, catalogData={"description": "less"})
    assert put["catalogData"] == {"description": "less", "marketplaceCertified": False}
    assert ecr_public.get_repository_catalog_data(repositoryName=name)["catalogData"] == put["catalogData"]


@pytest.mark.parametrize(
    "catalogue",
    [
        {"logoImageBlob": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"},
        {"logoImageBlob": b"<html>"},
    ],
)
def test_a_logo_is_an_image(ecr_public: Any, repository: str, name: str, catalogue: dict[str, Any]) -> None:
    """Not a program for a browser; nothing comes to be."""
    refused = refusal(
        ecr_public.put_repository_catalog_data, repositoryName=repository, catalogData=catalogue
    )
    assert refused[:2] == (
        "InvalidParameterException",
        "Invalid parameter at 'logoImageBlob' failed to satisfy constraint: 'must be a PNG, JPEG or GIF image'",
    )
    other = f"{name}/other"
    assert (
        refusal(ecr_public.create_repository, repositoryName=other, catalogData=catalogue).code
        == refused.code
    )
    assert refusal(ecr_public.describe_images, repositoryName=other).code == "RepositoryNotFoundException"


def test_the_registry_is_described(server: Server, ecr_public: Any) -> None:
    """One registry with one alias, and the name that it was given."""
    assert ecr_public.describe_registries()["registries"] == [
        {
            "registryId": REGISTRY_ID,
            "registryArn": f"arn:aws:ecr-public::{REGISTRY_ID}:registry/{REGISTRY_ID}",
            "registryUri": f"{server.host}/public",
            "verified": False,
            "aliases": [
                {
                    "name": "public",
                    "status": "ACTIVE",
                    "primaryRegistryAlias": True,
                    "defaultRegistryAlias": True,
                }
            ],
        }
    ]
    for sent, kept in (({"displayName": "Somebody"}, {"displayName": "Somebody"}), ({}, {})):
        assert ecr_public.put_registry_catalog_data(**sent)["registryCatalogData"] == kept
        assert ecr_public.get_registry_catalog_data()["registryCatalogData"] == kept


def test_the_alias_and_the_host_are_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was public under another alias is public no more, and is there again when the alias is."""
    data = tmp_path_factory.mktemp("alias") / "data"
    for alias, there in (("open", []), ("shut", []), ("open", ["app"])):
        with running(data, public_alias=alias, public_host="public.example.com") as server:
            ecr_public = strict(server.boto("ecr-public"))
            listed = ecr_public.describe_repositories()["repositories"]
            assert [each["repositoryName"] for each in listed] == there
            (registry,) = ecr_public.describe_registries()["registries"]
            assert registry["registryUri"] == f"public.example.com/{alias}"
            if not there and alias == "open":
                made = ecr_public.create_repository(repositoryName="app")["repository"]
                assert made["repositoryUri"] == "public.example.com/open/app"
