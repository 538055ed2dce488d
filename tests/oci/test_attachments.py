"""What is attached to images: told from types, annotations and tags as clients write them."""

import pytest

from careen.oci.attachments import Kind, kind_of, tags_for

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE = "dev.sigstore.bundle.predicateType"

KINDS = {
    "notation's signature": ("application/vnd.cncf.notary.signature", {}, Kind.SIGNATURE),
    "cosign's bundle with a signature": (
        BUNDLE,
        {PREDICATE: "https://sigstore.dev/cosign/sign/v1"},
        Kind.SIGNATURE,
    ),
    "cosign's bundle with an SPDX document": (BUNDLE, {PREDICATE: "https://spdx.dev/Document"}, Kind.SBOM),
    "cosign's bundle with a provenance": (
        BUNDLE,
        {PREDICATE: "https://slsa.dev/provenance/v1"},
        Kind.ATTESTATION,
    ),
    "SPDX": ("application/spdx+json", {}, Kind.SBOM),
    "CycloneDX": ("application/vnd.cyclonedx+json", {}, Kind.SBOM),
    "in-toto": ("application/vnd.in-toto+json", {}, Kind.ATTESTATION),
    "anything else": ("application/vnd.example", {}, Kind.OTHER),
    "nothing": (None, {}, Kind.OTHER),
}


@pytest.mark.parametrize(("artifact_type", "annotations", "kind"), KINDS.values(), ids=KINDS)
def test_a_referrer_is_told_by_its_type(
    artifact_type: str | None, annotations: dict[str, str], kind: Kind
) -> None:
    """By the artifact type, and of a bundle by what it says that it holds."""
    assert kind_of(artifact_type, annotations) is kind


def test_cosign_attaches_by_tags() -> None:
    """The digest with a dash in place of the colon, and an ending for each kind."""
    digest = f"sha256:{'0' * 64}"
    assert tags_for(digest)[f"sha256-{'0' * 64}.sig"] is Kind.SIGNATURE
    assert tags_for(digest)[f"sha256-{'0' * 64}.sbom"] is Kind.SBOM
    assert tags_for(digest)[f"sha256-{'0' * 64}.att"] is Kind.ATTESTATION
