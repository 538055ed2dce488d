"""Whatever is pushed, moved, removed and deleted, and whatever fails: at rest the destination has what the source has."""

import itertools
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from careen import worker
from careen.clock import HOUR
from careen.registry import images, repositories
from careen.registry.registry import Registry
from careen.replication import work
from tests.distribution.client import Client
from tests.images import image
from tests.registry import steps
from tests.replication.conftest import WEST, Source, rule
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.upstream.proxy import Fault, Proxy

IMAGES = [image("convergent", "one"), image("convergent", "two")]
TAGS = ["a", "a", "b"]

_names = itertools.count()


class Deed(NamedTuple):
    """Something that happens at the source, or on the way."""

    kind: str
    image: int
    tag: str


deeds = st.builds(
    Deed,
    st.sampled_from(["push", "push", "push", "untag", "delete", "delete by tag", "one job", "work", "fail"]),
    st.integers(0, len(IMAGES) - 1),
    st.sampled_from(TAGS),
)


MOVED = [Deed("push", 0, "a"), Deed("work", 0, "a"), Deed("push", 1, "a")]
"""A tag that names one image there and another one here."""


def do(source: Source, proxy: Proxy, name: str, deed: Deed) -> None:
    """Do it."""
    built = IMAGES[deed.image]
    found = source.registry.read(repositories.require, name)
    match deed.kind:
        case "push":
            source.push(name, built, deed.tag)
        case "untag":
            source.registry.write_now(images.untag, found, deed.tag)
        case "delete":
            source.registry.write_now(images.delete_by_digest, found, built.digest, steps.cause())
        case "delete by tag":
            source.registry.write_now(images.delete_by_tag, found, deed.tag, steps.cause())
        case "one job":
            worker.run_one(source.registry, "w", work.copies("w", source.stop))
        case "work":
            source.work()
        case "fail":
            proxy.once(name, Fault(status=503), Fault(status=503), method=["PUT", "DELETE"][deed.image])


def tags(client: Client, name: str) -> dict[str, str]:
    """The tags of a repository there, and what they name."""
    listed = client.send("GET", f"/v2/{name}/tags/list").json()["tags"]
    return {
        tag: client.send("HEAD", f"/v2/{name}/manifests/{tag}").headers["docker-content-digest"]
        for tag in listed
    }


def own_tags(registry: Registry, name: str) -> dict[str, str]:
    """The same here."""
    found = registry.read(repositories.require, name)
    pages = registry.read(images.page, found, "", 100)
    return {tag: each.row.digest for each in pages for tag in each.tags}


@pytest.fixture
def _led(proxy: Proxy, source: Source) -> None:
    """The way to the destination, through what fails."""
    source.lead(WEST, proxy.url, username=ACCESS_KEY_ID, password=SECRET_ACCESS_KEY)
    source.configure(rule(WEST, deletes=True))


@pytest.mark.usefixtures("_led")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example([*MOVED, Deed("untag", 0, "a")])
@example([*MOVED, Deed("delete", 1, "a")])
@example([*MOVED, Deed("delete by tag", 0, "a"), Deed("push", 1, "b")])
@given(st.lists(deeds, max_size=12))
def test_at_rest_both_are_the_same(source: Source, proxy: Proxy, west: Client, happened: list[Deed]) -> None:
    """The same images, the same tags, on the same images."""
    name = f"convergence/{next(_names)}-{source.registry.master_key.hex()[:12]}"
    source.push(name, IMAGES[0], "first")
    source.work()
    for deed in happened:
        do(source, proxy, name, deed)
    proxy.heal()
    for _ in range(3):
        source.work()
        source.clock.forward(HOUR)
    assert source.work() == 0
    assert tags(west, name) == own_tags(source.registry, name)
    there = {
        each.digest
        for each in IMAGES
        if west.send("HEAD", f"/v2/{name}/manifests/{each.digest}").status == 200
    }
    assert there == steps.digests(source.registry, name)
