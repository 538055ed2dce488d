"""Images as workloads name them."""

import pytest

from careen.pins.reference import Reference, is_of, parse
from careen.pins.sighting import Sighting, Use

D = "sha256:" + "a" * 64
E = "sha256:" + "b" * 64

NAMES = {
    "host:5000/team/app:v1": Reference("host:5000", "team/app", "v1", None),
    "host.example/app": Reference("host.example", "app", "latest", None),
    f"host.example/app@{D}": Reference("host.example", "app", None, D),
    f"host.example/app:v1@{D}": Reference("host.example", "app", "v1", D),
    f"docker-pullable://host.example/app@{D}": Reference("host.example", "app", None, D),
    "localhost/app:v1": Reference("localhost", "app", "v1", None),
    "[::1]:5000/app:v1": Reference("[::1]:5000", "app", "v1", None),
    "nginx": Reference(None, "nginx", "latest", None),
    "library/nginx:1": Reference(None, "library/nginx", "1", None),
    f"docker://{D}": None,
    D: None,
    "": None,
    "host.example/": None,
    "host.example/app@sha256:short": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_reading_a_name(name: str) -> None:
    """As a container runtime reads it; a bare image id names nothing that could be pulled."""
    assert parse(name) == NAMES[name]


@pytest.mark.parametrize(
    ("name", "hosts", "ours"),
    [
        ("registry.example/app", ["registry.example"], True),
        ("registry.example:5000/app", ["registry.example"], False),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/app", ["*.dkr.ecr.*.amazonaws.com"], True),
        ("evil.example/registry.example/app", ["registry.example"], False),
        ("app", ["registry.example", "*"], False),
        ("other.example/app", ["registry.example", "other.*"], True),
        ("registry.example/app", [], False),
    ],
)
def test_whose_an_image_is(name: str, hosts: list[str], ours: bool) -> None:
    """The whole host decides, port included; an image without a host is Docker Hub's."""
    found = parse(name)
    assert found is not None
    assert is_of(found, hosts) is ours


SEEN = {
    "a tag": (("h.x/a:v1", None), {Use("a", "v1", None, "web")}),
    "a tag, and what runs": (("h.x/a:v1", D), {Use("a", "v1", D, "web")}),
    "a digest that runs": ((f"h.x/a@{D}", D), {Use("a", None, D, "web")}),
    "both": ((f"h.x/a:v1@{D}", None), {Use("a", "v1", D, "web")}),
    "an index, and the image out of it": (
        (f"h.x/a@{D}", E),
        {Use("a", None, D, "web"), Use("a", None, E, "web")},
    ),
    "another registry's": (("docker.io/library/a:v1", D), set()),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_is_noted(case: str) -> None:
    """What runs is preferred, and what the workload asks for is noted beside it."""
    (name, running), uses = SEEN[case]
    seen = Sighting(["h.x"])
    seen.see(name, "web", running)
    seen.see(name, "web", running)
    assert set(seen.uses) == uses
    assert seen.foreign == (0 if uses else 2)
