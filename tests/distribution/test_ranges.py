"""Ranges of a blob (RFC 9110, section 14): which are served, which ignored, which refused."""

import pytest

from careen.distribution.ranges import Part, Unsatisfiable, wanted
from tests.distribution.client import Client
from tests.distribution.stock import LARGE, SMALL

WHOLE = None

RANGES: dict[str, tuple[str, Part | None]] = {
    "from the beginning": ("bytes=0-9", Part(0, 10)),
    "one byte": ("bytes=99-99", Part(99, 1)),
    "to the end": ("bytes=90-", Part(90, 10)),
    "all of it": ("bytes=0-", Part(0, 100)),
    "beyond the end": ("bytes=90-1000", Part(90, 10)),
    "the last bytes": ("bytes=-10", Part(90, 10)),
    "more last bytes than there are": ("bytes=-1000", Part(0, 100)),
    "spaces": ("bytes= 0 - 9", Part(0, 10)),
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
def test_a_range_of_a_hundred_bytes(header: str, expected: Part | None) -> None:
    """First byte, number of bytes; what is no single range of bytes is ignored."""
    assert wanted(header, 100) == expected


@pytest.mark.parametrize("header", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_range_outside_is_refused(header: str) -> None:
    """There is nothing to answer."""
    with pytest.raises(Unsatisfiable):
        wanted(header, 100)


def test_an_empty_blob_has_no_ranges() -> None:
    """Not even the one from its beginning."""
    with pytest.raises(Unsatisfiable):
        wanted("bytes=0-", 0)


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
    for asked in ("bytes=0-9", "bytes=1000-"):
        got = client.send("HEAD", f"/v2/{name}/blobs/{digest}", headers={"Range": asked})
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
