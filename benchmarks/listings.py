"""A repository with thousands of tags, and thousands of repositories with one image each: what lists are made of."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.uploads import push_bytes
from benchmarks.wire import Client, Origin, WireError

TAGGED = "bench/tags"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = b"{}"
EMPTY_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""Of the configuration, which is all that these images have (image-spec, the empty descriptor)."""
SEEDERS = 8
PAGE = 1000
"""Entries asked for at a time."""

TAGS_PATH = f"/v2/{TAGGED}/tags/list?n={PAGE}"
CATALOG_PATH = f"/v2/_catalog?n={PAGE}"


def seed(origin: Origin, count: int) -> None:
    """Push so many tags, and so many repositories."""
    with Client(origin) as client:
        push_bytes(client, EMPTY, EMPTY_DIGEST, TAGGED)
        _put(client, TAGGED, _tag(0))
    _each(origin, range(1, count), lambda client, number: _put(client, TAGGED, _tag(number)))
    _each(origin, range(count), _repository)


def tag_path(number: int) -> str:
    """Where one of the tags is read."""
    return f"/v2/{TAGGED}/manifests/{_tag(number)}"


def _tag(number: int) -> str:
    return f"tag-{number:05}"


def entries(origin: Origin, path: str) -> int:
    """How many entries one answer has.

    Raises:
        WireError: it has none.
    """
    with Client(origin) as client:
        body = json.loads(client.call("GET", path, expect=200).body)
    found = len(body.get("tags") or body.get("repositories") or ())
    if not found:
        raise WireError(f"GET {path}: an empty list")
    return found


def _repository(client: Client, number: int) -> None:
    name = f"bench/of-many/{number:05}"
    query = f"mount={EMPTY_DIGEST}&from={TAGGED}"
    client.call("POST", f"/v2/{name}/blobs/uploads/?{query}", expect=201)
    _put(client, name, "1")


def _put(client: Client, repository: str, tag: str) -> None:
    path = f"/v2/{repository}/manifests/{tag}"
    client.call("PUT", path, expect=201, headers={"Content-Type": MANIFEST}, body=_MANIFEST)


def _each(origin: Origin, numbers: Iterable[int], do: Callable[[Client, int], None]) -> None:
    """Share the numbers out among connections."""
    every = list(numbers)

    def some(mine: list[int]) -> None:
        with Client(origin) as client:
            for number in mine:
                do(client, number)

    with ThreadPoolExecutor(SEEDERS) as pool:
        list(pool.map(some, [every[first::SEEDERS] for first in range(SEEDERS)]))


_MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": EMPTY_DIGEST,
            "size": len(EMPTY),
        },
        "layers": [],
    }
).encode()
