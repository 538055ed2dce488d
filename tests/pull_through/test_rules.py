"""Pull-through cache rules through boto3: what is taken, what is answered, and every refusal."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from careen.clock import SECOND, parse_instant
from tests.ecrapi.client import refusal
from tests.pull_through.conftest import SECRET, arn, write_secret
from tests.server import REGISTRY_ID, Server
from tests.upstream.distribution import Distribution, needs_distribution
from tests.upstream.proxy import Fault, Proxy

QUAY = {"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"}


@pytest.fixture
def create(ecr: Any) -> Iterator[Callable[..., dict[str, Any]]]:
    """Make rules, and remove in the end what is there."""

    def made(**parameters: Any) -> dict[str, Any]:
        answer = ecr.create_pull_through_cache_rule(**parameters)
        prefixes.append(answer["ecrRepositoryPrefix"])
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    prefixes: list[str] = []
    yield made
    for prefix in prefixes:
        with contextlib.suppress(ecr.exceptions.PullThroughCacheRuleNotFoundException):
            ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix=prefix)


KNOWN = {
    "ecr": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "ecr-public": "public.ecr.aws",
    "docker-hub": "registry-1.docker.io",
    "github-container-registry": "ghcr.io",
    "gitlab-container-registry": "registry.gitlab.com",
    "k8s": "registry.k8s.io",
    "azure-container-registry": "mine.azurecr.io",
    "chainguard": "cgr.dev",
    "quay": "quay.io",
    None: "https://registry.example.com:5000",
}


@pytest.mark.parametrize(("name", "url"), KNOWN.items())
def test_an_upstream_is_known_by_its_address(create: Callable[..., Any], name: str | None, url: str) -> None:
    """ECR's names are told where it has one, whether the rule says it or not; other registries have none."""
    said = {} if name is None else {"upstreamRegistry": name}
    for prefix, more in (("known/a", {}), ("known/b", said)):
        made = create(ecrRepositoryPrefix=prefix, upstreamRegistryUrl=url, **more)
        assert made.get("upstreamRegistry") == name
        assert made["upstreamRegistryUrl"] == url
        assert made["upstreamRepositoryPrefix"] == "ROOT"
        assert made["registryId"] == REGISTRY_ID


UNSUPPORTED = {
    "plain HTTP over a network": {"upstreamRegistryUrl": "http://registry.example.com"},
    "plain HTTP to an address that only looks like this machine": {
        "upstreamRegistryUrl": "http://127.0.0.1.example.com"
    },
    "a path": {"upstreamRegistryUrl": "https://registry.example.com/team"},
    "a password": {"upstreamRegistryUrl": "https://me:secret@registry.example.com"},
    "another scheme": {"upstreamRegistryUrl": "file:///etc"},
    "Docker Hub by the wrong name": {"upstreamRegistryUrl": "docker.io"},
    "a name that is another's": {"upstreamRegistryUrl": "quay.io", "upstreamRegistry": "docker-hub"},
    "nothing": {"upstreamRegistryUrl": ""},
}


