"""What a signature of an image is, for those who ask whether there is one. Whose it is and whether it is good, nobody asks here.

Notation and cosign since version 3 push a signature as a referrer (image-spec 1.1); cosign before it, as an image that is tagged
with the digest of what it signs.
"""

from collections.abc import Mapping

ARTIFACT_TYPES = frozenset(
    {
        "application/vnd.cncf.notary.signature",
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    }
)
"""Artifact types of signatures (notation, cosign before and since version 3)."""

_PREDICATE = "dev.sigstore.bundle.predicateType"
_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
_TAG_END = ".sig"


def is_signature(artifact_type: str | None, annotations: Mapping[str, str] | None = None) -> bool:
    """Whether a referrer signs its subject.

    Args:
        artifact_type: the referrer's.
        annotations: the referrer's, if they are known. Sigstore's bundles hold attestations too, of what an image was built from,
            say; the annotation tells which. A bundle of which it is not known counts.
    """
    said = (annotations or {}).get(_PREDICATE, _SIGNATURE)
    return artifact_type in ARTIFACT_TYPES and said == _SIGNATURE


def tag_of(digest: str) -> str:
    """The tag that cosign gives the signatures of an image: ``sha256-….sig``."""
    return digest.replace(":", "-", 1) + _TAG_END


def signed_by_tag(tag: str) -> str | None:
    """The digest that a tag says it is the signature of."""
    return tag.removesuffix(_TAG_END).replace("-", ":", 1) if tag.endswith(_TAG_END) else None
