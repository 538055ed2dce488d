"""What an index says of the manifests that it lists: for which platform each is (image-spec, image-index.md).

Read for people, from what any client may have pushed: what is malformed is left out, and nothing is refused.
"""

from typing import Any, NamedTuple

import msgspec

ATTESTATION = "attestation-manifest"
"""What BuildKit says of a manifest in an index that is no image, but tells how one was built (``vnd.docker.reference.type``)."""


class Listed(NamedTuple):
    """An entry of an index."""

    digest: str
    platform: str
    """``linux/arm64/v8``; empty: the index does not say."""
    describes: str | None = None
    """The digest of the image that it is an attestation of; None: it is none."""


class _Index(msgspec.Struct):
    manifests: tuple[dict[str, Any], ...] = ()


def listed(data: bytes) -> list[Listed]:
    """What an index lists, in its order, each digest once.

    Args:
        data: its bytes.
    """
    try:
        entries = msgspec.json.decode(data, type=_Index).manifests
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    found = [_listed(each) for each in entries if isinstance(each.get("digest"), str)]
    return list({each.digest: each for each in reversed(found)}.values())[::-1]


def _listed(entry: dict[str, Any]) -> Listed:
    annotations, platform = _members(entry, "annotations"), _members(entry, "platform")
    described = annotations.get("vnd.docker.reference.digest")
    if annotations.get("vnd.docker.reference.type") == ATTESTATION and isinstance(described, str):
        return Listed(entry["digest"], "", described)
    parts = [platform.get(name) for name in ("os", "architecture", "variant")]
    return Listed(entry["digest"], "/".join(part for part in parts if isinstance(part, str) and part))


def _members(entry: dict[str, Any], name: str) -> dict[str, Any]:
    found = entry.get(name)
    return found if isinstance(found, dict) else {}