@pytest.mark.parametrize("parameters", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_no_upstream(ecr: Any, parameters: dict[str, str]) -> None:
    """Whatever cannot be read, or not safely, is UnsupportedUpstreamRegistryException."""
    refused = refusal(ecr.create_pull_through_cache_rule, ecrRepositoryPrefix="unsupported", **parameters)
    assert refused.code == "UnsupportedUpstreamRegistryException"
    assert "secret@" not in refused.message


INVALID = {
    "too short": "q",
    "too long": "q" * 31,
    "capitals": "Quay",
    "a double slash": "a//b",
    "the root in small letters": "/root",
}


@pytest.mark.parametrize("prefix", INVALID.values(), ids=INVALID)
def test_what_is_no_prefix(server: Server, prefix: str) -> None:
    """The service model's own constraints hold."""
    from botocore.config import Config

    unchecked = server.boto(config=Config(parameter_validation=False))
    refused = refusal(
        unchecked.create_pull_through_cache_rule, ecrRepositoryPrefix=prefix, upstreamRegistryUrl="quay.io"
    )
    assert refused.code == "InvalidParameterException"


def test_a_prefix_has_one_rule(ecr: Any, create: Callable[..., Any]) -> None:
    """With or without the slash that ends it, a prefix is the same."""
    create(**QUAY | {"ecrRepositoryPrefix": "quay/"})
    refused = refusal(ecr.create_pull_through_cache_rule, **QUAY)
    assert refused.code == "PullThroughCacheRuleAlreadyExistsException"
    assert refused.message == (
        f"A pull through cache rule with prefix 'quay' already exists in the registry with id '{REGISTRY_ID}'"
    )
    for operation in ("delete", "validate"):
        missing = refusal(getattr(ecr, f"{operation}_pull_through_cache_rule"), ecrRepositoryPrefix="never")
        assert missing.code == "PullThroughCacheRuleNotFoundException"
    missing = refusal(
        ecr.update_pull_through_cache_rule, ecrRepositoryPrefix="never", credentialArn=arn("upstream")
    )
    assert missing.code == "PullThroughCacheRuleNotFoundException"


def test_rules_are_described_page_by_page(caching: Server, ecr: Any, create: Callable[..., Any]) -> None:
    """By prefix, some or all; an unknown prefix fails the call; a rule comes back as it was made."""
    now = parse_instant(caching.clock_file.read_text()) // SECOND
    made = {
        "ecrRepositoryPrefix": "pages/b",
        "upstreamRegistryUrl": "registry-1.docker.io",
        "credentialArn": arn("upstream"),
        "customRoleArn": "arn:aws:iam::123456789012:role/reader",
        "upstreamRepositoryPrefix": "library",
    }
    for prefix in ("pages/c", "pages/a"):
        create(**QUAY | {"ecrRepositoryPrefix": prefix})
    create(**made)
    everything = ecr.get_paginator("describe_pull_through_cache_rules").paginate(
        PaginationConfig={"PageSize": 2}
    )
    listed = [each for page in everything for each in page["pullThroughCacheRules"]]
    prefixes = [each["ecrRepositoryPrefix"] for each in listed]
    assert prefixes == sorted(prefixes)
    assert {"pages/a", "pages/b", "pages/c"} <= set(prefixes)
    (one,) = ecr.describe_pull_through_cache_rules(ecrRepositoryPrefixes=["pages/b"])["pullThroughCacheRules"]
    assert one["createdAt"] == one["updatedAt"]
    assert abs(one["createdAt"].timestamp() - now) <= 1
    assert {name: one[name] for name in made} == made
    assert one["upstreamRegistry"] == "docker-hub"
    refused = refusal(ecr.describe_pull_through_cache_rules, ecrRepositoryPrefixes=["pages/b", "pages/never"])
    assert refused.code == "PullThroughCacheRuleNotFoundException"


def test_a_rule_is_changed_and_removed(ecr: Any, create: Callable[..., Any]) -> None:
    """The credential and the role can be changed, each for itself; a removed rule is told as it was."""
    create(**QUAY)
    refused = refusal(ecr.update_pull_through_cache_rule, ecrRepositoryPrefix="quay")
    assert refused.code == "InvalidParameterException"
    ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="quay", credentialArn=arn("upstream"))
    role = "arn:aws:iam::123456789012:role/reader"
    changed = ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="quay", customRoleArn=role)
    assert (changed["credentialArn"], changed["customRoleArn"]) == (arn("upstream"), role)
    gone = ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="quay/")
    assert (gone["ecrRepositoryPrefix"], gone["credentialArn"]) == ("quay", arn("upstream"))
    missing = refusal(ecr.delete_pull_through_cache_rule, ecrRepositoryPrefix="quay")
    assert missing.code == "PullThroughCacheRuleNotFoundException"


SECRETS = {
    "SecretNotFoundException": None,
    "UnableToDecryptSecretValueException": '{"username": "me"}',
    "UnableToAccessSecretException": '{"username": "me", "accessToken": "t", "registry": "ghcr.io"}',
}


@pytest.mark.parametrize(("code", "text"), SECRETS.items())
def test_a_secret_is_looked_at_at_once(
    caching: Server, ecr: Any, create: Callable[..., Any], code: str, text: str | None
) -> None:
    """A rule is not made, and not changed, with a secret that is missing, makes no sense or is for another registry."""
    credential = arn("bad") if text is None else write_secret(caching, "malformed", text)
    refused = refusal(ecr.create_pull_through_cache_rule, **QUAY, credentialArn=credential)
    assert refused.code == code
    create(**QUAY)
    refused = refusal(
        ecr.update_pull_through_cache_rule, ecrRepositoryPrefix="quay", credentialArn=credential
    )
    assert refused.code == code


def test_a_secret_that_may_not_be_read(caching: Server, ecr: Any) -> None:
    """A secret that is there and cannot be read, as when it is a folder, is UnableToAccessSecretException."""
    folder = caching.data / "secrets" / "ecr-pullthroughcache" / "folder.json"
    folder.mkdir(parents=True, exist_ok=True)
    refused = refusal(ecr.create_pull_through_cache_rule, **QUAY, credentialArn=arn("folder"))
    assert refused.code == "UnableToAccessSecretException"
    assert os.fspath(caching.data) not in refused.message


@needs_distribution
def test_a_rule_is_validated(
    caching: Server, ecr: Any, add_rule: Callable[..., str], guarded: Distribution, proxy: Proxy
) -> None:
    """The upstream is asked with the secret: it lets us in, refuses us, or is not there."""
    good = add_rule(guarded.url)
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=good)
    assert answer["isValid"] is True
    assert "failure" not in answer
    wrong = add_rule(
        guarded.url, credentialArn=write_secret(caching, "wrong", SECRET.replace("benchmark", "guess"))
    )
    down = add_rule(proxy.url)
    proxy.always("/v2/", Fault(status=503, headers={"Retry-After": "3600"}))
    for prefix, says in ((wrong, "answered 401"), (down, "answered 503")):
        answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
        assert answer["isValid"] is False
        assert says in answer["failure"]
