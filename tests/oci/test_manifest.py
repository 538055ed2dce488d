"""Manifests: which are taken, what is read in them, and which are refused with what words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.oci import manifest as manifests
from careen.oci.manifest import Descriptor, InvalidManifest, Manifest
from careen.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
SHA512 = "sha512:" + "d" * 128
CONFIG: dict[str, Any] = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": A, "size": 2}
LAYER: dict[str, Any] = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": B, "size": 3}
FOREIGN = LAYER | {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": C}
CHILD: dict[str, Any] = {
    "mediaType": OCI_MANIFEST,
    "digest": C,
    "size": 4,
    "platform": {"os": "linux", "architecture": "amd64"},
}

IMAGE: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [CHILD]}


def parse(body: Any, content_type: str | None = None) -> Manifest:
    return manifests.parse(json.dumps(body).encode(), content_type)


TAKEN: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "OCI image": (IMAGE | {"mediaType": OCI_MANIFEST}, OCI_MANIFEST, OCI_MANIFEST),
    "Docker image": (IMAGE | {"mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST, DOCKER_MANIFEST),
    "OCI index": (INDEX | {"mediaType": OCI_INDEX}, OCI_INDEX, OCI_INDEX),
    "Docker list": (INDEX | {"mediaType": DOCKER_LIST}, DOCKER_LIST, DOCKER_LIST),
    "type from the body alone": (IMAGE | {"mediaType": DOCKER_MANIFEST}, None, DOCKER_MANIFEST),
    "type from the request alone": (IMAGE, DOCKER_MANIFEST, DOCKER_MANIFEST),
    "request with parameters": (IMAGE, f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST),
    "empty type in the request": (IMAGE, "", OCI_MANIFEST),
    "an image by its shape": (IMAGE, None, OCI_MANIFEST),
    "an index by its shape": (INDEX, None, OCI_INDEX),
    "no layers": (IMAGE | {"layers": []}, None, OCI_MANIFEST),
    "no children": (INDEX | {"manifests": []}, None, OCI_INDEX),
    "members of a later version": (IMAGE | {"fsLayers": [], "x": {"y": 1}}, None, OCI_MANIFEST),
    "nulls where nothing is needed": (IMAGE | {"subject": None, "annotations": None}, None, OCI_MANIFEST),
}


@pytest.mark.parametrize(("body", "content_type", "expected"), TAKEN.values(), ids=TAKEN.keys())
def test_a_manifest_is_taken(body: dict[str, Any], content_type: str | None, expected: str) -> None:
    """Four types, told by the body, by the request, or by the shape."""
    manifest = parse(body, content_type)
    assert manifest.media_type == expected
    assert manifest.is_index is ("manifests" in body)


def without(body: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != member}


REFUSED: dict[str, tuple[Any, str | None, str]] = {
    "a list": ([], None, "Expected `object`, got `array`"),
    "no schema version": (without(IMAGE, "schemaVersion"), None, "missing required field `schemaVersion`"),
    "schema 1": (
        IMAGE | {"schemaVersion": 1},
        None,
        f"schema 1 of media type '{OCI_MANIFEST}' is not supported",
    ),
    "schema version as text": (IMAGE | {"schemaVersion": "2"}, None, "Expected `int`, got `str`"),
    "unknown type in the body": (IMAGE | {"mediaType": "text/plain"}, None, "'text/plain' is not supported"),
    "unknown type in the request": (IMAGE, "application/json", "'application/json' is not supported"),
    "types that contradict": (
        IMAGE | {"mediaType": OCI_MANIFEST},
        DOCKER_MANIFEST,
        f"the manifest says mediaType '{OCI_MANIFEST}', the request '{DOCKER_MANIFEST}'",
    ),
    "no config": (without(IMAGE, "config"), None, "missing required field `config`"),
    "no layers": (without(IMAGE, "layers"), None, "missing required field `layers`"),
    "an image with manifests": (IMAGE | {"manifests": [CHILD]}, OCI_MANIFEST, "has no `manifests`"),
    "an index with layers": (INDEX | {"layers": [LAYER]}, None, "has no `config` and no `layers`"),
    "an index with a config": (INDEX | {"config": CONFIG}, None, "has no `config` and no `layers`"),
    "an index without manifests": (
        IMAGE | {"mediaType": OCI_INDEX},
        None,
        "missing required field `manifests`",
    ),
    "a layer without digest": (IMAGE | {"layers": [without(LAYER, "digest")]}, None, "`$.layers[0]`"),
    "a layer without size": (IMAGE | {"layers": [without(LAYER, "size")]}, None, "`$.layers[0]`"),
    "a layer without type": (IMAGE | {"layers": [without(LAYER, "mediaType")]}, None, "`$.layers[0]`"),
    "a digest that is none": (
        IMAGE | {"layers": [LAYER | {"digest": "sha256:../../etc"}]},
        None,
        "'sha256:../../etc' is not a sha256 or sha512 digest - at `$.layers[0]`",
    ),
    "a digest of md5": (IMAGE | {"config": CONFIG | {"digest": "md5:" + "0" * 32}}, None, "is not a sha256"),
    "a negative size": (IMAGE | {"config": CONFIG | {"size": -1}}, None, "size is negative - at `$.config`"),
    "a size that is no whole number": (IMAGE | {"config": CONFIG | {"size": 1.5}}, None, "Expected `int`"),
    "a type with a NUL": (IMAGE | {"artifactType": "application/x\0"}, None, "has a NUL character"),
    "a subject that is text": (IMAGE | {"subject": A}, None, "`$.subject`"),
    "annotations that are no text": (IMAGE | {"annotations": {"a": 1}}, None, "`$.annotations[...]`"),
}


@pytest.mark.parametrize(("body", "content_type", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_manifest_is_refused(body: Any, content_type: str | None, words: str) -> None:
    """The message says which part is wrong, and where."""
    with pytest.raises(InvalidManifest) as refused:
        parse(body, content_type)
    assert words in str(refused.value)


MALFORMED = {
    "empty": b"",
    "not JSON": b"not JSON",
    "cut off": json.dumps(IMAGE).encode()[:-1],
    "two values": json.dumps(IMAGE).encode() * 2,
    "not UTF-8": json.dumps(IMAGE | {"mediaType": "?"}).encode().replace(b"?", b"\xff"),
    "half a surrogate pair": json.dumps(IMAGE | {"mediaType": "?"}).encode().replace(b"?", b"\\ud800"),
    "nested without end": json.dumps(IMAGE)[:-1].encode() + b', "x": ' + b"[" * 100_000,
    "a gzip stream": bytes.fromhex("1f8b0800000000000203"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_json_is_refused_in_ecr_s_words(data: bytes) -> None:
    """The whole message is Amazon ECR's."""
    with pytest.raises(InvalidManifest, match=r"^Invalid JSON syntax$"):
        manifests.parse(data)


