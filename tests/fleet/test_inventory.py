"""The inventory's file: what goes in comes out, one repository at a time, and what breaks off is left out."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from careen.fleet import inventory
from careen.fleet.errors import BadInput
from careen.fleet.scanned import Blob, Image, Refusal, Scanned, Use
from careen.fleet.selection import parse
from careen.lifecycle.pin import Pin
from tests.fleet.samples import ACCOUNT, HERE, NOW, REGION, digest, fleets, header, repository

in_one_folder = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])

DENIED = Refusal("ecr:DescribeRepositories: no", "1" * 12, "us-east-1", permission="ecr:DescribeRepositories")


@in_one_folder
@given(found=fleets())
def test_what_goes_in_comes_out(tmp_path: Path, found: list[Scanned]) -> None:
    """Head, refusals, and every repository with its images and uses."""
    file = tmp_path / "inventory"
    inventory.write(file, header(), found, [DENIED])
    read = inventory.read(file)
    assert (read.header, tuple(read.refusals)) == (header(), (DENIED,))
    assert list(read.scanned()) == found


def three(folder: Path) -> Path:
    """An inventory of three repositories."""
    found = [
        Scanned(
            repository(name, tags={"owner": owner}),
            (Image(digest(1), ("v1",), NOW, blobs=(Blob(digest(2), 5),)),),
        )
        for name, owner in (("team-a/web", "x"), ("team-a/api", "y"), ("team-b/web", "x"))
    ]
    inventory.write(folder / "inventory", header(), found)
    return folder / "inventory"


def test_a_file_that_is_cut_anywhere(tmp_path: Path) -> None:
    """Is no inventory to a reader; a scan goes on after the last block that is whole."""
    file = three(tmp_path)
    data = file.read_bytes()
    counts = []
    for length in [*range(0, len(data), 7), len(data)]:
        file.write_bytes(data[:length])
        begun = inventory.begun(file)
        counts.append(-1 if begun is None else len(begun.arns))
        if begun is not None:
            file.write_bytes(data[: begun.length])
            again = inventory.begun(file)
            assert again == begun
            assert data.startswith(file.read_bytes())
        if length < len(data):
            file.write_bytes(data[:length])
            with pytest.raises(BadInput):
                list(inventory.read(file).scanned())
    assert sorted(set(counts)) == [-1, 0, 1, 2, 3]
    assert counts == sorted(counts)


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    """Is refused with what to do: a changed byte never goes unnoticed (gzip's check), nor do rows that are none of ours."""
    file = three(tmp_path)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(BadInput, match=r"damaged|breaks off") as refused:
        list(inventory.read(file).scanned())
    assert refused.value.hint == "careen fleet scan"


OTHERS = {
    "nothing": b"",
    "text": b"not an inventory",
    "other JSON": gzip.compress(b'{"x":1}\n'),
    "no head": gzip.compress(b'{"type":"end","images":0,"isWhole":true}\n'),
    "a later version": gzip.compress(
        b'{"type":"inventory","version":99,"beganAt":1,"targets":[],"selection":{}}\n'
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_inventory(tmp_path: Path, case: str) -> None:
    """Is refused by readers, and nothing that a scan would go on from."""
    file = tmp_path / "inventory"
    file.write_bytes(OTHERS[case])
    with pytest.raises(BadInput):
        inventory.read(file)
    assert inventory.begun(file) is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is refused in a line."""
    with pytest.raises(BadInput, match="No such file"):
        inventory.read(tmp_path / "none")
    assert inventory.begun(tmp_path / "none") is None


def test_only_a_part_of_it(tmp_path: Path) -> None:
    """By the same selectors as everywhere."""
    read = inventory.read(three(tmp_path))

    def names(**selectors: list[str]) -> list[str]:
        return [each.repository.name for each in read.scanned(parse(**selectors))]

    assert names(repositories=["team-a/*"]) == ["team-a/web", "team-a/api"]
    assert names(tags=["owner=x"], repositories=["!team-b/*"]) == ["team-a/web"]
    assert names(accounts=["prod"], regions=["eu-*"]) == ["team-a/web", "team-a/api", "team-b/web"]
    assert names(accounts=["dev"]) == names(regions=["us-*"]) == []


def test_other_programs_read_it(tmp_path: Path) -> None:
    """It is gzipped JSON Lines, and shared layers are in a block once."""
    rows = [json.loads(line) for line in gzip.decompress(three(tmp_path).read_bytes()).splitlines()]
    assert [row["type"] for row in rows] == [
        "inventory",
        *["repository", "blobs", "image", "end"] * 3,
        "complete",
    ]
    assert rows[2]["blobs"] == [[digest(2), 5]]
    assert rows[3]["blobs"] == [0]


def test_who_uses_which_image(tmp_path: Path) -> None:
    """By digest, and by the tag's digest of now; what the host did not say is every registry's; one kind is not another's."""

    def use(name: str, consumer: str, tag: str | None, of: str | None, *, anywhere: bool = False) -> Use:
        place = (None, None) if anywhere else (ACCOUNT, REGION)
        return Use(name, consumer, "ecs", tag, of, *place)

    images = (Image(digest(1), ("v1",), NOW), Image(digest(2), (), NOW))
    uses = (
        use("a", "both", "v1", digest(2)),
        use("a", "tag", "v1", None),
        use("a", "gone", "v9", None),
        use("a", "anywhere", None, digest(1), anywhere=True),
    )
    inventory.write(
        tmp_path / "i", header(), [Scanned(repository("a"), images, uses), Scanned(repository("b"), images)]
    )
    a, b = inventory.read(tmp_path / "i").scanned()
    pins = a.pins(NOW)
    assert {each: {pin.consumer for pin in found} for each, found in pins.items()} == {
        digest(1): {"both", "tag", "anywhere"},
        digest(2): {"both"},
    }
    assert b.pins(NOW) == {}
    assert [image.pins for image in a.as_rules_see()] == [(), ()]
    assert a.as_rules_see(pins)[1].pins == (Pin("both", "ecs", NOW),)
    assert a.repository.target == HERE
