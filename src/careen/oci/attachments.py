"""What is attached to an image, told from its type: a signature, an SBOM, an attestation.

A referrer has its subject in its manifest (image-spec 1.1). Cosign before version 3 tagged what it attached with the digest of the
image, ``sha256-….sig``; and clients keep a list of referrers under ``sha256-…`` at registries without a referrers API
(distribution-spec 1.1, "Referrers Tag Schema").
"""

from collections.abc import Mapping
from enum import StrEnum

from careen.oci import signatures


class Kind(StrEnum):
    """What people call it."""

    SIGNATURE = "signature"
    SBOM = "SBOM"
    ATTESTATION = "attestation"
    REPORT = "report"
    OTHER = "artifact"


_SBOMS = frozenset(
    {
        "application/spdx+json",
        "application/vnd.cyclonedx",
        "application/vnd.cyclonedx+json",
        "application/vnd.syft+json",
        "text/spdx",
        "text/spdx+json",
    }
)
_ATTESTATIONS = frozenset(
    {
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dsse.envelope.v1+json",
        "application/vnd.in-toto+json",
    }
)
_PREDICATE = "dev.sigstore.bundle.predicateType"
_SBOM_PREDICATES = ("https://spdx.dev/", "https://cyclonedx.org/")

_ENDS = {".sig": Kind.SIGNATURE, ".sbom": Kind.SBOM, ".att": Kind.ATTESTATION, "": Kind.OTHER}


def kind_of(artifact_type: str | None, annotations: Mapping[str, str] | None = None) -> Kind:
    """What a referrer is.

    Args:
        artifact_type: the referrer's.
        annotations: the referrer's, if they are known: they tell what a bundle of Sigstore's holds.
    """
    if signatures.is_signature(artifact_type, annotations):
        return Kind.SIGNATURE
    if artifact_type in _SBOMS or (annotations or {}).get(_PREDICATE, "").startswith(_SBOM_PREDICATES):
        return Kind.SBOM
    return Kind.ATTESTATION if artifact_type in _ATTESTATIONS else Kind.OTHER


def tags_for(digest: str) -> dict[str, Kind]:
    """The tags that attach something to an image, and what each of them attaches."""
    stem = digest.replace(":", "-", 1)
    return {stem + end: kind for end, kind in _ENDS.items()}
