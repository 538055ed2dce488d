"""The pushes of the past, again."""

from random import Random

import pytest

from careen.clock import DAY
from careen.lifecycle.arrivals import MOST, TooManyArrivals, arrivals, streams
from careen.lifecycle.family import families
from careen.lifecycle.image import Image
from careen.lifecycle.projection import Arrival
from tests.lifecycle.build import NOW, ago, image
from tests.lifecycle.worlds import world


def said(found: list[Arrival]) -> list[tuple[float, tuple[str, ...]]]:
    """Days from now, and tags."""
    return [((each.image.pushed_at - NOW) / DAY, each.image.tags) for each in found]


RATES = {
    "one image tells no rate": ([image("a", 10, "v1")], [(("v*",), 0)]),
    "those after the first, in the time since": (
        [image("a", 10, "v1"), image("b", 6, "v2"), image("c", 5, "v3")],
        [(("v*",), 0.2)],
    ),
    "each family has its own": (
        [image("a", 10, "v1"), image("b", 5, "v2"), image("c", 4, "pr-1"), image("d", 2, "pr-2")],
        [(("pr-*",), 0.25), (("v*",), 0.1)],
    ),
    "fixed tags and none are one": (
        [image("a", 10), image("b", 5), image("c", 4, "latest")],
        [((), 0.2)],
    ),
    "a fixed tag beside a counting one changes nothing": (
        [image("a", 10, "v1"), image("b", 5, "v2", "latest")],
        [(("v*",), 0.1)],
    ),
    "less than a day tells the rate of a day": (
        [image("a", 0.2, "v1"), image("b", 0.1, "v2")],
        [(("v*",), 1)],
    ),
    "children and artifacts come with others": (
        [image("x", 10), image("i", 10, "v1", lists="x"), image("s", 9, "sha256-ab.sig", subject="i")],
        [(("v*",), 0)],
    ),
}


@pytest.mark.parametrize(("images", "expected"), RATES.values(), ids=RATES)
def test_rates(images: list[Image], expected: list[tuple[tuple[str, ...], float]]) -> None:
    """Streams have the families of the counting tags, and the rate at which they were pushed."""
    assert [(each.families, each.per_day) for each in streams(images, NOW)] == expected


REPLAYS = {
    "at the same hours, over and over": (
        [image("a", 10, "v1"), image("b", 4, "v2")],
        25,
        [(6, ("v3",)), (16, ("v4",))],
    ),
    "a fixed tag goes along": (
        [image("a", 10, "v1"), image("b", 4, "v2", "latest")],
        10,
        [(6, ("v3", "latest"))],
    ),
    "untagged images lost their tag to the next": (
        [image("a", 10), image("b", 6), image("c", 4, "latest"), image("d", 2)],
        10,
        [(4, ("latest",)), (6, ("latest",)), (8, ())],
    ),
    "branches count for themselves": (
        [image("a", 10, "v1.9"), image("b", 5, "v2.0"), image("c", 2, "v1.10")],
        10,
        [(5, ("v2.1",)), (8, ("v1.11",))],
    ),
    "one image brings nothing": ([image("a", 10, "v1")], 30, []),
    "an empty repository stays so": ([], 30, []),
}


@pytest.mark.parametrize(("images", "days", "expected"), REPLAYS.values(), ids=REPLAYS)
def test_replays(images: list[Image], days: int, expected: list[tuple[float, tuple[str, ...]]]) -> None:
    """What was pushed is pushed again, under tags that nobody has."""
    assert said(arrivals(images, NOW, days)) == expected


def test_an_index_comes_with_all_that_belongs_to_it() -> None:
    """Its children before it, what refers to it behind it, and all of them new."""
    images = [
        image("old", 10, "v1"),
        image("amd64", 4, size=1),
        image("arm64", 4, size=2),
        image("index", 4, "v2", lists="amd64 arm64"),
        image("signature", 4, subject="index", size=3),
    ]
    found = [each.image for each in arrivals(images, NOW, 10)]
    assert [each.digest.partition(":")[2] for each in found] == ["amd64", "arm64", "index", "signature"]
    assert found[2].references == (found[0].digest, found[1].digest)
    assert found[3].subject == found[2].digest
    assert {each.pushed_at for each in found} == {ago(-6)}
    assert not {each.digest for each in found} & {each.digest for each in images}


def test_a_copy_shares_what_its_model_shares() -> None:
    """A base that several images have is there already; what only the model has comes anew with each copy."""
    images = [image("a", 10, "v1"), image("b", 4, "v2")]
    blobs = {"a": {"base": 100, "x": 1}, "b": {"base": 100, "y": 2}}
    first, second = (each.blobs for each in arrivals(images, NOW, 20, blobs))
    assert first["base"] == second["base"] == 100
    assert sorted(first.values()) == sorted(second.values()) == [2, 100]
    assert len({*first, *second, *blobs["a"], *blobs["b"]} - {"base"}) == 4


def test_a_flood_is_not_foretold() -> None:
    """A repository that was filled at once has no rate to go on with."""
    images = [image(f"i{number}", 0.1, f"v{number}") for number in range(101)]
    assert len(arrivals(images, NOW, MOST // 100)) == MOST
    with pytest.raises(TooManyArrivals, match="100,100 images would be pushed in 1001 days"):
        arrivals(images, NOW, MOST // 100 + 1)


def test_many_tags_of_one_kind() -> None:
    """Copies find free tags without looking at all that are taken, each time anew."""
    images = [image(f"i{number:05}", 30 - number / 1000, f"build-{number}") for number in range(20_000)]
    found = [each.image.tags for each in arrivals(images, NOW, 30)]
    assert len(set(found)) == len(found) > 15_000


def test_any_repository() -> None:
    """Whatever is in it, circles included: digests and counting tags are new, families are not, order is that of time."""
    came = 0
    for seed in range(200):
        images = world(Random(seed)).read()  # noqa: S311 - chance that can be repeated, no secret
        found = [each.image for each in arrivals(images, NOW, 60)]
        again = [each.image for each in arrivals(images[::-1], NOW, 60)]
        assert [each.pushed_at for each in found] == sorted(each.pushed_at for each in found)
        assert [(each.tags, each.pushed_at) for each in found] == [
            (each.tags, each.pushed_at) for each in again
        ]
        digests = [each.digest for each in found]
        assert len(set(digests)) == len(digests)
        known = {name for each in images for name in families(each.tags)}
        assert {name for each in found for name in families(each.tags)} <= known
        taken = [tag for each in found for tag in each.tags if "*" in "".join(families([tag]))]
        assert len(set(taken)) == len(taken)
        assert not set(taken) & {tag for each in images for tag in each.tags}
        came += len(found)
    assert came > 200
