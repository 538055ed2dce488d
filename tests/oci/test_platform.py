"""What indexes say of what they list, well and badly formed."""

import json
from typing import Any

import pytest

from careen.oci.platform import Listed, listed

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
ATTESTS = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": A}

INDEXES: dict[str, tuple[Any, list[Listed]]] = {
    "two platforms, in its order": (
        [
            {"digest": B, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": A, "platform": {"os": "linux", "architecture": "amd64"}},
        ],
        [Listed(B, "linux/arm64/v8"), Listed(A, "linux/amd64")],
    ),
    "an attestation of BuildKit's": (
        [{"digest": B, "platform": {"os": "unknown", "architecture": "unknown"}, "annotations": ATTESTS}],
        [Listed(B, "", A)],
    ),
    "the same twice": ([{"digest": A, "platform": {"os": "linux"}}, {"digest": A}], [Listed(A, "linux")]),
    "no platform": ([{"digest": A}], [Listed(A, "")]),
    "a platform of nonsense": (
        [{"digest": A, "platform": {"os": 1}}, {"digest": B, "platform": "x"}],
        [Listed(A, ""), Listed(B, "")],
    ),
    "no digest": ([{"platform": {"os": "linux"}}], []),
    "no list": ("x", []),
    "entries of nonsense": ([1], []),
}


@pytest.mark.parametrize(("manifests", "found"), INDEXES.values(), ids=INDEXES)
def test_an_index_is_read_for_people(manifests: Any, found: list[Listed]) -> None:
    """What it says is told; what it says badly is left out."""
    assert listed(json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()) == found


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000], ids=["nothing", "no text", "deep"])
def test_what_is_no_index_lists_nothing(data: bytes) -> None:
    """Bytes that are no JSON raise nothing."""
    assert listed(data) == []
