"""Signing through ECR's API: the configuration, and whether an image is signed, by signatures as clients push them."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from careen.oci import signatures
from tests.ecrapi.client import push, refusal
from tests.images import Built, artifact, image, index
from tests.server import REGISTRY_ID

PROFILE = f"arn:aws:signer:eu-central-1:{REGISTRY_ID}:/signing-profiles/release"
OTHER = f"arn:aws:signer:eu-central-1:{REGISTRY_ID}:/signing-profiles/nightly"
BUILT = image("signed")
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE = "dev.sigstore.bundle.predicateType"


@pytest.fixture
def configured(ecr: Any) -> Iterator[Any]:
    """The same with a rule for every repository, for one test."""
    ecr.put_signing_configuration(signingConfiguration={"rules": [{"signingProfileArn": PROFILE}]})
    yield ecr
    ecr.delete_signing_configuration()


def rule(profile: str, *filters: str) -> dict[str, Any]:
    """A rule."""
    return {
        "signingProfileArn": profile,
        "repositoryFilters": [{"filter": each, "filterType": "WILDCARD_MATCH"} for each in filters],
    }


def statuses(ecr: Any, repository: str, **image_id: str) -> list[dict[str, str]]:
    """The signing statuses of an image."""
    answer = ecr.describe_image_signing_status(
        repositoryName=repository, imageId=image_id or {"imageDigest": BUILT.digest}
    )
    assert (answer["registryId"], answer["repositoryName"]) == (REGISTRY_ID, repository)
    assert answer["imageId"]["imageDigest"]
    return list(answer["signingStatuses"])


def test_a_configuration_is_kept(ecr: Any) -> None:
    """Put, got, put again, deleted; without one it is not found."""
    with contextlib.suppress(ecr.exceptions.SigningConfigurationNotFoundException):
        ecr.delete_signing_configuration()
    for call in (ecr.get_signing_configuration, ecr.delete_signing_configuration):
        refused = refusal(call)
        assert (refused.code, refused.message) == (
            "SigningConfigurationNotFoundException",
            f"Signing configuration does not exist in the registry with id '{REGISTRY_ID}'",
        )
    for rules in (
        [{"signingProfileArn": PROFILE}],
        [rule(PROFILE, "team/*", "*prod*"), rule(OTHER, "a")],
        [],
    ):
        wanted = {"rules": rules}
        assert ecr.put_signing_configuration(signingConfiguration=wanted)["signingConfiguration"] == wanted
        found = ecr.get_signing_configuration()
        assert (found["registryId"], found["signingConfiguration"]) == (REGISTRY_ID, wanted)
    deleted = ecr.delete_signing_configuration()
    assert (deleted["registryId"], deleted["signingConfiguration"]) == (REGISTRY_ID, {"rules": []})
    assert refusal(ecr.get_signing_configuration).code == "SigningConfigurationNotFoundException"


SIGNATURES = {
    "notation": artifact("application/vnd.cncf.notary.signature", BUILT),
    "cosign 3": artifact(BUNDLE, BUILT, annotations={PREDICATE: "https://sigstore.dev/cosign/sign/v1"}),
    "a bundle that does not say": artifact(BUNDLE, BUILT),
    "cosign 2 with referrers": artifact("application/vnd.dev.cosign.artifact.sig.v1+json", BUILT),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_an_image_with_a_signature_is_signed(configured: Any, repository: str, kind: str) -> None:
    """From the moment that it is there until it is deleted."""
    push(configured, repository, BUILT, "1")
    [before] = statuses(configured, repository)
    assert (before["signingProfileArn"], before["status"], before["failureCode"]) == (
        PROFILE,
        "FAILED",
        "SignatureNotFound",
    )
    assert before["failureReason"].endswith("this registry does not sign images itself.")
    push(configured, repository, SIGNATURES[kind])
    assert statuses(configured, repository) == [{"signingProfileArn": PROFILE, "status": "COMPLETE"}]
    assert statuses(configured, repository, imageTag="1")[0]["status"] == "COMPLETE"
    by_digest = [{"imageDigest": SIGNATURES[kind].digest}]
    configured.batch_delete_image(repositoryName=repository, imageIds=by_digest)
    assert statuses(configured, repository) == [before]


def test_an_image_with_a_tag_of_cosigns_is_signed(configured: Any, repository: str) -> None:
    """As cosign before version 3 pushes signatures; an index is signed like an image."""
    both = index(BUILT)
    push(configured, repository, BUILT)
    push(configured, repository, both, "1")
    push(configured, repository, image("the signature"), signatures.tag_of(both.digest))
    assert statuses(configured, repository, imageTag="1")[0]["status"] == "COMPLETE"
    assert statuses(configured, repository)[0]["status"] == "FAILED"


NO_SIGNATURES: dict[str, Built] = {
    "an attestation": artifact(BUNDLE, BUILT, annotations={PREDICATE: "https://slsa.dev/provenance/v1"}),
    "an SBOM": artifact("application/spdx+json", BUILT),
    "a signature of another image": artifact("application/vnd.cncf.notary.signature", image("another")),
}


@pytest.mark.parametrize("kind", NO_SIGNATURES)
def test_what_is_no_signature_signs_nothing(configured: Any, repository: str, kind: str) -> None:
    """An attestation says something else about an image than that it is one's own."""
    push(configured, repository, BUILT)
    push(configured, repository, NO_SIGNATURES[kind])
    assert statuses(configured, repository)[0]["status"] == "FAILED"


def test_each_profile_that_should_sign_is_told(ecr: Any, name: str) -> None:
    """By the rules that mean the repository, each profile once; none where no rule does, signed or not."""
    repository = f"team/{name.rpartition('/')[2]}"
    push(ecr, repository, BUILT)
    rules = [rule(PROFILE, "team/*"), rule(OTHER, "other/*", "*"), rule(PROFILE, "*"), rule(OTHER, "lib")]
    ecr.put_signing_configuration(signingConfiguration={"rules": rules})
    assert [each["signingProfileArn"] for each in statuses(ecr, repository)] == [PROFILE, OTHER]
    ecr.put_signing_configuration(signingConfiguration={"rules": [rule(OTHER, "team")]})
    assert statuses(ecr, repository) == []
    ecr.delete_signing_configuration()


def test_an_image_that_is_not_there_has_no_status(ecr: Any, repository: str) -> None:
    """By tag, by digest, and without either."""
    for image_id in ({"imageTag": "none"}, {"imageDigest": BUILT.digest}, {}):
        refused = refusal(ecr.describe_image_signing_status, repositoryName=repository, imageId=image_id)
        assert refused.code == "ImageNotFoundException"
