"""Ranges of a blob (RFC 9110, section 14): which are served, which ignored, which refused."""

import pytest

from careen.distribution.blobs import _range
from careen.oci.errors import OciError
from tests.distribution.client import Client
from tests.distribution.stock import LARGE, SMALL

WHOLE = (200, 0, 100)

RANGES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "from the beginning": ("bytes=0-9", (206, 0, 10)),
    "one byte": ("bytes=99-99", (206, 99, 1)),
    "to the end": ("bytes=90-", (206, 90, 10)),
    "all of it": ("bytes=0-", (206, 0, 100)),
    "beyond the end": ("bytes=90-1000", (206, 90, 10)),
    "the last bytes": ("bytes=-10", (206, 90, 10)),
    "more last bytes than there are": ("bytes=-1000", (206, 0, 100)),
    "spaces": ("bytes= 0 - 9", (206, 0, 10)),
    "several": ("bytes=0-1,5-6", WHOLE),
    "another unit": ("items=0-9", WHOLE),
    "no numbers": ("bytes=-", WHOLE),
    "no range": ("bytes", WHOLE),
    "words": ("bytes=a-b", WHOLE),
    "a number that nobody could mean": ("bytes=0-" + "9" * 5000, WHOLE),
    "negative": ("bytes=--5", WHOLE),
}

OUTSIDE = {
    "first byte behind the end": "bytes=100-",
    "both behind the end": "bytes=100-200",
    "no last bytes": "bytes=-0",
    "last before first": "bytes=5-4",
}


@pytest.mark.parametrize(("header", "expected"), RANGES.values(), ids=RANGES.keys())
def test_a_range_of_a_hundred_bytes(header: str, expected: tuple[int, int, int]) -> None:
    """Status, first byte, number of bytes; what is no single range of bytes is ignored."""
    assert _range(header, 100) == expected


@pytest.mark.parametrize("header", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_range_outside_is_refused(header: str) -> None:
    """416, and how many bytes there are."""
    with pytest.raises(OciError) as refused:
        _range(header, 100)
    assert (refused.value.status, refused.value.headers) == (416, [(b"content-range", b"bytes */100")])


def test_an_empty_blob_has_no_ranges() -> None:
    """Not even the one from its beginning."""
    with pytest.raises(OciError):
        _range("bytes=0-", 0)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["row", "file"])
def test_a_range_is_served(client: Client, name: str, data: bytes) -> None:
    """206 with Content-Range, and just these bytes."""
    digest = client.push_blob(name, data)
    for first, last in ((0, 0), (7, 19), (len(data) - 1, len(data) - 1), (1, len(data) - 1)):
        got = client.send("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": f"bytes={first}-{last}"})
        assert got.status == 206
        assert got.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"
        assert got.headers["content-length"] == str(last - first + 1)
        assert got.body == data[first : last + 1]


def test_a_range_outside_a_blob_is_answered_416(client: Client, name: str) -> None:
    """SIZE_INVALID in the envelope, the size in Content-Range."""
    digest = client.push_blob(name, SMALL)
    got = client.send("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": "bytes=40-"})
    assert (got.status, got.code) == (416, "SIZE_INVALID")
    assert got.headers["content-range"] == f"bytes */{len(SMALL)}"


def test_a_head_has_no_ranges(client: Client, name: str) -> None:
    """A Range is for GET only: a HEAD tells the whole length, whatever it asks."""
    digest = client.push_blob(name, SMALL)
    for wanted in ("bytes=0-9", "bytes=1000-"):
        got = client.send("HEAD", f"/v2/{name}/blobs/{digest}", headers={"Range": wanted})
        assert (got.status, got.headers["content-length"]) == (200, str(len(SMALL)))
        assert "content-range" not in got.headers


@pytest.mark.parametrize(
    ("condition", "status"), [('"{digest}"', 206), ('"sha256:0"', 200), ('W/"{digest}"', 200)]
)
def test_if_range_asks_for_the_rest_of_the_same_bytes(
    client: Client, name: str, condition: str, status: int
) -> None:
    """The strong entity tag gets the range; anything else the whole."""
    digest = client.push_blob(name, SMALL)
    sent = {"Range": "bytes=0-9", "If-Range": condition.format(digest=digest)}
    assert client.send("GET", f"/v2/{name}/blobs/{digest}", headers=sent).status == status