def test_what_is_read_in_an_image() -> None:
    """Config, layers in their order, subject, artifact type, annotations; children never."""
    subject = {"mediaType": OCI_MANIFEST, "digest": SHA512, "size": 5}
    manifest = parse(
        IMAGE | {"subject": subject, "artifactType": "application/x.sbom", "annotations": {"k": "v"}}
    )
    assert manifest == Manifest(
        media_type=OCI_MANIFEST,
        config=Descriptor(CONFIG["mediaType"], A, 2),
        layers=(Descriptor(LAYER["mediaType"], B, 3),),
        subject=Descriptor(OCI_MANIFEST, SHA512, 5),
        artifact_type="application/x.sbom",
        annotations={"k": "v"},
    )


def test_what_is_read_in_an_index() -> None:
    """Children, each once however often it is listed."""
    other = CHILD | {"digest": SHA512, "artifactType": "application/x.attestation", "annotations": {"a": "b"}}
    manifest = parse(INDEX | {"manifests": [CHILD, other, CHILD], "artifactType": "application/x.set"})
    assert [child.digest for child in manifest.children] == [C, SHA512]
    assert manifest.children[1].artifact_type == "application/x.attestation"
    assert (manifest.config, manifest.layers, manifest.blobs()) == (None, (), ())
    assert manifest.artifact_type == "application/x.set"


