"""What is remembered of manifests."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careen.demo import images
from careen.fleet.errors import BadInput
from careen.fleet.manifests import Content, Manifests, content_of
from careen.fleet.scanned import Blob

_digests = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}") | st.binary(
    min_size=64, max_size=64
).map(lambda data: f"sha512:{data.hex()}")
_blobs = st.none() | st.lists(st.builds(Blob, _digests, st.integers(0, 2**40)), max_size=4).map(tuple)
_contents = st.dictionaries(_digests, st.builds(Content, _blobs, _blobs), max_size=5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=_contents)
def test_what_is_remembered(tmp_path: Path, contents: dict[str, Content]) -> None:
    """Is what was told, also after it was closed; what nobody told is not there."""
    (tmp_path / "m").unlink(missing_ok=True)
    kept = Manifests(tmp_path / "m")
    kept.remember(contents)
    kept.close()
    opened = Manifests(tmp_path / "m")
    assert opened.known([*contents, "sha256:" + "0" * 64]) == contents
    opened.close()


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    """Is refused, with what to do."""
    (tmp_path / "m").write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(BadInput, match="not a database") as refused:
        Manifests(tmp_path / "m")
    assert "delete it" in (refused.value.hint or "")


def test_what_a_manifest_is_made_of() -> None:
    """Configuration and layers of an image; what an index lists; of anything else nothing."""
    image = images.image((images.layer("a", 10, "a"),), "linux/amd64", {})
    found = content_of(image.manifest.decode())
    assert found is not None
    assert [each.digest for each in found.blobs or ()] == [images.digest_of(data) for data in image.blobs]
    index = content_of(images.index({"linux/amd64": image}).decode())
    assert index == Content((Blob(image.digest, len(image.manifest)),), None)
    assert content_of('{"schemaVersion": 1, "fsLayers": []}') is None
