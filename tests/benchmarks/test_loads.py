"""The benchmark's own clients, against a live registry: they do what is counted, and count what was done."""

import shutil
from base64 import b64encode
from pathlib import Path

import pytest

from benchmarks import crane, listings, load
from benchmarks.wire import Origin, WireError
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server


@pytest.fixture
def origin(server: Server) -> Origin:
    """The registry, with credentials."""
    basic = b64encode(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}".encode()).decode()
    return Origin("127.0.0.1", server.port, f"Basic {basic}")


def test_lists_have_what_was_seeded(origin: Origin, server: Server) -> None:
    """So many tags in one repository, so many repositories; seeding again changes nothing."""
    for _ in range(2):
        listings.seed(origin, 12)
    assert listings.entries(origin, listings.TAGS_PATH) == 12
    names = [
        each["repositoryName"]
        for each in server.boto().describe_repositories(maxResults=1000)["repositories"]
    ]
    assert len([name for name in names if name.startswith("bench/of-many/")]) == 12
    with pytest.raises(WireError, match="404"):
        listings.entries(origin, "/v2/never/was/tags/list")


def test_heads_are_counted_with_their_times(origin: Origin) -> None:
    """Every HEAD that was answered; anything but 200 is no figure."""
    listings.seed(origin, 1)
    path = f"/v2/{listings.TAGGED}/manifests/tag-00000"
    work = load.heads(origin, path, seconds=1, connections=4, headers={"Accept": listings.MANIFEST})
    assert work.units > 10
    assert work.p50 is not None
    assert work.p99 is not None
    assert 0 < work.p50 <= work.p99 < work.seconds
    with pytest.raises(WireError, match="404"):
        load.heads(origin, f"{path}-not", seconds=1, connections=1, headers={})


def test_small_pushes_are_all_pushed(origin: Origin) -> None:
    """Each blob is there afterwards, and has its time."""
    work = load.pushes(origin, [f"blob {number}".encode() for number in range(20)])
    assert work.units == 20
    assert work.p50 is not None


@pytest.mark.skipif(shutil.which("crane") is None, reason="crane is not installed")
def test_crane_moves_whole_images(origin: Origin, tmp_path: Path) -> None:
    """What is pushed is pulled, and nothing stays behind on the disk."""
    assert crane.push(origin, tmp_path).units == crane.IMAGES
    assert crane.pull(origin, tmp_path).units == crane.IMAGES
    assert [path.name for path in tmp_path.iterdir()] == [f"docker-{origin.port}"]


def test_a_client_that_fails_is_no_figure() -> None:
    """Its last words are the reason."""
    with pytest.raises(WireError, match="so it goes"):
        load.programs([("sh", "-c", "echo so it goes >&2; exit 3")], {"PATH": "/usr/bin:/bin"})