ARTIFACT_TYPES: dict[str, tuple[dict[str, Any], str | None]] = {
    "an image's own": (IMAGE | {"artifactType": "application/x"}, "application/x"),
    "an image's config": (IMAGE, CONFIG["mediaType"]),
    "an image's config, its own being empty": (IMAGE | {"artifactType": ""}, CONFIG["mediaType"]),
    "an index's own": (INDEX | {"artifactType": "application/x"}, "application/x"),
    "an index without": (INDEX, None),
}


@pytest.mark.parametrize(("body", "expected"), ARTIFACT_TYPES.values(), ids=ARTIFACT_TYPES.keys())
def test_artifact_types(body: dict[str, Any], expected: str | None) -> None:
    """The manifest's own, else its config's media type; an index has no config to ask."""
    assert parse(body).artifact_type == expected


def test_which_blobs_the_registry_must_hold() -> None:
    """Config first, every digest once, and no layer that may live elsewhere."""
    manifest = parse(IMAGE | {"layers": [LAYER, FOREIGN, LAYER, LAYER | {"digest": A}]})
    assert [blob.digest for blob in manifest.blobs()] == [A, B]
    assert len(manifest.layers) == 4


def test_a_referrer_s_descriptor_has_what_is_known() -> None:
    """Artifact type and annotations are left out where there are none."""
    assert manifests.referrer(A, 7, OCI_MANIFEST, None, None) == {
        "mediaType": OCI_MANIFEST,
        "digest": A,
        "size": 7,
    }
    full = manifests.referrer(A, 7, OCI_MANIFEST, "application/x", {"k": "v"})
    assert (full["artifactType"], full["annotations"]) == ("application/x", {"k": "v"})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
_descriptors = st.fixed_dictionaries(
    {},
    optional={"mediaType": st.text() | _json, "digest": st.sampled_from([A, B, "x"]) | _json, "size": _json},
)
_bodies = st.fixed_dictionaries(
    {"schemaVersion": st.just(2) | _json},
    optional={
        "mediaType": st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_LIST]) | _json,
        "config": _descriptors | _json,
        "layers": st.lists(_descriptors) | _json,
        "manifests": st.lists(_descriptors) | _json,
        "subject": _descriptors | _json,
        "artifactType": _json,
        "annotations": st.dictionaries(st.text(), st.text()) | _json,
    },
)


@settings(deadline=None)
@given(st.binary(max_size=300) | _json.map(lambda value: json.dumps(value).encode()), st.none() | st.text())
def test_whatever_bytes_come_they_are_read_or_refused(data: bytes, content_type: str | None) -> None:
    """No input raises anything but InvalidManifest."""
    try:
        manifest = manifests.parse(data, content_type)
    except InvalidManifest as refused:
        assert str(refused)  # noqa: PT017 both ends are an answer
    else:
        assert manifest.media_type


@settings(deadline=None)
@given(_bodies, st.sampled_from([None, OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, "text/plain"]))
def test_whatever_is_taken_can_be_kept(body: dict[str, Any], content_type: str | None) -> None:
    """Of everything that looks like a manifest, what is taken has only digests that can be stored and one shape."""
    try:
        manifest = parse(body, content_type)
    except InvalidManifest:
        return
    for descriptor in (*manifest.blobs(), *manifest.children):
        assert descriptor.digest in {A, B}
        assert descriptor.size >= 0
    assert manifest.is_index is (manifest.config is None)
    assert not (manifest.layers and manifest.children)
